"""A toy photo server that integrates with Holdfast completely: photos, and albums that keep their entries.

    toy_photo_server.py follow http://127.0.0.1:8765 TOKEN_FILE     # keeps photos.sqlite3 in step, for ever
    toy_photo_server.py add Holidays /media/trip/IMG_1.jpg          # puts a photo into an album
    toy_photo_server.py show Holidays                               # what is in it, and how each photo is

Albums hold asset ids, never paths. A disk that is away greys its photos out, a photo that moved shows its new path, and
one that was deleted stays in its album, marked, until a person takes it out.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from holdfast.client import AssetChange, Change, Client, CursorExpired, VolumeChange

SCHEMA = """
CREATE TABLE IF NOT EXISTS photo (id TEXT PRIMARY KEY, path TEXT, status TEXT, volume TEXT, via TEXT, trashed INT);
CREATE TABLE IF NOT EXISTS volume (id TEXT PRIMARY KEY, label TEXT, state TEXT, detail TEXT);
CREATE TABLE IF NOT EXISTS entry (album TEXT, photo TEXT, PRIMARY KEY (album, photo));
CREATE TABLE IF NOT EXISTS bookmark (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT);
"""
SHOW = """
SELECT e.photo, coalesce(p.path, '?'), CASE WHEN p.id IS NULL THEN 'not in the catalog'
    WHEN p.status != 'present' THEN p.status WHEN coalesce(u.state, v.state) IN ('online', 'idle')
    AND v.state IN ('online', 'idle') THEN 'here' ELSE 'away: ' || v.label || ': ' || v.detail END
FROM entry e LEFT JOIN photo p ON p.id = e.photo LEFT JOIN volume v ON v.id = p.volume
LEFT JOIN volume u ON u.id = p.via WHERE e.album = ? ORDER BY 2
"""


def take_in(database: sqlite3.Connection, change: Change) -> None:
    """Make of a change what this server wants of it. A volume is one row, however many photos are on it."""
    if isinstance(change, AssetChange):
        one = change.state
        values = (one.id, one.path, one.status, one.volume_id, one.via_volume_id, one.trashed_at is not None)
        database.execute("REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?)", values)
    elif isinstance(change, VolumeChange):
        disk = change.state
        database.execute("REPLACE INTO volume VALUES (?, ?, ?, ?)", (disk.id, disk.label, disk.state, disk.detail))


def start_over(database: sqlite3.Connection, holdfast: Client) -> str:
    """The first time, and when the catalog was restored: list everything. Albums are not touched."""
    snapshot = holdfast.snapshot()
    with database:
        database.execute("DELETE FROM photo")
        for change in snapshot:
            take_in(database, change)
        database.execute("REPLACE INTO bookmark VALUES (1, ?)", (snapshot.cursor,))
    return snapshot.cursor


def follow(database: sqlite3.Connection, holdfast: Client) -> None:
    """Keep in step, for ever. Each change and its cursor are one transaction, so that a crash loses nothing."""
    row = database.execute("SELECT cursor FROM bookmark").fetchone()
    cursor = row[0] if row else start_over(database, holdfast)
    while True:
        try:
            for change in holdfast.follow(cursor):
                with database:
                    take_in(database, change)
                    database.execute("REPLACE INTO bookmark VALUES (1, ?)", (change.cursor,))
        except CursorExpired:
            cursor = start_over(database, holdfast)


def main(verb: str, *rest: str) -> None:
    database = sqlite3.connect("photos.sqlite3", timeout=10)
    database.executescript(SCHEMA)
    if verb == "follow":
        url, token_file = rest
        with Client(url, Path(token_file).read_text().strip()) as holdfast:
            follow(database, holdfast)
    elif verb == "add":
        with database:
            database.execute("INSERT INTO entry SELECT ?, id FROM photo WHERE path = ? AND status = 'present'", rest)
    else:
        for row in database.execute(SHOW, rest):
            print(*row, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
