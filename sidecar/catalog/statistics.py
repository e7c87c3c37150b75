"""Figures of libraries: one pass over an index, in the database."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from holdfast.media import Kind
from holdfast.volumes import Reason, VolumeState
from sidecar.asset import Availability, Status, availability
from sidecar.catalog import libraries
from sidecar.catalog.tables import asset, library, volume


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
    return _counted(connection, [asset.c.library_id == library_id])


def of_all(connection: Connection, owner: str | None = None, volume_id: bytes | None = None) -> Statistics:
    """The figures of all libraries, of an owner's, and of what of them is on one volume. Deleted ones do not count."""
    living = select(library.c.id).where(library.c.deleted_at.is_(None))
    if owner is not None:
        living = living.where(library.c.owner == owner)
    # Named, so that every engine goes by the index that begins with the library.
    conditions: list[ColumnElement[bool]] = [asset.c.library_id.in_(connection.execute(living).scalars().all())]
    if volume_id is not None:
        conditions.append(asset.c.volume_id == volume_id)
    return _counted(connection, conditions)


def _counted(connection: Connection, conditions: list[ColumnElement[bool]]) -> Statistics:
    by = (asset.c.status, asset.c.kind, asset.c.volume_id, asset.c.import_path_id)
    counted = select(*by, func.count(), func.sum(asset.c.size)).where(*conditions).group_by(*by)
    rows = connection.execute(counted).all()
    on = {row[2] for row in rows if row[2] is not None}
    states = {
        row.id: VolumeState(row.state)
        for row in connection.execute(select(volume.c.id, volume.c.state).where(volume.c.id.in_(sorted(on))))
    }
    via = {path: Reason(reason) for path, reason in libraries.shown_via(connection)}
    kinds = dict.fromkeys((Kind.IMAGE, Kind.VIDEO), 0)
    by_status = dict.fromkeys(Status, 0)
    by_availability = dict.fromkeys(Availability, 0)
    total = 0
    for status, kind, volume_of, path_id, count, size in rows:
        by_status[Status(status)] += count
        if status == Status.PRESENT:
            kinds[Kind(kind)] += count
            # An upload is in storage of the photo server's own.
            where = Availability.ONLINE if volume_of is None else availability(states[volume_of], via.get(path_id))
            by_availability[where] += count
            total += int(size)
    return Statistics(
        photos=kinds[Kind.IMAGE],
        videos=kinds[Kind.VIDEO],
        bytes=total,
        by_status={str(key): value for key, value in by_status.items()},
        by_availability={str(key): value for key, value in by_availability.items()},
    )
