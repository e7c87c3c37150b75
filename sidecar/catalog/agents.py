"""Agents: enrolment, heartbeats, assignments, silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from holdfast import ids, paths
from holdfast.assignments import (
    AssignedPath,
    Assignment,
    EnrolRequest,
    Heartbeat,
    KnownVolume,
)
from holdfast.volumes import Identity
from sidecar.catalog import (
    bindings,
    inquiries,
    libraries,
    recognising,
    revisions,
    rules,
    seeking,
    tokens,
    volumes,
    wanted_scans,
)
from sidecar.catalog.clock import CLOCK, feed, incarnation
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, import_path, library
from sidecar.errors import Refused
from sidecar.uptime import credited_us


def enrol(connection: Connection, request: EnrolRequest, token: bytes, new_id: bytes, now: int) -> bytes:
    """Enrol an agent with a one-time token. Returns its id.

    An agent that enrols anew, under its name and from its host, is the same agent: it keeps its id, and with it
    its import paths and volumes. Its tokens of before are revoked. Raises :class:`Refused` when the token was
    used, or the name belongs to an agent on another host.
    """
    if not tokens.use_up(connection, token, now):
        raise Refused("unauthorized", "This enrolment token was used already. Make another one.")
    known = connection.execute(select(agent).where(agent.c.name == request.name).with_for_update()).one_or_none()
    if known is not None and known.host != request.host and known.revoked_at is None:
        raise Refused(
            "agent-name-taken",
            f"An agent named {request.name} is enrolled on host {known.host}. Choose another name, or revoke it.",
        )
    facts: dict[str, Any] = {
        "host": request.host,
        "version": request.version,
        "protocol": request.protocol,
        "capabilities": msgspec.json.encode(request.capabilities).decode(),
        "enrolled_at": now,
        "revoked_at": None,
    }
    seen = feed("agent.enrolled", CLOCK.take(connection, 1), now)
    if known is not None:
        tokens.revoke_of_agent(connection, known.id, now)
        connection.execute(update(agent).where(agent.c.id == known.id).values(facts | seen))
        return bytes(known.id)
    fresh = {"id": new_id, "name": request.name, "heartbeats": 0, "revision": 1}
    connection.execute(agent.insert().values(fresh | facts | seen))
    return new_id


class Answered(msgspec.Struct, frozen=True):
    """What a heartbeat is answered with: the revision of the agent's assignment, the fences of the volumes of which it
    is the writer, and the versions of what was heard later than what it says."""

    revision: int
    grants: dict[bytes, int]
    overtaken: dict[bytes, int]


def heartbeat(connection: Connection, agent_id: bytes, beat: Heartbeat, now: int, entropy: bytes) -> Answered:
    """Take in a heartbeat.

    One with nothing new writes the agent's row, and how long its volumes have been online; it takes no change number.
    """
    row = connection.execute(select(agent).where(agent.c.id == agent_id).with_for_update()).one()
    was_silent = row.silent_since is not None
    aliases, foreign = recognising.meet(connection, agent_id, beat.volumes)
    left_out = aliases.keys() | foreign
    statuses = [one for one in beat.volumes if ids.from_text("volume", one.volume) not in left_out]
    moves, steady, overtaken = volumes.compare(connection, agent_id, statuses, accept_any_version=was_silent, now=now)
    volumes.credit(connection, steady, 0 if was_silent else credited_us(row.last_seen, now))
    bound = bindings.compare(connection, agent_id, beat.bindings, {one.volume for one in moves}, aliases)
    touched = sorted({one.library for one in bound})
    libraries.lock(connection, touched)
    new_ids = ids.series(now // 1000, entropy)
    # What left a library with an import path may be covered by the one that was bound just now.
    out = rules.with_excluded(connection, touched)
    rules.reapply(connection, out, new_ids, now, by="an import path that was found")
    has_answered = inquiries.answer(connection, agent_id, beat.answers)
    wanted_scans.note_progress(connection, agent_id, beat.scans, now)
    # An answer takes a number that shows nowhere: whoever waits for it may wait at another process.
    count = sum(one.visible for one in moves) + len(touched) + was_silent + has_answered
    changes = CLOCK.take(connection, count) if count else iter(())
    volumes.write(connection, moves, changes, new_ids, now)
    if any(one.is_other for one in moves):
        # Others may meet the volume too, and must recognise it when they do.
        others = update(agent).where(agent.c.id != agent_id, agent.c.revoked_at.is_(None))
        connection.execute(others.values(revisions.following()))
    bindings.write(connection, bound, new_ids)
    libraries.touch(connection, touched, changes, now)
    revision: int = revisions.after(row.revision) if bound or has_answered else row.revision
    values: dict[str, Any] = {
        "heartbeats": row.heartbeats + 1,
        "last_seen": now,
        "version": beat.version,
        "protocol": beat.protocol,
        "revision": revision,
    }
    if was_silent:
        values |= {"silent_since": None, **feed("agent.back", changes, now)}
    connection.execute(update(agent).where(agent.c.id == agent_id).values(values))
    reported = {raw for one in statuses if (raw := ids.from_text("volume", one.volume))}
    return Answered(revision, volumes.grants(connection, agent_id, reported) if reported else {}, overtaken)


def fall_silent(connection: Connection, agent_id: bytes, heartbeats: int, now: int, entropy: bytes) -> bool:
    """Note that nothing was heard of an agent since it had counted so many heartbeats (rule R36).

    Its volumes become unknown; that is one row each, and no asset's. Returns False when it has been heard after
    all, or is known to be silent.
    """
    row = connection.execute(select(agent).where(agent.c.id == agent_id).with_for_update()).one()
    if row.heartbeats != heartbeats or row.silent_since is not None or row.revoked_at is not None:
        return False
    moves = volumes.hidden(connection, agent_id, now)
    changes = CLOCK.take(connection, len(moves) + 1)
    volumes.write(connection, moves, changes, ids.series(now // 1000, entropy), now)
    values = {"silent_since": now, **feed("agent.silent", changes, now)}
    connection.execute(update(agent).where(agent.c.id == agent_id).values(values))
    return True


def revoke(connection: Connection, agent_id: bytes, now: int, entropy: bytes) -> bool:
    """Lock an agent out. Its volumes become unknown; libraries and assets stay. False when there is none."""
    row = connection.execute(select(agent).where(agent.c.id == agent_id).with_for_update()).one_or_none()
    if row is None or row.revoked_at is not None:
        return False
    tokens.revoke_of_agent(connection, agent_id, now)
    moves = volumes.hidden(connection, agent_id, now)
    changes = CLOCK.take(connection, len(moves) + 1)
    volumes.write(connection, moves, changes, ids.series(now // 1000, entropy), now)
    # Silent as well, so that it is heard as one that comes back if it enrols again.
    silent_since = row.silent_since or now
    values = {"revoked_at": now, "silent_since": silent_since, **feed("agent.revoked", changes, now)}
    connection.execute(update(agent).where(agent.c.id == agent_id).values(values))
    return True


def silent(connection: Connection, agent_ids: Iterable[bytes]) -> set[bytes]:
    """Those of these agents that nothing is heard of at the moment."""
    wanted = (agent.c.id.in_(sorted(agent_ids)), agent.c.silent_since.is_not(None) | agent.c.last_seen.is_(None))
    return set(connection.execute(select(agent.c.id).where(*wanted)).scalars())


def lock(connection: Connection, agent_ids: Iterable[bytes]) -> None:
    """Lock agents until the transaction ends, always in the same order, and before any library."""
    chosen = select(agent.c.id).where(agent.c.id.in_(sorted(agent_ids))).order_by(agent.c.id)
    connection.execute(chosen.with_for_update()).all()


def tell(connection: Connection, agent_ids: Collection[bytes]) -> None:
    """What is asked of these agents has changed."""
    if not agent_ids:
        return
    told = update(agent).where(agent.c.id.in_(sorted(agent_ids)))
    connection.execute(told.values(revisions.following()))


def heartbeat_counts(connection: Connection) -> dict[bytes, int]:
    """The agents that should be heard from, with their heartbeat counts."""
    heard = select(agent.c.id, agent.c.heartbeats).where(agent.c.silent_since.is_(None), agent.c.revoked_at.is_(None))
    return {row.id: row.heartbeats for row in connection.execute(heard)}


def revision(connection: Connection, agent_id: bytes) -> int:
    """The revision of an agent's assignment."""
    return int(connection.execute(select(agent.c.revision).where(agent.c.id == agent_id)).scalar_one())


