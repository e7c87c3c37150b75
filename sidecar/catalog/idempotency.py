"""Answers kept for a day, so that a POST with an ``Idempotency-Key`` takes effect once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from sidecar.catalog.tables import idempotency
from sidecar.errors import Refused

_KEPT_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer: status, ``Location``, and body."""

    status: int
    location: str
    body: str


def digest(*parts: bytes) -> bytes:
    """What a key and a body are stored as. Parts are kept apart by their length."""
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(joined).digest()


def find(connection: Connection, key: bytes, body: bytes, now: int) -> Answer | None:
    """The answer that was given under this key. Raises :class:`Refused` when the request was another one."""
    fresh = (idempotency.c.key_digest == key, idempotency.c.at > now - _KEPT_US)
    row = connection.execute(select(idempotency).where(*fresh)).one_or_none()
    if row is None:
        return None
    if row.body_digest != body:
        raise Refused("idempotency-conflict", "This Idempotency-Key was used with another body. Choose a new key.")
    return Answer(row.status, row.location, row.body)


def keep(connection: Connection, key: bytes, body: bytes, answer: Answer, now: int) -> None:
    """Store an answer, and forget those that are too old."""
    connection.execute(delete(idempotency).where(idempotency.c.at <= now - _KEPT_US))
    row = {"key_digest": key, "body_digest": body, "at": now}
    connection.execute(
        idempotency.insert().values({**row, "status": answer.status, "location": answer.location, "body": answer.body})
    )
