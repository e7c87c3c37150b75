"""Counts the statements that a piece of work sends to the database, and what each of them makes it read."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

# Of its instructions SQLite takes about so many for a row that it looks at and does not want.
_STEPS_A_ROW = 5


class Sent(NamedTuple):
    """A statement as the driver got it."""

    text: str
    parameters: Any


class Cost(NamedTuple):
    """What a statement makes the database do. ``rows``: about how many it reads, of tables and indexes; ``scanned`` are
    the tables that it would read from one end to the other, by its plan."""

    rows: int
    scanned: frozenset[str]


@contextlib.contextmanager
def statements(engine: sa.Engine) -> Iterator[list[str]]:
    """The statements that are sent meanwhile, in their order; one that is executed for many rows is there once."""
    texts: list[str] = []
    with _listening(engine, lambda one: texts.append(one.text)):
        yield texts


@contextlib.contextmanager
def selects(engine: sa.Engine) -> Iterator[list[Sent]]:
    """The questions that are asked meanwhile, with their parameters."""
    found: list[Sent] = []
    with _listening(engine, lambda one: found.append(one) if one.text.startswith("SELECT") else None):
        yield found


@contextlib.contextmanager
def searches(engine: sa.Engine) -> Iterator[list[Sent]]:
    """The statements that are sent meanwhile for which rows must be found, with their parameters; of one that is
    executed for many rows, those of the first."""
    found: list[Sent] = []

    def take(one: Sent) -> None:
        if one.text.startswith(("SELECT", "UPDATE", "DELETE")):
            is_many = isinstance(one.parameters, list) and bool(one.parameters)
            found.append(one._replace(parameters=one.parameters[0]) if is_many else one)

    with _listening(engine, take):
        yield found


def cost(engine: sa.Engine, one: Sent) -> Cost:
    """Send a statement again, and see what the database does for it. What it changes is taken back."""
    with contextlib.closing(engine.raw_connection()) as connection:
        driver: Any = connection.driver_connection
        if engine.dialect.name == "sqlite":
            return _cost_on_sqlite(driver, one)
        return _cost_on_mariadb(driver, one)


def excesses(engine: sa.Engine, sent: Iterable[Sent], growing: Collection[str], bound: int) -> Iterator[str]:
    """What is wrong with these statements, if none may read all of a table that grows, nor more rows than so many."""
    for one in sent:
        came_to = cost(engine, one)
        if scanned := came_to.scanned.intersection(growing):
            yield f"reads all of {', '.join(scanned)}: {one.text}"
        if came_to.rows > bound:
            yield f"reads {came_to.rows} rows: {one.text}"


@contextlib.contextmanager
def _listening(engine: sa.Engine, take: Any) -> Iterator[None]:
    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        take(Sent(statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def _cost_on_sqlite(driver: sqlite3.Connection, one: Sent) -> Cost:
    plan = driver.execute(f"EXPLAIN QUERY PLAN {one.text}", one.parameters).fetchall()
    # "SCAN asset", and "SCAN asset USING INDEX …" for what is read in the order of an index, up to some LIMIT. A
    # subquery is called "(subquery-1)".
    words = [row[3].split() for row in plan]
    scanned = frozenset(
        word[1] for word in words if word[0] == "SCAN" and word[1].isidentifier() and "INDEX" not in word
    )
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    driver.execute("BEGIN")
    driver.set_progress_handler(tick, _STEPS_A_ROW)
    try:
        driver.execute(one.text, one.parameters).fetchall()
    finally:
        driver.set_progress_handler(None, 0)
        driver.execute("ROLLBACK")
    return Cost(ticks, scanned)


def _cost_on_mariadb(driver: Any, one: Sent) -> Cost:
    with driver.cursor() as cursor:
        cursor.execute(f"EXPLAIN {one.text}", one.parameters)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        scanned = frozenset(row["table"] for row in rows if row["type"] == "ALL" and not row["table"].startswith("<"))
        before = _rows_read(cursor)
        cursor.execute(one.text, one.parameters)
        cursor.fetchall()
        read = _rows_read(cursor) - before
        driver.rollback()
        return Cost(read, scanned)


def _rows_read(cursor: Any) -> int:
    # Those of temporary tables, where sorting is done, are among them.
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(value) for name, value in cursor.fetchall() if name != "Handler_read_retry")
