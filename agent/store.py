"""The SQLite file of one volume, that journal and outbox share: opening, schema, transactions.

Two processes open it: the worker (looks and spools) and the supervisor (ships). It lies on the agent's own disk,
never on the volume, and nobody holds a transaction open while touching the volume.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote

from holdfast import ids
from holdfast.media import FINGERPRINT

_FIRST_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE directory (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    mtime_ns INTEGER,           -- NULL: the listing was too fresh for its times to prove anything
    ctime_ns INTEGER,
    files BLOB NOT NULL,        -- msgpack [[name, inode, size, mtime_ns, ctime_ns], ...] sorted by name
    births BLOB NOT NULL,       -- msgpack [birth_ns, ...] beside them
    directories BLOB NOT NULL,  -- msgpack {name: inode, ...}
    told INTEGER NOT NULL       -- 0: all of it must be told again when it is next seen
);
CREATE TABLE unreadable (path BLOB PRIMARY KEY) WITHOUT ROWID;
-- Where an inode was seen; a hint to look there, so that a move is found whichever end is listed first.
CREATE TABLE inode (inode INTEGER, directory INTEGER, PRIMARY KEY (inode, directory)) WITHOUT ROWID;
CREATE TABLE candidate (
    directory BLOB NOT NULL,
    name BLOB NOT NULL,
    inode INTEGER NOT NULL,
    listed BLOB NOT NULL,
    rest INTEGER NOT NULL,      -- agent.journal.Rest
    body BLOB NOT NULL,
    PRIMARY KEY (directory, name)
) WITHOUT ROWID;
CREATE INDEX candidate_inode ON candidate (inode);
CREATE INDEX candidate_listed ON candidate (listed);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch BLOB NOT NULL,
    files INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE sealed (sequence INTEGER PRIMARY KEY, files INTEGER NOT NULL, body BLOB NOT NULL);
"""
_CONTENTS = """
CREATE TABLE content (
    place BLOB PRIMARY KEY,     -- the inode or the path that it belongs to, see agent.contents
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL
) WITHOUT ROWID;
-- Directories that have files which nobody has read, with the modification time of the newest of these.
CREATE TABLE unread (path BLOB PRIMARY KEY, newest INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX unread_newest ON unread (newest);
INSERT INTO unread SELECT path, coalesce(mtime_ns, 0) FROM directory;
"""
_WHOLE = """
-- Under which turn of the interests all names of the directory were compared; 0: some were left out.
ALTER TABLE directory ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
"""
_TWINS = """
-- Files that may be known again by size and modification time: places by path.
CREATE INDEX content_twins ON content (size, mtime_ns) WHERE place >= X'70' AND place < X'71';
"""
_OUTLINES = """
-- What a scan for new names has to know of a directory, apart from its files: they are most of the table.
CREATE INDEX directory_outline ON directory (
    path, told, whole, mtime_ns, ctime_ns, directories, substr(files, 1, 5)
);
"""
# What each version has added; the user_version of a file says how many of these it has.
_SCHEMAS = (_FIRST_SCHEMA, _CONTENTS, _WHOLE, _TWINS, _OUTLINES)
SCHEMA_VERSION = len(_SCHEMAS)


class Standing(StrEnum):
    """How a journal stands to the catalog. Only one that is ``WRITING`` learns anything of the disk, or tells of it.

    | standing | meaning | goes on to |
    | --- | --- | --- |
    | baseline | it and the catalog may differ; what the catalog believes is being learned | writing, at the last page |
    | writing | it knows all that the catalog believes | baseline or draining, when one of them was set back |
    | draining | the catalog was set back; what waits is told before the baseline | baseline, when all is told |
    | held back | another agent is the writer of the volume (R33) | baseline, with the next grant |
    """

    BASELINE = "baseline"
    WRITING = "writing"
    DRAINING = "draining"
    HELD_BACK = "held-back"


class Lease(NamedTuple):
    """That the agent is the writer of a volume, in this incarnation of the catalog, until another fence is given
    (R33). With no ``fence`` it is not."""

    catalog: str
    fence: int | None


def new_journal_id() -> str:
    """The id of a journal that is new."""
    return ids.to_text("journal", ids.new(time.time_ns() // 1_000_000, os.urandom(10)))


class JournalUnusable(Exception):
    """The journal cannot be opened or is of a newer version. The text says what to do."""


def peek(path: str, key: str) -> str | None:
    """One of the single values of the journal in this file, while others may be at work on it; None without a journal,
    or without such a value. Raises :class:`JournalUnusable`."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    except sqlite3.Error as error:
        raise JournalUnusable(f"The journal {path} cannot be read ({error}).") from error
    return None if row is None else str(row[0])


class Store:
    """An open file. One connection; to be used by one thread at a time."""

    def __init__(self, path: str, volume: str, new_id: str | None = None, *, durable: bool = False) -> None:
        """Open or make the file at ``path``. ``new_id`` names its incarnation if it has to be made; it is a fresh one
        by default, since a journal that is made again must never be taken for the one that was lost (R34).

        ``durable``: a commit is on the disk when it returns. The shipper needs it, since a number that was used
        must never be used for something else; the worker does not, since what it loses it finds again.
        """
        self.volume = volume
        self.db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        try:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with self.transaction():
                self._prepare(new_id or new_journal_id())
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise JournalUnusable(
                f"The journal {path} cannot be used ({error}). Move it away; the next scan makes a new one."
            ) from error
        except JournalUnusable:
            self.db.close()
            raise
        self.id = str(self.meta("id"))

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside becomes true together, or not at all."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise

    def meta(self, key: str) -> Any:
        """One of the few single values that a journal keeps."""
        return self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0]

    def set_meta(self, key: str, value: str | int) -> None:
        """Change one of the single values."""
        self.db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))

    def standing(self) -> Standing:
        """How the journal stands to the catalog."""
        return Standing(self.meta("standing"))

    def stand(self, standing: Standing) -> None:
        """Change the standing, in a transaction: whoever is at work on the journal is overtaken by it."""
        self.set_meta("standing", standing)
        self.db.execute("UPDATE meta SET value = value + 1 WHERE key = 'turn'")

    def turn(self) -> int:
        """Grows whenever the standing changes."""
        return int(self.meta("turn"))

    def lease(self) -> Lease:
        """The lease that the journal was last begun under."""
        return Lease(str(self.meta("catalog")), int(self.meta("fence")))

    def set_lease(self, catalog: str, fence: int) -> None:
        """Remember the lease."""
        self.set_meta("catalog", catalog)
        self.set_meta("fence", fence)

    def _prepare(self, new_id: str) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise JournalUnusable("The journal was written by a newer Holdfast. Install that version again.")
        for schema in _SCHEMAS[version:]:
            for statement in schema.split(";\n"):
                if statement.strip():
                    self.db.execute(statement)
        # A journal that was made before one of these was kept gets it now.
        self.db.executemany(
            "INSERT OR IGNORE INTO meta VALUES (?, ?)",
            [
                ("id", new_id),
                ("next_sequence", 1),
                ("volume", self.volume),
                ("scopes", ""),
                ("standing", Standing.BASELINE),
                ("turn", 1),
                ("catalog", ""),
                ("fence", 0),
                ("interests", 1),
                ("kinds", ""),
                ("rules", "{}"),
                ("rules_told", "{}"),
                ("scans_done", "[]"),
            ],
        )
        if self.meta("kinds") != FINGERPRINT:
            # Names that were passed over may be those of photos now.
            self.db.execute("UPDATE meta SET value = value + 1 WHERE key = 'interests'")
            self.set_meta("kinds", FINGERPRINT)
        self.db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
