"""Exclusion patterns: one dialect, used wherever a path is tested.

Patterns are globs over the whole path as the photo server sees it: ``*`` and ``?`` stay within a segment, ``**``
crosses them, ``[abc]`` and ``{a,b}`` work, dot files are not special, and case is folded, as the crawl of photo
servers does. A pattern that ends in ``/**`` excludes what is below a directory, and such directories are
never entered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from wcmatch import glob
from wcmatch._wcparse import PatternLimitException

DEFAULTS = (
    "**/@eaDir/**",  # Synology's thumbnails
    "**/._*",  # macOS resource forks
    "**/#recycle/**",  # Synology's bin
    "**/#snapshot/**",  # Synology's snapshots
    "**/.stversions/**",  # Syncthing's old versions
    "**/.stfolder/**",  # Syncthing's marker
)
PATTERNS_MAX = 128
PATTERN_CHARS_MAX = 512

_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.FORCEUNIX | glob.IGNORECASE
_BARE_GROUP = re.compile(r"(?<![@!*?+\\])\(")
_SUBTREE = re.compile(r"\*\*/([^/*?\[\]{}()!\\|]+)/\*\*")
_BEGINNING = re.compile(r"\*\*/([^/*?\[\]{}()!\\|]+)\*")
# A byte that is not UTF-8, in wire text.
_BYTE = re.compile("\0[0-9a-f]{2}")
_ANYWHERE = re.compile(r"\*\*/[^/]+")


class Exclusions:
    """A compiled list of patterns."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        # The forms that nearly every pattern has need no matching of whole paths: ``**/NAME/**`` is a set lookup of
        # directory names, ``**/NAME`` looks at the last segment only, and ``**/._*`` at how that begins: the test runs
        # for every file that there is, and a regular expression takes five times as long.
        self._directories = {found[1].lower() for p in patterns if (found := _SUBTREE.fullmatch(p))}
        self._beginnings = tuple(beginning for p in patterns if (beginning := _beginning(p)))
        rest = [p for p in patterns if not (_SUBTREE.fullmatch(p) or _beginning(p))]
        self._names = _regex([p for p in rest if _is_about_names(p)])
        self._paths = _regex([p for p in rest if not _is_about_names(p)])
        self._subtrees = _regex([p for p in rest if p.endswith("/**")])

    def excludes(self, path: str) -> bool:
        """Whether the file at this absolute path is excluded."""
        directory, _, name = path.rpartition("/")
        test = self.within(directory)
        return test is not None and test(name)

    def within(self, directory: str) -> Callable[[str], bool] | None:
        """A test for the names of the files in one directory: True where excluded. None: nothing is."""
        directory = plain(directory)
        if self._directories and not self._directories.isdisjoint(directory.lower().split("/")):
            return lambda name: True
        beginnings, names, whole = self._beginnings, self._names, self._paths
        if names is None and whole is None:
            return (lambda name: plain(name).startswith(beginnings)) if beginnings else None
        prefix = f"{directory}/"

        def test(name: str) -> bool:
            name = plain(name)
            if name.startswith(beginnings):
                return True
            return bool((names and names(f"/{name}")) or (whole and whole(prefix + name)))

        return test

    def prunes(self, directory: str) -> bool:
        """Whether nothing below this directory can be included, so that it need not be entered."""
        directory = plain(directory)
        if self._directories and not self._directories.isdisjoint(directory.lower().split("/")):
            return True
        # Only a pattern that ends in /** speaks of every depth: /trip/* leaves /trip/day/a.jpg included.
        # It matches whatever name stands below, so one that nobody would write stands for all.
        subtrees = self._subtrees
        return subtrees is not None and subtrees(f"{directory}/\N{REPLACEMENT CHARACTER}") is not None

    def explain(self, path: str) -> str | None:
        """The first pattern that excludes this path, or None."""
        return next((p for p in self.patterns if Exclusions([p]).excludes(path)), None)


def plain(path: str) -> str:
    """A path as people read it: whoever writes a pattern can no more spell a byte that is not UTF-8 than see it."""
    return _BYTE.sub("\N{REPLACEMENT CHARACTER}", path) if "\0" in path else path


def problem(pattern: str) -> str | None:
    """Why a pattern cannot be used, in a sentence for people, or None."""
    if not pattern.strip():
        return "A pattern must not be blank."
    if len(pattern) > PATTERN_CHARS_MAX:
        return f"A pattern must not be longer than {PATTERN_CHARS_MAX} characters."
    if "\0" in pattern:
        return "A pattern must not contain NUL."
    if pattern.startswith("!"):
        return "A leading ! would turn the meaning around; name what is to be excluded."
    if ".." in pattern.split("/"):
        return "A pattern must not contain '..'."
    if "!(" in pattern or _BARE_GROUP.search(pattern):
        return "Groups in parentheses are not part of the dialect; use braces: {a,b}."
    try:
        _regex([pattern])
    except (PatternLimitException, re.error):
        return "A pattern must not stand for so many others: its braces multiply."
    return None


def problems(patterns: Sequence[str]) -> list[tuple[int, str]]:
    """Everything wrong with a list of patterns: (index, sentence)."""
    found = [(index, text) for index, p in enumerate(patterns) if (text := problem(p))]
    seen: set[str] = set()
    for index, pattern in enumerate(patterns):
        if pattern in seen:
            found.append((index, "This pattern is in the list twice."))
        seen.add(pattern)
    if len(patterns) > PATTERNS_MAX:
        found.append((PATTERNS_MAX, f"A library has at most {PATTERNS_MAX} exclusion patterns."))
    return sorted(found)


def _beginning(pattern: str) -> str:
    """How names begin that a pattern excludes by that alone; empty for others. Where there is no case to be folded."""
    found = _BEGINNING.fullmatch(pattern)
    return found[1] if found and found[1].lower() == found[1].upper() else ""


def _is_about_names(pattern: str) -> bool:
    """Whether a pattern is ``**/`` and one segment, braces included."""
    return bool(_ANYWHERE.fullmatch(pattern)) and "**" not in pattern[3:]


def _regex(patterns: Sequence[str]) -> Callable[[str], re.Match[str] | None] | None:
    """One regular expression for many patterns, as wcmatch translates them."""
    if not patterns:
        return None
    # One by one: wcmatch counts the alternatives of all that it is given at once.
    including = [regex for one in patterns for regex in glob.translate(one, flags=_FLAGS)[0]]
    return re.compile("|".join(f"(?:{regex})" for regex in including)).match
