"""Questions to agents: could this host path be an import path? They travel with the assignment, for which agents wait,
and the answers with the next heartbeat, which comes at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from holdfast import ids, paths
from holdfast.assignments import Answered, Question
from sidecar.catalog import clock, revisions
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, inquiry

# Whoever asked has gone away long before.
_FORGOTTEN_US = 60 * 1_000_000


def ask(connection: Connection, wanted: Sequence[tuple[bytes, str]], new_ids: Iterator[bytes], now: int) -> list[bytes]:
    """Ask agents, which were locked, about paths; returns the ids of the questions."""
    connection.execute(delete(inquiry).where(inquiry.c.asked_at < now - _FORGOTTEN_US))
    asked = []
    for agent_id, path in wanted:
        asked.append(next(new_ids))
        row = {"id": asked[-1], "agent_id": agent_id, "path": paths.to_bytes(path), "asked_at": now, "is_answered": 0}
        connection.execute(insert(inquiry).values(row))
    _tell(connection, {agent_id for agent_id, _ in wanted})
    return asked


def standing(connection: Connection, agent_id: bytes) -> list[Question]:
    """What an agent is asked at the moment."""
    chosen = select(inquiry).where(inquiry.c.agent_id == agent_id, inquiry.c.is_answered == 0).order_by(inquiry.c.id)
    return [
        Question(id=ids.to_text("inquiry", row.id), path=paths.to_wire(row.path)) for row in connection.execute(chosen)
    ]


def answer(connection: Connection, agent_id: bytes, answers: Iterable[Answered]) -> bool:
    """Take what an agent, which was locked, has said; whether any of it was news."""
    count = 0
    for one in answers:
        key = ids.from_text("inquiry", one.question)
        of_it = (inquiry.c.id == key, inquiry.c.agent_id == agent_id, inquiry.c.is_answered == 0)
        count += connection.execute(update(inquiry).where(*of_it).values(is_answered=1, message=one.message)).rowcount
    return count > 0


def read(connection: Connection, asked: Collection[bytes]) -> list[AnyRow]:
    """Questions as they stand."""
    return list(connection.execute(select(inquiry).where(inquiry.c.id.in_(asked)))) if asked else []


def forget(connection: Connection, asked: Collection[bytes], agent_ids: Collection[bytes]) -> None:
    """Nobody waits for these any more. Agents whose answer has not come need not look."""
    connection.execute(delete(inquiry).where(inquiry.c.id.in_(asked)))
    _tell(connection, agent_ids)


def _tell(connection: Connection, agent_ids: Collection[bytes]) -> None:
    if not agent_ids:
        return
    told = update(agent).where(agent.c.id.in_(sorted(agent_ids)))
    connection.execute(told.values(revisions.following()))
    # The agents may wait at other processes, which hear of nothing but the clock.
    clock.CLOCK.take(connection, 1)
