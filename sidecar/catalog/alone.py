"""Keeping other processes from migrating meanwhile, on whatever host and whatever node of a cluster they are.

On SQLite the transaction does. That of MySQL ends with the first table that is made, its named locks hold on one node
of a Galera cluster only, and not everything that speaks its language has them. So it is a row: who writes it first has
the turn, says again and again that it is still there, and takes the table away when all is done. Who waits takes over
when nothing was said for too long. That is counted in looks and not in seconds: while a table is altered, a cluster
answers nobody, and whoever has looked as often as that did get answers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from sidecar.catalog.engine import transact
from sidecar.errors import CatalogUnavailable

TABLE = "migrating"
_MADE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (id INTEGER PRIMARY KEY, holder VARBINARY(16) NOT NULL, beat BIGINT NOT NULL)"
    " ENGINE = InnoDB"
)
_BEAT_S = 0.5
_LOOKS = 20
# Altering a table of ten million rows takes minutes.
_PATIENCE_S = 600.0
# A table is not there.
_GONE = 1146


@contextlib.contextmanager
def no_others(engine: Engine) -> Iterator[None]:
    """Be the only one here. Raises :class:`CatalogUnavailable` when others would not end."""
    if engine.dialect.name == "sqlite":
        yield
        return
    me = os.urandom(16)
    _wait(engine, me)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(engine, me, ended), name="migrating", daemon=True)
    heart.start()
    last = f"DELETE FROM {TABLE}"
    try:
        yield
        last = f"DROP TABLE IF EXISTS {TABLE}"
    finally:
        ended.set()
        heart.join()
        transact(engine, lambda connection: connection.execute(text(last)))


def _wait(engine: Engine, me: bytes) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    seen: tuple[bytes, int] | None = None
    looks = 0
    while time.monotonic() < deadline_s:
        found = transact(engine, lambda connection: _look(connection, me))
        if found == seen and found is not None:
            looks += 1
        else:
            seen, looks = found, 0
        if seen is None or looks >= _LOOKS:
            if transact(engine, functools.partial(_take, me=me, stalled=seen)):
                return
            continue
        time.sleep(_BEAT_S)  # nothing tells that another process has ended, but looking
    raise CatalogUnavailable("another process has been migrating the database for a long time")


def _look(connection: Connection, me: bytes) -> tuple[bytes, int] | None:
    """Who has the turn. A commit whose answer was lost may have given it to us."""
    connection.execute(text(_MADE))
    row = connection.execute(text(f"SELECT holder, beat FROM {TABLE} WHERE id = 1")).one_or_none()
    return None if row is None or row.holder == me else (bytes(row.holder), int(row.beat))


def _take(connection: Connection, me: bytes, stalled: tuple[bytes, int] | None) -> bool:
    """Take the turn: the first, or that of somebody who says nothing any more. False when another was faster."""
    try:
        if stalled is None:
            fresh = f"INSERT INTO {TABLE} VALUES (1, :me, 0) ON DUPLICATE KEY UPDATE id = 1"
            connection.execute(text(fresh), {"me": me})
        else:
            over = f"UPDATE {TABLE} SET holder = :me, beat = beat + 1 WHERE holder = :was AND beat = :beat"
            connection.execute(text(over), {"me": me, "was": stalled[0], "beat": stalled[1]})
        holder = connection.execute(text(f"SELECT holder FROM {TABLE} WHERE id = 1")).scalar_one_or_none()
    except DBAPIError as error:
        if error.orig is not None and error.orig.args[:1] == (_GONE,):
            return False  # who had the turn has just ended
        raise
    return holder == me


def _beat(engine: Engine, me: bytes, ended: threading.Event) -> None:
    """Say that we are still there, until we are not. What cannot be said now is said the next time."""
    beat = text(f"UPDATE {TABLE} SET beat = beat + 1 WHERE holder = :me")
    while not ended.wait(_BEAT_S):
        with contextlib.suppress(CatalogUnavailable):
            transact(engine, lambda connection: connection.execute(beat, {"me": me}))
