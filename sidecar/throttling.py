"""How often somebody may get a secret wrong.

Each neighbourhood has a bucket of tries that refills by itself. Only what was wrong takes a try out of it, so that
whoever gets it right pays nothing and is never kept out.

Every process counts for itself: several of them allow several times as much, and that is still nothing against a token.
A count that all of them share would be a write to the database for every wrong token, which is what an attacker wants.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

# Somebody who mistypes, or a program that was given a token of yesterday, has this many tries at once ...
BURST = 10
# ... and then one in so many seconds: 14,400 a day, where a token has 2^256 possible values.
REFILL_S = 6.0
# About 2 MB. More neighbours than that are an attack from many places, which this cannot stop; it must not feed it.
NEIGHBOURS_MAX = 10_000


class Throttle:
    """Counts what was wrong, by neighbourhood. ``now`` is any clock that only goes forward, in seconds."""

    def __init__(self, *, burst: int = BURST, refill_s: float = REFILL_S, neighbours_max: int = NEIGHBOURS_MAX) -> None:
        self._refill_s = refill_s
        self._room_s = (burst - 1) * refill_s
        self._neighbours_max = neighbours_max
        # When the bucket of each will be full again; the least recently used first.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def wrong(self, who: str, now: float) -> float | None:
        """Note that somebody got it wrong. None while they have tries left, else the seconds until they have one."""
        with self._lock:
            full_at = max(self._full_at.pop(who, now), now)
            wait_s = full_at - now - self._room_s
            self._full_at[who] = full_at + self._refill_s if wait_s <= 0 else full_at
            if len(self._full_at) > self._neighbours_max:
                self._full_at.popitem(last=False)
        return wait_s if wait_s > 0 else None

    def is_first(self, who: str, now: float) -> bool:
        """Whether nothing was wrong of late: worth a line in the log, which everything after it is not."""
        return self._full_at.get(who, now) <= now
