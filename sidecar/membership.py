"""Which libraries a file belongs to.

A file belongs to every library that has an import path containing it. Where import paths of one library are
nested, the longest one counts, so a file is one asset of that library and not two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast import paths
from holdfast.ignoring import NONE, Ignores
from holdfast.patterns import Exclusions

OUTSIDE = "outside its import paths"


@dataclass(frozen=True, slots=True)
class Scope:
    """An import path that is bound to the volume in question.

    ``directory`` is where it is inside the volume and ``server_path`` what the photo server calls it (wire text).
    """

    import_path: bytes
    library: bytes
    directory: str
    server_path: str
    exclusions: Exclusions


class Place:
    """A directory as one library sees it: the import path it is under, its path for the patterns, and the one inside
    the volume for its ignore files."""

    __slots__ = ("_directory", "_excludes", "_ignored", "_ignores", "scope", "server_directory")

    def __init__(self, scope: Scope, server_directory: str, directory: str, ignores: Ignores) -> None:
        self.scope = scope
        self.server_directory = server_directory
        self._directory = directory
        self._ignores = ignores
        self._excludes = scope.exclusions.within(server_directory)
        self._ignored = ignores.within(scope.directory, directory)

    def excluded_by(self, name: str) -> str | None:
        """The pattern that excludes the file ``name`` in this directory, or the rule of an ignore file, or None."""
        if self._excludes is not None and self._excludes(name):
            return self.scope.exclusions.explain(f"{self.server_directory}/{name}")
        if self._ignored is None:
            return None
        rule = self._ignores.explain(self.scope.directory, self._directory, name)
        return None if rule is None else str(rule)


class Membership:
    """The scopes of one volume, and its ignore files."""

    def __init__(self, scopes: Iterable[Scope], ignores: Ignores = NONE) -> None:
        self.ignores = ignores
        # The longest first, so that the first one found for a library is the one that counts.
        self._scopes = sorted(scopes, key=lambda scope: len(scope.directory), reverse=True)
        self.libraries = tuple(sorted({scope.library for scope in self._scopes}))
        # Where each import path begins, in the bytes of the disk.
        self.roots = {scope.import_path: paths.to_bytes(scope.directory) for scope in self._scopes}

    def places(self, directory: str) -> dict[bytes, Place]:
        """The libraries that files in this directory of the volume belong to: library -> place."""
        found: dict[bytes, Place] = {}
        for scope in self._scopes:
            if scope.library not in found and paths.contains(scope.directory, directory):
                rest = paths.below(scope.directory, directory)
                root = scope.server_path.rstrip("/")
                shown = f"{root}/{rest}" if rest else root
                found[scope.library] = Place(scope, shown, directory, self.ignores)
        return found
