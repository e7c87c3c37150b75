"""Volumes: what agents say of their storage, which of them is the writer, and the history of it.

However many assets a volume holds, its going away is one row here. Each agent has a row of its own beside that, with
what it says; the volume's row is what its writer says (rule R33).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, update

from holdfast import paths
from holdfast.ids import from_text
from holdfast.volumes import Reason, VolumeState, VolumeStatus, sentence
from sidecar import writers
from sidecar.catalog import libraries
from sidecar.catalog.clock import feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import figure, scan, volume, volume_agent, volume_transition
from sidecar.errors import Refused

# A change of any of these is news for whoever reads the feed.
_NEWS = ("agent_id", "state", "reason", "detail", "mounted_at", "last_mounted_at", "label", "identity", "epoch")
# What an agent says of a volume, besides the version of saying it.
_SAID = (
    "label",
    "state",
    "reason",
    "detail",
    "since",
    "identity",
    "epoch",
    "mounted_at",
    "last_mounted_at",
    "total_bytes",
    "free_bytes",
    "pending",
)
_FIGURES = ("total_bytes", "free_bytes", "pending")

# Every volume with its writer and the writer's fence.
_FENCES = select(volume, volume_agent.c.fence).join(
    volume_agent, (volume_agent.c.volume_id == volume.c.id) & (volume_agent.c.agent_id == volume.c.agent_id)
)

Said = dict[str, Any]


class Move(msgspec.Struct, frozen=True):
    """What becomes of a volume. ``said`` is what its agent says from now on, ``values`` what the volume's own row is to
    be, if that changes, and ``grant`` the writer with its fence, if that changes.

    ``was`` is the state before, None for a new volume. ``visible``: the feed will show it; else only figures are
    written. ``is_other``: it is new, or recognised by something else than before.
    """

    volume: bytes
    agent: bytes
    said: Said
    was: VolumeState | None
    values: dict[str, Any]
    grant: tuple[bytes, int] | None = None
    visible: bool = False
    is_transition: bool = False
    is_other: bool = False


class Compared(NamedTuple):
    """What a heartbeat says that is new, the volumes that were online then and now, in one epoch, and those of which
    this agent was heard to say something later, with the version of that."""

    moves: list[Move]
    steady: list[bytes]
    overtaken: dict[bytes, int]


def compare(
    connection: Connection, agent_id: bytes, statuses: Iterable[VolumeStatus], *, accept_any_version: bool, now: int
) -> Compared:
    """What a heartbeat's volumes change; their rows are locked.

    A status that is no newer than what this agent said before changes nothing but figures, so that a late heartbeat
    cannot undo a newer one. After an agent's silence any version is news: it may have come back without its registry.
    """
    reported = {raw: one for one in statuses if (raw := from_text("volume", one.volume))}
    rows, heard, fences = _locked(connection, reported)
    moves: list[Move] = []
    steady = []
    overtaken = {}
    for raw, status in reported.items():
        row, said = rows.get(raw), _said(status)
        before = heard.get(raw, {}).get(agent_id)
        is_late = before is not None and status.version < before["version"]
        if row is not None and row.agent_id == agent_id and not is_late and _is_steady(row, said):
            steady.append(raw)
        if before is not None and not accept_any_version and status.version <= before["version"]:
            if is_late or any(said[name] != before[name] for name in _SAID if name not in _FIGURES):
                overtaken[raw] = int(before["version"])
            said = before | ({} if is_late else {name: said[name] for name in _FIGURES})
        raised = writers.raised(fences.get(raw, 0), now)
        moves += _moved(raw, row, heard.get(raw, {}), agent_id, said, raised)
    return Compared(moves, steady, overtaken)


def credit(connection: Connection, volume_ids: Sequence[bytes], online_us: int) -> None:
    """Add to the verified-online time of volumes. It is a figure: no change number is taken for it."""
    if volume_ids and online_us:
        grown = {"online_us": volume.c.online_us + online_us}
        connection.execute(update(volume).where(volume.c.id.in_(volume_ids)).values(grown))


def hidden(connection: Connection, agent_id: bytes, now: int) -> list[Move]:
    """What an agent's silence changes: each of its volumes becomes unknown to it. Their rows are locked."""
    mine = select(volume_agent.c.volume_id).where(volume_agent.c.agent_id == agent_id)
    rows, heard, fences = _locked(connection, connection.execute(mine).scalars().all())
    moves = []
    for raw, row in rows.items():
        before = heard[raw][agent_id]
        where = before["mounted_at"] if before["mounted_at"] is not None else before["last_mounted_at"]
        unknown = {
            "state": VolumeState.UNKNOWN.value,
            "reason": Reason.AGENT_SILENT.value,
            "detail": sentence(Reason.AGENT_SILENT, paths.to_display(where or b"")),
            "since": now,
        }
        raised = writers.raised(fences[raw], now)
        moves += _moved(raw, row, heard[raw], agent_id, before | unknown, raised)
    return moves


