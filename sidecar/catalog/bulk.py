"""Many rows in few statements.

Rows are plain tuples, handed to the driver's ``executemany``: SQLite prepares the statement once, PyMySQL joins
the rows to statements of up to a megabyte. Going through SQLAlchemy's parameter handling would cost several times
what the database does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import mysql, sqlite

T = TypeVar("T")

# Past one thousand no engine gets faster (measured), and all of them accept that many parameters.
CHUNK = 1_000


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def insert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert complete rows, in the order of the table's columns."""
    if rows:
        connection.exec_driver_sql(_insert(connection, table), list(rows))


def upsert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], owned: Sequence[str]) -> None:
    """Insert complete rows; where the primary key exists, update the ``owned`` columns of that row instead.

    MySQL updates at *any* unique key that collides, so the caller must know that no other one can.
    """
    if not rows:
        return
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "sqlite":
        keys = ", ".join(quote(column.name) for column in table.primary_key)
        clause = f" ON CONFLICT ({keys}) DO UPDATE SET "
        clause += ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in owned)
    else:
        # MySQL has a newer spelling that MariaDB does not know; this one works in both.
        clause = " ON DUPLICATE KEY UPDATE "
        clause += ", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in owned)
    connection.exec_driver_sql(_insert(connection, table) + clause, list(rows))


def insert_unless_there(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row, unless one has its primary key. Two may do that at once: who comes second waits for the first."""
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).values(values).on_conflict_do_nothing())
    else:
        connection.execute(mysql.insert(table).values(values).prefix_with("IGNORE"))


def _insert(connection: Connection, table: Table) -> str:
    quote = connection.dialect.identifier_preparer.quote
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(quote(column.name) for column in table.columns)
    marks = ", ".join(mark for _ in table.columns)
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"
