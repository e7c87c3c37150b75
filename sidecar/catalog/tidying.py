"""Tidying up: what is older than it is to be kept leaves the catalog, some rows at a time.

Nobody waits for it, and nothing hangs on it: it begins once a day, goes through the tables in batches of bounded size,
and starts over the next day if it is broken off. What the feed has shown is forgotten with its change number, so that
whoever has not read that far is told to read anew, instead of missing that something is gone.

Never forgotten are living assets and their history with its evidence, holds, agents, volumes and tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, or_, select, tuple_

from holdfast.media import Kind
from sidecar.asset import Status
from sidecar.catalog import bulk, clock, figures, schedules, settings
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.schedules import Due
from sidecar.catalog.tables import (
    asset,
    asset_transition,
    audit,
    delivery,
    evidence,
    figure,
    gap,
    held,
    import_path,
    job,
    library,
    path_checksum,
    removal,
    scan,
    volume_transition,
    wanted_scan,
)
from sidecar.catalog.webhooks import PENDING
from sidecar.figures import NOWHERE, Figure, Sort
from sidecar.jobs import UNFINISHED
from sidecar.policy import Policy

# So many rows are looked at in one transaction.
BATCH = 1_000
# Behind the nightly work of most, and never when nobody sleeps anywhere; it disturbs nobody.
_SCHEDULE = "0 4 * * *"
_US = 1_000_000


class Place(msgspec.Struct, frozen=True):
    """Where it goes on: the step, and behind which keys. ``counts`` is what has been forgotten so far."""

    step: int = 0
    behind: tuple[bytes, ...] = ()
    counts: dict[str, int] = {}


class Found(msgspec.Struct, frozen=True):
    """What a step came to: how many rows went, the highest change number of those that the feed shows, and where it
    goes on; None at its end."""

    gone: int
    change: int
    behind: tuple[bytes, ...] | None


Step = Callable[[Connection, tuple[bytes, ...], Policy, int], Found]


def is_due(connection: Connection) -> bool:
    """Whether it is time, or was never thought of."""
    return schedules.look(connection, schedules.TIDYING, _SCHEDULE, _zone(connection)) is not Due.LATER


def begin(connection: Connection, now: int, entropy: bytes) -> Place | None:
    """Where to begin; None when it is not time. It is due from now on every day."""
    due = schedules.look(connection, schedules.TIDYING, _SCHEDULE, _zone(connection))
    if due is Due.UNKNOWN:
        schedules.follow_from_now(connection, schedules.TIDYING)
    return Place() if due is Due.NOW else None


def go_on(connection: Connection, now: int, entropy: bytes, place: Place) -> tuple[Place, bool]:
    """Do the next batch; the place behind it, and whether that was the last."""
    name, step = STEPS[place.step]
    found = step(connection, place.behind, settings.read(connection)[0], now)
    counts = {**place.counts, name: place.counts.get(name, 0) + found.gone}
    if found.change:
        clock.forget(connection, found.change)
    if found.behind is not None:
        return Place(place.step, found.behind, counts), False
    is_over = place.step + 1 == len(STEPS)
    if is_over:
        schedules.follow_from_now(connection, schedules.TIDYING)
    return Place(place.step + 1, (), counts), is_over


# What the feed shows no more


def _tombstones(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """Removed assets, library by library."""
    current, after = behind or (b"", b"")
    if not current:
        current = _next_library(connection, b"")
    if not current:
        return Found(0, 0, None)
    mine = (asset.c.library_id == current, asset.c.status == Status.REMOVED, asset.c.id > after)
    wanted = select(asset).where(*mine).order_by(asset.c.id).limit(BATCH)
    # Locked, so that none of them is brought back at the same moment.
    page = connection.execute(wanted.with_for_update()).all()
    old = [row for row in page if row.removed_at is not None and row.removed_at <= now - policy.tombstones_kept_s * _US]
    for part in bulk.chunks([row.id for row in old]):
        for table in (asset_transition, removal, path_checksum):
            connection.execute(delete(table).where(table.c.asset_id.in_(part)))
        connection.execute(delete(asset).where(asset.c.id.in_(part)))
    figures.add(connection, _gone(old))
    change = max((row.change for row in old), default=0)
    if len(page) == BATCH:
        return Found(len(old), change, (current, page[-1].id))
    following = _next_library(connection, current)
    return Found(len(old), change, (following, b"") if following else None)


def _gone(rows: Sequence[AnyRow]) -> dict[Sort, Figure]:
    """By how much figures grow when these removed assets are forgotten."""
    sorts = [
        Sort(row.library_id, row.volume_id or NOWHERE, row.import_path_id or NOWHERE, Kind(row.kind), Status.REMOVED)
        for row in rows
    ]
    found: dict[Sort, Figure] = {}
    for sort, row in zip(sorts, rows, strict=True):
        before = found.get(sort, Figure(0, 0, 0))
        found[sort] = Figure(before.assets - 1, 0, before.bytes - int(row.size))
    return found


def _libraries(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """Deleted libraries that have no asset any more, with what belonged to them."""
    after = behind[0] if behind else b""
    has_assets = exists(select(asset.c.id).where(asset.c.library_id == library.c.id))
    at_work = exists(select(job.c.id).where(job.c.library_id == library.c.id, job.c.state.in_(UNFINISHED)))
    old = (library.c.deleted_at <= now - policy.tombstones_kept_s * _US, library.c.id > after)
    wanted = select(library.c.id, library.c.change).where(*old, ~has_assets, ~at_work).order_by(library.c.id).limit(1)
    row = connection.execute(wanted.with_for_update()).one_or_none()
    if row is None:
        return Found(0, 0, None)
    jobs = list(connection.execute(select(job.c.id).where(job.c.library_id == row.id)).scalars())
    _delete_jobs(connection, jobs)
    connection.execute(delete(figure).where(figure.c.library_id == row.id))
    paths = import_path.c.library_id == row.id
    connection.execute(delete(import_path).where(paths, import_path.c.parent_id.is_not(None)))
    connection.execute(delete(import_path).where(paths))
    connection.execute(delete(library).where(library.c.id == row.id))
    return Found(1, row.change, (row.id,))


def _scans(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """Scans; but the last complete one of each place says how fresh libraries are."""
    later = scan.alias()
    is_last = (scan.c.complete == 1) & ~exists(
        select(later.c.id).where(
            later.c.volume_id == scan.c.volume_id,
            later.c.directory == scan.c.directory,
            later.c.complete == 1,
            later.c.id > scan.c.id,
        )
    )
    ended = func.coalesce(scan.c.finished_at, scan.c.started_at)
    return _forget(
        connection, scan, behind, ended <= now - policy.history_kept_s * _US, or_(~is_last, scan.c.complete.is_(None))
    )


def _gaps(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    return _forget(connection, gap, behind, gap.c.at <= now - policy.history_kept_s * _US)


# What only people look at


def _undone(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """Notes of removals that were taken back."""
    keys = tuple_(removal.c.job_id, removal.c.asset_id)
    wanted = select(removal).order_by(removal.c.job_id, removal.c.asset_id).limit(BATCH)
    page = connection.execute(wanted.where(keys > tuple_(*behind)) if behind else wanted).all()
    old = now - policy.history_kept_s * _US
    gone = [row for row in page if row.undone_at is not None and row.undone_at <= old]
    for row in gone:
        connection.execute(delete(removal).where(removal.c.job_id == row.job_id, removal.c.asset_id == row.asset_id))
    return Found(len(gone), 0, (page[-1].job_id, page[-1].asset_id) if len(page) == BATCH else None)


def _jobs(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """Finished jobs; but those that removed something may still be undone."""
    after = behind[0] if behind else b""
    can_be_undone = exists(select(removal.c.asset_id).where(removal.c.job_id == job.c.id))
    old = (job.c.id > after, job.c.finished_at <= now - policy.history_kept_s * _US, ~can_be_undone)
    found = list(connection.execute(select(job.c.id).where(*old).order_by(job.c.id).limit(BATCH)).scalars())
    _delete_jobs(connection, found)
    return Found(len(found), 0, (found[-1],) if len(found) == BATCH else None)


def _steps_of_volumes(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """What happened to volumes; but the last step of each stays."""
    later = volume_transition.alias()
    is_overtaken = exists(
        select(later.c.id).where(
            later.c.volume_id == volume_transition.c.volume_id, later.c.id > volume_transition.c.id
        )
    )
    old = volume_transition.c.at <= now - policy.history_kept_s * _US
    return _forget(connection, volume_transition, behind, old, is_overtaken)


def _proofs(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    """Evidence that nothing rests on: its assets were forgotten, or a person did not believe it.

    What rests on a piece of evidence is written together with it, and later only where something did already.
    """
    told = exists(select(asset_transition.c.id).where(asset_transition.c.evidence_id == evidence.c.id))
    waits = exists(select(held.c.asset_id).where(held.c.evidence_id == evidence.c.id))
    return _forget(connection, evidence, behind, ~told, ~waits)


def _deliveries(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    over = (delivery.c.state != PENDING, delivery.c.next_at <= now - policy.deliveries_kept_s * _US)
    return _forget(connection, delivery, behind, *over)


def _entries(connection: Connection, behind: tuple[bytes, ...], policy: Policy, now: int) -> Found:
    return _forget(connection, audit, behind, audit.c.at <= now - policy.audit_kept_s * _US)


STEPS: tuple[tuple[str, Step], ...] = (
    ("assets", _tombstones),
    ("libraries", _libraries),
    ("scans", _scans),
    ("gaps", _gaps),
    ("removals", _undone),
    ("jobs", _jobs),
    ("volume_steps", _steps_of_volumes),
    ("deliveries", _deliveries),
    ("audit_entries", _entries),
    ("proofs", _proofs),
)


def _forget(connection: Connection, table: Table, behind: tuple[bytes, ...], *conditions: ColumnElement[bool]) -> Found:
    """Look at the next rows of a table, in the order of their ids, and delete those that meet the conditions."""
    after = behind[0] if behind else b""
    last = select(table.c.id).where(table.c.id > after).order_by(table.c.id).limit(1).offset(BATCH - 1)
    end: bytes | None = connection.execute(last).scalar_one_or_none()
    within = [table.c.id > after] if end is None else [table.c.id > after, table.c.id <= end]
    shown = "change" in table.c
    wanted: Any = select(table.c.id, *([table.c.change] if shown else [])).where(*within, *conditions)
    rows: Sequence[AnyRow] = connection.execute(wanted).all()
    for part in bulk.chunks([row.id for row in rows]):
        connection.execute(delete(table).where(table.c.id.in_(part)))
    change = max((row.change for row in rows), default=0) if shown else 0
    return Found(len(rows), change, None if end is None else (end,))


def _delete_jobs(connection: Connection, found: Sequence[bytes]) -> None:
    for part in bulk.chunks(found):
        connection.execute(delete(wanted_scan).where(wanted_scan.c.job_id.in_(part)))
        connection.execute(delete(job).where(job.c.id.in_(part)))


def _next_library(connection: Connection, after: bytes) -> bytes:
    wanted = select(library.c.id).where(library.c.id > after).order_by(library.c.id).limit(1)
    return connection.execute(wanted).scalar_one_or_none() or b""


def _zone(connection: Connection) -> str:
    return settings.read(connection)[0].scan_time_zone
