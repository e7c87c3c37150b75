"""Bells between the processes of one gunicorn, so that who commits wakes up those who wait in another process.

They are made before the processes are forked, which is how all have the same. A process waits at one bell, that of its
row, and rings them all. Where there are more processes than bells some share one, and may miss what the other heard:
whoever waits also looks for himself from time to time (:mod:`sidecar.catalog.waiting`).
"""

from __future__ import annotations

import os
import select
import weakref
from collections.abc import Sequence

_BELLS = 16


class Bell:
    """One bell. What was rung since :meth:`hush` is heard, also by who begins to wait only then."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def ring(self) -> None:
        """Wake up who waits here."""
        os.eventfd_write(self._descriptor, 1)

    def hush(self) -> None:
        """What was rung until now is known."""
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            return

    def wait(self, seconds: float) -> None:
        """Sleep until it is rung, at most so long."""
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        waiting.poll(seconds * 1000)


class Bells:
    """Those of some processes, as one of them has them."""

    def __init__(self, bells: Sequence[Bell] | None = None) -> None:
        self._all = [Bell()] if bells is None else bells
        self.own = self._all[0]

    def use(self, row: int) -> None:
        """This process has that row."""
        self.own = self._all[row % len(self._all)]

    def ring(self) -> None:
        """Wake up who waits in any of the processes."""
        for bell in self._all:
            bell.ring()


BELLS = Bells([Bell() for _ in range(_BELLS)])
