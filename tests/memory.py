"""A place for files that need not survive the machine: databases wait for disks, and tests should not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = "/dev/shm"
# What three workers of the test suite put there at the same time, with some room.
_NEEDED_BYTES = 3 << 30


def _has_room() -> bool:
    try:
        room = os.statvfs(_MEMORY)
    except OSError:
        return False
    return os.access(_MEMORY, os.W_OK) and room.f_bavail * room.f_frsize >= _NEEDED_BYTES


# None: wherever temporary files go.
PLACE = _MEMORY if _has_room() else None


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Instead of pytest's own, for tests that put databases there and no storage."""
    with tempfile.TemporaryDirectory(prefix="holdfast-", dir=PLACE) as place:
        yield Path(place)
