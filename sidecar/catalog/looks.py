"""Looks that a job asks for: scans of directories, on storage that stays as it is.

A look counts when it was had to its end without any error, and when its volume has been online, in one unbroken
attachment, from the moment it was asked for until the moment it is gone by. In one attachment the agent watches: what
came after the look was reported, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import Connection, select

from holdfast import paths
from holdfast.scans import ScanMode
from holdfast.volumes import VolumeState
from sidecar.catalog import wanted_scans
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import volume, wanted_scan
from sidecar.scanning import Target

# The attachments in which volumes were when looks at them were asked for: their ids, in hexadecimal, and the epochs.
Epochs = dict[str, str]


def ask(connection: Connection, job_id: bytes, wanted: Sequence[Target], new_ids: Iterator[bytes], now: int) -> Epochs:
    """Ask for looks at directories of volumes, of those that are online. Returns in which attachments these are."""
    if not wanted:
        return {}
    wanted_scans.lock_agents(connection)
    chosen = select(volume.c.id, volume.c.epoch).where(
        volume.c.id.in_({one.volume for one in wanted}), volume.c.state == VolumeState.ONLINE
    )
    epochs = {row.id: row.epoch for row in connection.execute(chosen) if row.epoch is not None}
    there = [one for one in wanted if one.volume in epochs]
    if there:
        wanted_scans.ask(connection, job_id, there, ScanMode.CHANGED, new_ids, now)
    return {key.hex(): epoch for key, epoch in epochs.items()}


def are_awaited(connection: Connection, job_id: bytes, epochs: Mapping[str, str], now: int) -> bool:
    """Whether one of the looks that a job has asked for may still count. Those that cannot are wanted no more."""
    chosen = (
        select(wanted_scan.c.id.label("part"), volume.c.id, volume.c.state, volume.c.epoch)
        .join(volume, volume.c.id == wanted_scan.c.volume_id)
        .where(wanted_scan.c.job_id == job_id, wanted_scan.c.ended_at.is_(None))
    )
    rows = connection.execute(chosen).all()
    vain = [row.part for row in rows if not _is_as_it_was(row, epochs)]
    if vain:
        wanted_scans.lock_agents(connection)
        wanted_scans.drop(connection, vain, now)
    return len(vain) < len(rows)


def lock_storage(connection: Connection, volume_ids: Collection[bytes]) -> dict[bytes, AnyRow]:
    """The rows of volumes, locked until the transaction ends: none goes away, and no report about one is taken in."""
    chosen = select(volume).where(volume.c.id.in_(sorted(volume_ids))).order_by(volume.c.id).with_for_update()
    return {row.id: row for row in connection.execute(chosen)} if volume_ids else {}


def complete(
    connection: Connection, job_id: bytes, epochs: Mapping[str, str], storages: Mapping[bytes, AnyRow]
) -> dict[bytes, list[str]]:
    """The directories that were looked at for a job, by volume (wire text). ``storages`` are the locked volumes."""
    had = (wanted_scan.c.job_id == job_id, wanted_scan.c.complete == 1, wanted_scan.c.errors == 0)
    found: dict[bytes, list[str]] = {}
    for row in connection.execute(select(wanted_scan.c.volume_id, wanted_scan.c.directory).where(*had)):
        storage = storages.get(row.volume_id)
        if storage is not None and _is_as_it_was(storage, epochs):
            found.setdefault(row.volume_id, []).append(paths.to_wire(row.directory))
    return found


def _is_as_it_was(row: AnyRow, epochs: Mapping[str, str]) -> bool:
    return bool(row.state == VolumeState.ONLINE and row.epoch == epochs.get(row.id.hex()))
