"""Where people are logged in. A session is a random text that a browser keeps; its digest is here.

Times are those of the database, so that every host agrees on when a session ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import account, web_session
from sidecar.catalog.tokens import digest

_DAY_US = 24 * 3600 * 1_000_000
# Who looks in once a week stays logged in; nobody does for longer than a quarter of a year.
IDLE_US = 14 * _DAY_US
LIFE_US = 90 * _DAY_US
# Looking is not worth a write each time.
SEEN_EVERY_US = 10 * 60 * 1_000_000


def begin(connection: Connection, text: str, account_id: bytes, address: str, browser: str, now: int) -> None:
    """Log somebody in. What ended long ago is forgotten."""
    old = or_(web_session.c.made_at <= now - LIFE_US, web_session.c.seen_at <= now - LIFE_US)
    connection.execute(delete(web_session).where(old))
    key = digest(text)
    if connection.execute(select(web_session.c.digest).where(web_session.c.digest == key)).first() is not None:
        return  # a transaction may be run after itself
    row = {"digest": key, "account_id": account_id, "address": address[:64], "browser": browser[:255]}
    connection.execute(web_session.insert().values({**row, "made_at": now, "seen_at": now}))


def find(connection: Connection, text: str, now: int) -> AnyRow | None:
    """The session with this text, if it is good, with the account it belongs to."""
    chosen = select(
        web_session.c.digest,
        web_session.c.account_id,
        web_session.c.seen_at,
        account.c.name,
        account.c.role,
    ).join(account, account.c.id == web_session.c.account_id)
    return connection.execute(chosen.where(web_session.c.digest == digest(text), *_good(now))).one_or_none()


def note_seen(connection: Connection, key: bytes, now: int) -> None:
    """It was used."""
    connection.execute(update(web_session).where(web_session.c.digest == key).values(seen_at=now))


def of_account(connection: Connection, account_id: bytes, now: int) -> Sequence[AnyRow]:
    """Where somebody is logged in, the last seen first."""
    chosen = select(web_session).where(web_session.c.account_id == account_id, *_good(now))
    return connection.execute(chosen.order_by(web_session.c.seen_at.desc())).all()


def end(connection: Connection, account_id: bytes, key: bytes, now: int) -> bool:
    """Log somebody out in one place. False when they are not logged in there."""
    mine = (web_session.c.digest == key, web_session.c.account_id == account_id, web_session.c.ended_at.is_(None))
    return bool(connection.execute(update(web_session).where(*mine).values(ended_at=now)).rowcount)


def end_all(connection: Connection, account_id: bytes, now: int, *, but: bytes | None = None) -> None:
    """Log somebody out everywhere; ``but`` in one place."""
    open_ones = [web_session.c.account_id == account_id, web_session.c.ended_at.is_(None)]
    if but is not None:
        open_ones.append(web_session.c.digest != but)
    connection.execute(update(web_session).where(*open_ones).values(ended_at=now))


def forget(connection: Connection, account_id: bytes) -> None:
    """Take away all that an account was ever logged in by."""
    connection.execute(delete(web_session).where(web_session.c.account_id == account_id))


def is_known(connection: Connection, account_id: bytes, address: str) -> bool:
    """Whether the owner of an account has logged in from this address within the last months."""
    mine = (web_session.c.account_id == account_id, web_session.c.address == address[:64])
    return connection.execute(select(web_session.c.digest).where(*mine).limit(1)).first() is not None


def _good(now: int) -> list[ColumnElement[bool]]:
    return [
        web_session.c.ended_at.is_(None),
        web_session.c.seen_at > now - IDLE_US,
        web_session.c.made_at > now - LIFE_US,
    ]