def write(
    connection: Connection, moves: Iterable[Move], changes: Iterator[int], new_ids: Iterator[bytes], now: int
) -> None:
    """Write volumes with their transitions, and what was said of them."""
    for one in moves:
        values = one.values
        if one.visible:
            values = values | feed(f"volume.{values.get('state') or one.was}", changes, now)
        if one.was is None:
            connection.execute(volume.insert().values({**values, "id": one.volume}))
        elif values:
            connection.execute(update(volume).where(volume.c.id == one.volume).values(values))
        mine = (volume_agent.c.volume_id == one.volume, volume_agent.c.agent_id == one.agent)
        if one.was is None or not connection.execute(update(volume_agent).where(*mine).values(one.said)).rowcount:
            key = {"volume_id": one.volume, "agent_id": one.agent, "fence": 0}
            connection.execute(volume_agent.insert().values(key | one.said))
        if one.grant is not None:
            theirs = (volume_agent.c.volume_id == one.volume, volume_agent.c.agent_id == one.grant[0])
            connection.execute(update(volume_agent).where(*theirs).values(fence=one.grant[1]))
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


def grants(connection: Connection, agent_id: bytes, volume_ids: Iterable[bytes]) -> dict[bytes, int]:
    """Those of the volumes that this agent is the writer of, with their fences."""
    granted = _FENCES.where(volume.c.id.in_(sorted(volume_ids)), volume.c.agent_id == agent_id)
    return {row.id: row.fence for row in connection.execute(granted)}


def check_writer(connection: Connection, volume_id: bytes, agent_id: bytes, fence: int | None) -> AnyRow:
    """The row of a volume. Raises :class:`Refused` unless the agent is its writer, under this fence.

    The row stays locked for reading: the writer does not change before the transaction has ended, so that whatever a
    new writer reads of the catalog includes the last word of the one before.
    """
    row = connection.execute(_FENCES.where(volume.c.id == volume_id).with_for_update(read=True)).one_or_none()
    if row is None:
        raise Refused("not-found", "This volume is not known. A heartbeat makes it known.")
    if row.agent_id != agent_id:
        raise Refused("two-writers", "Another agent reports this volume; only one may. Tell availability only.")
    if row.fence != fence:
        raise Refused("two-writers", "The grant to report this volume has ended. A heartbeat answers with a new one.")
    return row


def look_again(connection: Connection, volume_id: bytes, now: int) -> bool:
    """Have the writer of a volume look at all of it again, by ending its grant. False when there is no such volume.

    With its next grant it begins anew, with what the catalog believes; whatever of that is not there is proven absent
    anew, or found. Nothing changes by this alone.
    """
    row = connection.execute(select(volume.c.agent_id).where(volume.c.id == volume_id).with_for_update()).one_or_none()
    if row is None:
        return False
    fences = select(func.max(volume_agent.c.fence)).where(volume_agent.c.volume_id == volume_id)
    highest: int = connection.execute(fences).scalar_one()
    mine = (volume_agent.c.volume_id == volume_id, volume_agent.c.agent_id == row.agent_id)
    raised = writers.raised(highest, now)
    connection.execute(update(volume_agent).where(*mine).values(fence=raised))
    return True


def is_of(connection: Connection, volume_id: bytes, agent_id: bytes) -> bool:
    """Whether this volume is known, and seen by this agent."""
    mine = (volume_agent.c.volume_id == volume_id, volume_agent.c.agent_id == agent_id)
    return connection.execute(select(volume_agent.c.volume_id).where(*mine)).first() is not None


def online(connection: Connection, volume_ids: Collection[bytes]) -> frozenset[bytes]:
    """Those of these volumes that are online."""
    if not volume_ids:
        return frozenset()
    chosen = select(volume.c.id).where(volume.c.id.in_(sorted(volume_ids)), volume.c.state == VolumeState.ONLINE)
    return frozenset(connection.execute(chosen).scalars())


def get(connection: Connection, volume_id: bytes, owner: str | None = None) -> AnyRow | None:
    """One volume; of those that an owner's libraries are on, if one is given."""
    chosen = select(volume).where(volume.c.id == volume_id, *_of_owner(connection, owner))
    return connection.execute(chosen).one_or_none()


def page(connection: Connection, after: bytes, limit: int, owner: str | None = None) -> Sequence[AnyRow]:
    """Volumes in the order of their ids; those that an owner's libraries are on, if one is given."""
    chosen = select(volume).where(volume.c.id > after, *_of_owner(connection, owner))
    return connection.execute(chosen.order_by(volume.c.id).limit(limit)).all()


