"""Upload libraries: what photo servers keep in storage of their own, and make known here.

An owner has one, which is made when it is first asked for. No agent watches its assets: they are on no volume and in no
import path, are never missing and never excluded, and their path is the photo server's own. Within such a library a
content is there once. Whoever changes it holds the lock of the library, so that of two equal uploads one is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec
from sqlalchemy import Connection, Select, insert, select, update

from holdfast.media import Kind
from sidecar.asset import Status
from sidecar.catalog import asset_rows, bulk, figures, history, libraries
from sidecar.catalog.clock import CLOCK, feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import asset, library
from sidecar.figures import NOWHERE, Figure, Sort
from sidecar.ledger import Transition

KIND = "upload"
NAME = "Uploads"


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was uploaded. Everything was checked."""

    path: bytes
    kind: Kind
    size: int
    mtime_ns: int
    content: str
    foreign_id: str | None


def library_of(connection: Connection, owner: str) -> AnyRow | None:
    """The upload library of an owner."""
    return connection.execute(select(library).where(library.c.upload_owner == owner)).one_or_none()


def make_library(connection: Connection, name: str, owner: str, new_ids: Iterator[bytes], now: int) -> bytes:
    """Make the upload library of an owner who has none; returns its id."""
    made = libraries.create(
        connection,
        name=name,
        owner=owner,
        kind=KIND,
        import_paths=[],
        exclusion_patterns=[],
        new_ids=new_ids,
        now=now,
    )
    connection.execute(update(library).where(library.c.id == made).values(upload_owner=owner))
    return made


def with_content(connection: Connection, library_id: bytes, contents: Collection[str]) -> dict[str, AnyRow]:
    """The assets of an upload library with these contents: content -> id and bin."""
    found: dict[str, AnyRow] = {}
    for part in bulk.chunks(sorted(contents)):
        rows = connection.execute(_living(library_id).where(asset.c.content.in_(part)))
        found |= {row.content: row for row in rows}
    return found


def at_path(connection: Connection, library_id: bytes, path: bytes) -> AnyRow | None:
    """The asset of an upload library at this path."""
    return connection.execute(_living(library_id).where(asset.c.path == path)).one_or_none()


def add(connection: Connection, library_id: bytes, one: Upload, new_id: bytes, now: int) -> None:
    """Make an upload known, whose library is locked and has neither its content nor its path."""
    row = {
        "id": new_id,
        "library_id": library_id,
        "path": one.path,
        "path_key": asset_rows.place_key(one.path),
        "kind": one.kind,
        "size": one.size,
        "mtime_ns": one.mtime_ns,
        "created_at": now,
        "status": Status.PRESENT,
        "content": one.content,
        "foreign_id": one.foreign_id,
    }
    figures.add(connection, {_sort(library_id, one.kind, Status.PRESENT): Figure(1, 1, one.size)})
    connection.execute(insert(asset).values(row | feed("asset.added", CLOCK.take(connection, 1), now)))


def remove(
    connection: Connection, asset_ids: Collection[bytes], reason: str, new_ids: Iterator[bytes], now: int
) -> int:
    """Take uploads out of the catalog, of which a tombstone stays; how many there were."""
    living = (asset.c.id.in_(sorted(asset_ids)), asset.c.volume_id.is_(None), asset.c.removed_at.is_(None))
    chosen = select(asset.c.id, asset.c.library_id, asset.c.kind, asset.c.size).where(*living)
    rows = connection.execute(chosen.order_by(asset.c.id).with_for_update()).all()
    figures.add(connection, _removed(rows))
    found = [row.id for row in rows]
    changes = CLOCK.take(connection, len(found)) if found else iter(())
    for one in found:
        values = {"removed_at": now, "status": Status.REMOVED, "path_key": None}
        row = values | feed("asset.removed", changes, now)
        connection.execute(update(asset).where(asset.c.id == one).values(row))
    steps = [Transition(one, Status.PRESENT, Status.REMOVED, None, None, reason, 0) for one in found]
    history.write(connection, [history.transition_row(next(new_ids), step, None, now) for step in steps])
    return len(found)


def _sort(library_id: bytes, kind: Kind, status: Status) -> Sort:
    return Sort(library_id, NOWHERE, NOWHERE, kind, status)


def _removed(rows: Sequence[AnyRow]) -> dict[Sort, Figure]:
    """By how much figures grow when these uploads are removed."""
    grown: dict[Sort, Figure] = {}
    for row in rows:
        for status, by in ((Status.PRESENT, -1), (Status.REMOVED, 1)):
            sort = _sort(row.library_id, Kind(row.kind), status)
            was = grown.get(sort, Figure(0, 0, 0))
            grown[sort] = Figure(was.assets + by, was.claiming + min(by, 0), was.bytes + by * row.size)
    return grown


def _living(library_id: bytes) -> Select[*tuple[bytes, str, int]]:
    return select(asset.c.id, asset.c.content, asset.c.trashed_at).where(
        asset.c.library_id == library_id, asset.c.removed_at.is_(None)
    )
