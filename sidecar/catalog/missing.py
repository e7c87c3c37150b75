"""What is missing of a library, and since when: how much there is by the figures, and where the first of it was."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from sidecar.asset import Status
from sidecar.catalog import roots
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import asset, figure, job, library
from sidecar.jobs import UNFINISHED, JobKind

# So many are put into folders at once; the figures count all of them.
READ_MAX = 20_000


class Missing(NamedTuple):
    """A library in which something is missing: how many assets, and of how many bytes."""

    library: AnyRow
    assets: int
    bytes: int


class Lost(NamedTuple):
    """A missing asset: where the photo server knew it, and since when it is missing (microseconds)."""

    path: bytes
    since: int


def by_library(connection: Connection) -> list[Missing]:
    """The libraries in which something is missing, from the figures."""
    counted = (
        select(figure.c.library_id, func.sum(figure.c.assets).label("assets"), func.sum(figure.c.bytes).label("bytes"))
        .where(figure.c.status == Status.MISSING)
        .group_by(figure.c.library_id)
    )
    sums = {row.library_id: row for row in connection.execute(counted) if row.assets > 0}
    living = select(library).where(library.c.id.in_(sorted(sums)), library.c.deleted_at.is_(None))
    rows = connection.execute(living.order_by(library.c.name, library.c.id)).all() if sums else []
    return [Missing(row, int(sums[row.id].assets), int(sums[row.id].bytes)) for row in rows]


def of_library(connection: Connection, library_id: bytes) -> list[Lost]:
    """What is missing of a library, in the order in which it was found; no more than can be read at once."""
    known = roots.read(connection)
    chosen = (
        select(asset.c.path, asset.c.import_path_id, asset.c.absent_since)
        .where(asset.c.library_id == library_id, asset.c.status == Status.MISSING)
        .order_by(asset.c.id)
        .limit(READ_MAX)
    )
    found = []
    for row in connection.execute(chosen):
        root = known.get(row.import_path_id)
        found.append(Lost(row.path if root is None else root.shown(row.path), row.absent_since))
    return found


def removals(connection: Connection, library_id: bytes, limit: int) -> list[AnyRow]:
    """The last jobs that have removed, or brought back, what was missing, or looked for it; the newest first."""
    of_it = (job.c.library_id == library_id, job.c.kind.in_((JobKind.REMOVE_MISSING, JobKind.RESTORE)))
    return list(connection.execute(select(job).where(*of_it).order_by(job.c.id.desc()).limit(limit)))


def is_undone(connection: Connection, library_id: bytes, job_id: str) -> bool:
    """Whether a job that undoes this one has begun, or has ended well."""
    of_it = (job.c.library_id == library_id, job.c.kind == JobKind.RESTORE)
    undoing = select(job.c.parameters, job.c.state).where(*of_it).order_by(job.c.id.desc()).limit(100)
    rows = connection.execute(undoing).all()
    return any(job_id in (row.parameters or "") and row.state in (*UNFINISHED, "done") for row in rows)
