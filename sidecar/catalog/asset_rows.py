"""Assets between the database and the values that decisions are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, or_, select, update

from holdfast.media import Kind
from sidecar.asset import Asset, Status, status
from sidecar.catalog import bulk, lanes
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.lanes import Lane
from sidecar.catalog.tables import asset as table
from sidecar.ledger import Write

# All that there is to be written of nearly every new file, and what may be known of any.
_PLAIN = (
    "id",
    "library_id",
    "volume_id",
    "import_path_id",
    "path",
    "path_key",
    "kind",
    "size",
    "mtime_ns",
    "created_at",
    "status",
    "change",
    "change_kind",
    "changed_at",
)
_MORE = (
    "absent_since",
    "absent_online_us",
    "unreadable_error",
    "excluded_by",
    "removed_at",
    "xmp_path",
    "content",
)
_ROW = (*_PLAIN, *_MORE)
# What ingest may overwrite. The bin and the photo server's own id belong to others, who write them meanwhile.
_OWNED = tuple(name for name in _ROW if name not in ("id", "library_id", "created_at"))
_FACTS = (
    table.c.id,
    table.c.library_id,
    table.c.volume_id,
    table.c.import_path_id,
    table.c.path,
    table.c.path_key,
    table.c.kind,
    table.c.size,
    table.c.mtime_ns,
    table.c.created_at,
    table.c.absent_since,
    table.c.unreadable_error,
    table.c.excluded_by,
    table.c.removed_at,
    table.c.xmp_path,
    table.c.absent_online_us,
    table.c.content,
)
# So many assets are held in memory at a time, of those that may be a whole library.
PAGE = 5 * bulk.CHUNK
_BY_PATH, _BY_STATUS = "ix_asset_path", "ix_asset_status"
_DIRECTORY_KEY_BYTES = 4
_FIRST_KEY, _LAST_KEY = bytes(16), b"\xff" * 16
# Each is a predicate of its own; a report has seldom more directories.
_PROBES = 200
# A range of names beside an .xmp file is a predicate of its own; more of them in one statement help nobody.
_RANGES = 100


def key(path: bytes) -> bytes:
    """The digest that stands for a path in unique keys; paths are longer than any engine indexes."""
    return hashlib.blake2b(path, digest_size=16).digest()


def place_key(path: bytes) -> bytes:
    """The digest that stands for the path of an asset.

    It begins with a few bytes of its directory's: reports speak of whole directories, and a million keys without any
    order cost an index more than everything else in it.
    """
    return _directory_key(_directory(path)) + key(path)


@lru_cache(maxsize=1_024)
def _directory_key(directory: bytes) -> bytes:
    return hashlib.blake2b(directory, digest_size=_DIRECTORY_KEY_BYTES).digest()


def _directory(path: bytes) -> bytes:
    return path[: max(0, path.rfind(b"/"))]


def below(directory: bytes, path: ColumnElement[bytes] = table.c.path) -> ColumnElement[bool] | None:
    """The condition that a path lies below a directory of the volume; None for its root."""
    if not directory:
        return None
    # "0" is the byte after "/".
    return and_(path >= directory + b"/", path < directory + b"0")


def at(connection: Connection, libraries: Iterable[bytes], volume: bytes, paths: Collection[bytes]) -> list[Asset]:
    """The assets that claim these paths, locked until the transaction ends."""
    found: list[Asset] = []
    by_directory: dict[bytes, list[bytes]] = {}
    for path in paths:
        by_directory.setdefault(_directory(path), []).append(path)
    for library in libraries:
        inhabited = _inhabited(connection, library, volume, by_directory.keys())
        for part in bulk.chunks(place_key(path) for directory in inhabited for path in by_directory[directory]):
            rows = connection.execute(_AT_PLACES, {"library": library, "volume": volume, "places": part})
            found += map(_asset, rows)
    return found


def with_ids(connection: Connection, assets: Collection[bytes]) -> list[Asset]:
    """These assets, locked until the transaction ends."""
    found: list[Asset] = []
    for part in bulk.chunks(assets):
        found += map(_asset, connection.execute(_facts().where(table.c.id.in_(part)).order_by(table.c.id)))
    return found


def with_content(connection: Connection, libraries: Iterable[bytes], contents: Collection[str]) -> list[Asset]:
    """The assets of these libraries that have, or had, one of these contents, locked until the transaction ends."""
    found: list[Asset] = []
    for part in bulk.chunks(sorted(contents)):
        chosen = _facts().where(table.c.content.in_(part), table.c.library_id.in_(sorted(libraries)))
        # SQLite would rather go through all of a library in the order of ids than sort a handful.
        found += map(_asset, connection.execute(chosen.order_by(lanes.opaque(table.c.id))))
    return found


def in_ranges(
    connection: Connection, libraries: Iterable[bytes], volume: bytes, ranges: Collection[tuple[bytes, bytes]]
) -> list[Asset]:
    """The assets whose path lies in one of the ranges (from, to), locked until the transaction ends."""
    found: list[Asset] = []
    for library in libraries:
        for part in bulk.chunks(ranges, _RANGES):
            # The library stands in each of them, or SQLite goes through all that is on the volume instead.
            of_library = table.c.library_id == library
            within = or_(*(and_(of_library, table.c.path >= low, table.c.path < high) for low, high in part))
            chosen = _facts().where(within, lanes.opaque(table.c.volume_id) == volume, table.c.path_key.is_not(None))
            found += map(_asset, connection.execute(lanes.along(chosen, table, _BY_PATH)))
    return found


def present_below(connection: Connection, library: bytes, volume: bytes, directory: bytes) -> Iterator[list[Asset]]:
    """The present assets below a directory, some thousands at a time, locked until the transaction ends.

    The caller may change their status between pages.
    """
    wanted = _facts().where(
        table.c.library_id == library, table.c.volume_id == volume, table.c.status == Status.PRESENT
    )
    # In the order of ids, which every engine has: MySQL indexes the beginning of a path only, and would sort all that
    # is left for every page. What is small is sorted, so that nothing else of its library is looked at.
    inside = below(directory)
    order: ColumnElement[Any] = table.c.id
    if inside is not None and lanes.is_small(
        connection, table, [Lane(_BY_PATH, (table.c.library_id == library, inside))]
    ):
        wanted, order = lanes.along(wanted.where(inside), table, _BY_PATH), lanes.opaque(table.c.id)
    else:
        wanted = lanes.along(wanted, table, _BY_STATUS)
        inside = below(directory, lanes.opaque(table.c.path))
        wanted = wanted if inside is None else wanted.where(inside)
    last = b""
    while True:
        page = [_asset(row) for row in connection.execute(wanted.where(order > last).order_by(order).limit(PAGE))]
        if not page:
            return
        last = page[-1].id
        yield page


def write(connection: Connection, writes: Iterable[Write], changes: Iterator[int], now: int) -> None:
    """Write rows completely, each with the next change number."""
    plain: list[tuple[Any, ...]] = []
    new: list[tuple[Any, ...]] = []
    known: list[tuple[Any, ...]] = []
    for one in writes:
        more = _more(one.asset)
        row = _row(one, _PRESENT if more == _NOTHING else _WORDS[status(one.asset)], next(changes), now)
        if one.is_new and more == _NOTHING:
            plain.append(row)
        else:
            (new if one.is_new else known).append((*row, *more))
    bulk.insert(connection, table, plain, _PLAIN)
    bulk.insert(connection, table, new, _ROW)
    bulk.upsert(connection, table, known, _OWNED, _ROW)


def release(connection: Connection, assets: Collection[bytes]) -> None:
    """Let these assets give up the paths they claim."""
    for part in bulk.chunks(assets):
        connection.execute(update(table).where(table.c.id.in_(part)).values(path_key=None))


def _facts() -> Select[Any]:
    return select(*_FACTS).with_for_update()


# The parameters are bound, not written into it: whatever number of them is compiled once.
_AT_PLACES = _facts().where(
    table.c.library_id == bindparam("library"),
    table.c.volume_id == bindparam("volume"),
    table.c.path_key.in_(bindparam("places", expanding=True)),
)


def _inhabited(connection: Connection, library: bytes, volume: bytes, directories: Iterable[bytes]) -> list[bytes]:
    """Those of the directories in which an asset claims a path: of a new library there are none, and its files need not
    be looked for one by one."""
    found: list[bytes] = []
    mark = bulk.mark(connection)
    probe = (
        f"EXISTS (SELECT 1 FROM asset WHERE library_id = {mark} AND volume_id = {mark}"
        f" AND path_key BETWEEN {mark} AND {mark})"
    )
    for part in bulk.chunks(directories, _PROBES):
        asked: list[bytes] = []
        for prefix in map(_directory_key, part):
            asked += library, volume, prefix + _FIRST_KEY, prefix + _LAST_KEY
        row = connection.exec_driver_sql(f"SELECT {', '.join([probe] * len(part))}", tuple(asked)).one()
        found += (directory for directory, is_inhabited in zip(part, row, strict=True) if is_inhabited)
    return found


def _asset(row: AnyRow) -> Asset:
    return Asset(
        id=row[0],
        library=row[1],
        volume=row[2],
        import_path=row[3],
        path=row[4],
        claims=row[5] is not None,
        kind=Kind(row[6]),
        size=row[7],
        mtime_ns=row[8],
        created_at=row[9],
        absent_since=row[10],
        unreadable_error=row[11],
        excluded_by=row[12],
        removed_at=row[13],
        xmp_path=row[14],
        absent_online_us=row[15],
        content=row[16],
    )


# Drivers ask of every value of an unknown type whether they know how to write it; of a plain text they need not.
_WORDS: dict[str, str] = {word: word.value for words in (Kind, Status) for word in words}
_PRESENT = Status.PRESENT.value
_NOTHING = (None,) * len(_MORE)


def _more(asset: Asset) -> tuple[Any, ...]:
    """What may be known of a file besides what it is, in the order of ``_MORE``."""
    return (
        asset.absent_since,
        asset.absent_online_us,
        asset.unreadable_error,
        asset.excluded_by,
        asset.removed_at,
        asset.xmp_path,
        asset.content,
    )


def _row(write: Write, status: str, change: int, now: int) -> tuple[Any, ...]:
    """What is to be written of any file, in the order of ``_PLAIN``."""
    one = write.asset
    return (
        one.id,
        one.library,
        one.volume,
        one.import_path,
        one.path,
        place_key(one.path) if one.claims else None,
        _WORDS[one.kind],
        one.size,
        one.mtime_ns,
        one.created_at,
        status,
        change,
        write.kind,
        now,
    )
