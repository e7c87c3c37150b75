"""How many reports are taken in at once; who is beyond that is told when to come back (429).

A report keeps a connection to the database and, in turns with others, the interpreter: a few at once are as fast as
many, and leave threads and connections for those who read and for heartbeats. Waiting costs a thread, so few may wait,
and not for long. When the database is slow every report stays longer, and this is where that shows.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from sidecar.errors import Refused

OVERLOADED = "overloaded"
# Of one process. One computes while others wait for the database; a fifth finds nothing left to wait for.
AT_ONCE = 4
# As many as are through in about a second. With those it is a third of a process's threads.
WAITING_MAX = 8
WAIT_S = 2.0
RETRY_AFTER_S = 2


class Intake:
    """The places for reports of one process."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._waiting = threading.BoundedSemaphore(WAITING_MAX)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Have a place, after waiting for it if need be. Raises :class:`Refused` when there is none."""
        if not self._places.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._places.release()

    def _wait(self) -> None:
        if not self._waiting.acquire(blocking=False):
            raise _overloaded()
        try:
            if not self._places.acquire(timeout=WAIT_S):
                raise _overloaded()
        finally:
            self._waiting.release()


def _overloaded() -> Refused:
    text = "More reports come in than can be taken. Send this one again in a moment."
    return Refused(OVERLOADED, text, retry_after_s=RETRY_AFTER_S)
