"""``/libraries/{library}/remove-missing``, and the ways back: ``/jobs/{job}/undo`` and ``/assets/{asset}/restore``."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from holdfast import ids
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.asset import Status
from sidecar.catalog import assets, jobs, libraries, removal, restoring
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import transact
from sidecar.errors import Refused
from sidecar.jobs import JobKind, JobState, why_not_undone
from sidecar.removal import Undoing, Verdict

resource = Resource("removal")

_NOT_RESTORABLE = (
    "It was not removed for being missing: it went with its library, which was deleted, or was an upload that the photo"
    " server has deleted."
)


class RemoveMissing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to remove: with ``older_than_s`` only what has been missing for so many seconds in which its storage was
    verified to be there. A dry run looks for everything, counts, and removes nothing."""

    dry_run: bool = False
    older_than_s: Annotated[int, Meta(ge=0, le=100 * 366 * 86_400)] | None = None


@resource.serves(
    "POST",
    "/libraries/<library>/remove-missing",
    scope=Scope.OPERATOR,
    body=RemoveMissing,
    returns=shapes.Job,
    status=202,
)
def remove_missing(call: Call, library: bytes, body: RemoveMissing) -> Answer:
    """Remove from the catalog what is missing. An agent looks for every asset again first; what is there, what cannot
    be looked for now, and what is on storage that is away stays. No file is touched, and it can be undone, see
    ``POST /jobs/{job}/undo``. Asked twice, it is one job."""
    entropy, now = os.urandom(10), now_us()
    wanted = removal.Wanted(dry_run=body.dry_run, older_than_s=body.older_than_s)

    def work(connection: Connection) -> shapes.Job:
        rows = libraries.lock(connection, [library])
        if not rows or rows[0].deleted_at is not None:
            raise Refused("not-found", "There is no such library.")
        new_id = ids.new(now // 1000, entropy)
        return _job(connection, removal.begin(connection, library, new_id, wanted, call.caller.signature, now))

    return _accepted(transact(call.engine, work))


@resource.serves(
    "POST", "/jobs/<job>/undo", scope=Scope.OPERATOR, returns=shapes.Job, status=202, problems=("job-not-undoable",)
)
def undo_job(call: Call, job: bytes) -> Answer:
    """Undo the removal of what was missing: a job brings the same assets back, as they were, with all that was attached
    to them. Those whose path another asset has by now stay removed, and are counted."""
    entropy, now = os.urandom(10), now_us()

    def work(connection: Connection) -> shapes.Job:
        row = jobs.lock(connection, job)
        if row is None:
            raise Refused("not-found", "There is no such job.")
        counts: dict[str, int] = msgspec.json.decode(row.result)
        refusal = why_not_undone(JobKind(row.kind), JobState(row.state), counts.get(Verdict.REMOVE, 0))
        if refusal is not None:
            raise Refused("job-not-undoable", refusal)
        new_id = ids.new(now // 1000, entropy)
        return _job(connection, restoring.begin(connection, row, new_id, call.caller.signature, now))

    return _accepted(transact(call.engine, work))


@resource.serves(
    "POST",
    "/assets/<asset>/restore",
    scope=Scope.OPERATOR,
    returns=shapes.Asset,
    problems=("not-restorable", "path-taken"),
)
def restore_asset(call: Call, asset: bytes) -> shapes.Asset:
    """Bring back an asset that was removed because it was missing: the same id, missing as before, with all that was
    attached to it. One that is not removed stays as it is."""
    entropy, now = os.urandom(10), now_us()

    def work(connection: Connection) -> AnyRow:
        row = _asset(connection, asset)
        if row.status != Status.REMOVED:
            return row
        if restoring.restore_one(connection, asset, now, entropy) is Undoing.PATH_TAKEN:
            raise Refused("path-taken", "Another asset of its library has its path by now: a file was put there again.")
        row = _asset(connection, asset)
        if row.status == Status.REMOVED:
            raise Refused("not-restorable", _NOT_RESTORABLE)
        return row

    row = transact(call.engine, work)
    call.doorbell.ring()
    return render.asset(row)


def _asset(connection: Connection, asset: bytes) -> AnyRow:
    row = assets.get(connection, asset)
    if row is None:
        raise Refused("not-found", "There is no such asset.")
    return row


def _job(connection: Connection, job_id: bytes) -> shapes.Job:
    row = jobs.get(connection, job_id)
    if row is None:
        raise ValueError("bug: a job that was just written is not there")
    return render.job_page(connection, [row])[0]


def _accepted(job: shapes.Job) -> Answer:
    return Answer(job, 202, {"Location": f"/api/v1/jobs/{job.id}"})
