"""Working off jobs, one batch at a time."""

from __future__ import annotations

from sqlalchemy import Connection

from sidecar.catalog import deletion, jobs, nightly, removal, restoring, rules
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.jobs import Batch
from sidecar.jobs import UNFINISHED, JobKind, JobState

# Those that go by the library alone, and those that have parameters, or no library.
_BATCHES = {JobKind.APPLY_RULES: rules.apply, JobKind.DELETE_LIBRARY: deletion.remove}
_ITS_OWN = {JobKind.NIGHTLY: nightly.run, JobKind.REMOVE_MISSING: removal.remove, JobKind.RESTORE: restoring.restore}


def step(connection: Connection, job_id: bytes, now: int, entropy: bytes) -> bool:
    """Do the next batch of a job. False when there is nothing to do for now: it waits, is done, or was cancelled."""
    row = jobs.lock(connection, job_id)
    if row is None or row.state not in UNFINISHED:
        return False
    batch = _batch(connection, row, now, entropy)
    if batch.waits:
        return False
    jobs.advance(connection, row, batch, now)
    return batch.position is not None


def fail(connection: Connection, job_id: bytes, error: Exception, now: int) -> None:
    """End a job that cannot be done."""
    jobs.end(connection, [job_id], JobState.FAILED, now, f"{type(error).__name__}: {error}"[:1000])


def _batch(connection: Connection, row: AnyRow, now: int, entropy: bytes) -> Batch:
    kind = JobKind(row.kind)
    if kind in _BATCHES:
        return _BATCHES[kind](connection, row.library_id, row.position, now, entropy)
    return _ITS_OWN[kind](connection, row, now, entropy)
