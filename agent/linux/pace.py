"""Whether storage keeps us waiting, and whether it does so less when it is asked ahead. Pure.

Measured and not looked up: the same mount answers from memory now and from a disk in another room a moment later, and
what is behind a mount does not tell how far away it is.
"""

from __future__ import annotations

# A verdict takes so much time spent on looking; the one on asking ahead more, for nothing is ahead of the first
# directories of a pass.
WINDOW_S = 0.2
AHEAD_S = 1.0
# Waiting for more of the time than this is worth to be asked ahead. Our own pauses are a fifth of it.
_WAITING = 0.5
# After so long it is measured again how storage does when it is asked one thing at a time.
KEEP_S = 10.0
# Asking ahead has to spare this part of the waiting. What remembers nothing is only asked everything twice.
_SPARED = 0.3
USELESS_S = 60.0


class Pace:
    """Of one attachment. ``now`` is on any clock that only goes forward, in seconds."""

    def __init__(self) -> None:
        self._ahead_until = self._useless_until = float("-inf")
        self._alone_s = 0.0  # the waiting a look, when one thing is asked at a time
        self._is_ahead = False
        self._wall_s = self._worked_s = 0.0
        self._looks = 0

    def asks_ahead(self, now: float) -> bool:
        """Whether storage should be asked ahead."""
        return now < self._ahead_until

    def note(self, now: float, wall_s: float, worked_s: float, looks: int, *, ahead: bool) -> None:
        """So many looks at files and directories took so long, of which ``worked_s`` was spent on a processor."""
        if ahead is not self._is_ahead:
            self._begin(ahead)
        self._wall_s += wall_s
        self._worked_s += worked_s
        self._looks += looks
        if self._wall_s < (AHEAD_S if ahead else WINDOW_S):
            return
        waited_s = self._wall_s - self._worked_s
        each_s = waited_s / max(1, self._looks)
        if not ahead:
            self._alone_s = each_s
            if waited_s > self._wall_s * _WAITING and now >= self._useless_until:
                self._ahead_until = now + KEEP_S
        elif each_s > self._alone_s * (1 - _SPARED):
            self._ahead_until, self._useless_until = float("-inf"), now + USELESS_S
        self._begin(ahead)

    def _begin(self, ahead: bool) -> None:
        self._is_ahead = ahead
        self._wall_s = self._worked_s = 0.0
        self._looks = 0
