"""Directories to be looked at once more: when their files have settled, when the machine has what it was short of, and
when all places have been looked at in which a file may be that has lost its name to another. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from agent.looks import Outcome, Unsettled, Wish
from agent.rests import Rests

# How long to leave alone what could not be read because the machine is short of something.
LATER_S = 1.0
# A file that is written to without a pause, such as a long recording, is told as it is by then.
NEVER_RESTS_S = 600.0
# More directories than this waiting: a scan is cheaper than remembering them.
_MAX = 4_096


class Revisits:
    """What one engine has to come back to. Directories that rest are left alone."""

    def __init__(self, settle_s: float, rests: Rests) -> None:
        self._settle_s = settle_s
        self._rests = rests
        self._due_at: dict[str, float] = {}
        self._displaced: dict[str, Wish] = {}
        # Since when files of a directory are waited for to settle.
        self._unsettled_since: dict[str, float] = {}
        self._unsettled: dict[str, Unsettled] = {}
        self._unlooked: set[str] = set()  # of which nobody knows what is in them
        self._read: set[str] = set()  # directories with files that were read just now, to be told

    def note(self, outcome: Outcome, now: float) -> bool:
        """What a pass has left for later. False: it is too much to be remembered, and forgotten."""
        for directory in outcome.inside.keys() - outcome.again:
            self._unsettled.pop(directory, None)
        self._unsettled.update(outcome.unsettled)
        self._unlooked.update(outcome.later)
        for directory in outcome.again:
            self._unsettled_since.setdefault(directory, now)
        for directory in (*outcome.again, *outcome.later):
            self._due_at[directory] = now + (LATER_S if directory in outcome.later else self._settle_s)
        # They have settled, or are not there any more. What is still due may only have been glanced at meanwhile.
        for directory in self._unsettled_since.keys() - self._due_at.keys():
            del self._unsettled_since[directory]
        self._displaced.update((wish.directory, wish._replace(waits=False)) for wish in outcome.displaced)
        if len(self._due_at) <= _MAX:
            return True
        self._forget()
        return False

    def read(self, directories: Iterable[str], now: float, *, goes_on: Collection[str] = ()) -> None:
        """Files of these directories were read: they are to be looked at, now, or a little later where reading
        ``goes_on``. To look at a large folder for each of its files would take for ever."""
        for directory in directories:
            self._read.add(directory)
            at = now + self._settle_s if directory in goes_on else now
            self._due_at[directory] = min(at, self._due_at.get(directory, at))

    def take(self, wishes: dict[str, Wish], now: float, *, is_walking: bool) -> None:
        """Add what is due to these wishes. Files that have lost their names are waited for once, and as long as there
        is a walk."""
        for directory in [directory for directory in self._due_at if self._due(directory) <= now]:
            del self._due_at[directory]
            self._unsettled.pop(directory, None)
            self._unlooked.discard(directory)
            self._read.discard(directory)
            wishes.setdefault(directory, Wish(directory))
        for directory, wish in wishes.items():
            wishes[directory] = wish._replace(settles=not self._takes_too_long(directory, now))
        if not is_walking:
            for directory, wish in self._displaced.items():
                wishes[directory] = wishes.get(directory, wish)._replace(waits=False)
            self._displaced.clear()

    def due(self, *, is_walking: bool) -> float | None:
        """When there is something to take; 0.0: now."""
        if self._displaced and not is_walking:
            return 0.0
        return min(map(self._due, self._due_at), default=None)

    @property
    def unsettled(self) -> Collection[Unsettled]:
        """The files that are waited for to settle."""
        return self._unsettled.values()

    @property
    def are_unlooked(self) -> bool:
        """Whether there are directories that could not be looked at just now."""
        return bool(self._unlooked)

    @property
    def takes_displaced(self) -> bool:
        """Whether more of those can be remembered."""
        return len(self._displaced) < _MAX

    def directories(self) -> set[str]:
        """All that wait."""
        return self._due_at.keys() | self._displaced

    def awaits(self, directory: str, name: str) -> bool:
        """Whether a file is waited for to settle, or was read and waits to be told."""
        return directory in self._read or name in self._unsettled.get(directory, ())

    def _due(self, directory: str) -> float:
        return max(self._due_at[directory], self._rests.until(directory))

    def _takes_too_long(self, directory: str, now: float) -> bool:
        """Whether a file of a directory was waited for long enough; then it is waited for anew."""
        since = self._unsettled_since.get(directory)
        if since is None or now - since < NEVER_RESTS_S:
            return False
        del self._unsettled_since[directory]
        return True

    def clear(self) -> None:
        """Forget them."""
        self._forget()
        self._displaced.clear()

    def _forget(self) -> None:
        self._due_at.clear()
        self._unsettled_since.clear()
        self._unsettled.clear()
        self._unlooked.clear()
        self._read.clear()
