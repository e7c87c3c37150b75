"""Tokens: random, shown once, stored as digests, scoped, revocable."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, token

SECRET_BYTES = 32
_PREFIX = "hf_"
_SPELLED = re.compile(r"hf_[A-Za-z0-9_-]{43}", re.ASCII)


def spell(secret: bytes) -> str:
    """The token as people and programs hold it. The prefix lets secret scanners find one that leaked."""
    return _PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def is_spelled(text: str) -> bool:
    """Whether a text could be a token at all; what could not need not be looked for."""
    return _SPELLED.fullmatch(text) is not None


def digest(text: str) -> bytes:
    """What is stored of a token. It has 256 random bits, so a plain hash keeps it safe."""
    return hashlib.sha256(text.encode()).digest()


def create(
    connection: Connection,
    *,
    new_id: bytes,
    secret: bytes,
    name: str,
    scope: str,
    now: int,
    agent_id: bytes | None = None,
    owner: str | None = None,
) -> str:
    """Make a token from :data:`SECRET_BYTES` random bytes. Returns its text, which is nowhere stored. ``owner``: it is
    limited to what belongs to them."""
    text = spell(secret)
    row = {"id": new_id, "digest": digest(text), "name": name, "scope": scope, "agent_id": agent_id, "owner": owner}
    connection.execute(token.insert().values({**row, "created_at": now}))
    return text


def find(connection: Connection, text: str, now: int) -> AnyRow | None:
    """The token with this text, if it is good; for a while after a rotation also by its text before."""
    wanted = digest(text)
    before = and_(token.c.previous_digest == wanted, token.c.previous_until > now)
    return _find(connection, token.c.digest == wanted) or _find(connection, before)


def rotate(connection: Connection, token_id: bytes, secret: bytes, now: int, overlap_us: int) -> str:
    """Give a token that was locked another secret; the one before opens for ``overlap_us`` more. Returns the text."""
    text = spell(secret)
    values = {"previous_digest": token.c.digest, "previous_until": now + overlap_us}
    # Two statements: MySQL would put the new digest into both columns of one.
    other = token.c.digest != digest(text)  # a transaction may be run after itself
    connection.execute(update(token).where(token.c.id == token_id, other).values(values))
    connection.execute(update(token).where(token.c.id == token_id).values(digest=digest(text)))
    return text


def renew(
    connection: Connection, token_id: bytes, shown: bytes, secret: bytes, now: int, overlap_us: int
) -> str | None:
    """Give the token of whoever showed the secret of this digest another one. Returns its text, None when that secret
    opens no more.

    What was shown goes on to open, and nothing else does: an answer that was lost is asked for again, and its secret is
    nobody's. A secret that ends already is given no more time by it.
    """
    row = connection.execute(
        select(token.c.digest, token.c.previous_digest, token.c.previous_until)
        .where(token.c.id == token_id, token.c.revoked_at.is_(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    if row.digest == shown:
        until = now + overlap_us
    elif row.previous_digest == shown and row.previous_until > now:
        until = row.previous_until
    else:
        return None
    text = spell(secret)
    values = {"digest": digest(text), "previous_digest": shown, "previous_until": until}
    connection.execute(update(token).where(token.c.id == token_id).values(values))
    return text


def lock(connection: Connection, token_id: bytes) -> AnyRow | None:
    """Lock a good token until the transaction ends. None when there is none."""
    good = (token.c.id == token_id, token.c.revoked_at.is_(None))
    return connection.execute(_shown().where(*good).with_for_update()).one_or_none()


def use_up(connection: Connection, token_id: bytes, now: int) -> bool:
    """Use a one-time token. False when somebody was faster."""
    unused = (token.c.id == token_id, token.c.used_at.is_(None), token.c.revoked_at.is_(None))
    return bool(connection.execute(update(token).where(*unused).values(used_at=now)).rowcount)


def revoke(connection: Connection, token_id: bytes, now: int) -> bool:
    """Revoke a token. False when there is none, or it is revoked already."""
    good = (token.c.id == token_id, token.c.revoked_at.is_(None))
    return bool(connection.execute(update(token).where(*good).values(revoked_at=now)).rowcount)


def revoke_of_agent(connection: Connection, agent_id: bytes, now: int) -> None:
    """Revoke all tokens of an agent."""
    good = (token.c.agent_id == agent_id, token.c.revoked_at.is_(None))
    connection.execute(update(token).where(*good).values(revoked_at=now))


def get(connection: Connection, token_id: bytes) -> AnyRow | None:
    """One token, without its digest."""
    return connection.execute(_shown().where(token.c.id == token_id)).one_or_none()


def page(connection: Connection, after: bytes, limit: int) -> Sequence[AnyRow]:
    """Tokens in the order of their ids."""
    return connection.execute(_shown().where(token.c.id > after).order_by(token.c.id).limit(limit)).all()


def _shown() -> Any:
    return select(
        token.c.id,
        token.c.name,
        token.c.scope,
        token.c.agent_id,
        token.c.owner,
        token.c.created_at,
        token.c.used_at,
        token.c.revoked_at,
        token.c.previous_until,
    )


def _find(connection: Connection, condition: ColumnElement[bool]) -> AnyRow | None:
    chosen = (
        select(token.c.id, token.c.name, token.c.scope, token.c.agent_id, token.c.owner, token.c.digest)
        .outerjoin(agent, agent.c.id == token.c.agent_id)
        .where(condition, token.c.revoked_at.is_(None), agent.c.revoked_at.is_(None))
    )
    return connection.execute(chosen).one_or_none()
