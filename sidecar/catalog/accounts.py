"""Accounts of people, and the links by which they are made."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from sidecar.catalog import sessions
from sidecar.catalog.clock import of_database
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import account, setup_link
from sidecar.catalog.tokens import digest
from sidecar.errors import Refused

LINK_US = 24 * 3600 * 1_000_000


def create(connection: Connection, new_id: bytes, name: str, role: str, password: str, now: int) -> None:
    """Make an account; ``password`` is what is kept of one. Raises :class:`Refused` when the name is taken."""
    row = {"id": new_id, "name": name, "role": role, "password": password, "created_at": now}
    if (known := by_name(connection, name)) is not None:
        if known.id == new_id:
            return  # a transaction may be run after itself
        raise _taken(name)
    try:
        connection.execute(account.insert().values(row))
    except IntegrityError as error:
        raise _taken(name) from error


def by_name(connection: Connection, name: str) -> AnyRow | None:
    """The account of this name, in its one spelling."""
    return connection.execute(select(account).where(account.c.name == name)).one_or_none()


def get(connection: Connection, account_id: bytes) -> AnyRow | None:
    """One account."""
    return connection.execute(select(account).where(account.c.id == account_id)).one_or_none()


def everybody(connection: Connection) -> Sequence[AnyRow]:
    """All accounts by name. A house has few."""
    return connection.execute(select(account).order_by(account.c.name)).all()


def exist(connection: Connection) -> bool:
    """Whether there is any account."""
    return bool(connection.execute(select(func.count()).select_from(account)).scalar_one())


def set_password(
    connection: Connection, account_id: bytes, password: str, now: int, *, but: bytes | None = None
) -> None:
    """Give an account another password. It is logged out everywhere; ``but`` where it was changed."""
    connection.execute(update(account).where(account.c.id == account_id).values(password=password))
    sessions.end_all(connection, account_id, now, but=but)


def set_role(connection: Connection, account_id: bytes, role: str) -> None:
    """Give an account another role, from the next request on."""
    connection.execute(update(account).where(account.c.id == account_id).values(role=role))


def note_use(connection: Connection, account_id: bytes, now: int) -> None:
    """Somebody has logged in."""
    connection.execute(update(account).where(account.c.id == account_id).values(used_at=now))


def remove(connection: Connection, account_id: bytes) -> None:
    """Take an account away, with all that it is logged in by."""
    sessions.forget(connection, account_id)
    connection.execute(delete(account).where(account.c.id == account_id))


def make_link(connection: Connection, text: str, role: str) -> None:
    """Make it possible to make one account of this role by whoever knows this text, for a day."""
    now = of_database(connection)
    connection.execute(delete(setup_link).where(setup_link.c.expires_at <= now))
    key = digest(text)
    connection.execute(delete(setup_link).where(setup_link.c.digest == key))
    connection.execute(setup_link.insert().values(digest=key, role=role, expires_at=now + LINK_US))


def role_of_link(connection: Connection, text: str) -> str | None:
    """The role that a link gives; None when it is not good, or not any more."""
    good = (setup_link.c.digest == digest(text), setup_link.c.expires_at > of_database(connection))
    role: str | None = connection.execute(select(setup_link.c.role).where(*good)).scalar_one_or_none()
    return role


def use_link(connection: Connection, text: str) -> str | None:
    """Use a link up; its role. None when it is not good, or somebody was faster."""
    role = role_of_link(connection, text)
    gone = connection.execute(delete(setup_link).where(setup_link.c.digest == digest(text))).rowcount
    return role if gone else None


def _taken(name: str) -> Refused:
    return Refused("account-exists", f"There is an account {name!r} already. Choose another name.")
