"""Agents and volumes, from rows of the catalog."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.volumes import Capacity, Epoch, Identity, Reason, VolumeState, help_of
from sidecar.api import shapes
from sidecar.api.shapes import moment, moment_or_none
from sidecar.catalog import places, volumes
from sidecar.catalog.columns import AnyRow

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "virtiofs"}


def volume_page(connection: Connection, rows: Sequence[AnyRow], owner: str | None = None) -> list[shapes.Volume]:
    """Volumes with their counts; those of an owner's assets, if one is given."""
    volume_ids = [row.id for row in rows]
    counts, scans = volumes.asset_counts(connection, volume_ids, owner), volumes.last_scans(connection, volume_ids)
    return [_volume(row, counts[row.id], scans.get(row.id)) for row in rows]


def volume_transition(row: AnyRow) -> shapes.VolumeTransition:
    """A step of a volume's history."""
    return shapes.VolumeTransition(
        at=moment(row.at),
        from_state=None if row.from_state is None else VolumeState(row.from_state),
        to_state=VolumeState(row.to_state),
        reason=Reason(row.reason),
        detail=row.detail,
        mounted_at=places.text_or_none(row.mounted_at),
    )


def agent(row: AnyRow) -> shapes.Agent:
    """An agent."""
    return shapes.Agent(
        id=ids.to_text("agent", row.id),
        name=row.name,
        host=row.host,
        version=row.version,
        protocol=row.protocol,
        capabilities=msgspec.json.decode(row.capabilities),
        enrolled_at=moment(row.enrolled_at),
        last_seen=moment_or_none(row.last_seen),
        silent_since=moment_or_none(row.silent_since),
        revoked_at=moment_or_none(row.revoked_at),
    )


def scan(row: AnyRow) -> shapes.Scan:
    """A scan."""
    return shapes.Scan(
        id=ids.to_text("scan", row.id),
        volume_id=ids.to_text("volume", row.volume_id),
        directory=paths.to_display(row.directory),
        mode=row.mode,
        started_at=moment(row.started_at),
        finished_at=moment_or_none(row.finished_at),
        complete=None if row.complete is None else bool(row.complete),
        directories=row.directories,
        files=row.files,
        errors=row.errors,
    )


def gap(row: AnyRow) -> shapes.EventGap:
    """Lost events."""
    return shapes.EventGap(
        volume_id=ids.to_text("volume", row.volume_id),
        directory=paths.to_display(row.directory),
        reason=row.reason,
        at=moment(row.at),
    )


def _volume(row: AnyRow, assets: int, last_scan: int | None) -> shapes.Volume:
    identity = msgspec.json.decode(row.identity, type=Identity)
    capacity = None if row.total_bytes is None else Capacity(row.total_bytes, row.free_bytes)
    return shapes.Volume(
        id=ids.to_text("volume", row.id),
        agent=ids.to_text("agent", row.agent_id),
        label=row.label,
        kind="network" if identity.fs_type in _NETWORK else "fuse" if identity.fs_type.startswith("fuse") else "disk",
        fs_type=identity.fs_type,
        identity=identity,
        mounted_at=places.text_or_none(row.mounted_at),
        last_mounted_at=places.text_or_none(row.last_mounted_at),
        state=VolumeState(row.state),
        reason=Reason(row.reason),
        detail=row.detail,
        help=help_of(Reason(row.reason)),
        since=moment(row.since),
        epoch=None if row.epoch is None else msgspec.json.decode(row.epoch, type=Epoch),
        last_scan=moment_or_none(last_scan),
        assets=assets,
        capacity=capacity,
        pending=row.pending,
    )
