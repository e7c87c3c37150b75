"""When a part that died is started again, and when it is given up. Pure."""

from __future__ import annotations

from typing import NamedTuple

FIRST_WAIT_S = 1.0
LAST_WAIT_S = 30.0
# A part that fails five times without once running for a minute will not run the sixth time either.
FAILURES_MAX = 5
STEADY_S = 60.0


class Record(NamedTuple):
    """How often a part has failed in a row."""

    failures: int = 0


class Again(NamedTuple):
    """Start it again after ``wait_s`` seconds."""

    wait_s: float
    record: Record


class GiveUp(NamedTuple):
    """It failed too often."""

    failures: int


def after_exit(record: Record, ran_s: float) -> Again | GiveUp:
    """What to do about a part that ended by itself after running for ``ran_s`` seconds."""
    failures = 1 if ran_s >= STEADY_S else record.failures + 1
    if failures > FAILURES_MAX:
        return GiveUp(failures)
    wait_s = min(FIRST_WAIT_S * 2 ** (failures - 1), LAST_WAIT_S)
    return Again(wait_s, Record(failures))