def history(connection: Connection, volume_id: bytes, before: bytes, limit: int) -> Sequence[AnyRow]:
    """Transitions of a volume, the newest first."""
    chosen = select(volume_transition).where(
        volume_transition.c.volume_id == volume_id, volume_transition.c.id < before
    )
    return connection.execute(chosen.order_by(volume_transition.c.id.desc()).limit(limit)).all()


def asset_counts(connection: Connection, volume_ids: Sequence[bytes], owner: str | None = None) -> dict[bytes, int]:
    """How many assets (of an owner) each volume has that hold a path on it."""
    chosen = select(figure.c.volume_id, func.sum(figure.c.claiming)).where(figure.c.volume_id.in_(volume_ids))
    if owner is not None:
        chosen = chosen.where(figure.c.library_id.in_(libraries.owned_by(connection, owner)))
    rows = connection.execute(chosen.group_by(figure.c.volume_id)) if volume_ids else ()
    return dict.fromkeys(volume_ids, 0) | {row[0]: int(row[1]) for row in rows}


def last_scans(connection: Connection, volume_ids: Sequence[bytes]) -> dict[bytes, int]:
    """When the last complete scan of each volume ended: of those that were, the one that began last."""
    complete = select(scan.c.finished_at).where(scan.c.volume_id == volume.c.id, scan.c.complete == 1)
    last = complete.order_by(scan.c.id.desc()).limit(1).scalar_subquery()
    ended = select(volume.c.id, last).where(volume.c.id.in_(volume_ids))
    return {row[0]: row[1] for row in connection.execute(ended)} if volume_ids else {}


def _of_owner(connection: Connection, owner: str | None) -> list[ColumnElement[bool]]:
    """The condition that an owner's libraries are on a volume, or are shown through it; none without an owner."""
    return [] if owner is None else [volume.c.id.in_(libraries.volumes_of(connection, owner))]


def _is_steady(row: AnyRow, said: Said) -> bool:
    """Whether a volume was online all the time since the last heartbeat: an epoch is one unbroken attachment."""
    is_online = row.state == said["state"] == VolumeState.ONLINE
    return is_online and said["epoch"] is not None and row.epoch == said["epoch"]


def _locked(
    connection: Connection, volume_ids: Iterable[bytes]
) -> tuple[dict[bytes, AnyRow], dict[bytes, dict[bytes, Said]], dict[bytes, int]]:
    """The rows of volumes, locked; what each agent says of them, by volume and then by agent; the highest fences."""
    wanted = sorted(volume_ids)
    if not wanted:
        return {}, {}, {}
    chosen = select(volume).where(volume.c.id.in_(wanted)).order_by(volume.c.id).with_for_update()
    rows = {row.id: row for row in connection.execute(chosen)}
    heard: dict[bytes, dict[bytes, Said]] = {}
    fences: dict[bytes, int] = {}
    for row in connection.execute(select(volume_agent).where(volume_agent.c.volume_id.in_(sorted(rows)))):
        said = dict(row._mapping)
        volume_id = said.pop("volume_id")
        fences[volume_id] = max(fences.get(volume_id, 0), said.pop("fence"))
        heard.setdefault(volume_id, {})[said.pop("agent_id")] = said
    return rows, heard, fences


def _moved(
    raw: bytes, row: AnyRow | None, heard: Mapping[bytes, Said], agent_id: bytes, said: Said, raised: int
) -> list[Move]:
    """What follows for a volume when one of its agents says this; nothing, if nothing does. A new writer gets the
    ``raised`` fence."""
    everybody = {**heard, agent_id: said}
    holder = None if row is None else row.agent_id
    chosen = writers.choose(holder, {one: VolumeState(about["state"]) for one, about in everybody.items()})
    shown = {name: everybody[chosen][name] for name in _SAID} | {"agent_id": chosen}
    grant = None if chosen == holder else (chosen, raised)
    if row is None:
        return [Move(raw, agent_id, said, None, shown, grant, visible=True, is_transition=True, is_other=True)]
    before = row._mapping
    changed = {name for name, value in shown.items() if before[name] != value}
    if not changed:
        # Only what one agent says has changed, if that; the volume is as its writer says.
        return [] if heard.get(agent_id) == said else [Move(raw, agent_id, said, VolumeState(row.state), {})]
    return [
        Move(
            raw,
            agent_id,
            said,
            VolumeState(row.state),
            shown,
            grant,
            # Figures alone (free space, the length of the outbox) are no news: the row keeps its place in the feed.
            visible=not changed.isdisjoint(_NEWS),
            is_transition=not changed.isdisjoint({"state", "reason"}),
            is_other="identity" in changed,
        )
    ]


def _said(status: VolumeStatus) -> Said:
    capacity = status.capacity
    return {
        "version": status.version,
        "label": status.label,
        "state": status.state.value,
        "reason": status.reason.value,
        "detail": status.detail,
        "since": int(status.since * 1_000_000),
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
