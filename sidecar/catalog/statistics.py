"""What libraries have, in numbers, from the figures that are kept."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from holdfast.media import Kind
from holdfast.volumes import Reason, VolumeState
from sidecar.asset import Availability, Status, availability
from sidecar.catalog import libraries
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import figure, library, volume
from sidecar.figures import NOWHERE


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
    return _summed(connection, [figure.c.library_id == library_id])


def of_all(connection: Connection, owner: str | None = None, volume_id: bytes | None = None) -> Statistics:
    """The figures of all libraries, of an owner's, and of what of them is on one volume. Deleted ones do not count."""
    living = select(library.c.id).where(library.c.deleted_at.is_(None))
    if owner is not None:
        living = living.where(library.c.owner == owner)
    conditions: list[ColumnElement[bool]] = [figure.c.library_id.in_(living)]
    if volume_id is not None:
        conditions.append(figure.c.volume_id == volume_id)
    return _summed(connection, conditions)


def volumes_of(connection: Connection, library_id: bytes) -> list[bytes]:
    """The volumes that a library has, or ever had, anything on."""
    chosen = select(figure.c.volume_id).where(figure.c.library_id == library_id, figure.c.volume_id != NOWHERE)
    return sorted(set(connection.execute(chosen).scalars()))


def libraries_on(connection: Connection, volume_id: bytes) -> list[bytes]:
    """The libraries that have, or ever had, anything on a volume."""
    chosen = select(figure.c.library_id).where(figure.c.volume_id == volume_id)
    return sorted(set(connection.execute(chosen).scalars()))


def _summed(connection: Connection, conditions: list[ColumnElement[bool]]) -> Statistics:
    rows = connection.execute(select(figure).where(*conditions)).all()
    on = {row.volume_id for row in rows}
    states = {
        row.id: VolumeState(row.state)
        for row in connection.execute(select(volume.c.id, volume.c.state).where(volume.c.id.in_(sorted(on))))
    }
    via = {path: Reason(reason) for path, reason in libraries.shown_via(connection)}
    kinds = dict.fromkeys((Kind.IMAGE, Kind.VIDEO), 0)
    by_status = dict.fromkeys(Status, 0)
    by_availability = dict.fromkeys(Availability, 0)
    total = 0
    for row in rows:
        by_status[Status(row.status)] += row.assets
        if row.status == Status.PRESENT:
            kinds[Kind(row.kind)] += row.assets
            by_availability[_availability(row, states, via)] += row.assets
            total += row.bytes
    return Statistics(
        photos=kinds[Kind.IMAGE],
        videos=kinds[Kind.VIDEO],
        bytes=total,
        by_status={str(key): value for key, value in by_status.items()},
        by_availability={str(key): value for key, value in by_availability.items()},
    )


def _availability(row: AnyRow, states: Mapping[bytes, VolumeState], via: Mapping[bytes, Reason]) -> Availability:
    if row.volume_id == NOWHERE:
        return Availability.ONLINE  # an upload is in storage of the photo server's own
    return availability(states[row.volume_id], via.get(row.import_path_id))
