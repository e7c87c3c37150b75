"""Which part of a volume is wanted: its import paths and their exclusion patterns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from holdfast import paths
from holdfast.ignoring import FILES_MAX, NONE, Ignores
from holdfast.patterns import Exclusions

# A walk asks for each directory twice: when it has seen its name, and when it comes to it. Of a library with this many
# directories it may have seen all names by then.
_ENTERED_MAX = 16_384


class Scope(NamedTuple):
    """One import path on this volume. ``directory`` is inside the volume; ``server_path`` is what the photo
    server calls it, which the patterns are about."""

    directory: str
    server_path: str
    exclusion_patterns: tuple[str, ...]
    # The id of the import path: two libraries may have the same folder, and each of them must be told of it.
    import_path: str = ""
    # Whether the sidecar knows where it leads. What was told before that was told to nobody, and is told again.
    is_known: bool = False


class View:
    """One import path, with its patterns compiled, and the ignore files of its volume."""

    def __init__(self, scope: Scope, ignores: Ignores) -> None:
        self.scope = scope
        self._exclusions = Exclusions(scope.exclusion_patterns)
        self._ignores = ignores

    def holds(self, directory: str) -> bool:
        """Whether anything in or below this directory can be wanted by it."""
        root = self.scope.directory
        if not paths.contains(root, directory):
            return False
        if directory == root:
            return True
        is_excluded = self._exclusions.prunes(_server_path(self.scope, directory))
        return not (is_excluded or self._ignores.prunes(root, directory))

    def excluded(self, directory: str) -> Callable[[str], bool] | None:
        """A test for the names of files in a directory that it holds; None: every name is wanted."""
        by_pattern = self._exclusions.within(_server_path(self.scope, directory))
        by_rule = self._ignores.within(self.scope.directory, directory)
        if by_pattern is None or by_rule is None:
            return by_pattern or by_rule
        return lambda name: by_pattern(name) or by_rule(name)

    def wants_more_than(self, before: View) -> bool:
        """Whether it can want anything that the same import path did not want ``before``."""
        is_elsewhere = self.scope.server_path != before.scope.server_path
        return (
            is_elsewhere
            or self._ignores != before._ignores
            or not set(before.scope.exclusion_patterns) <= set(self.scope.exclusion_patterns)
        )

    def wants_anew(self, before: View, directory: str, names: Callable[[], Iterable[str]]) -> bool:
        """Whether it wants any of these files in a directory that the same import path did not want ``before``."""
        if not self.holds(directory):
            return False
        was = before.excluded(directory) if before.holds(directory) else lambda name: True
        if was is None:
            return False
        now = self.excluded(directory)
        return any(was(name) and not (now is not None and now(name)) for name in names())


class Scopes:
    """All import paths of one volume."""

    def __init__(self, scopes: Sequence[Scope], ignores: Ignores = NONE) -> None:
        self.scopes = tuple(sorted(set(scopes)))
        self.ignores = ignores
        self.views = [View(scope, ignores) for scope in self.scopes]
        self._entered: dict[str, bool] = {}

    def ignoring(self, rules: Mapping[str, str]) -> Scopes:
        """The same import paths with other ignore files."""
        return self if rules == self.ignores.rules else Scopes(self.scopes, Ignores(rules))

    def heeding(self, directory: str, rules: str | None) -> Scopes:
        """The same import paths with this ignore file in a directory, None: without one. There are no more of them
        than :data:`FILES_MAX`."""
        all_rules = dict(self.ignores.rules)
        if all_rules.get(directory) == rules:
            return self
        all_rules.pop(directory, None)
        if rules is not None and len(all_rules) < FILES_MAX:
            all_rules[directory] = rules
        return self.ignoring(all_rules)

    def roots(self) -> list[str]:
        """The directories to scan: every import path that does not lie in another."""
        found: list[str] = []
        for scope in self.scopes:  # sorted, so that an ancestor comes before what is below it
            if not any(paths.contains(root, scope.directory) for root in found):
                found.append(scope.directory)
        return found

    def roots_below(self, directory: str) -> list[str]:
        """Of :meth:`roots`, those that lie below this directory, or are it."""
        return [root for root in self.roots() if paths.contains(directory, root)]

    def is_root(self, directory: str) -> bool:
        """Whether this is the directory of an import path itself."""
        return any(scope.directory == directory for scope in self.scopes)

    def holds(self, directory: str) -> bool:
        """Whether anything in or below this directory can be wanted, as one that belongs to an import path."""
        return any(view.holds(directory) for view in self.views)

    def enters(self, directory: str) -> bool:
        """Whether anything in or below this directory can be wanted."""
        found = self._entered.get(directory)
        if found is None:
            if len(self._entered) == _ENTERED_MAX:
                self._entered.clear()
            found = self._entered[directory] = self._is_entered(directory)
        return found

    def _is_entered(self, directory: str) -> bool:
        for view in self.views:
            root = view.scope.directory
            if (paths.contains(directory, root) and directory != root) or view.holds(directory):
                return True
        return False

    def excluded(self, directory: str) -> Callable[[str], bool] | None:
        """A test for the names of files in this directory, true where nobody wants them. None: every name is wanted."""
        tests: list[Callable[[str], bool]] = []
        for view in self.views:
            if not view.holds(directory):
                continue
            test = view.excluded(directory)
            if test is None:
                return None
            tests.append(test)
        # Nearly always there is one, which then is called without a detour: it runs once a file.
        return tests[0] if len(tests) == 1 else lambda name: all(test(name) for test in tests)


def _server_path(scope: Scope, directory: str) -> str:
    rest = paths.below(scope.directory, directory)
    return f"{scope.server_path.rstrip('/')}/{rest}" if rest else scope.server_path
