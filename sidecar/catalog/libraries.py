"""Libraries and their import paths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from holdfast import paths
from holdfast.assignments import BindingState
from sidecar.catalog.clock import CLOCK, feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, import_path, library, volume


class NewImportPath(msgspec.Struct, frozen=True):
    """An import path to make. Paths are wire text and were checked."""

    agent: bytes
    path: str
    server_path: str


def create(
    connection: Connection,
    *,
    name: str,
    owner: str,
    kind: str,
    import_paths: Sequence[NewImportPath],
    exclusion_patterns: Sequence[str],
    new_ids: Iterator[bytes],
    now: int,
) -> bytes:
    """Make a library and tell its agents. Returns its id."""
    new_id = next(new_ids)
    agents = sorted({one.agent for one in import_paths})
    for one in agents:
        connection.execute(update(agent).where(agent.c.id == one).values(revision=agent.c.revision + 1))
    row = {
        "id": new_id,
        "name": name,
        "owner": owner,
        "kind": kind,
        "exclusion_patterns": msgspec.json.encode(list(exclusion_patterns)).decode(),
        "created_at": now,
        "revision": 1,
    }
    connection.execute(library.insert().values(row | feed("library.updated", CLOCK.take(connection, 1), now)))
    for path in import_paths:
        connection.execute(
            import_path.insert().values(
                id=next(new_ids),
                library_id=new_id,
                agent_id=path.agent,
                path=paths.to_bytes(path.path),
                server_path=paths.to_bytes(path.server_path),
                state=BindingState.PENDING.value,
            )
        )
    return new_id


def rename(connection: Connection, library_id: bytes, name: str, now: int) -> None:
    """Give a library that was locked another name."""
    connection.execute(update(library).where(library.c.id == library_id).values(name=name))
    touch(connection, [library_id], CLOCK.take(connection, 1), now)


def lock(connection: Connection, library_ids: Collection[bytes]) -> Sequence[AnyRow]:
    """Lock libraries until the transaction ends, always in the same order; returns their rows."""
    if not library_ids:
        return []
    chosen = select(library).where(library.c.id.in_(sorted(library_ids))).order_by(library.c.id)
    return connection.execute(chosen.with_for_update()).all()


def touch(
    connection: Connection, library_ids: Collection[bytes], changes: Iterator[int], now: int, **values: Any
) -> None:
    """Note that libraries changed: a new revision, and a place in the feed."""
    for one in library_ids:
        row = values | {"revision": library.c.revision + 1} | feed("library.updated", changes, now)
        connection.execute(update(library).where(library.c.id == one).values(row))


def get(connection: Connection, library_id: bytes) -> AnyRow | None:
    """One library."""
    return connection.execute(select(library).where(library.c.id == library_id)).one_or_none()


def page(connection: Connection, owner: str | None, after: bytes, limit: int) -> Sequence[AnyRow]:
    """Libraries in the order of their ids."""
    chosen = select(library).where(library.c.id > after, library.c.deleted_at.is_(None))
    if owner is not None:
        chosen = chosen.where(library.c.owner == owner)
    return connection.execute(chosen.order_by(library.c.id).limit(limit)).all()


def import_paths(connection: Connection, library_ids: Collection[bytes]) -> dict[bytes, list[AnyRow]]:
    """The import paths of libraries, in the order in which they were given, and their parts among them."""
    found: dict[bytes, list[AnyRow]] = {one: [] for one in library_ids}
    chosen = select(import_path).where(import_path.c.library_id.in_(sorted(found))).order_by(import_path.c.id)
    for row in connection.execute(chosen) if found else ():
        found[row.library_id].append(row)
    return found


def shown_via(connection: Connection) -> list[tuple[bytes, str]]:
    """The import paths whose files are shown through a union, and the reason of that union's state."""
    chosen = select(import_path.c.id, volume.c.reason).join(volume, volume.c.id == import_path.c.via_volume_id)
    return [(row.id, row.reason) for row in connection.execute(chosen)]


def owned_by(connection: Connection, owner: str) -> list[bytes]:
    """The ids of all libraries of an owner."""
    return list(connection.execute(select(library.c.id).where(library.c.owner == owner)).scalars())


def volumes_of(connection: Connection, owner: str) -> list[bytes]:
    """The ids of all volumes that an owner's libraries are on, or are shown through."""
    places = select(import_path.c.volume_id, import_path.c.via_volume_id).join(
        library, library.c.id == import_path.c.library_id
    )
    rows = connection.execute(places.where(library.c.owner == owner).distinct())
    return sorted({one for row in rows for one in row if one is not None})
