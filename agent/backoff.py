"""How long to wait before trying again: exponential, with full jitter, bounded. Pure."""

from __future__ import annotations

# The first waits keep a restart of the sidecar from being noticed, the longest a long outage from being a load.
FIRST_S = 0.25
LONGEST_S = 30.0


def wait_s(failures: int, chance: float, wished_s: float | None = None) -> float:
    """Seconds to wait after this many failures in a row. ``chance`` is uniform in [0, 1).

    ``wished_s`` is what the other side asked for; it is kept, and spread a little, so that many do not come at once.
    """
    if wished_s is not None:
        return wished_s * (1.0 + 0.25 * chance)
    ceiling = min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 16))
    return float(ceiling * (0.5 + 0.5 * chance))
