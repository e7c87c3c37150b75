"""Volumes: what agents say of their storage, and its history.

However many assets a volume holds, its going away is one row here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, or_, select, update

from holdfast import paths
from holdfast.ids import from_text
from holdfast.volumes import Reason, VolumeState, VolumeStatus, sentence
from sidecar.catalog.clock import feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, asset, import_path, scan, volume, volume_transition

# A change of any of these is news for whoever reads the feed.
_NEWS = ("agent_id", "state", "reason", "detail", "mounted_at", "last_mounted_at", "label", "identity", "epoch")


class Move(msgspec.Struct, frozen=True):
    """What becomes of a volume's row. ``visible``: the feed will show it; else only figures are written.

    ``was`` is the state before, None for a new volume.
    """

    volume: bytes
    was: VolumeState | None
    values: dict[str, Any]
    visible: bool
    is_transition: bool


class Compared(NamedTuple):
    """What a heartbeat says that is new, and the volumes that were online then and now, in one epoch."""

    moves: list[Move]
    steady: list[bytes]


def compare(
    connection: Connection, agent_id: bytes, statuses: Iterable[VolumeStatus], *, accept_any_version: bool
) -> Compared:
    """What a heartbeat's volumes change; their rows are locked.

    A status that is no newer than what is stored changes nothing, so that a late heartbeat cannot undo a newer
    one. After an agent's silence any version is news: it may have come back without its registry. Another
    agent's volume is left alone, unless that agent was revoked; then it changes hands.
    """
    reported = {raw: one for one in statuses if (raw := from_text("volume", one.volume))}
    chosen = (
        select(volume, agent.c.revoked_at)
        .join(agent, agent.c.id == volume.c.agent_id)
        .where(volume.c.id.in_(sorted(reported)))
        .with_for_update(of=volume)
    )
    known = {row.id: row for row in connection.execute(chosen)} if reported else {}
    moves: list[Move] = []
    steady = []
    for raw, status in reported.items():
        values = _values(agent_id, status)
        row = known.get(raw)
        if row is None:
            moves.append(Move(raw, None, values, visible=True, is_transition=True))
            continue
        if row.agent_id != agent_id and row.revoked_at is None:
            continue
        if status.version > row.version or row.agent_id != agent_id or accept_any_version:
            moves += _compared(row, values)
        if status.version >= row.version and row.agent_id == agent_id and _is_steady(row, values):
            steady.append(raw)
    return Compared(moves, steady)


def credit(connection: Connection, volume_ids: Sequence[bytes], online_us: int) -> None:
    """Add to the verified-online time of volumes. It is a figure: no change number is taken for it."""
    if volume_ids and online_us:
        grown = {"online_us": volume.c.online_us + online_us}
        connection.execute(update(volume).where(volume.c.id.in_(volume_ids)).values(grown))


def hidden(connection: Connection, agent_id: bytes, now: int) -> list[Move]:
    """What an agent's silence changes: each of its volumes becomes unknown. Their rows are locked."""
    rows = connection.execute(select(volume).where(volume.c.agent_id == agent_id).with_for_update())
    moves = []
    for row in rows:
        where = row.mounted_at if row.mounted_at is not None else row.last_mounted_at
        values = {
            "state": VolumeState.UNKNOWN.value,
            "reason": Reason.AGENT_SILENT.value,
            "detail": sentence(Reason.AGENT_SILENT, paths.to_display(where or b"")),
            "since": now,
        }
        moves += _compared(row, values)
    return moves


def write(
    connection: Connection, moves: Iterable[Move], changes: Iterator[int], new_ids: Iterator[bytes], now: int
) -> None:
    """Write volumes with their transitions."""
    for one in moves:
        values = one.values
        if one.visible:
            state = values.get("state") or one.was
            values = values | feed(f"volume.{state}", changes, now)
        if one.was is None:
            connection.execute(volume.insert().values({**values, "id": one.volume}))
        else:
            connection.execute(update(volume).where(volume.c.id == one.volume).values(values))
        if one.is_transition:
            connection.execute(
                volume_transition.insert().values(
                    id=next(new_ids),
                    volume_id=one.volume,
                    from_state=one.was,
                    to_state=values["state"],
                    reason=values["reason"],
                    detail=values["detail"],
                    mounted_at=values.get("mounted_at"),
                    epoch=values.get("epoch"),
                    at=now,
                )
            )


