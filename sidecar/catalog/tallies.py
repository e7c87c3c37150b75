"""Tallies: how many assets each place of a volume has, and what was drawn on its budgets.

Whoever changes how many files are there keeps them, in the same transaction; so the guard decides in constant time
however many files there are. The row of the volume as a whole is locked first and stands for all: of two that write
about one volume the second waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from sidecar.asset import Asset
from sidecar.catalog import asset_rows, bulk
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import import_path
from sidecar.catalog.tables import tally as table
from sidecar.guard import WHOLE, Bucket, Place, Tally, balance

# No directory has this digest, as far as anybody will ever find out.
_WHOLE_KEY = bytes(16)
_FIGURES = ("present", "absent_level", "absent_at_us", "changed_level", "changed_at_us")


def lock(connection: Connection, volume: bytes, places: Collection[Place]) -> dict[Place, Tally]:
    """The tallies of these places and of the volume, locked until the transaction ends."""
    _lock_volume(connection, volume)
    wanted = {_key(place): place for place in {*places, WHOLE}}
    found = dict.fromkeys(wanted.values(), Tally())
    for part in bulk.chunks(sorted(wanted)):
        rows = connection.execute(
            select(table).where(table.c.volume_id == volume, table.c.place_key.in_(part)).with_for_update()
        )
        found |= {wanted[row.place_key]: _tally(row) for row in rows}
    return found


def write(connection: Connection, volume: bytes, tallies: Mapping[Place, Tally]) -> None:
    """Write tallies that were locked."""
    rows = [_row(volume, place, tally) for place, tally in tallies.items()]
    bulk.upsert(connection, table, rows, _FIGURES)


def recount(connection: Connection, volume: bytes, pairs: Sequence[tuple[Asset, Asset]]) -> None:
    """Count assets of a volume, which are locked, as what they have become."""
    chosen = select(import_path.c.id, import_path.c.directory).where(import_path.c.volume_id == volume)
    grown = balance(pairs, {row.id: row.directory for row in connection.execute(chosen)})
    if not grown:
        return
    locked = lock(connection, volume, grown.keys())
    write(
        connection,
        volume,
        {place: replace(tally, present=tally.present + grown[place]) for place, tally in locked.items()},
    )


def _lock_volume(connection: Connection, volume: bytes) -> None:
    wanted = select(table.c.present).where(table.c.volume_id == volume, table.c.place_key == _WHOLE_KEY)
    if connection.execute(wanted.with_for_update()).first() is not None:
        return
    fresh: dict[str, Any] = {"volume_id": volume, "place_key": _WHOLE_KEY, **dict.fromkeys(_FIGURES, 0)}
    bulk.insert_unless_there(connection, table, fresh)
    connection.execute(wanted.with_for_update())


def _key(place: Place) -> bytes:
    return _WHOLE_KEY if place is None else asset_rows.key(place)


def _tally(row: AnyRow) -> Tally:
    return Tally(row.present, Bucket(row.absent_level, row.absent_at_us), Bucket(row.changed_level, row.changed_at_us))


def _row(volume: bytes, place: Place, tally: Tally) -> tuple[Any, ...]:
    absent, changed = tally.absent, tally.changed
    # A place that became unknown to the count can never have fewer than no files.
    present = max(0, tally.present)
    return (volume, _key(place), present, absent.level, absent.at_us, changed.level, changed.at_us)
