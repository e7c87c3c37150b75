"""The clocks of the machine."""

from __future__ import annotations

import time

from agent.ports import Moment


def boot_s() -> float:
    """The seconds since boot, which also count while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemClock:
    """Unix time, and :func:`boot_s`."""

    def now(self) -> Moment:
        """Both clocks, read together."""
        return Moment(time.time(), boot_s())
