"""A kernel whose queue of events is soon full."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import needs

EVENTS = 64
_LIMIT = Path("/proc/sys/fs/fanotify/max_queued_events")


@contextmanager
def few_events() -> Iterator[None]:
    """Marks that are set while this lasts lose what is more than :data:`EVENTS`. The limit is the machine's: it lasts
    no longer than it has to, and one test at a time changes it."""
    needs(os.access(_LIMIT, os.W_OK), f"needs to write {_LIMIT}")
    with _LIMIT.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read()
        _LIMIT.write_text(str(EVENTS))
        try:
            yield
        finally:
            _LIMIT.write_text(before)
