"""Web hooks and their deliveries in the catalog."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import delivery, webhook
from sidecar.delivery import ROTATION_S, Message

ACTIVE, DISABLED = "active", "disabled"
PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"

_ROTATION_US = ROTATION_S * 1_000_000


class Secret(msgspec.Struct, frozen=True, array_like=True):
    """A secret, base64, and until when it signs (microseconds); None: for as long as nobody replaces it."""

    text: str
    until: int | None = None


class Due(msgspec.Struct, frozen=True):
    """A delivery whose time has come."""

    id: bytes
    webhook: bytes
    url: str
    secrets: list[bytes]
    body: bytes
    attempts: int


def create(
    connection: Connection, *, new_id: bytes, url: str, description: str, kinds: Sequence[str], secret: bytes, now: int,
    cursor: int,
) -> None:  # fmt: skip
    """Make a web hook. It tells what happens after ``cursor``, a number of the change clock."""
    row = {
        "id": new_id,
        "url": url,
        "description": description,
        "kinds": pack_kinds(kinds),
        "secrets": _packed([Secret(base64.b64encode(secret).decode())]),
        "cursor": cursor,
        "state": ACTIVE,
        "reason": "",
        "created_at": now,
        "revision": 1,
    }
    connection.execute(webhook.insert().values(row))


def lock(connection: Connection, webhook_id: bytes) -> AnyRow | None:
    """Lock a web hook until the transaction ends."""
    return connection.execute(select(webhook).where(webhook.c.id == webhook_id).with_for_update()).one_or_none()


def change(connection: Connection, webhook_id: bytes, **values: Any) -> None:
    """Change a web hook that was locked; its revision grows."""
    row = values | {"revision": webhook.c.revision + 1}
    connection.execute(update(webhook).where(webhook.c.id == webhook_id).values(row))


def disable(connection: Connection, webhook_id: bytes, reason: str) -> None:
    """Send nothing more to it until somebody enables it; what happens meanwhile is told then, in one go."""
    change(connection, webhook_id, state=DISABLED, reason=reason)


def rotate(connection: Connection, row: AnyRow, secret: bytes, now: int) -> None:
    """Give it another secret; the one before signs beside it for a day."""
    before = [one for one in _unpacked(row.secrets) if one.until is None]
    kept = [Secret(one.text, now + _ROTATION_US) for one in before]
    fresh = Secret(base64.b64encode(secret).decode())
    change(connection, row.id, secrets=_packed([fresh, *kept]))


def remove(connection: Connection, webhook_id: bytes) -> bool:
    """Delete a web hook and its deliveries. False when there is none."""
    connection.execute(delete(delivery).where(delivery.c.webhook_id == webhook_id))
    return bool(connection.execute(delete(webhook).where(webhook.c.id == webhook_id)).rowcount)


def get(connection: Connection, webhook_id: bytes) -> AnyRow | None:
    """One web hook."""
    return connection.execute(select(webhook).where(webhook.c.id == webhook_id)).one_or_none()


def page(connection: Connection, after: bytes, limit: int) -> Sequence[AnyRow]:
    """Web hooks in the order of their ids."""
    return connection.execute(select(webhook).where(webhook.c.id > after).order_by(webhook.c.id).limit(limit)).all()


def deliveries(connection: Connection, webhook_id: bytes, before: bytes, limit: int) -> Sequence[AnyRow]:
    """The deliveries of a web hook, the newest first."""
    chosen = select(delivery).where(delivery.c.webhook_id == webhook_id, delivery.c.id < before)
    return connection.execute(chosen.order_by(delivery.c.id.desc()).limit(limit)).all()


def count(connection: Connection) -> int:
    """How many web hooks there are."""
    return int(connection.execute(select(func.count()).select_from(webhook)).scalar_one())


def replay(connection: Connection, webhook_id: bytes, delivery_id: bytes, now: int) -> bool:
    """Send a delivery again, whatever became of it. False when there is none."""
    mine = (delivery.c.id == delivery_id, delivery.c.webhook_id == webhook_id)
    again = {"state": PENDING, "attempts": 0, "next_at": now}
    return bool(connection.execute(update(delivery).where(*mine).values(again)).rowcount)


# For the courier


def following(connection: Connection) -> Sequence[AnyRow]:
    """The web hooks that are told what happens."""
    return connection.execute(select(webhook).where(webhook.c.state == ACTIVE).order_by(webhook.c.id)).all()


def tell(
    connection: Connection, row: AnyRow, said: Sequence[Message], upto: int, new_ids: Iterator[bytes], now: int
) -> bool:
    """Write down what a web hook is to be told, and that it was told everything up to this change number.

    False when it was moved on, disabled or deleted since ``row`` was read; then nothing is written.
    """
    unmoved = (webhook.c.id == row.id, webhook.c.cursor == row.cursor, webhook.c.state == ACTIVE)
    if not connection.execute(update(webhook).where(*unmoved).values(cursor=upto)).rowcount:
        return False
    for one in said:
        connection.execute(delivery.insert().values(_delivery(next(new_ids), row.id, one, now)))
    return True


def waiting(connection: Connection, webhook_id: bytes) -> int:
    """How many deliveries of a web hook are not over."""
    mine = (delivery.c.webhook_id == webhook_id, delivery.c.state == PENDING)
    return int(connection.execute(select(func.count()).select_from(delivery).where(*mine)).scalar_one())


def due(connection: Connection, row: AnyRow, now: int) -> Due | None:
    """The delivery of a web hook that has been due for longest. Messages to one receiver go one after the other."""
    chosen = select(delivery).where(
        delivery.c.webhook_id == row.id, delivery.c.state == PENDING, delivery.c.next_at <= now
    )
    found = connection.execute(chosen.order_by(delivery.c.next_at, delivery.c.id).limit(1)).one_or_none()
    if found is None:
        return None
    return Due(found.id, row.id, row.url, secrets_of(row.secrets, now), found.body.encode(), found.attempts)


def note(connection: Connection, one: Due, *, status: int | None, error: str, next_at: int | None, now: int) -> None:
    """Write down what became of an attempt. ``next_at`` None: there will be no other."""
    succeeded = not error
    state = DELIVERED if succeeded else FAILED if next_at is None else PENDING
    values = {
        "state": state,
        "attempts": one.attempts + 1,
        "next_at": now if next_at is None else next_at,
        "last_at": now,
        "last_status": status,
        "last_error": error,
    }
    connection.execute(update(delivery).where(delivery.c.id == one.id).values(values))
    if succeeded:
        connection.execute(update(webhook).where(webhook.c.id == one.webhook).values(failing_since=None))
    else:
        failing = (webhook.c.id == one.webhook, webhook.c.failing_since.is_(None))
        connection.execute(update(webhook).where(*failing).values(failing_since=now))


def failing_since(connection: Connection, webhook_id: bytes) -> int | None:
    """Since when every attempt has failed, or None."""
    found: int | None = connection.execute(
        select(webhook.c.failing_since).where(webhook.c.id == webhook_id)
    ).scalar_one_or_none()
    return found


def kinds_of(row: AnyRow) -> list[str]:
    """The kinds that a web hook wants; none for all."""
    return msgspec.json.decode(row.kinds, type=list[str])


def pack_kinds(kinds: Sequence[str]) -> str:
    """Kinds as the row has them."""
    return msgspec.json.encode(list(kinds)).decode()


def secrets_of(packed: str, now: int) -> list[bytes]:
    """The secrets that sign at this moment, the newest first."""
    good = (one for one in _unpacked(packed) if one.until is None or one.until > now)
    return [base64.b64decode(one.text) for one in good]


def new_message(connection: Connection, webhook_id: bytes, new_id: bytes, said: Message, now: int) -> None:
    """Write down one message besides the feed: a test."""
    connection.execute(delivery.insert().values(_delivery(new_id, webhook_id, said, now)))


def _delivery(new_id: bytes, webhook_id: bytes, said: Message, now: int) -> dict[str, Any]:
    return {
        "id": new_id,
        "webhook_id": webhook_id,
        "kind": said.type,
        "body": msgspec.json.encode(said).decode(),
        "state": PENDING,
        "attempts": 0,
        "created_at": now,
        "next_at": now,
        "last_error": "",
    }


def _packed(secrets: Sequence[Secret]) -> str:
    return msgspec.json.encode(secrets).decode()


def _unpacked(text: str) -> list[Secret]:
    return msgspec.json.decode(text, type=list[Secret])
