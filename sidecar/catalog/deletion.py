"""Deleting a library: at once it is gone for everybody; its assets leave the catalog in batches. No file is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs
from sqlalchemy import Connection, exists, select, update

from holdfast import ids
from sidecar.asset import Status
from sidecar.catalog import asset_rows, jobs, libraries, rules, uploads, wanted_scans
from sidecar.catalog.clock import CLOCK
from sidecar.catalog.jobs import Batch
from sidecar.catalog.lanes import along
from sidecar.catalog.tables import asset, import_path, job, library
from sidecar.jobs import UNFINISHED, JobKind

DELETED = "library-deleted"  # the reason of a transition
BATCH = 1_000
_LEFT = tuple(one for one in Status if one is not Status.REMOVED)


def begin(connection: Connection, library_id: bytes, job_id: bytes, by: str, now: int) -> None:
    """Delete a library that was locked; the job does the rest."""
    wanted_scans.cancel(connection, wanted_scans.unfinished_of(connection, library_id), now)
    jobs.create(connection, job_id, JobKind.DELETE_LIBRARY, library_id=library_id, requested_by=by, now=now)
    values = {"deleted_at": now, "upload_owner": None}
    libraries.touch(connection, [library_id], CLOCK.take(connection, 1), now, kind="library.deleted", **values)


def remove(connection: Connection, library_id: bytes, position: str | None, now: int, entropy: bytes) -> Batch:
    """Take the next assets of a deleted library out of the catalog; a tombstone of each stays."""
    behind = b"" if position is None else bytes.fromhex(position)
    chosen = select(asset.c.id).where(asset.c.library_id == library_id, asset.c.id > behind)
    chosen = along(chosen, asset, "ix_asset_library_id").order_by(asset.c.id).limit(BATCH)
    page = list(connection.execute(chosen).scalars())
    removed = _remove(connection, page, ids.series(now // 1000, entropy), now)
    if len(page) == BATCH:
        return Batch(page[-1].hex(), len(page), {"removed": removed})
    gone = update(import_path).where(import_path.c.library_id == library_id, import_path.c.removed_at.is_(None))
    connection.execute(gone.values(removed_at=now))
    return Batch(None, len(page), {"removed": removed})


def take_up_stuck(connection: Connection, new_ids: Iterator[bytes], now: int) -> list[bytes]:
    """Begin anew the deletions of which nobody speaks any more, though assets are left; returns the libraries.

    A job may have failed, or have been lost with a catalog that was restored from a backup.
    """
    at_work = select(job.c.id).where(
        job.c.library_id == library.c.id, job.c.kind == JobKind.DELETE_LIBRARY, job.c.state.in_(UNFINISHED)
    )
    chosen = select(library.c.id).where(library.c.deleted_at.is_not(None), ~exists(at_work))
    found = [one for one in connection.execute(chosen).scalars().all() if _has_any(connection, one)]
    for one in found:
        jobs.create(
            connection,
            next(new_ids),
            JobKind.DELETE_LIBRARY,
            library_id=one,
            requested_by="the worker, which found it unfinished",
            now=now,
        )
    return found


def _has_any(connection: Connection, library_id: bytes) -> bool:
    """Whether a library has assets that were not removed. Asked of each by itself: in one question for all of them,
    MariaDB would rather read every asset first."""
    left = select(asset.c.id).where(asset.c.library_id == library_id, asset.c.status.in_(_LEFT))
    return connection.execute(along(left, asset, "ix_asset_status").limit(1)).first() is not None


def _remove(connection: Connection, asset_ids: Sequence[bytes], new_ids: Iterator[bytes], now: int) -> int:
    """Take these assets out of the catalog; how many of them were in it."""
    uploaded = uploads.remove(connection, asset_ids, DELETED, new_ids, now)
    known = asset_rows.with_ids(connection, asset_ids)
    pairs = [(one, structs.replace(one, removed_at=now, claims=False)) for one in known if one.removed_at is None]
    rules.change(connection, pairs, DELETED, now, new_ids)
    return uploaded + len(pairs)
