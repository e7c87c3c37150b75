"""The change clock: one row, from which every changed row of the catalog takes its own number.

The number is taken by an UPDATE, whose row lock is held until the commit. So numbers become visible in the order
in which they were given, and a reader that goes by them can never skip a row that commits late. An
auto-increment column does not have that quality: it gives a number at once, and whoever commits first is seen
first (docs/adr/0004).

On a cluster whose nodes commit in one order, such as Galera, the same holds: of two who take numbers on two nodes at
once, the second is refused when it commits, and is run again.

Because everybody waits for that lock, take numbers as late as possible.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

from sqlalchemy import Connection, select, text, update

from sidecar.catalog.tables import clock


class Clock(Protocol):
    """Where change numbers come from."""

    def take(self, connection: Connection, count: int) -> Iterator[int]:
        """``count`` fresh numbers, ascending."""
        ...


class RowClock:
    """The clock of the catalog."""

    def take(self, connection: Connection, count: int) -> Iterator[int]:
        connection.execute(update(clock).values(value=clock.c.value + count))
        last = read(connection)
        return iter(range(last - count + 1, last + 1))


CLOCK: Clock = RowClock()


def feed(kind: str, changes: Iterator[int], now: int) -> dict[str, Any]:
    """The columns that show a changed row in the feed, with the next number."""
    return {"change": next(changes), "change_kind": kind, "changed_at": now}


def read(connection: Connection) -> int:
    """The highest number that was given."""
    return int(connection.execute(select(clock.c.value)).scalar_one())


def incarnation(connection: Connection) -> bytes:
    """The id of this catalog. It changes when the catalog is restored from a backup."""
    found: bytes = connection.execute(select(clock.c.incarnation)).scalar_one()
    return found


def renew(connection: Connection, new_id: bytes) -> None:
    """Give the catalog another incarnation: it was set back, and its numbers mean other things than they did. Cursors
    end, and every agent begins its streams anew (R35)."""
    connection.execute(update(clock).values(incarnation=new_id))


def forgotten_until(connection: Connection) -> int:
    """The highest number of a change whose row was forgotten since: whoever has not read so far may have missed that
    something is gone."""
    return int(connection.execute(select(clock.c.forgotten_until)).scalar_one())


def forget(connection: Connection, change: int) -> None:
    """Note that rows up to this change were forgotten."""
    connection.execute(update(clock).where(clock.c.forgotten_until < change).values(forgotten_until=change))


def now_us() -> int:
    """The time as the catalog stores it: microseconds since 1970."""
    return time.time_ns() // 1000


def of_database(connection: Connection) -> int:
    """The time on the clock of the database server, which is one and the same for all hosts that use it; the nodes of a
    cluster have one each, as good as they are synchronised. SQLite has no server, and all who use a file of it are on
    one host."""
    if connection.dialect.name == "sqlite":
        return now_us()
    return int(connection.execute(text("SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)")).scalar_one())
