"""Which part of a volume is wanted: its import paths and their exclusion patterns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from holdfast import paths
from holdfast.patterns import Exclusions


class Scope(NamedTuple):
    """One import path on this volume. ``directory`` is inside the volume; ``server_path`` is what the photo
    server calls it, which the patterns are about."""

    directory: str
    server_path: str
    exclusion_patterns: tuple[str, ...]


class Scopes:
    """All import paths of one volume."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self.scopes = tuple(sorted(set(scopes)))
        self._compiled = [(scope, Exclusions(scope.exclusion_patterns)) for scope in self.scopes]

    def roots(self) -> list[str]:
        """The directories to scan: every import path that does not lie in another."""
        found: list[str] = []
        for scope in self.scopes:  # sorted, so that an ancestor comes before what is below it
            if not any(paths.contains(root, scope.directory) for root in found):
                found.append(scope.directory)
        return found

    def is_root(self, directory: str) -> bool:
        """Whether this is the directory of an import path itself."""
        return any(scope.directory == directory for scope in self.scopes)

    def enters(self, directory: str) -> bool:
        """Whether anything in or below this directory can be wanted."""
        for scope, exclusions in self._compiled:
            if paths.contains(directory, scope.directory) and directory != scope.directory:
                return True
            if self._holds(scope, exclusions, directory):
                return True
        return False

    def excluded(self, directory: str) -> Callable[[str], bool] | None:
        """A test for the names of files in this directory, true where nobody wants them. None: every name is wanted."""
        tests: list[Callable[[str], bool]] = []
        for scope, exclusions in self._compiled:
            if not self._holds(scope, exclusions, directory):
                continue
            test = exclusions.within(_server_path(scope, directory))
            if test is None:
                return None
            tests.append(test)
        # Nearly always there is one, which then is called without a detour: it runs once a file.
        return tests[0] if len(tests) == 1 else lambda name: all(test(name) for test in tests)

    @staticmethod
    def _holds(scope: Scope, exclusions: Exclusions, directory: str) -> bool:
        if not paths.contains(scope.directory, directory):
            return False
        return directory == scope.directory or not exclusions.prunes(_server_path(scope, directory))


def _server_path(scope: Scope, directory: str) -> str:
    rest = paths.below(scope.directory, directory)
    return f"{scope.server_path.rstrip('/')}/{rest}" if rest else scope.server_path
