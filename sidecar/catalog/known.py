"""What the catalog believes to be on a volume, page by page, for an agent that begins a stream anew (R33, R34, R35).

Assets are read in the order of their ids, which a rename does not change: what moves while the pages are read is
neither missed nor read twice. Every page reads a bounded number of rows, whatever else the library holds.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from sidecar.catalog.lanes import along
from sidecar.catalog.tables import asset, import_path, library, xmp

# Assets come library by library, in the order of their ids; .xmp files are in no library, and come last.
_ASSETS, _XMP = 0, 1
SORTS = (int, bytes, bytes)


class Position(NamedTuple):
    """The next page starts behind this: the kind of row, its library, and its key there."""

    kind: int
    library: bytes
    key: bytes


START = Position(_ASSETS, b"", b"")


File = tuple[bytes, int, int, str | None]  # name, size, mtime, content


class Page(NamedTuple):
    """Files, by directory. ``position``: where the next page starts; None after the last."""

    directories: dict[bytes, list[File]]
    position: Position | None


def page(connection: Connection, volume: bytes, after: Position, limit: int) -> Page:
    """The files behind a position: those that claim a path and are not known to be gone."""
    if after.kind == _XMP:
        return _xmp_page(connection, volume, after, limit)
    chosen = (
        select(import_path.c.library_id)
        .join(library, library.c.id == import_path.c.library_id)
        .where(import_path.c.volume_id == volume, library.c.deleted_at.is_(None), library.c.id >= after.library)
        .order_by(import_path.c.library_id)
        .limit(1)
    )
    current = connection.execute(chosen).scalar_one_or_none()
    if current is None:
        return _xmp_page(connection, volume, Position(_XMP, b"", b""), limit)
    last = after.key if current == after.library else b""
    wanted = select(
        asset.c.id,
        asset.c.volume_id,
        asset.c.path,
        asset.c.path_key,
        asset.c.size,
        asset.c.mtime_ns,
        asset.c.absent_since,
        asset.c.removed_at,
        asset.c.content,
    ).where(asset.c.library_id == current, asset.c.id > last)
    rows = connection.execute(along(wanted, asset, "ix_asset_library_id").order_by(asset.c.id).limit(limit)).all()
    found: dict[bytes, list[File]] = {}
    for row in rows:
        # Chosen here and not in SQL, so that a library with little on this volume is not read to its end for a page.
        if row.volume_id == volume and row.path_key and row.absent_since is None and row.removed_at is None:
            _put(found, row.path, row.size, row.mtime_ns, row.content)
    if len(rows) < limit:
        return Page(found, Position(_ASSETS, _after(current), b""))
    return Page(found, Position(_ASSETS, current, rows[-1].id))


def _xmp_page(connection: Connection, volume: bytes, after: Position, limit: int) -> Page:
    rows = connection.execute(
        select(xmp.c.path, xmp.c.path_key, xmp.c.size, xmp.c.mtime_ns)
        .where(xmp.c.volume_id == volume, xmp.c.path_key > after.key)
        .order_by(xmp.c.path_key)
        .limit(limit)
    ).all()
    found: dict[bytes, list[File]] = {}
    for row in rows:
        _put(found, row.path, row.size, row.mtime_ns, None)
    return Page(found, Position(_XMP, b"", rows[-1].path_key) if len(rows) == limit else None)


def _put(found: dict[bytes, list[File]], path: bytes, size: int, mtime_ns: int, content: str | None) -> None:
    directory, _, name = path.rpartition(b"/")
    found.setdefault(directory, []).append((name, size, mtime_ns, content))


def _after(library_id: bytes) -> bytes:
    """The smallest id behind this one."""
    return (int.from_bytes(library_id, "big") + 1).to_bytes(len(library_id), "big")
