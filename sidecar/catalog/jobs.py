"""Jobs in the database. Whoever works on one holds its row, so that one batch of it happens at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import job
from sidecar.jobs import BY_AGENTS, UNFINISHED, JobKind, JobState

OVERTAKEN = "A later change of the library took its place."


class Batch(msgspec.Struct, frozen=True):
    """What one batch of a job came to. ``position`` is where the next one begins; None after the last. ``counts``
    are added to those of the result. ``waits``: there is nothing to do before somebody else has done something."""

    position: str | None
    done: int
    counts: dict[str, int] = {}
    waits: bool = False


def create(
    connection: Connection,
    new_id: bytes,
    kind: JobKind,
    *,
    library_id: bytes | None,
    requested_by: str,
    now: int,
    total: int | None = None,
    position: str | None = None,
    parameters: msgspec.Struct | None = None,
    overtakes: bool = True,
) -> None:
    """Write down a job that is to be done. One of the same sort and library that is not finished is overtaken, unless
    both are to be done."""
    if library_id is not None and overtakes:
        same = (job.c.library_id == library_id, job.c.kind == kind, job.c.state.in_(UNFINISHED))
        ended = {"state": JobState.CANCELLED, "finished_at": now, "error": OVERTAKEN}
        connection.execute(update(job).where(*same).values(ended))
    row = {"id": new_id, "kind": kind, "library_id": library_id, "requested_by": requested_by[:255], "created_at": now}
    row["parameters"] = None if parameters is None else msgspec.json.encode(parameters).decode()
    connection.execute(
        insert(job).values(
            {**row, "state": JobState.PENDING, "done": 0, "total": total, "position": position, "result": "{}"}
        )
    )


def create_once(
    connection: Connection,
    new_id: bytes,
    kind: JobKind,
    *,
    library_id: bytes,
    requested_by: str,
    now: int,
    parameters: msgspec.Struct,
) -> bytes:
    """Write down a job that is to be done, unless one that is not finished is to do the same; returns its id."""
    for row in unfinished_of(connection, library_id, kind):
        if msgspec.json.decode(row.parameters, type=type(parameters)) == parameters:
            found: bytes = row.id
            return found
    create(
        connection,
        new_id,
        kind,
        library_id=library_id,
        requested_by=requested_by,
        now=now,
        parameters=parameters,
        overtakes=False,
    )
    return new_id


def get(connection: Connection, job_id: bytes) -> AnyRow | None:
    """One job."""
    return connection.execute(select(job).where(job.c.id == job_id)).one_or_none()


def with_ids(connection: Connection, job_ids: Collection[bytes]) -> Sequence[AnyRow]:
    """The jobs with these ids."""
    return connection.execute(select(job).where(job.c.id.in_(job_ids))).all()


def lock(connection: Connection, job_id: bytes) -> AnyRow | None:
    """One job, locked until the transaction ends."""
    return connection.execute(select(job).where(job.c.id == job_id).with_for_update()).one_or_none()


def page(
    connection: Connection, state: JobState | None, library_id: bytes | None, before: bytes, limit: int
) -> Sequence[AnyRow]:
    """Jobs, the newest first."""
    chosen = select(job).where(job.c.id < before).order_by(job.c.id.desc()).limit(limit)
    if state is not None:
        chosen = chosen.where(job.c.state == state)
    if library_id is not None:
        chosen = chosen.where(job.c.library_id == library_id)
    return connection.execute(chosen).all()


def unfinished(connection: Connection) -> list[bytes]:
    """The jobs that the worker is to do, in the order in which they were asked for."""
    chosen = select(job.c.id).where(job.c.state.in_(UNFINISHED), job.c.kind.not_in(BY_AGENTS)).order_by(job.c.id)
    return list(connection.execute(chosen).scalars())


def are_unfinished(connection: Connection, kind: JobKind) -> bool:
    """Whether a job of this sort is to be done."""
    chosen = select(job.c.id).where(job.c.kind == kind, job.c.state.in_(UNFINISHED)).limit(1)
    return connection.execute(chosen).first() is not None


def unfinished_of(connection: Connection, library_id: bytes, kind: JobKind) -> Sequence[AnyRow]:
    """The jobs of a sort that are to be done for a library, in the order in which they were asked for."""
    of_it = (job.c.library_id == library_id, job.c.kind == kind, job.c.state.in_(UNFINISHED))
    return connection.execute(select(job).where(*of_it).order_by(job.c.id)).all()


def latest(connection: Connection, library_id: bytes, kind: JobKind) -> AnyRow | None:
    """The last job of a sort for a library."""
    of_it = (job.c.library_id == library_id, job.c.kind == kind)
    return connection.execute(select(job).where(*of_it).order_by(job.c.id.desc()).limit(1)).one_or_none()


def advance(connection: Connection, row: AnyRow, batch: Batch, now: int) -> None:
    """Note what a batch of a locked job came to."""
    counts: dict[str, int] = msgspec.json.decode(row.result)
    for name, count in batch.counts.items():
        counts[name] = counts.get(name, 0) + count
    values: dict[str, Any] = {
        "state": JobState.RUNNING,
        "position": batch.position,
        "done": row.done + batch.done,
        "result": msgspec.json.encode(counts).decode(),
        "started_at": row.started_at or now,
    }
    if batch.position is None:
        values |= {"state": JobState.DONE, "total": row.done + batch.done, "finished_at": now}
    connection.execute(update(job).where(job.c.id == row.id).values(values))


def end(connection: Connection, job_ids: Collection[bytes], state: JobState, now: int, error: str | None) -> None:
    """End jobs that are not finished."""
    ended = {"state": state, "finished_at": now, "error": error}
    connection.execute(update(job).where(job.c.id.in_(job_ids), job.c.state.in_(UNFINISHED)).values(ended))
