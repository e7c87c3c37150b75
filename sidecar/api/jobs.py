"""``/jobs``: long work that goes on in the background."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.pagination import Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import jobs, wanted_scans
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.jobs import UNFINISHED, JobKind, JobState, why_not_cancelled

resource = Resource("jobs")

_LAST_ID = b"\xff" * ids.ID_BYTES


class JobQuery(PageQuery, frozen=True, kw_only=True):
    """Which jobs are wanted."""

    state: JobState | None = None
    library: str | None = None


class _Filters(msgspec.Struct, frozen=True):
    of: str
    state: JobState | None
    library: bytes | None


@resource.serves(
    "GET",
    "/jobs",
    scope=Scope.READER,
    query=JobQuery,
    returns=Page[shapes.Job],
    problems=("bad-cursor", "cursor-expired"),
)
def list_jobs(call: Call, query: JobQuery) -> Page[shapes.Job]:
    """List jobs, the newest first."""
    library = None if query.library is None else ids.from_text("library", query.library)
    if query.library is not None and library is None:
        errors = [PlacedError("/library", "This is not the id of a library.")]
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=errors)
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda before, limit: jobs.page(connection, query.state, library, before, limit), _LAST_ID),
            by_id,
            _Filters("jobs", query.state, library),
        )
        return Page(items=render.job_page(connection, rows), next_cursor=cursor)


@resource.serves("GET", "/jobs/<job>", scope=Scope.READER, returns=shapes.Job)
def get_job(call: Call, job: bytes) -> shapes.Job:
    """One job: how far it is, and what came of it."""
    with snapshot(call.engine) as connection:
        return _shown(connection, job)


@resource.serves(
    "POST", "/jobs/<job>/cancel", scope=Scope.OPERATOR, returns=shapes.Job, problems=("job-not-cancellable",)
)
def cancel_job(call: Call, job: bytes) -> shapes.Job:
    """Cancel a job. What it has done stays done. Some must not be left half done, and refuse it."""

    def work(connection: Connection) -> shapes.Job:
        wanted_scans.lock_agents(connection)
        row = _there(jobs.lock(connection, job))
        refusal = why_not_cancelled(JobKind(row.kind), JobState(row.state))
        if row.state != JobState.CANCELLED and refusal is not None:
            raise Refused("job-not-cancellable", refusal)
        if row.state in UNFINISHED:
            wanted_scans.cancel(connection, [job], now_us())
            jobs.end(connection, [job], JobState.CANCELLED, now_us(), None)
        return _shown(connection, job)

    cancelled = transact(call.engine, work)
    call.doorbell.ring()
    return cancelled


def _shown(connection: Connection, job: bytes) -> shapes.Job:
    return render.job_page(connection, [_there(jobs.get(connection, job))])[0]


def _there(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise Refused("not-found", "There is no such job.")
    return row