def assignment(connection: Connection, agent_id: bytes) -> Assignment:
    """All that is asked of an agent."""
    rows = connection.execute(
        select(import_path, library.c.exclusion_patterns)
        .join(library, library.c.id == import_path.c.library_id)
        .where(import_path.c.agent_id == agent_id, import_path.c.removed_at.is_(None), library.c.deleted_at.is_(None))
        .order_by(import_path.c.id)
    ).all()
    parts = bindings.parts(rows)
    known = recognising.known_to(connection, agent_id)
    return Assignment(
        revision=revision(connection, agent_id),
        catalog=ids.to_text("catalog", incarnation(connection)),
        volumes=[_known_volume(row) for row in known],
        wanted_scans=wanted_scans.standing(connection, {row.id for row in known}),
        questions=inquiries.standing(connection, agent_id),
        sought_sizes=seeking.sizes(connection, agent_id),
        import_paths=[
            AssignedPath(
                id=ids.to_text("import_path", row.id),
                library=ids.to_text("library", row.library_id),
                path=paths.to_wire(row.path),
                server_path=paths.to_wire(row.server_path),
                exclusion_patterns=msgspec.json.decode(row.exclusion_patterns),
                volume=ids.to_text("volume", row.volume_id) if row.volume_id else None,
                directory=paths.to_wire(row.directory) if row.directory is not None else None,
                parts=parts[row.id],
            )
            for row in rows
            if row.parent_id is None
        ],
    )


def get(connection: Connection, agent_id: bytes) -> AnyRow | None:
    """One agent."""
    return connection.execute(select(agent).where(agent.c.id == agent_id)).one_or_none()


def page(connection: Connection, after: bytes, limit: int) -> Sequence[AnyRow]:
    """Agents in the order of their ids."""
    return connection.execute(select(agent).where(agent.c.id > after).order_by(agent.c.id).limit(limit)).all()


def resolve(connection: Connection, text: str) -> bytes | None:
    """The id of an enrolled agent that is named by its id or its name."""
    raw = ids.from_text("agent", text)
    wanted = agent.c.name == text if raw is None else agent.c.id == raw
    found: bytes | None = connection.execute(
        select(agent.c.id).where(wanted, agent.c.revoked_at.is_(None))
    ).scalar_one_or_none()
    return found


def _known_volume(row: AnyRow) -> KnownVolume:
    mounted_at = row.mounted_at if row.mounted_at is not None else row.last_mounted_at
    return KnownVolume(
        id=ids.to_text("volume", row.id),
        label=row.label,
        identity=msgspec.json.decode(row.identity, type=Identity),
        last_mounted_at=None if mounted_at is None else paths.to_wire(mounted_at),
    )
