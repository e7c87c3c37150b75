"""Putting a backup in the place of a catalog, whole or not at all (rule R35).

On SQLite another file is made beside the catalog and takes its name at the end; the one before stays beside it under
another name. A server has no such step, so there a table says that the database is half loaded for as long as it is,
and nothing of this program works with such a database but a restore.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from sidecar import catalog
from sidecar.backup import loading, making
from sidecar.backup.making import Manifest
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import clock, library, metadata
from sidecar.errors import CatalogError

_DRAFT = ".restoring"
# What belongs to a file of SQLite.
_BESIDE = ("", "-wal", "-shm")


class InUse(CatalogError):
    """Somebody works with the catalog that is to be replaced."""


class NotEmpty(CatalogError):
    """There is a catalog already, and nobody said that it is to be replaced."""


# What has to be said to a catalog before anybody uses it: that it is another one than it was.
Renew = Callable[[Engine, Manifest], None]


def put_back(url: sa.URL, file: BinaryIO, renew: Renew, *, replace: bool, even_if_used: bool) -> tuple[Manifest, str]:
    """Restore a backup; returns what was in it, and where the catalog before is, if it was kept. The file is read
    through before anything is touched.

    Raises :class:`NotEmpty` and :class:`InUse`, and what :func:`sidecar.backup.loading.load` raises.
    """
    manifest = making.read_through(file)
    catalog.check_known(manifest.header.schema, "The backup")
    file.seek(0)
    if url.get_backend_name() == "sqlite":
        return _to_file(str(url.database), file, renew, replace=replace)
    return _to_server(url, file, renew, replace=replace, even_if_used=even_if_used), ""


# SQLite


def _to_file(path: str, file: BinaryIO, renew: Renew, *, replace: bool) -> tuple[Manifest, str]:
    draft = path + _DRAFT
    with _alone(draft):
        if os.path.lexists(path):
            if not replace and _has_libraries(path):
                raise NotEmpty(f"There is a catalog at {path} already.")
            _close_down(path)
        for suffix in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft + suffix)  # of a restore that was broken off
        engine = connect(f"sqlite:///{draft}")
        try:
            manifest = loading.load(engine, file)
            renew(engine, manifest)
            with engine.connect() as connection:
                found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
                if found != "ok":
                    raise CatalogError(f"SQLite finds the new file in disorder: {found}")
        finally:
            engine.dispose()
        _fold(draft)
        return manifest, _swap(draft, path)


def _swap(draft: str, path: str) -> str:
    """Let the draft take the place of the catalog; returns where that is now."""
    directory = os.path.dirname(path)
    before = ""
    owner = os.stat(path) if os.path.lexists(path) else os.stat(directory)
    if os.geteuid() == 0:
        os.chown(draft, owner.st_uid, owner.st_gid)
    os.chmod(draft, 0o600)
    descriptor = os.open(draft, os.O_RDWR | os.O_CLOEXEC)
    os.fsync(descriptor)
    os.close(descriptor)
    if os.path.lexists(path):
        _close_down(path)  # somebody may have come meanwhile
        before = f"{path}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        for suffix in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + suffix, before + suffix)
    os.rename(draft, path)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fsync(descriptor)
    os.close(descriptor)
    return before


def _close_down(path: str) -> None:
    """Make sure that no other process has the file open: in WAL mode each holds a lock for as long as it has."""
    try:
        _fold(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise InUse(f"Another process has {path} open. Stop the sidecar and its worker first.") from error
        raise CatalogError(f"{path}: {error}") from error
    except sqlite3.DatabaseError:
        return  # it is so damaged that nobody can work with it; it is only moved out of the way


def _fold(path: str) -> None:
    """Bring everything into the one file, with nothing beside it. That takes a lock that nobody else may have."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()


def _has_libraries(path: str) -> bool:
    """Whether there is anything worth keeping in a file. When that cannot be seen, there is."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(f"SELECT 1 FROM {library.name} LIMIT 1").fetchone() is not None
    except sqlite3.DatabaseError:
        return True


@contextlib.contextmanager
def _alone(draft: str) -> Iterator[None]:
    lock = os.open(draft + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse("Another restore of this catalog is under way.") from error
        yield
        os.unlink(draft + ".lock")
    finally:
        os.close(lock)


# A server


def _to_server(url: sa.URL, file: BinaryIO, renew: Renew, *, replace: bool, even_if_used: bool) -> Manifest:
    engine = connect(url.render_as_string(hide_password=False))
    try:
        with engine.connect() as guard:
            name = f"holdfast-restore-{url.database}"[:64]
            if guard.exec_driver_sql("SELECT GET_LOCK(%s, 0)", (name,)).scalar() != 1:
                raise InUse("Another restore of this catalog is under way.")
            _check_server(guard, replace=replace, even_if_used=even_if_used)
            _clear(guard)
            manifest = loading.load(engine, file)
            renew(engine, manifest)
            catalog.say_loaded(guard)
            return manifest
    finally:
        engine.dispose()


def _check_server(connection: Connection, *, replace: bool, even_if_used: bool) -> None:
    there = set(sa.inspect(connection).get_table_names())
    if catalog.LOADING in there:
        return  # what is there is the half of a restore
    if library.name in there and not replace and connection.execute(sa.select(library.c.id).limit(1)).first():
        raise NotEmpty("There is a catalog in this database already.")
    if clock.name in there and not even_if_used and (others := _others(connection)):
        raise InUse(
            f"{others} other connections use this database. Stop the sidecar and its worker on every host first, or say"
            " --even-if-used when these are not of Holdfast."
        )


def _others(connection: Connection) -> int:
    """How many other connections work with this database, as far as this user may see: its own, which are those of the
    sidecar."""
    (me, database) = connection.exec_driver_sql("SELECT CONNECTION_ID(), DATABASE()").one()
    rows = connection.exec_driver_sql("SHOW PROCESSLIST").mappings()
    return sum(row["Id"] != me and row["db"] == database for row in rows)


def _clear(connection: Connection) -> None:
    """Take away the catalog that is there, having said that there is none from now on."""
    catalog.say_loading(connection)
    connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
    for name in (*metadata.tables, "alembic_version"):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS `{name}`")
    connection.exec_driver_sql("SET SESSION foreign_key_checks = 1")
    connection.commit()
