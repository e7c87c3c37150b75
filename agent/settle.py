"""Watch hints in, directories that are ready to be looked at out. Pure but for its own memory; time is passed in.

A hint never says what happened, only where to look. Hints of one directory are gathered until it is quiet for a
moment, or has kept us waiting for the ceiling. What would need too much memory is folded upward: many names of a
directory into the directory, many directories into a scan of the nearest one that holds them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from posixpath import commonprefix

from agent.ports import Hint, Lost
from agent.rests import Rests

# How long a directory must be quiet. Long enough to see both halves of a rename and the files of a burst together,
# short enough not to be noticed by somebody who waits for his photo.
DEBOUNCE_S = 0.05
# A directory that never rests is looked at this often.
CEILING_S = 2.0
# Past this many directories a scan of the whole volume is cheaper than remembering them.
DIRECTORIES_MAX = 4_096
NAMES_MAX = 16_384


class _Pending:
    """The hints of one directory."""

    __slots__ = ("first", "last", "replaced", "whole", "writing")

    def __init__(self, now: float) -> None:
        self.first = now
        self.last = now
        self.writing: dict[str, float] = {}
        self.whole: set[str] = set()
        self.replaced: set[str] = set()


class Ready:
    """A directory to look at. ``whole`` names were seen to be closed; ``writing`` ones are still being written. In the
    places of ``replaced`` directories there may be others now."""

    __slots__ = ("directory", "replaced", "whole", "writing")

    def __init__(
        self, directory: str, whole: frozenset[str], writing: frozenset[str], replaced: frozenset[str] = frozenset()
    ) -> None:
        self.directory = directory
        self.whole = whole
        self.writing = writing
        self.replaced = replaced


class Settle:
    """Gathers hints. ``settle_s`` is how long a file that was written and not closed must be quiet. ``rests`` are told
    of every look by whoever takes it."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self.rests = Rests()
        self._pending: dict[str, _Pending] = {}
        self._names = 0
        self._lost: list[Lost] = []

    def hint(self, hints: Iterable[Hint | Lost], now: float) -> None:
        """Take in what the watch saw."""
        for hint in hints:
            if isinstance(hint, Lost):
                self._lost.append(hint)
                continue
            pending = self._pending.get(hint.directory)
            if pending is None:
                pending = self._pending[hint.directory] = _Pending(now)
            pending.last = now
            if hint.whole:
                pending.writing.pop(hint.name, None)
                pending.whole.add(hint.name)
                self._names += 1
            elif hint.written:
                pending.writing[hint.name] = now
                pending.whole.discard(hint.name)
                self._names += 1
            elif hint.replaced:
                pending.replaced.add(hint.name)
                self._names += 1
        if len(self._pending) > DIRECTORIES_MAX or self._names > NAMES_MAX:
            self._fold()

    def lost(self) -> list[Lost]:
        """Where hints were lost since the last call: a scan must find what they would have said."""
        lost, self._lost = self._lost, []
        return lost

    def ready(self, now: float, *, rested: bool = True) -> list[Ready]:
        """The directories to look at now; they are forgotten here, but for files that are still being written. Without
        ``rested``, also those that are being left alone."""
        due = [(d, p) for d, p in self._pending.items() if now >= (self._due(d, p) if rested else _ripe(p))]
        found = []
        for directory, pending in due:
            quiet = now - self._settle_s
            writing = {name: at for name, at in pending.writing.items() if at > quiet}
            replaced = frozenset(pending.replaced)
            found.append(Ready(directory, frozenset(pending.whole), frozenset(writing), replaced))
            del self._pending[directory]
            if writing:
                again = self._pending[directory] = _Pending(min(writing.values()))
                again.last = again.first + self._settle_s - DEBOUNCE_S
                again.first = again.last
                again.writing = writing
        if due:
            self._names = sum(len(p.writing) + len(p.whole) + len(p.replaced) for p in self._pending.values())
        return found

    def is_behind(self, now: float) -> bool:
        """Whether there are directories to be looked at that are being left alone."""
        return any(_ripe(pending) <= now < self.rests.until(one) for one, pending in self._pending.items())

    def due(self) -> float | None:
        """When :meth:`ready` has something next, on the clock of ``now``."""
        if self._lost:
            return 0.0
        return min((self._due(*one) for one in self._pending.items()), default=None)

    def clear(self) -> None:
        """Forget everything: the volume is gone, and its hints with it (R3)."""
        self._pending.clear()
        self._lost.clear()
        self._names = 0
        self.rests.clear()

    def _due(self, directory: str, pending: _Pending) -> float:
        return max(_ripe(pending), self.rests.until(directory))

    def _fold(self) -> None:
        above = _nearest_above(self._pending)
        self._pending.clear()
        self._names = 0
        self._lost.append(Lost(above, "more changes at once than can be remembered"))


def _ripe(pending: _Pending) -> float:
    """When a directory has been quiet, or has kept us waiting for long enough."""
    return min(pending.last + DEBOUNCE_S, pending.first + CEILING_S)


def _nearest_above(directories: Iterable[str]) -> str:
    """The deepest directory that holds all of these, or is one of them."""
    return "/".join(commonprefix([directory.split("/") if directory else [] for directory in directories]))
