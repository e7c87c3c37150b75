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
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sidecar import counting
from sidecar.catalog.faults import Fault, fault, is_busy, is_over, is_sealed
from sidecar.catalog.servers import Address, Servers, named, prepare
from sidecar.errors import CatalogUnavailable, ConfigError

T = TypeVar("T")

# A gunicorn worker has 32 threads; a long poll holds no connection while it waits, so half of that is plenty.
_POOL_SIZE = 16
# How long to wait for another writer of SQLite. A report of five thousand files takes up to half a second.
_SQLITE_BUSY_S = 5.0
# How often to ask whether it has ended. SQLite itself would soon ask ten times a second only, and between two reports
# there are a few milliseconds, which it would miss again and again.
_SQLITE_ASK_S = 0.004
_ATTEMPTS = 8
# After so long no further attempt is begun. Agents wait for 30 s, and the last may wait for a lock.
_PATIENCE_S = 15.0
_BACKOFF_FIRST_S = 0.01
_BACKOFF_LAST_S = 0.5
_NO_CONNECTION = "all connections to the database are in use"
_CANNOT_WRITE = "The database cannot write: its disk is full or failing. Nothing is lost; agents keep what they tell."
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
            named(parsed)
        case other:
            raise ConfigError(f"database: {other!r} is not supported; use sqlite or mysql+pymysql")
    return parsed


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in one transaction and commit; run the whole of it again when that can help.

    What helps: deadlocks, lock time-outs, cluster certification failures, a lost connection, a busy SQLite file; and
    another server, where several are named.
    So ``work`` must touch nothing but the connection. A connection lost during the commit leaves it open whether
    the commit happened; ``work`` must bear being run after itself. Raises :class:`CatalogUnavailable` when
    it was no use.
    """
    given_up_s = time.monotonic() + _PATIENCE_S
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with engine.connect().execution_options(holdfast_write=True) as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            if is_sealed(error):
                text = "this catalog was moved to another database; the sidecar has to be restarted with that one"
                raise CatalogUnavailable(text) from error
            found = fault(error)
            if found is Fault.OURS:
                raise
            if found is Fault.STORAGE or attempt == _ATTEMPTS or time.monotonic() > given_up_s:
                raise _unavailable(error, found) from error
            counting.RETRIES.add()
        except PoolTimeout as error:
            counting.UNAVAILABLE.add()
            raise CatalogUnavailable(_NO_CONNECTION) from error
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
        found = fault(error)
        if found is Fault.OURS:
            raise
        raise _unavailable(error, found) from error
    except PoolTimeout as error:
        counting.UNAVAILABLE.add()
        raise CatalogUnavailable(_NO_CONNECTION) from error


def _unavailable(error: DBAPIError, found: Fault) -> CatalogUnavailable:
    counting.UNAVAILABLE.add()
    if found is Fault.STORAGE:
        # Agents ask again as often as this, and it takes a person to see to it.
        return CatalogUnavailable(f"the database cannot write: {error.orig}", said=_CANNOT_WRITE, retry_after_s=30)
    return CatalogUnavailable(f"the database does not answer or is too busy: {error.orig}")


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        connect_args={"check_same_thread": False, "timeout": _SQLITE_BUSY_S},
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
        if connection.get_execution_options().get("holdfast_write", False):
            _begin_to_write(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_to_write(connection: Connection) -> None:
    """Take the one right to write to an SQLite file, as soon as nobody has it.

    From the beginning: a transaction that reads first and then wants to write can be refused at once."""
    driver: Any = connection.connection.driver_connection
    given_up_s = time.monotonic() + _SQLITE_BUSY_S
    driver.execute("PRAGMA busy_timeout = 0").close()
    try:
        while _is_busy(driver) and time.monotonic() < given_up_s:
            time.sleep(random.uniform(_SQLITE_ASK_S / 2, _SQLITE_ASK_S))
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # what is wrong comes as any other error
    finally:
        driver.execute(f"PRAGMA busy_timeout = {_SQLITE_BUSY_S * 1000:.0f}").close()


def _is_busy(driver: sqlite3.Connection) -> bool:
    """Try to begin; whether somebody else is writing."""
    try:
        driver.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError as error:
        return is_busy(error)
    return False


def _mysql(url: URL) -> Engine:
    from sidecar.catalog.offers import OfferingConnection  # noqa: PLC0415 - no driver is loaded where none is needed

    addresses = named(url)
    if addresses:
        first = addresses[0]
        url = url.difference_update_query(["host"]).set(host=first.host, port=first.port)
    engine = create_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        # Proxies and servers drop idle connections after some minutes; and the server that is named first gets its
        # connections back within these.
        pool_recycle=280,
        connect_args={"connect_timeout": 5, "sql_mode": _STRICT},
    )

    driver: Any = engine.dialect.loaded_dbapi
    servers = Servers(addresses, driver)

    @event.listens_for(engine, "do_connect")
    def _connecting(_dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        def dial(address: Address) -> Any:
            return OfferingConnection(*arguments, **{**options, "host": address.host, "port": address.port})

        if addresses:
            return servers.connect(dial)
        connection = OfferingConnection(*arguments, **options)
        prepare(connection, driver)
        return connection

    @event.listens_for(engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        # A node that lost its cluster keeps its connections, and so does a server that became read-only.
        if isinstance(context.original_exception, driver.Error) and is_over(context.original_exception):
            context.is_disconnect = True

    return engine
