"""Which volumes an agent may speak of: those that it brings, those that it has met, and those that it recognises.

The id of a volume is no secret, since every agent that may meet a disk is told of it. So an id alone lets nobody speak
of another's storage: whoever does it for the first time has to see the same storage, and it must be one that can be
carried.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, select

from holdfast import ids
from holdfast.volumes import Identity, VolumeStatus, is_portable, is_same_storage
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, volume, volume_agent
from sidecar.logs import Log

_log = Log(__name__)

# Said again with every heartbeat, and worth one line each; so many at most are remembered.
_TOLD_MAX = 1_000
_told: set[tuple[bytes, bytes]] = set()


class Met(NamedTuple):
    """What an agent speaks of. ``aliases``: volumes that it has enrolled anew although they were known, since it had
    not heard of them when it did, by the id it gave them; the known id is to be used. ``foreign``: volumes of others,
    of which it may not speak."""

    aliases: dict[bytes, bytes]
    foreign: frozenset[bytes]


def meet(connection: Connection, agent_id: bytes, statuses: Iterable[VolumeStatus]) -> Met:
    """Tell apart what an agent says in a heartbeat of volumes."""
    reported = {raw: one for one in statuses if (raw := ids.from_text("volume", one.volume))}
    if not reported:
        return Met({}, frozenset())
    mine = and_(volume_agent.c.volume_id == volume.c.id, volume_agent.c.agent_id == agent_id)
    chosen = select(volume.c.id, volume_agent.c.agent_id).outerjoin(volume_agent, mine)
    rows = connection.execute(chosen.where(volume.c.id.in_(sorted(reported)))).all()
    unknown = reported.keys() - {row.id for row in rows}
    unmet = {row.id for row in rows if row.agent_id is None}
    if not unknown and not unmet:
        return Met({}, frozenset())
    known = {row.id: _identity(row.identity) for row in known_to(connection, agent_id)}
    foreign = {raw for raw in unmet if raw not in known or not _is_it(known[raw], reported[raw].identity)}
    for raw in foreign:
        _tell(agent_id, raw)
    return Met({raw: one for raw in unknown if (one := _alias(reported[raw], known))}, frozenset(foreign))


def known_to(connection: Connection, agent_id: bytes) -> list[AnyRow]:
    """The volumes that an agent may recognise: those it has seen, those whose agents were all revoked, and of the
    others those that can be carried from host to host.

    The storage that a host runs from is not carried, and its identity proves nothing: every host that was set up
    from the same image has it.
    """
    seen = select(volume_agent.c.volume_id, volume_agent.c.agent_id, volume_agent.c.last_mounted_at, agent.c.revoked_at)
    agents_of: dict[bytes, set[bytes]] = {}
    fixed: set[bytes] = set()
    for row in connection.execute(seen.join(agent, agent.c.id == volume_agent.c.agent_id)):
        found = agents_of.setdefault(row.volume_id, set())
        if row.revoked_at is None:
            found.add(row.agent_id)
        if row.last_mounted_at == b"/":
            fixed.add(row.volume_id)
    rows = connection.execute(select(volume).order_by(volume.c.id)).all()
    return [
        row
        for row in rows
        if not (living := agents_of.get(row.id, set()))
        or agent_id in living
        or (row.id not in fixed and is_portable(_identity(row.identity)))
    ]


def _alias(status: VolumeStatus, known: dict[bytes, Identity]) -> bytes | None:
    """The known volume that a new one is."""
    if status.last_mounted_at == "/":
        return None
    return next((raw for raw, identity in known.items() if is_same_storage(identity, status.identity)), None)


def _is_it(known: Identity, seen: Identity) -> bool:
    """Whether somebody who meets a volume for the first time sees that volume: what their agent asked itself as well,
    when it recognised it. What may differ from host to host, such as a serial number, decides nothing."""
    if (known.fs_type, known.uuid, known.root) != (seen.fs_type, seen.uuid, seen.root):
        return False
    if (known.root_inode, known.root_birth_ns) != (seen.root_inode, seen.root_birth_ns):
        return False
    return known.uuid is not None or _spelled(known.source) == _spelled(seen.source)


def _spelled(source: str | None) -> str:
    """A source, however a host writes the name of its server."""
    return (source or "").replace("\\", "/").rstrip("/").lower()


def _tell(agent_id: bytes, volume_id: bytes) -> None:
    if (agent_id, volume_id) not in _told and len(_told) < _TOLD_MAX:
        _told.add((agent_id, volume_id))
        _log.warning("volume.foreign", agent=ids.to_text("agent", agent_id), volume=ids.to_text("volume", volume_id))


def _identity(text: str) -> Identity:
    return msgspec.json.decode(text, type=Identity)
