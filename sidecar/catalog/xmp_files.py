"""The .xmp files that lie on volumes, beside photos or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, select

from sidecar.catalog import asset_rows, bulk
from sidecar.catalog.tables import xmp
from sidecar.ledger import XmpFacts


def at(connection: Connection, volume_id: bytes, wanted: Collection[bytes]) -> dict[bytes, XmpFacts]:
    """Those of these files that there are."""
    found: dict[bytes, XmpFacts] = {}
    for part in bulk.chunks(map(asset_rows.key, wanted)):
        rows = connection.execute(
            select(xmp.c.path, xmp.c.size, xmp.c.mtime_ns).where(xmp.c.volume_id == volume_id, xmp.c.path_key.in_(part))
        )
        found |= {row.path: (row.size, row.mtime_ns) for row in rows}
    return found


def exist(connection: Connection, volume_id: bytes) -> bool:
    """Whether there is one on the volume."""
    return connection.execute(select(xmp.c.path_key).where(xmp.c.volume_id == volume_id).limit(1)).first() is not None


def write(connection: Connection, volume_id: bytes, written: Mapping[bytes, XmpFacts], gone: Collection[bytes]) -> None:
    """Note files that are there, and those that are no more."""
    rows = [(volume_id, asset_rows.key(path), path, *facts) for path, facts in written.items()]
    bulk.upsert(connection, xmp, rows, ("size", "mtime_ns"))
    for part in bulk.chunks(map(asset_rows.key, gone)):
        connection.execute(delete(xmp).where(xmp.c.volume_id == volume_id, xmp.c.path_key.in_(part)))
