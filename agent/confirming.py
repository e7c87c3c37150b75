"""When suspected absences are looked at once more: soon after a file was missed, and then less and less often. Pure."""

from __future__ import annotations

# Candidates that cannot be confirmed are looked at again and again, at least this often.
_BACKOFF_MAX_S = 600.0


class Confirming:
    """The next second look of one engine, on the boot clock. ``delay_s``: the time between the two looks."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = self._wait_s = delay_s
        self.at: float | None = None

    def soon(self, now: float) -> None:
        """Something was missed."""
        self._wait_s = self._delay_s
        self.at = now + self._wait_s if self.at is None else min(now + self._wait_s, self.at)

    def is_due(self, now: float) -> bool:
        """Whether it is time."""
        return self.at is not None and self.at <= now

    def looked(self, now: float, *, at_any: bool) -> None:
        """What is suspected is being looked at, if there is any."""
        self._wait_s = min(2 * self._wait_s, _BACKOFF_MAX_S)
        self.at = now + self._wait_s if at_any else None

    def clear(self) -> None:
        """There is nothing to confirm, or nobody who could."""
        self.at = None
