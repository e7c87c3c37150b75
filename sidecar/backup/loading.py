"""Loading a backup into an empty database, of whatever engine, and bringing it up to date (rule R35)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError

from sidecar import catalog
from sidecar.backup.frames import BadBackup, Reader, TableStart
from sidecar.backup.making import Manifest
from sidecar.catalog.tables import lease, metadata, token

# Nobody holds a lease of a catalog that was just made. And without tokens nobody can tell it anything, so they come
# last: what is told to a half of a catalog would be in the way of the other half.
_LEFT_OUT = lease.name
_LAST = token.name
# So many rows in one transaction.
_COMMIT_EVERY = 50_000


def load(engine: Engine, file: BinaryIO) -> Manifest:
    """Make the catalog of a backup in an empty database.

    The schema is made as it was when the backup was, the rows are put into it, and then it is brought up to date. What
    was not loaded to the end is no catalog: whoever calls this must not let anybody use it before.

    Raises :class:`sidecar.backup.frames.BadBackup`, :class:`sidecar.errors.SchemaMismatch` for a backup of a newer
    version.
    """
    reader = Reader(file)
    catalog.check_known(reader.header.schema, "The backup")
    catalog.migrate(engine, to=reader.header.schema, is_loading=True)
    with _unchecked(engine) as connection:
        try:
            _fill(connection, reader)
        except (DataError, IntegrityError) as error:
            raise BadBackup(f"The rows of the backup do not fit into the database: {error.orig}.") from error
        _count(connection, reader.rows)
    catalog.migrate(engine, is_loading=True)
    return Manifest(header=reader.header, rows=reader.rows)


@contextlib.contextmanager
def _unchecked(engine: Engine) -> Iterator[Connection]:
    """A connection that does not look whether rows refer to others, which come later; it is not used again."""
    with engine.connect().execution_options(holdfast_write=True) as connection:
        if engine.dialect.name == "sqlite":
            # SQLAlchemy has begun no transaction yet, in which this would do nothing.
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = OFF").close()
        else:
            connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
            connection.commit()
        try:
            yield connection
        finally:
            connection.invalidate()


def _fill(connection: Connection, reader: Reader) -> None:
    for name in metadata.tables:
        if _is_there(connection, name):
            connection.exec_driver_sql(f"DELETE FROM `{name}`")  # what the schema itself begins with
    last: list[tuple[TableStart, list[tuple[Any, ...]]]] = []
    waiting = 0
    for table, rows in reader.frames():
        if table.name not in metadata.tables:
            raise BadBackup(f"The backup has a table {table.name!r}, which this version does not know.")
        if table.name == _LAST:
            last.append((table, rows))
        elif table.name != _LEFT_OUT:
            _insert(connection, table, rows)
        waiting += len(rows)
        if waiting >= _COMMIT_EVERY:
            connection.commit()
            waiting = 0
    for table, rows in last:
        _insert(connection, table, rows)
    if connection.dialect.name == "sqlite":
        loose = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if loose is not None:
            raise BadBackup(f"A row of {loose[0]} refers to one of {loose[2]} that is not in the backup.")
    connection.commit()


def _insert(connection: Connection, table: TableStart, rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    quote = connection.dialect.identifier_preparer.quote
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(quote(name) for name in table.columns)
    marks = ", ".join(mark for _ in table.columns)
    connection.exec_driver_sql(f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})", rows)


def _count(connection: Connection, rows: dict[str, int]) -> None:
    """Ask the database whether it has what it was given."""
    for name, count in rows.items():
        if name == _LEFT_OUT:
            continue
        found = connection.exec_driver_sql(f"SELECT COUNT(*) FROM `{name}`").scalar_one()
        if found != count:
            raise BadBackup(f"The database took {found} of {count} rows of {name}.")
    connection.rollback()


def _is_there(connection: Connection, table: str) -> bool:
    return bool(connection.dialect.has_table(connection, table))
