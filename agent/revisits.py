"""Directories to be looked at once more: when their files have settled, when the machine has what it was short of, and
when all places have been looked at in which a file may be that has lost its name to another. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agent.looks import Outcome, Wish

# How long to leave alone what could not be read because the machine is short of something.
LATER_S = 1.0
# More directories than this waiting: a scan is cheaper than remembering them.
_MAX = 4_096


class Revisits:
    """What one engine has to come back to."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._due_at: dict[str, float] = {}
        self._displaced: dict[str, Wish] = {}

    def note(self, outcome: Outcome, now: float) -> bool:
        """What a pass has left for later. False: it is too much to be remembered, and forgotten."""
        for directory in (*outcome.again, *outcome.later):
            self._due_at[directory] = now + (LATER_S if directory in outcome.later else self._settle_s)
        self._displaced.update((wish.directory, wish._replace(waits=False)) for wish in outcome.displaced)
        if len(self._due_at) <= _MAX:
            return True
        self._due_at.clear()
        return False

    def at_once(self, directories: Iterable[str], now: float) -> None:
        """These are to be looked at now."""
        self._due_at.update(dict.fromkeys(directories, now))

    def take(self, now: float, *, is_walking: bool) -> list[Wish]:
        """What is due. Files that have lost their names are waited for once, and as long as there is a walk."""
        due = [directory for directory, at in self._due_at.items() if at <= now]
        for directory in due:
            del self._due_at[directory]
        wishes = {directory: Wish(directory) for directory in due}
        if not is_walking:
            wishes |= self._displaced
            self._displaced = {}
        return list(wishes.values())

    def due(self, *, is_walking: bool) -> float | None:
        """When there is something to take; 0.0: now."""
        if self._displaced and not is_walking:
            return 0.0
        return min(self._due_at.values(), default=None)

    @property
    def are_settling(self) -> bool:
        """Whether files are waited for that are still being written."""
        return bool(self._due_at)

    @property
    def takes_displaced(self) -> bool:
        """Whether more of those can be remembered."""
        return len(self._displaced) < _MAX

    def directories(self) -> set[str]:
        """All that wait."""
        return self._due_at.keys() | self._displaced

    def clear(self) -> None:
        """Forget them."""
        self._due_at.clear()
        self._displaced.clear()
