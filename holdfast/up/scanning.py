"""Showing the scan that runs after the start, until the catalog has received all of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from holdfast.status import AgentStatus
from holdfast.up import progress
from holdfast.up.terminal import Screen

LOG_LINE_EVERY_S = 5.0
# How long everything must be quiet to be over. Counts of several processes are read one after the other, and a
# report may be on its way between them.
SILENCE_S = 0.4


class Scanning:
    """Follows the agent's status. On a terminal it draws a bar, elsewhere it says a line now and then."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._started = self._said = self._busy = clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds until everything was quiet."""
        return self._busy - self._started

    def look(self, status: AgentStatus | None) -> bool:
        """Show how far it is. True when it is done, and the catalog has received it all."""
        if status is None or not progress.settled(status.volumes):
            self._busy = self._clock()
        if status is not None:
            self._show(progress.of(status.volumes))
        return self._clock() - self._busy >= SILENCE_S

    def _show(self, now: progress.Progress) -> None:
        if self._screen.is_live:
            self._screen.draw(progress.bar(now, self._screen.columns, plain=self._screen.is_plain))
        elif self._clock() - self._said >= LOG_LINE_EVERY_S:
            self._said = self._clock()
            self._screen.say(progress.line(now))
