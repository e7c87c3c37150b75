"""Ignore files: rules that lie beside the photos, in ``.holdfastignore``, with the meaning of a ``.gitignore``.

A rule is about what lies in and below the folder of its file. Of several that match the last one counts, and the file
that lies deeper; a folder that is ignored is not entered, so that nothing in it can be taken back. Only files at or
below the folder of an import path count for it. Case is not folded, and a line that is no rule says nothing.

Paths are wire text, relative to the root of the volume.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError

from holdfast import paths
from holdfast.patterns import plain

IGNORE_FILE = ".holdfastignore"
# A larger file is no list of rules, and a volume with more of them is not looked after by hand.
RULES_BYTES_MAX = 16 * 1024
FILES_MAX = 256
_REMEMBERED_MAX = 100_000
# The group of pathspec's expressions that takes the slash behind a folder which a rule speaks of.
_BELOW = "ps_d"
# pathspec's expressions for a star, and for ``**`` between slashes. Whoever can write a photo can write these rules:
# what would take for ever to match is no rule.
_STAR = "[^/]*"
_DEEP = (".+/)?", "(?:/.+)?")
_ONE = "[^/]"
_SLOW_MAX = 3


class Rule(NamedTuple):
    """A rule, and the folder of the file that it stands in."""

    directory: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({plain(paths.join(self.directory, IGNORE_FILE))})"


class Ignores:
    """The ignore files of one volume: folder -> text."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.rules = dict(rules)
        self._specs = {directory: _Spec(text) for directory, text in self.rules.items()}
        self._pruned: dict[tuple[str, str], Rule | None] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ignores) and self.rules == other.rules

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.rules.items())))

    def prunes(self, root: str, directory: str) -> bool:
        """Whether the import path at ``root`` wants nothing of what is in this directory or below it."""
        return bool(self._specs) and self._pruned_by(root, directory) is not None

    def within(self, root: str, directory: str) -> Callable[[str], bool] | None:
        """A test for the names of the files in one directory: True where ignored. None: nothing is."""
        if not self._specs:
            return None
        if self.prunes(root, directory):
            return lambda name: True
        if not any(one in self._specs for one in _way(root, directory)):
            return None
        return lambda name: self._rule(root, paths.join(directory, name), is_directory=False) is not None

    def explain(self, root: str, directory: str, name: str) -> Rule | None:
        """The rule by which a file is ignored, if it is."""
        if not self._specs:
            return None
        return self._pruned_by(root, directory) or self._rule(root, paths.join(directory, name), is_directory=False)

    def _pruned_by(self, root: str, directory: str) -> Rule | None:
        if directory == root:
            return None
        key = (root, directory)
        if key not in self._pruned:
            if len(self._pruned) >= _REMEMBERED_MAX:
                self._pruned.clear()
            above = self._pruned_by(root, paths.split(directory)[0])
            self._pruned[key] = above or self._rule(root, directory, is_directory=True)
        return self._pruned[key]

    def _rule(self, root: str, path: str, *, is_directory: bool) -> Rule | None:
        """The rule that this path meets, its parents aside."""
        for directory in _way(root, paths.split(path)[0]):
            spec = self._specs.get(directory)
            found = None if spec is None else spec.match(plain(paths.below(directory, path)), is_directory=is_directory)
            if found is not None:
                return Rule(directory, found.text) if found.ignores else None
        return None


NONE = Ignores({})


class _Line(NamedTuple):
    """A rule of one file: what it says, whether it ignores or takes back, and what it matches."""

    text: str
    ignores: bool
    regex: re.Pattern[str]

    def matches(self, path: str, *, is_directory: bool) -> bool:
        """Whether it speaks of this very path. What lies below a folder that it speaks of is the folder's business."""
        if _BELOW not in self.regex.groupindex:
            return self.regex.search(path) is not None
        whole = f"{path}/" if is_directory else path
        ends = (found.end(_BELOW) for found in self.regex.finditer(whole))
        return any(end in (-1, len(whole)) for end in ends)


class _Spec:
    """One ignore file."""

    def __init__(self, text: str) -> None:
        self._lines = [rule for line in text.split("\n") if (rule := _parsed(line))]

    def match(self, path: str, *, is_directory: bool) -> _Line | None:
        """The last rule that speaks of this path."""
        spoken = (one for one in reversed(self._lines) if one.matches(path, is_directory=is_directory))
        return next(spoken, None)


def _parsed(line: str) -> _Line | None:
    try:
        pattern = next(iter(GitIgnoreSpec.from_lines([line.removesuffix("\r")]).patterns), None)
    except GitIgnorePatternError:
        return None
    regex = getattr(pattern, "regex", None)
    if pattern is None or pattern.include is None or regex is None:
        return None
    found = swift(regex.pattern)
    return None if found is None else _Line(line, pattern.include, re.compile(found))


def swift(regex: str) -> str | None:
    """An expression of pathspec's that matches the same, without trying every way to share out a name among its stars.
    None when that cannot be avoided.

    A star and what follows it up to the next one may stay where they fit first: whatever stands behind, the next star
    can take. Else ``*a*a*a*a*b`` would take years to find that a long name of a's does not end in b. A class of
    characters may match a slash, which the next star cannot take, and what holds a slash ends a name.
    """
    made, *rest = regex.split(_STAR)
    slow = sum(regex.count(one) for one in _DEEP)
    for index, piece in enumerate(rest):
        signs = set(piece.replace(_ONE, ""))
        is_free = index == len(rest) - 1 or bool(signs & set("/()|["))
        slow += index < len(rest) - 1 and "[" in signs and "/" not in signs
        made += f"{_STAR}{piece}" if is_free else f"(?>[^/]*?{piece})"
    return None if slow > _SLOW_MAX else made


def _way(root: str, directory: str) -> list[str]:
    """The directory and those above it, up to the root, the deepest first."""
    found = [directory]
    while directory != root:
        directory = paths.split(directory)[0]
        found.append(directory)
    return found
