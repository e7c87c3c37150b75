"""Libraries and their import paths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from holdfast import paths
from holdfast.assignments import BindingState
from sidecar.catalog import jobs, revisions, wanted_scans
from sidecar.catalog.clock import CLOCK, feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, import_path, library, volume
from sidecar.jobs import JobKind


class NewImportPath(msgspec.Struct, frozen=True):
    """An import path to make. Paths are wire text and were checked."""

    agent: bytes
    path: str
    server_path: str


class KeptImportPath(msgspec.Struct, frozen=True):
    """An import path that a library has, and goes on having; what the photo server calls it may be another path."""

    id: bytes
    server_path: str


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What a library is to be. Everything was checked."""

    name: str
    import_paths: Sequence[NewImportPath | KeptImportPath]
    exclusion_patterns: Sequence[str]


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
        connection.execute(update(agent).where(agent.c.id == one).values(revisions.following()))
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
        _insert(connection, new_id, path, next(new_ids))
    return new_id


def change(
    connection: Connection, row: AnyRow, wanted: Changed, new_ids: Iterator[bytes], now: int, by: str
) -> bytes | None:
    """Change a library that was locked, with the agents of its import paths, old and new. Returns the job that
    judges its assets by the new rules, if there are such.

    What is not news changes nothing, not even the revision.
    """
    patterns = msgspec.json.encode(list(wanted.exclusion_patterns)).decode()
    values = {"name": wanted.name, "exclusion_patterns": patterns}
    values = {key: value for key, value in values.items() if getattr(row, key) != value}
    before = {one.id: one for one in import_paths(connection, [row.id])[row.id]}
    touched = _change_import_paths(connection, row.id, before, wanted.import_paths, new_ids, now)
    if "exclusion_patterns" in values:
        touched |= {one.agent_id for one in before.values()}
    if touched:
        wanted_scans.drop_outside(connection, row.id, now)
        told = update(agent).where(agent.c.id.in_(sorted(touched)))
        connection.execute(told.values(revisions.following()))
    job = None
    if touched and before:
        job = next(new_ids)
        jobs.create(connection, job, JobKind.APPLY_RULES, library_id=row.id, requested_by=by, now=now)
    if touched or values:
        touch(connection, [row.id], CLOCK.take(connection, 1), now, **values)
    return job


def lock(connection: Connection, library_ids: Collection[bytes]) -> Sequence[AnyRow]:
    """Lock libraries until the transaction ends, always in the same order; returns their rows."""
    if not library_ids:
        return []
    chosen = select(library).where(library.c.id.in_(sorted(library_ids))).order_by(library.c.id)
    return connection.execute(chosen.with_for_update()).all()


def touch(
    connection: Connection,
    library_ids: Collection[bytes],
    changes: Iterator[int],
    now: int,
    *,
    kind: str = "library.updated",
    **values: Any,
) -> None:
    """Note that libraries changed: a new revision, and a place in the feed."""
    for one in library_ids:
        row = values | {"revision": library.c.revision + 1} | feed(kind, changes, now)
        connection.execute(update(library).where(library.c.id == one).values(row))


def agents_of(connection: Connection, library_id: bytes) -> set[bytes]:
    """The agents of a library's import paths."""
    live = (import_path.c.library_id == library_id, import_path.c.removed_at.is_(None))
    return set(connection.execute(select(import_path.c.agent_id).where(*live)).scalars())


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
    live = (import_path.c.library_id.in_(sorted(found)), import_path.c.removed_at.is_(None))
    for row in connection.execute(select(import_path).where(*live).order_by(import_path.c.id)) if found else ():
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


def _change_import_paths(
    connection: Connection,
    library_id: bytes,
    before: Mapping[bytes, AnyRow],
    wanted: Sequence[NewImportPath | KeptImportPath],
    new_ids: Iterator[bytes],
    now: int,
) -> set[bytes]:
    """Let a library have these import paths; returns the agents that something changed for."""
    kept = {one.id: one for one in wanted if isinstance(one, KeptImportPath)}
    touched = set()
    for row in before.values():
        root = row if row.parent_id is None else before[row.parent_id]
        one = kept.get(root.id)
        values: dict[str, Any] = {} if one is not None else {"removed_at": now}
        if one is not None and paths.to_bytes(one.server_path) != root.server_path:
            below = row.server_path[len(root.server_path.rstrip(b"/")) :]
            # The root of all is its own slash; every other path has none at its end.
            values = {"server_path": (paths.to_bytes(one.server_path).rstrip(b"/") + below.rstrip(b"/")) or b"/"}
        if values:
            connection.execute(update(import_path).where(import_path.c.id == row.id).values(values))
            touched.add(row.agent_id)
    for new in wanted:
        if isinstance(new, NewImportPath):
            _insert(connection, library_id, new, next(new_ids))
            touched.add(new.agent)
    return touched


def _insert(connection: Connection, library_id: bytes, path: NewImportPath, new_id: bytes) -> None:
    connection.execute(
        import_path.insert().values(
            id=new_id,
            library_id=library_id,
            agent_id=path.agent,
            path=paths.to_bytes(path.path),
            server_path=paths.to_bytes(path.server_path),
            state=BindingState.PENDING.value,
        )
    )
