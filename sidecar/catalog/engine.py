"""Connections to the database, and the one way to write to it.

``connect`` gives an engine that behaves alike on SQLite and MySQL, ``transact`` runs a piece of work in a
transaction and runs all of it again when the database asks for that, and ``snapshot`` reads.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sidecar import counting
from sidecar.errors import CatalogUnavailable, ConfigError

T = TypeVar("T")

# A gunicorn worker has 32 threads; a long poll holds no connection while it waits, so half of that is plenty.
_POOL_SIZE = 16
# How long SQLite itself waits for another writer. A report of five thousand files takes about 0.1 s.
_SQLITE_BUSY_MS = 5_000
_ATTEMPTS = 8
_BACKOFF_FIRST_S = 0.01
_BACKOFF_LAST_S = 0.5
# Lock wait timeout, deadlock (Galera reports a failed certification as one), and a node without its cluster.
_MYSQL_AGAIN = {1205, 1213, 1047}
# Too many connections, shutdown in progress, query interrupted by one, killed, and the client's own words for a
# connection that could not be made or was lost.
_MYSQL_LOST = {1040, 1053, 1152, 1317, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 0}
# What the triggers of a catalog that was promoted answer with, see ``sidecar.promote.freeze``.
SEALED = "this catalog was promoted"
_STRICT = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


def connect(url: str) -> Engine:
    """An engine for ``sqlite:///FILE`` or ``mysql+pymysql://…``. Nothing is opened yet.

    Raises :class:`ConfigError` for a URL that cannot work.
    """
    parsed = check_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return _mysql(parsed)


def check_url(url: str) -> URL:
    """The parsed URL of a database that the catalog can live in. Raises :class:`ConfigError`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("database: this is not a database URL, such as sqlite:////var/lib/holdfast/c.db") from error
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ConfigError("database: SQLite needs a file; a catalog in memory would forget everything")
        case "mysql+pymysql" | "mariadb+pymysql":
            if not parsed.database:
                raise ConfigError("database: the URL must name a database, such as mysql+pymysql://host/holdfast")
        case other:
            raise ConfigError(f"database: {other!r} is not supported; use sqlite or mysql+pymysql")
    return parsed


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in one transaction and commit; run the whole of it again when that can help.

    What helps: deadlocks, lock time-outs, cluster certification failures, a lost connection, a busy SQLite file.
    So ``work`` must touch nothing but the connection. A connection lost during the commit leaves it open whether
    the commit happened; ``work`` must bear being run after itself. Raises :class:`CatalogUnavailable` when
    it was no use.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with engine.connect().execution_options(holdfast_write=True) as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            if is_sealed(error):
                text = "this catalog was moved to another database; the sidecar has to be restarted with that one"
                raise CatalogUnavailable(text) from error
            if not worth_another_try(error):
                raise
            if attempt == _ATTEMPTS:
                counting.UNAVAILABLE.add()
                raise CatalogUnavailable(_why(error)) from error
            counting.RETRIES.add()
        except PoolTimeout as error:
            counting.UNAVAILABLE.add()
            raise CatalogUnavailable("all connections to the database are in use") from error
        ceiling_s = min(_BACKOFF_LAST_S, _BACKOFF_FIRST_S * 2**attempt)
        time.sleep(random.uniform(ceiling_s / 4, ceiling_s))
    raise AssertionError("bug: a loop of attempts ended without a result")


@contextlib.contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads all see the same moment. Raises :class:`CatalogUnavailable`."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name != "sqlite":
                # Of the next transaction only; the session's own level is READ COMMITTED.
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield connection
            connection.rollback()
    except DBAPIError as error:
        if worth_another_try(error):
            counting.UNAVAILABLE.add()
            raise CatalogUnavailable(_why(error)) from error
        raise
    except PoolTimeout as error:
        counting.UNAVAILABLE.add()
        raise CatalogUnavailable("all connections to the database are in use") from error


def worth_another_try(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed when it is run again."""
    if error.connection_invalidated:
        return True
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # The primary code is the low byte; 5 is SQLITE_BUSY, 6 SQLITE_LOCKED.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in (5, 6)
    if isinstance(error, IntegrityError):
        return False
    code = cause.args[0] if cause is not None and cause.args else None
    return code in _MYSQL_AGAIN or code in _MYSQL_LOST


def is_sealed(error: DBAPIError) -> bool:
    """Whether the catalog was promoted, and takes no writes any more."""
    return isinstance(error.orig, sqlite3.IntegrityError) and str(error.orig) == SEALED


def _why(error: DBAPIError) -> str:
    return f"the database does not answer or is too busy: {error.orig}"


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        connect_args={"check_same_thread": False, "timeout": _SQLITE_BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _opened(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        # Without this the driver begins transactions by itself, late, and never around DDL.
        dbapi_connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            # An acknowledged report must survive a power cut; in WAL mode NORMAL would lose the last commits.
            "synchronous = FULL",
            "foreign_keys = ON",
            # In KiB when negative. Path keys are random, so their index profits from memory.
            "cache_size = -16384",
            # In pages. A large report writes a thousand of them; the default would copy them back after each.
            "wal_autocheckpoint = 8000",
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # A transaction that reads first and then wants to write can be refused at once, without any waiting.
        write = connection.get_execution_options().get("holdfast_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _mysql(url: URL) -> Engine:
    engine = create_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        # Proxies and servers drop idle connections after some minutes.
        pool_recycle=280,
        connect_args={"connect_timeout": 5, "sql_mode": _STRICT},
    )

    @event.listens_for(engine, "connect")
    def _opened(dbapi_connection: Any, _record: Any) -> None:
        with dbapi_connection.cursor() as cursor:
            # The server's default of 50 s is longer than anybody waits for an answer.
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 10")
            cursor.execute("SET SESSION time_zone = '+00:00'")

    return engine
