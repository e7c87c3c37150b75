"""The nightly work: what was left lying about is taken up.

It is a job like others, so that everybody can see that it was done, and what came of it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from holdfast import ids
from sidecar.catalog import deletion, jobs, schedules, settings
from sidecar.catalog.jobs import Batch
from sidecar.catalog.schedules import Due
from sidecar.jobs import JobKind

BY = "the nightly schedule"


def is_to_attend(connection: Connection) -> bool:
    """Whether there is anything to be done about the schedule at this moment."""
    return _look(connection) is not Due.LATER


def attend(connection: Connection, now: int, entropy: bytes) -> bool:
    """Begin the nightly work if it is due. Nights in which no worker ran are made up for by one run; and as long as
    a run goes on, there is no other. Nothing is left to do after it."""
    due = _look(connection)
    if due is Due.LATER:
        return False
    schedules.follow_from_now(connection, schedules.NIGHTLY)
    if due is Due.NOW and not jobs.are_unfinished(connection, JobKind.NIGHTLY):
        new_id = ids.new(now // 1000, entropy)
        jobs.create(connection, new_id, JobKind.NIGHTLY, library_id=None, requested_by=BY, now=now)
    return False


def run(connection: Connection, position: str | None, now: int, entropy: bytes) -> Batch:
    """Do the next piece of the nightly work."""
    new_ids = ids.series(now // 1000, entropy)
    return Batch(None, 0, {"deletions": len(deletion.take_up_stuck(connection, new_ids, now))})


def _look(connection: Connection) -> Due:
    policy, _ = settings.read(connection)
    return schedules.look(connection, schedules.NIGHTLY, policy.scan_schedule, policy.scan_time_zone)
