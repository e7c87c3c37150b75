"""Reading behind everybody else: the disk serves this process only when nobody else wants something of it.

That is what the I/O class "idle" means to the schedulers bfq and mq-deadline. Others serve requests as they come; there
the pauses that the reader makes are what others go by.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# ioprio_set(2) has no function in the C library, and a number of its own on each architecture.
_IOPRIO_SET = {
    "x86_64": 251,
    "aarch64": 30,
    "riscv64": 30,
    "loongarch64": 30,
    "armv7l": 314,
    "armv6l": 314,
    "i686": 289,
    "ppc64le": 273,
    "s390x": 282,
}.get(platform.machine())
_WHO_PROCESS, _THIS_THREAD = 1, 0
_CLASS_SHIFT = 13
_NONE, _IDLE = 0, 3

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def reading() -> Iterator[None]:
    """What this thread reads meanwhile is read behind everybody else."""
    _set(_IDLE)
    try:
        yield
    finally:
        _set(_NONE)


def _set(priority: int) -> None:
    """Ask for this class; where the kernel refuses, things are read as ever."""
    if _IOPRIO_SET is not None:
        _libc.syscall(_IOPRIO_SET, _WHO_PROCESS, _THIS_THREAD, priority << _CLASS_SHIFT)
