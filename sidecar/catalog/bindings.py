"""Where import paths lead, as their agents have found it.

An import path shows more than one place when file systems are mounted below it, or when it lies on a union of several
disks. Each further place is a row of its own, a *part*: it names its import path as its parent, and is an import path
to everybody who asks where a file belongs. A part is never taken away: what is not there now will come back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from holdfast import ids, paths
from holdfast.assignments import Binding, BindingState, Part
from sidecar.catalog import volumes
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import import_path


class Bound(msgspec.Struct, frozen=True):
    """An import path whose binding is news: what to set of its row, and the rows of its new parts without ids."""

    import_path: bytes
    library: bytes
    values: dict[str, Any]
    parts: list[dict[str, Any]]


def compare(
    connection: Connection,
    agent_id: bytes,
    bindings: Sequence[Binding],
    reported: Collection[bytes],
    aliases: Mapping[bytes, bytes],
) -> list[Bound]:
    """The bindings that differ from what is stored. A binding once made stays, and may only gain parts.

    ``reported`` are volumes that the same heartbeat makes known. What is bound to one of the ``aliases`` is bound to
    the volume itself; the assignment tells the agent.
    """
    wanted = {ids.from_text("import_path", one.import_path): one for one in bindings}
    if not wanted:
        return []
    # Most heartbeats repeat bindings long made; reading without a lock is enough to see that.
    live = (import_path.c.agent_id == agent_id, import_path.c.removed_at.is_(None))
    rows = connection.execute(select(import_path).where(*live)).all()
    known = _Known(connection, agent_id, reported, aliases)
    found = []
    for row in rows:
        one = wanted.get(row.id)
        if one is None or row.parent_id is not None:
            continue
        values = {} if row.state == BindingState.BOUND else known.values(row, one)
        is_bound = (values or row._mapping).get("state") == BindingState.BOUND
        stored = [part for part in rows if part.parent_id == row.id]
        new = known.parts(row, stored, one.parts) if is_bound else []
        if values or new:
            found.append(Bound(row.id, row.library_id, values, new))
    return found


def write(connection: Connection, bound: Iterable[Bound], new_ids: Iterator[bytes]) -> None:
    """Write bindings and their new parts."""
    for one in bound:
        if one.values:
            connection.execute(update(import_path).where(import_path.c.id == one.import_path).values(one.values))
        for part in one.parts:
            connection.execute(import_path.insert().values({**part, "id": next(new_ids)}))


def parts(rows: Sequence[AnyRow]) -> dict[bytes, list[Part]]:
    """The parts of import paths, as the agent told them: import path -> parts."""
    parents = {row.id: row for row in rows if row.parent_id is None}
    found: dict[bytes, list[Part]] = {key: [] for key in parents}
    for row in rows:
        parent = parents.get(row.parent_id)
        if parent is None:
            continue
        below = row.server_path.removeprefix(parent.server_path.rstrip(b"/")).strip(b"/")
        part = Part(
            path=paths.to_wire(row.path),
            below=paths.to_wire(below),
            volume=ids.to_text("volume", row.volume_id),
            directory=paths.to_wire(row.directory),
            via=None if row.via_volume_id is None else ids.to_text("volume", row.via_volume_id),
        )
        found[parent.id].append(part)
    return found


class _Known:
    """Which volumes an agent may bind to: its own, and those it has just told of."""

    def __init__(
        self, connection: Connection, agent_id: bytes, reported: Collection[bytes], aliases: Mapping[bytes, bytes]
    ) -> None:
        self._connection, self._agent_id, self._reported = connection, agent_id, reported
        self._aliases = aliases

    def values(self, row: AnyRow, one: Binding) -> dict[str, Any]:
        """What to set of an import path that is not bound yet; nothing when that is how it stands."""
        values: dict[str, Any] = {"state": one.state.value, "message": one.message}
        if one.state is BindingState.BOUND:
            raw = self._volume(one.volume)
            if raw is None or one.directory is None:
                return {}
            values |= {"volume_id": raw, "directory": paths.to_bytes(one.directory)}
        return values if any(getattr(row, name) != value for name, value in values.items()) else {}

    def parts(self, parent: AnyRow, stored: Sequence[AnyRow], told: Sequence[Part]) -> list[dict[str, Any]]:
        """Rows for the parts that are not stored yet, without ids."""
        rows = []
        have = {(one.volume_id, one.directory, one.server_path, one.via_volume_id) for one in stored}
        for part in told:
            raw, via = self._volume(part.volume), self._volume(part.via)
            if raw is None or (part.via is not None and via is None):
                continue
            below = paths.to_bytes(part.below)
            server_path = bytes(parent.server_path.rstrip(b"/") + b"/" + below if below else parent.server_path)
            place = (raw, paths.to_bytes(part.directory), server_path, via)
            if place in have:
                continue
            have.add(place)
            rows.append(
                {
                    "library_id": parent.library_id,
                    "agent_id": parent.agent_id,
                    "path": paths.to_bytes(part.path),
                    "server_path": server_path,
                    "state": BindingState.BOUND.value,
                    "volume_id": raw,
                    "directory": place[1],
                    "parent_id": parent.id,
                    "via_volume_id": via,
                }
            )
        return rows

    def _volume(self, text: str | None) -> bytes | None:
        raw = ids.from_text("volume", text or "")
        if raw is not None and raw in self._aliases:
            return self._aliases[raw]
        if raw is None or not (raw in self._reported or volumes.is_of(self._connection, raw, self._agent_id)):
            return None
        return raw
