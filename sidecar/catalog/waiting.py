"""Waiting until something changes in the catalog.

A commit rings at once, in all processes of this gunicorn. What others commit, on other hosts or from the command line,
shows in the change clock; while anybody waits, one of the waiting threads looks at it every 50 ms and wakes up all.
While nobody waits nothing is read, and no thread holds a connection to the database while it sleeps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine

from sidecar.bells import Bells
from sidecar.catalog import clock
from sidecar.catalog.engine import snapshot

_LOOK_S = 0.05
# Every thread wakes up as often as this, to see whether the process wants to end.
_NAP_S = 0.5


class Doorbell:
    """Wakes the threads of one process that wait for changes. ``bells``: those of all the processes that commit."""

    def __init__(self, engine: Engine, bells: Bells | None = None) -> None:
        self._engine = engine
        self._bells = bells or Bells()
        self._condition = threading.Condition()
        self._latest = 0  # the highest change number that anybody here saw
        self._somebody_looks = False
        self._closing = False
        self.waiting = 0  # how many threads wait at the moment

    def ring(self) -> None:
        """Something was committed."""
        self._bells.ring()

    def close(self) -> None:
        """Let everybody go, now and in future. Takes no lock, so that a signal handler may call it."""
        self._closing = True

    def wait_until(self, is_news: Callable[[], bool], wait_s: float) -> bool:
        """Wait until ``is_news`` says so, at most ``wait_s``. Returns its last word.

        ``is_news`` is asked at once, and again after every change; it opens and closes its own connection.
        """
        deadline_s = time.monotonic() + wait_s
        while True:
            # Read before asking: what is committed in between is then seen as a change, and not missed.
            mark = self._clock() if wait_s > 0 else 0
            if is_news():
                return True
            if not self._sleep(mark, deadline_s):
                return False

    def _sleep(self, mark: int, deadline_s: float) -> bool:
        """Sleep until the clock has passed ``mark``. False when the time is up or the process ends."""
        with self._condition:
            self.waiting += 1
        try:
            while not self._closing and (left_s := deadline_s - time.monotonic()) > 0:
                if self._is_past(mark, left_s):
                    return True
            return False
        finally:
            with self._condition:
                self.waiting -= 1

    def _is_past(self, mark: int, left_s: float) -> bool:
        """Whether the clock has passed ``mark``, after waiting for a while if it has not."""
        with self._condition:
            if self._latest > mark:
                return True
            if self._somebody_looks:
                self._condition.wait(min(_NAP_S, left_s))
                return self._latest > mark
            self._somebody_looks = True
        self._look_out(mark, time.monotonic() + left_s)
        return self._latest > mark

    def _look_out(self, mark: int, deadline_s: float) -> None:
        """Look at the change clock for everybody, until it has passed ``mark`` or the time is up."""
        bell = self._bells.own
        try:
            while not self._closing:
                # Before the clock: who rings while that is read rings for what it may not show yet.
                bell.hush()
                seen = self._clock()
                with self._condition:
                    if seen > self._latest:
                        self._latest = seen
                        self._condition.notify_all()
                left_s = deadline_s - time.monotonic()
                if seen > mark or left_s <= 0:
                    return
                bell.wait(min(_LOOK_S, left_s))
        finally:
            with self._condition:
                self._somebody_looks = False
                self._condition.notify_all()

    def _clock(self) -> int:
        with snapshot(self._engine) as connection:
            return clock.read(connection)
