"""Keeping an embedded catalog as it is: by SQLite's write lock while it is copied, and by triggers afterwards.

The lock ends with the process that holds it, so a promotion that dies leaves a catalog that works on. The triggers
stay, whatever processes have the file open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Engine

from sidecar.catalog.faults import SEALED
from sidecar.catalog.tables import metadata
from sidecar.errors import CatalogUnavailable

# Longer than any transaction of the sidecar takes.
_LOCK_WAIT_S = 60.0
_VERBS = ("INSERT", "UPDATE", "DELETE")


class Frozen:
    """A catalog that nobody else can write to at the moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def seal(self, moved_to: str) -> None:
        """Let it refuse every write from now on, for ever, and remember where it went."""
        self._connection.execute("CREATE TABLE promoted (moved_to TEXT NOT NULL)")
        self._connection.execute("INSERT INTO promoted VALUES (?)", (moved_to,))
        for name in _triggers():
            table, verb = name.removeprefix("promoted_").rsplit("_", 1)
            self._connection.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON \"{table}\" BEGIN SELECT RAISE(ABORT, '{SEALED}'); END"
            )
        self._connection.execute("COMMIT")


@contextmanager
def frozen(source: Engine) -> Iterator[Frozen]:
    """Hold the write lock. Raises :class:`CatalogUnavailable` when somebody else does not let go of it."""
    with closing(_open(source)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise CatalogUnavailable(f"another process keeps the catalog locked: {error}") from error
        try:
            yield Frozen(connection)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def sealed_for(source: Engine) -> str | None:
    """Where a sealed catalog went; None when it is not sealed."""
    with closing(_open(source)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'promoted'").fetchone() is None:
            return None
        return str(connection.execute("SELECT moved_to FROM promoted").fetchone()[0])


def unseal(source: Engine) -> None:
    """Let a sealed catalog take writes again."""
    with closing(_open(source)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for name in _triggers():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP TABLE promoted")
        connection.execute("COMMIT")


def _triggers() -> list[str]:
    return [f"promoted_{table}_{verb}" for table in metadata.tables for verb in _VERBS]


def _open(source: Engine) -> sqlite3.Connection:
    return sqlite3.connect(str(source.url.database), timeout=_LOCK_WAIT_S, isolation_level=None)
