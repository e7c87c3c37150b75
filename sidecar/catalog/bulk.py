"""Many rows in few statements.

Rows are plain tuples, joined to statements here. Going through SQLAlchemy's parameter handling, or one by one through
the driver's, would cost several times what the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count, islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import mysql, sqlite

from sidecar.catalog import literals, loading

T = TypeVar("T")

# Past one thousand no engine gets faster (measured), and all of them accept that many parameters.
CHUNK = 1_000
# Of a statement of SQLite's. It takes 32,766 parameters, and no table has more than thirty columns; more rows make it
# no faster (measured).
_SQLITE_ROWS = 200
# Of a statement for MySQL: far below what any server takes (``max_allowed_packet``). Longer ones are no faster.
_MYSQL_CHARS_MAX = 1024 * 1024


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def insert(
    connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], names: Sequence[str] | None = None
) -> None:
    """Insert rows: complete ones, in the order of the table's columns, or of these columns only, where the others are
    NULL. To write down that there is nothing takes its time too."""
    if rows:
        _execute(connection, table, rows, "", names)


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    owned: Sequence[str],
    names: Sequence[str] | None = None,
) -> None:
    """Insert rows as above; where the primary key exists, update the ``owned`` columns of that row instead.

    MySQL updates at *any* unique key that collides, so the caller must know that no other one can.
    """
    if rows:
        _execute(connection, table, rows, _on_conflict(connection, table, owned, "{new}"), names)


def add(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], counts: Sequence[str]) -> None:
    """Insert complete rows; where the primary key exists, add the ``counts`` to those of that row instead."""
    if rows:
        _execute(connection, table, rows, _on_conflict(connection, table, counts, "{old} + {new}"))


def insert_unless_there(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row, unless one has its primary key. Two may do that at once: who comes second waits for the first."""
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).values(values).on_conflict_do_nothing())
    else:
        connection.execute(mysql.insert(table).values(values).prefix_with("IGNORE"))


def mark(connection: Connection) -> str:
    """How the driver wants a parameter to be written."""
    return "?" if connection.dialect.name == "sqlite" else "%s"


def _on_conflict(connection: Connection, table: Table, names: Sequence[str], becomes: str) -> str:
    """The clause that updates these columns where the primary key exists."""
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "sqlite":
        keys = ", ".join(quote(column.name) for column in table.primary_key)
        clause, new = f" ON CONFLICT ({keys}) DO UPDATE SET ", "excluded.{}"
    else:
        # MySQL has a newer spelling that MariaDB does not know; this one works in both.
        clause, new = " ON DUPLICATE KEY UPDATE ", "VALUES({})"
    old = f"{quote(table.name)}.{{}}"
    steps = (f"{name} = {becomes.format(old=old.format(name), new=new.format(name))}" for name in map(quote, names))
    return clause + ", ".join(steps)


def _literal(connection: Connection) -> Callable[[object], str]:
    """How the driver writes a value."""
    escape: Callable[[object], str] = connection.connection.driver_connection.escape  # type: ignore[union-attr]
    return escape


def _execute(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    clause: str,
    names: Sequence[str] | None = None,
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns = [quote(name) for name in names or table.columns.keys()]
    one = f"({', '.join([mark(connection)] * len(columns))})"
    head = f"INSERT INTO {quote(table.name)} ({', '.join(columns)}) VALUES "
    if connection.dialect.name != "sqlite":
        if not clause:
            rows = _load(connection, quote(table.name), columns, rows)
        for text in literals.values(rows, _literal(connection), _MYSQL_CHARS_MAX):
            # There is nothing to fill in: a per cent sign is one.
            connection.exec_driver_sql(head + text + clause, execution_options={"no_parameters": True})
        return
    whole = len(rows) // _SQLITE_ROWS * _SQLITE_ROWS
    if whole:
        _insert_wholes(connection, head, rows[:whole], clause)
    if rest := list(rows[whole:]):
        connection.exec_driver_sql(head + one + clause, rest)


def _load(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> Sequence[tuple[Any, ...]]:
    """Load what is worth it, where the server takes files; returns the rows that are left to be inserted."""
    literal = _literal(connection)
    while len(rows) >= loading.ROWS_MIN:
        if not loading.load(connection, table, columns, rows[: loading.ROWS_MAX], literal):
            break
        rows = rows[loading.ROWS_MAX :]
    return rows


def _insert_wholes(connection: Connection, head: str, rows: Sequence[tuple[Any, ...]], clause: str) -> None:
    """Insert rows into SQLite, :data:`_SQLITE_ROWS` by each statement: what it does once, such as preparing the words
    of a CHECK, it does once for all of them. So it is with values that all rows share, which are bound once."""
    columns = list(zip(*rows, strict=True))
    same = tuple(number for number, column in enumerate(columns) if literals.is_same(column))
    shared = tuple(columns[number][0] for number in same)
    own = list(zip(*(column for number, column in enumerate(columns) if number not in same), strict=True))
    parts = (own[start : start + _SQLITE_ROWS] for start in range(0, len(own), _SQLITE_ROWS))
    many = head + _marks(len(columns), same) + clause
    connection.exec_driver_sql(many, [shared + tuple(chain.from_iterable(part)) for part in parts])


@lru_cache(maxsize=64)
def _marks(width: int, same: Collection[int]) -> str:
    """The parameters of a statement of whole rows, by their numbers: first the values of the columns that are the
    ``same`` in all of them, and then those of each row."""
    numbers = count(len(same) + 1)
    shared = {column: number for number, column in enumerate(same, 1)}

    def row() -> str:
        return ", ".join(f"?{shared[column] if column in shared else next(numbers)}" for column in range(width))

    return ", ".join(f"({row()})" for _ in range(_SQLITE_ROWS))
