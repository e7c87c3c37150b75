"""A clock that stands still until it is told to go on."""

from __future__ import annotations

from agent.ports import Moment

_NS = 1_000_000_000


class FakeClock:
    """Implements :class:`agent.ports.Clock`. Kept in whole nanoseconds, so that every run gives the same times."""

    def __init__(self, wall_s: int = 1_800_000_000, boot_s: int = 1_000) -> None:
        self.wall_ns = wall_s * _NS
        self.boot_ns = boot_s * _NS

    def now(self) -> Moment:
        """Both clocks, read together."""
        return Moment(self.wall_ns / _NS, self.boot_ns / _NS)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        if seconds < 0:
            raise ValueError("bug: time does not run backwards; see jump")
        self.wall_ns += round(seconds * _NS)
        self.boot_ns += round(seconds * _NS)

    def jump(self, seconds: float) -> None:
        """Set the wall clock, forwards or backwards, as people and time servers do."""
        self.wall_ns += round(seconds * _NS)

    def reboot(self) -> None:
        """Start the time since boot anew."""
        self.boot_ns = 0