def is_of(connection: Connection, volume_id: bytes, agent_id: bytes) -> bool:
    """Whether this volume is known, and this agent's."""
    found = select(volume.c.id).where(volume.c.id == volume_id, volume.c.agent_id == agent_id)
    return connection.execute(found).first() is not None


def of_agent_or_nobody(connection: Connection, agent_id: bytes) -> Sequence[AnyRow]:
    """The volumes that an agent may recognise as its own: those it has, and those whose agent was revoked."""
    chosen = select(volume).join(agent, agent.c.id == volume.c.agent_id)
    chosen = chosen.where(or_(volume.c.agent_id == agent_id, agent.c.revoked_at.is_not(None)))
    return connection.execute(chosen.order_by(volume.c.id)).all()


def get(connection: Connection, volume_id: bytes) -> AnyRow | None:
    """One volume."""
    return connection.execute(select(volume).where(volume.c.id == volume_id)).one_or_none()


def page(connection: Connection, after: bytes, limit: int) -> Sequence[AnyRow]:
    """Volumes in the order of their ids."""
    return connection.execute(select(volume).where(volume.c.id > after).order_by(volume.c.id).limit(limit)).all()


def history(connection: Connection, volume_id: bytes, before: bytes, limit: int) -> Sequence[AnyRow]:
    """Transitions of a volume, the newest first."""
    chosen = select(volume_transition).where(
        volume_transition.c.volume_id == volume_id, volume_transition.c.id < before
    )
    return connection.execute(chosen.order_by(volume_transition.c.id.desc()).limit(limit)).all()


def asset_counts(connection: Connection, volume_ids: Sequence[bytes]) -> dict[bytes, int]:
    """How many assets each volume has that hold a path on it. Read off the index that keeps paths unique."""
    found = dict.fromkeys(volume_ids, 0)
    scopes = select(import_path.c.library_id, import_path.c.volume_id).where(import_path.c.volume_id.in_(volume_ids))
    for library_id, volume_id in connection.execute(scopes.distinct()).all() if volume_ids else ():
        counted = select(func.count()).where(
            asset.c.library_id == library_id, asset.c.volume_id == volume_id, asset.c.path_key.is_not(None)
        )
        found[volume_id] += connection.execute(counted).scalar_one()
    return found


def last_scans(connection: Connection, volume_ids: Sequence[bytes]) -> dict[bytes, int]:
    """When the last complete scan of each volume ended."""
    ended = (
        select(scan.c.volume_id, func.max(scan.c.finished_at))
        .where(scan.c.volume_id.in_(volume_ids), scan.c.complete == 1)
        .group_by(scan.c.volume_id)
    )
    return {row[0]: row[1] for row in connection.execute(ended)} if volume_ids else {}


def _is_steady(row: AnyRow, values: dict[str, Any]) -> bool:
    """Whether a volume was online all the time since the last heartbeat: an epoch is one unbroken attachment."""
    is_online = row.state == values["state"] == VolumeState.ONLINE
    return is_online and values["epoch"] is not None and row.epoch == values["epoch"]


def _compared(row: AnyRow, values: dict[str, Any]) -> list[Move]:
    before = row._mapping
    if all(before[name] == value for name, value in values.items()):
        return []
    visible = any(name in values and before[name] != values[name] for name in _NEWS)
    is_transition = (row.state, row.reason) != (values["state"], values["reason"])
    if not visible:
        # Only figures: free space, the length of the outbox. The row's place in the feed stays what it is.
        return [Move(row.id, VolumeState(row.state), values, visible=False, is_transition=False)]
    return [Move(row.id, VolumeState(row.state), values, visible=True, is_transition=is_transition)]


def _values(agent_id: bytes, status: VolumeStatus) -> dict[str, Any]:
    capacity = status.capacity
    return {
        "agent_id": agent_id,
        "label": status.label,
        "state": status.state.value,
        "reason": status.reason.value,
        "detail": status.detail,
        "since": int(status.since * 1_000_000),
        "version": status.version,
        "identity": msgspec.json.encode(status.identity).decode(),
        "epoch": None if status.epoch is None else msgspec.json.encode(status.epoch).decode(),
        "mounted_at": _path(status.mounted_at),
        "last_mounted_at": _path(status.last_mounted_at),
        "total_bytes": None if capacity is None else capacity.total_bytes,
        "free_bytes": None if capacity is None else capacity.free_bytes,
        "pending": status.pending,
    }


def _path(wire: str | None) -> bytes | None:
    return None if wire is None else paths.to_bytes(wire)
