"""``holdfast-agent explain``: what excludes a file, by the assignment and by the ignore files that were seen last."""

from __future__ import annotations

import os
import sys

import click

from agent import registry
from agent.cli.common import config_option, configuration
from agent.config import AgentConfig
from agent.journal import read_rules
from agent.registry import Registry
from agent.store import JournalUnusable, peek
from holdfast import paths
from holdfast.explaining import Explanation, Folder, with_ignores
from holdfast.explaining import explain as explained
from holdfast.ignoring import Ignores


@click.command()
@click.argument("path", type=click.Path(path_type=bytes))
@config_option
def explain(path: bytes, config_path: str) -> None:
    """Say for every library whether PATH is in it, and which pattern or rule excludes it. Exit status 1: it is in none.

    PATH is where the file is on this host, or what the photo server calls it; end it with a slash for a directory. The
    agent need not run, and no disk is touched.
    """
    config = configuration(config_path)
    try:
        book = registry.load(os.path.join(config.state_dir, "registry.json"))
    except registry.RegistryUnusable as error:
        raise click.ClickException(str(error)) from error
    if book.assignment is None:
        raise click.ClickException("The sidecar has assigned nothing to this agent yet.")
    wanted = paths.from_os(os.fsdecode(path))
    is_in_one = False
    by_library: dict[str, list[Folder]] = {}
    for one in book.assignment.import_paths:
        folder = Folder(one.id, one.path, one.server_path, one.exclusion_patterns)
        by_library.setdefault(one.library, []).append(folder)
    for library, folders in sorted(by_library.items()):
        found = _with_ignores(explained(folders, wanted), book, config)
        is_in_one = is_in_one or (found.folder is not None and found.pattern is None)
        click.echo(f"{library}: {found.sentence}")
    sys.exit(0 if is_in_one else 1)


def _with_ignores(found: Explanation, book: Registry, config: AgentConfig) -> Explanation:
    """The same by the ignore files of the volume too, as they were when the agent saw them last."""
    bound = None if found.folder is None else book.bindings.get(found.folder.id)
    if bound is None or bound.volume is None or bound.directory is None:
        return found
    path = os.path.join(config.state_dir, "journals", f"{bound.volume}.sqlite3")
    try:
        return with_ignores(found, bound.directory, Ignores(read_rules(peek(path, "rules") or "{}")))
    except JournalUnusable as error:
        raise click.ClickException(str(error)) from error
