"""Verified-online time: how long a volume was known to be there, and in order (rule R24).

Whatever ages in the catalog ages by this, and never by the calendar: a disk that spends a year in a drawer is as old
as on the day it went there. The time grows with heartbeats that find a volume as the heartbeat before left it.
"""

from __future__ import annotations

# Three heartbeats fit into the 30 s after which an agent counts as silent, so one that is lost means nothing.
HEARTBEAT_S = 10.0
_LONGEST_US = int(3 * HEARTBEAT_S * 1_000_000)


def credited_us(last_seen: int | None, now: int) -> int:
    """What a heartbeat at ``now`` adds, when the one before came at ``last_seen``; all in microseconds.

    Nothing when that is longer ago than an agent may be quiet, or in the future: either nobody looked meanwhile, or
    a clock was set.
    """
    if last_seen is None:
        return 0
    passed = now - last_seen
    return passed if 0 <= passed <= _LONGEST_US else 0
