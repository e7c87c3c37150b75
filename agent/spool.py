"""How much may wait to be told before looking waits for it (R31)."""

from __future__ import annotations

from agent.outbox import Outbox

_CHECK_S = 0.5


class Spool:
    """Measures an outbox now and then. Times are seconds of the boot clock."""

    def __init__(self, outbox: Outbox, bytes_max: int) -> None:
        self._outbox, self._bytes_max = outbox, bytes_max
        self._checked = 0.0
        # When it is measured again, while it is full.
        self.full_until: float | None = None

    def is_full(self, now: float) -> bool:
        """Whether more waits than may wait."""
        if now - self._checked >= _CHECK_S:
            self._checked = now
            is_full = self._outbox.pending()[1] > self._bytes_max
            self.full_until = now + _CHECK_S if is_full else None
        return self.full_until is not None
