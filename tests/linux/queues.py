"""A kernel whose queues of events are soon full."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import needs

EVENTS = 64
_LIMITS = [Path("/proc/sys/fs", kind, "max_queued_events") for kind in ("fanotify", "inotify")]


@contextmanager
def few_events() -> Iterator[None]:
    """Watches that begin while this lasts lose what is more than :data:`EVENTS`. The limits are the machine's: they
    last no longer than they have to, and one test at a time changes them."""
    needs(all(os.access(limit, os.W_OK) for limit in _LIMITS), f"needs to write {_LIMITS[0]} and {_LIMITS[1]}")
    with _LIMITS[0].open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = [limit.read_text() for limit in _LIMITS]
        try:
            for limit in _LIMITS:
                limit.write_text(str(EVENTS))
            yield
        finally:
            for limit, events in zip(_LIMITS, before, strict=True):
                limit.write_text(events)
