"""``holdfast-agent explain``: what excludes a file, by the assignment and by the ignore files that were seen last."""

from __future__ import annotations

import os

import click
import msgspec

from agent import registry
from agent.cli.common import config_option, configuration
from agent.config import AgentConfig
from agent.journal import read_rules
from agent.registry import Registry
from agent.store import JournalUnusable, peek
from holdfast import console, paths, wording
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.explaining import Explanation, Folder, with_ignores
from holdfast.explaining import explain as explained
from holdfast.ignoring import Ignores


class LibraryExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a path is in one library. ``path`` is the photo server's, which patterns are matched against.
    ``import_path_id`` is null for a path outside of its import paths, ``excluded_by`` the pattern, or the rule of an
    ignore file, that excludes it."""

    library: str
    path: str
    import_path_id: str | None
    is_excluded: bool
    excluded_by: str | None
    message: str


@click.command(
    epilog=console.examples(
        "holdfast-agent explain /mnt/usb/trip/IMG_1.jpg",
        ("holdfast-agent explain /mnt/usb/trip/", "the directory as a whole"),
    )
)
@click.argument("path", metavar="PATH", type=click.Path(path_type=bytes))
@console.json_option(list[LibraryExplanation])
@config_option
def explain(path: bytes, config_path: str, as_json: bool) -> None:
    """Say for every library whether a path is in it, and what excludes it.

    PATH is where the file is on this host, or what the photo server calls it; end it with a slash for a directory. The
    agent need not run, and no disk is touched. The exit status is 1 when it is in none.
    """
    config = configuration(config_path)
    try:
        book = registry.load(os.path.join(config.state_dir, "registry.json"))
        found = _found(book, config, paths.from_os(os.fsdecode(path)))
    except (registry.RegistryUnusable, JournalUnusable) as error:
        end(str(error), Exit.SOFTWARE)
    except PermissionError:
        end(f"You may not read {config.state_dir}. Ask as root, or as the agent's user.", Exit.UNAVAILABLE)
    if as_json:
        console.print_json(found)
    else:
        for one in found:
            click.echo(wording.shown(f"{one.library}: {one.message}"))
    raise SystemExit(Exit.NO if all(one.is_excluded for one in found) else Exit.DONE)


def _found(book: Registry, config: AgentConfig, wanted: str) -> list[LibraryExplanation]:
    if book.assignment is None:
        end("The sidecar has assigned nothing to this agent yet.", Exit.UNAVAILABLE)
    by_library: dict[str, list[Folder]] = {}
    for one in book.assignment.import_paths:
        folder = Folder(one.id, one.path, one.server_path, one.exclusion_patterns)
        by_library.setdefault(one.library, []).append(folder)
    return [
        _told(library, _with_ignores(explained(folders, wanted), book, config))
        for library, folders in sorted(by_library.items())
    ]


def _told(library: str, found: Explanation) -> LibraryExplanation:
    return LibraryExplanation(
        library=library,
        path=found.server_path,
        import_path_id=None if found.folder is None else found.folder.id,
        is_excluded=found.folder is None or found.pattern is not None,
        excluded_by=found.pattern,
        message=found.sentence,
    )


def _with_ignores(found: Explanation, book: Registry, config: AgentConfig) -> Explanation:
    """The same by the ignore files of the volume too, as they were when the agent saw them last."""
    bound = None if found.folder is None else book.bindings.get(found.folder.id)
    if bound is None or bound.volume is None or bound.directory is None:
        return found
    path = os.path.join(config.state_dir, "journals", f"{bound.volume}.sqlite3")
    return with_ignores(found, bound.directory, Ignores(read_rules(peek(path, "rules") or "{}")))
