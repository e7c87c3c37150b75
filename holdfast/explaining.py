"""Why a file is in a library or not, by import paths, patterns and ignore files. Nothing is looked at for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holdfast import paths
from holdfast.ignoring import Ignores
from holdfast.patterns import Exclusions


class Folder(NamedTuple):
    """An import path: where it is on its host, what the photo server calls it, and the patterns of its library."""

    id: str
    path: str
    server_path: str
    exclusion_patterns: Sequence[str]


class Explanation(NamedTuple):
    """``server_path`` is what the patterns were matched against, ``pattern`` the first that excludes it, if one does.
    ``folder`` is None for a path outside of every import path."""

    server_path: str
    folder: Folder | None
    pattern: str | None

    @property
    def sentence(self) -> str:
        """The same for people."""
        shown = paths.to_display(paths.to_bytes(self.server_path))
        if self.folder is None:
            return f"{shown} is outside of the import paths."
        if self.pattern is None:
            return f"{shown} is included: no pattern excludes it."
        return f"{shown} is excluded by {self.pattern}"


def explain(folders: Iterable[Folder], path: str) -> Explanation:
    """Explain an absolute path: the photo server's, or the host's if it is none of those. A path that ends in ``/`` is
    a directory, which is excluded when everything that could ever be in it is."""
    every = list(folders)
    wanted = path.rstrip("/") or "/"
    for kind in ("server_path", "path"):
        inside = [one for one in every if _holds(getattr(one, kind), wanted)]
        if inside:
            # Of nested import paths the longest one counts.
            folder = max(inside, key=lambda one: len(getattr(one, kind)))
            rest = wanted[len(getattr(folder, kind).rstrip("/")) :]
            return _explained(folder, (folder.server_path.rstrip("/") + rest) or "/", is_directory=path.endswith("/"))
    return Explanation(wanted, None, None)


def with_ignores(found: Explanation, directory: str, ignores: Ignores) -> Explanation:
    """The same by the ignore files of the volume too. Its folder lies at this ``directory`` of the volume."""
    if found.folder is None or found.pattern is not None:
        return found
    rest = found.server_path[len(found.folder.server_path.rstrip("/")) :].lstrip("/")
    inside, name = paths.split(f"{directory}/{rest}".strip("/"))
    rule = ignores.explain(directory, inside, name) if rest else None
    return found if rule is None else found._replace(pattern=str(rule))


def _explained(folder: Folder, server_path: str, *, is_directory: bool) -> Explanation:
    exclusions = Exclusions(folder.exclusion_patterns)
    if not is_directory:
        return Explanation(server_path, folder, exclusions.explain(server_path))
    pruning = (one for one in folder.exclusion_patterns if Exclusions([one]).prunes(server_path))
    return Explanation(server_path, folder, next(pruning, None))


def _holds(root: str, path: str) -> bool:
    return root == "/" or paths.contains(root, path)
