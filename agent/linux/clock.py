"""The clocks of the machine."""

from __future__ import annotations

import time

from agent.ports import Moment


class SystemClock:
    """Unix time, and the seconds since boot that also count while the machine is suspended."""

    def now(self) -> Moment:
        """Both clocks, read together."""
        return Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))
