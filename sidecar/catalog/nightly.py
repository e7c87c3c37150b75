"""The nightly work: every library is scanned where its storage is there, what has been missing for too long is removed,
and deletions that nobody carries on are taken up.

It is a job like others, which only asks: what it asks for are jobs of their own, and say how they went.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from holdfast import ids
from holdfast.scans import ScanMode
from holdfast.volumes import VolumeState
from sidecar.asset import Status
from sidecar.catalog import deletion, jobs, libraries, removal, scan_jobs, schedules, settings, wanted_scans
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.jobs import Batch
from sidecar.catalog.lanes import along
from sidecar.catalog.schedules import Due
from sidecar.catalog.tables import asset, import_path, library, volume
from sidecar.jobs import JobKind

BY = "the nightly schedule"
_MICRO = 1_000_000


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


def run(connection: Connection, row: AnyRow, now: int, entropy: bytes) -> Batch:
    """Ask for what is to be done for the next library; after the last one, for those that were deleted."""
    behind = b"" if row.position is None else bytes.fromhex(row.position)
    living = select(library.c.id).where(library.c.deleted_at.is_(None), library.c.id > behind)
    current: bytes | None = connection.execute(living.order_by(library.c.id).limit(1)).scalar_one_or_none()
    new_ids = ids.series(now // 1000, entropy)
    if current is None:
        return Batch(None, 0, {"deletions": len(deletion.take_up_stuck(connection, new_ids, now))})
    wanted_scans.lock_agents(connection)
    (locked,) = libraries.lock(connection, [current])
    if locked.deleted_at is not None:
        return Batch(current.hex(), 0)
    counts = {
        "scans": int(_scan(connection, locked, new_ids, now)),
        "removals": int(_remove_old(connection, locked, new_ids, now)),
    }
    return Batch(current.hex(), 0, counts)


def _scan(connection: Connection, locked: AnyRow, new_ids: Iterator[bytes], now: int) -> bool:
    """Ask for a scan of a library where its storage is there. What is away would only wait, and is scanned anyway when
    it comes back."""
    online = (
        select(import_path.c.volume_id)
        .join(volume, volume.c.id == import_path.c.volume_id)
        .where(import_path.c.library_id == locked.id, import_path.c.removed_at.is_(None))
        .where(volume.c.state == VolumeState.ONLINE)
    )
    there = set(connection.execute(online).scalars())
    if there:
        mode = ScanMode.CHANGED
        scan_jobs.request(connection, locked, mode, None, by=BY, new_ids=new_ids, now=now, among=there)
    return bool(there)


def _remove_old(connection: Connection, locked: AnyRow, new_ids: Iterator[bytes], now: int) -> bool:
    """Ask for the removal of what has been missing for longer than it is to be kept, if there is such."""
    retention_s = settings.read(connection)[0].retention_s
    if retention_s is None:
        return False
    old = (
        select(asset.c.id)
        .join(volume, volume.c.id == asset.c.volume_id)
        .where(asset.c.library_id == locked.id, asset.c.status == Status.MISSING)
        .where(volume.c.online_us - asset.c.absent_online_us >= retention_s * _MICRO)
    )
    if connection.execute(along(old, asset, "ix_asset_status").limit(1)).first() is None:
        return False
    wanted = removal.Wanted(older_than_s=retention_s)
    removal.begin(connection, locked.id, next(new_ids), wanted, BY, now)
    return True


def _look(connection: Connection) -> Due:
    policy, _ = settings.read(connection)
    return schedules.look(connection, schedules.NIGHTLY, policy.scan_schedule, policy.scan_time_zone)
