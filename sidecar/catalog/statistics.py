"""Figures of a library: one pass over an index, in the database."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, func, select

from holdfast.media import Kind
from holdfast.volumes import VolumeState
from sidecar.asset import Availability, Status, availability
from sidecar.catalog.tables import asset, volume


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """``photos``, ``videos`` and ``bytes`` count what is present, whether its storage is there at the moment or
    not. ``by_status`` counts every asset, ``by_availability`` the present ones."""

    photos: int
    videos: int
    bytes: int
    by_status: dict[str, int]
    by_availability: dict[str, int]


def of_library(connection: Connection, library_id: bytes) -> Statistics:
    """The figures of one library."""
    counted = (
        select(asset.c.status, asset.c.kind, asset.c.volume_id, func.count(), func.sum(asset.c.size))
        .where(asset.c.library_id == library_id)
        .group_by(asset.c.status, asset.c.kind, asset.c.volume_id)
    )
    rows = connection.execute(counted).all()
    on = {row[2] for row in rows}
    states = {
        row.id: availability(VolumeState(row.state))
        for row in connection.execute(select(volume.c.id, volume.c.state).where(volume.c.id.in_(sorted(on))))
    }
    kinds = dict.fromkeys((Kind.IMAGE, Kind.VIDEO), 0)
    by_status = dict.fromkeys(Status, 0)
    by_availability = dict.fromkeys(Availability, 0)
    total = 0
    for status, kind, volume_id, count, size in rows:
        by_status[Status(status)] += count
        if status == Status.PRESENT:
            kinds[Kind(kind)] += count
            by_availability[states[volume_id]] += count
            total += int(size)
    return Statistics(
        photos=kinds[Kind.IMAGE],
        videos=kinds[Kind.VIDEO],
        bytes=total,
        by_status={str(key): value for key, value in by_status.items()},
        by_availability={str(key): value for key, value in by_availability.items()},
    )
