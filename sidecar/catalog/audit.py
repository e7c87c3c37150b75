"""The audit log: what people changed or tried to change, who it was, and what came of it.

An entry is written before the change and closed after it, so there is no change without an entry. One that stays open
tells of a change during which the sidecar died: it may have taken effect or not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from holdfast import ids
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import audit

# Of a body so much is kept; enough for all that people type, and a bound for what programs send.
BODY_CHARS_MAX = 4_096
_TARGET_CHARS_MAX = 1_024
# What a look reads at most, and at a time; bodies are long.
READ_MAX = 5_000
_READ_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody is about to do. ``token`` is None for the command line; ``target`` is the path of the request, or
    the verb, and ``body`` what was sent, as JSON."""

    token: bytes | None
    who: str
    scope: str
    action: str
    target: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: an HTTP status, the code of the problem if it was refused, and where the thing is that was
    made."""

    status: int
    problem: str | None = None
    made: str | None = None


def begin(connection: Connection, deed: Deed, entry: bytes, now: int, outcome: Outcome | None = None) -> None:
    """Write down what somebody is about to do, or was refused."""
    if connection.execute(select(audit.c.id).where(audit.c.id == entry)).first() is not None:
        return  # a transaction may be run after itself
    row = {
        "id": entry,
        "at": now,
        "token_id": deed.token,
        "who": deed.who[:128],
        "scope": deed.scope,
        "action": deed.action,
        "target": deed.target[:_TARGET_CHARS_MAX],
        "body": deed.body if len(deed.body) <= BODY_CHARS_MAX else deed.body[: BODY_CHARS_MAX - 1] + "…",
    }
    connection.execute(audit.insert().values(row | _values(outcome)))


def end(connection: Connection, entry: bytes, outcome: Outcome) -> None:
    """Write down what came of it."""
    connection.execute(update(audit).where(audit.c.id == entry).values(_values(outcome)))


def new_entry(now: int) -> bytes:
    """The id of an entry to be written."""
    return ids.new(now // 1000, os.urandom(10))


def page(
    connection: Connection, token: bytes | None, action: str | None, before: bytes, limit: int
) -> Sequence[AnyRow]:
    """Entries, the newest first."""
    chosen = select(audit).where(audit.c.id < before).order_by(audit.c.id.desc()).limit(limit)
    if token is not None:
        chosen = chosen.where(audit.c.token_id == token)
    if action is not None:
        chosen = chosen.where(audit.c.action == action)
    return connection.execute(chosen).all()


class Found(NamedTuple):
    """What a look through the log has found. ``position`` is the entry behind which it goes on, None at the end;
    ``is_cut`` that it stopped there because it had read enough."""

    rows: list[AnyRow]
    position: bytes | None
    is_cut: bool


def look(connection: Connection, fits: Callable[[AnyRow], bool], before: bytes, limit: int) -> Found:
    """The entries that fit, the newest first. However long the log is, a bounded part of it is read."""
    found: list[AnyRow] = []
    position = before
    for _ in range(READ_MAX // _READ_AT_ONCE):
        rows = page(connection, None, None, position, _READ_AT_ONCE)
        for row in rows:
            if not fits(row):
                continue
            if len(found) == limit:
                return Found(found, found[-1].id, is_cut=False)
            found.append(row)
        if len(rows) < _READ_AT_ONCE:
            return Found(found, None, is_cut=False)
        position = rows[-1].id
    return Found(found, position, is_cut=True)


def _values(outcome: Outcome | None) -> dict[str, object]:
    if outcome is None:
        return {}
    return {"status": outcome.status, "problem": outcome.problem, "made": outcome.made}
