"""What is known of one volume: what was last seen there, and what is suspected gone.

What was learned and what must be told (the outbox) are written in *one* transaction of the store they share, so
that no crash can separate them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from agent.known import KnownDirectory, Outline, file_count, unpack_directories, unpack_files
from agent.ports import FileEntry
from agent.store import Store
from agent.times import Stamp
from holdfast import paths, reports
from holdfast.volumes import Epoch

_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Rest(IntEnum):
    """Whether a candidate waits for another mount to prove it gone: not at all; it does; it did, and there is one."""

    NONE = 0
    RESTS = 1
    WOKEN = 2


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A file that was missed once. ``first`` is the look that missed it, None when that look was overtaken; in
    ``epoch``. ``since`` is the epoch in which it was missed first of all. ``told`` is False when nobody knows whether
    the catalog has heard of the file. See :class:`holdfast.reports.Proof` for what else there is."""

    directory: str
    file: FileEntry
    birth_ns: int | None
    listed: str
    before: Stamp | None
    first: reports.Look | None
    epoch: Epoch
    since: Epoch
    rest: Rest = Rest.NONE
    told: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """Where the file was: directory and name."""
        return self.directory, self.file.name


read_rules = msgspec.json.Decoder(dict[str, str]).decode
_unpack_candidate = msgspec.msgpack.Decoder(Candidate).decode


class Journal:
    """The journal in an open :class:`~agent.store.Store`. What writes is to be called in a transaction of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = store.db

    # What is known

    def directory(self, path: str) -> KnownDirectory | None:
        """What was last seen in a directory, or None when it was never listed."""
        return self.known([path]).get(path)

    def known(self, directories: Sequence[str]) -> dict[str, KnownDirectory]:
        """What was last seen in each of these directories; one that was never listed is left out."""
        marks = ", ".join("?" * len(directories))
        raw = [paths.to_bytes(path) for path in directories]
        rows = self._db.execute(f"SELECT path, {_COLUMNS} FROM directory WHERE path IN ({marks})", raw)
        return {paths.to_wire(path): _known(row) for path, *row in rows}

    def outlines(self, directories: Sequence[str]) -> dict[str, Outline]:
        """The same without the files, which are most of it. Those are left out, too, of which times prove nothing, or
        something is left to do."""
        marks = ", ".join("?" * len(directories))
        rows = self._db.execute(
            "SELECT path, mtime_ns, ctime_ns, substr(files, 1, 5), directories "
            "FROM directory INDEXED BY directory_outline "
            f"WHERE path IN ({marks}) AND told AND whole = {_INTERESTS} AND mtime_ns IS NOT NULL",
            [paths.to_bytes(path) for path in directories],
        )
        return {
            paths.to_wire(path): Outline((mtime_ns, ctime_ns), file_count(head), unpack_directories(packed))
            for path, mtime_ns, ctime_ns, head, packed in rows
        }

    def below(self, path: str) -> list[tuple[str, KnownDirectory]]:
        """The directory and every known directory below it."""
        rows = self._db.execute(
            f"SELECT path, {_COLUMNS} FROM directory WHERE {_BELOW}",
            _below(path),
        )
        return [(paths.to_wire(raw), _known(row)) for raw, *row in rows]

    def paths_below(self, path: str) -> list[str]:
        """The paths of the known directories at and below this one, an ancestor before what is below it."""
        rows = self._db.execute(f"SELECT path FROM directory WHERE {_BELOW} ORDER BY path", _below(path))
        return [paths.to_wire(raw) for (raw,) in rows]

    def directories(self, inodes: Iterable[int]) -> set[str]:
        """The directories in which any of these inodes was last seen."""
        wanted = _signed(inodes)
        # Files that came together have numbers close to each other, and those of new ones are new: nearly all end here.
        span = (min(wanted, default=0), max(wanted, default=0))
        if self._db.execute("SELECT 1 FROM inode WHERE inode BETWEEN ? AND ? LIMIT 1", span).fetchone() is None:
            return set()
        rows = self._db.execute(
            "SELECT DISTINCT path FROM inode JOIN directory ON directory.id = inode.directory "
            "WHERE inode IN (SELECT value FROM json_each(?))",
            (_json(wanted).decode(),),
        )
        return {paths.to_wire(raw) for (raw,) in rows}

    def learn(self, path: str, known: KnownDirectory, came: Iterable[int], went: Iterable[int]) -> None:
        """Replace what is known of a directory. ``came`` and ``went`` are the inodes that differ."""
        raw = paths.to_bytes(path)
        stamp = known.stamp or (None, None)
        row = self._db.execute(
            "INSERT INTO directory (path, mtime_ns, ctime_ns, files, births, directories, told, whole) "
            f"VALUES (?, ?, ?, ?, ?, ?, 1, ? * {_INTERESTS}) ON CONFLICT (path) DO UPDATE SET "
            "mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, files = excluded.files, "
            "births = excluded.births, directories = excluded.directories, told = 1, whole = excluded.whole "
            "RETURNING id",
            (
                raw,
                *stamp,
                known.files_packed,
                known.births_packed,
                known.directories_packed,
                known.whole,
            ),
        ).fetchone()
        self._forget_inodes(row[0], went)
        if new := _signed(came):
            text = "INSERT OR IGNORE INTO inode SELECT value, ? FROM json_each(?)"
            self._db.execute(text, (row[0], _json(new).decode()))

    def forget(self, path: str) -> None:
        """Drop what is known of a directory and everything below it."""
        bounds = _below(path)
        # The inodes of a library have no index by directory: they are found by what is known of it.
        for number, files in self._db.execute(f"SELECT id, files FROM directory WHERE {_BELOW}", bounds):
            self._forget_inodes(number, [file.inode for file in unpack_files(files)])
        self._db.execute(f"DELETE FROM directory WHERE {_BELOW}", bounds)

    def retell(self, path: str) -> None:
        """All that is known in a directory and below it, what is suspected gone from there too, must be told again when
        it is next seen."""
        self._db.execute(f"UPDATE directory SET told = 0 WHERE {_BELOW}", _below(path))
        where = _BELOW.replace("path", "directory")
        rows = self._db.execute(f"SELECT body FROM candidate WHERE {where}", _below(path)).fetchall()
        self.suspect(msgspec.structs.replace(_unpack_candidate(body), told=False) for (body,) in rows)

    def retell_one(self, path: str) -> None:
        """All that is known in a directory must be told again when it is next seen."""
        self._db.execute("UPDATE directory SET told = 0 WHERE path = ?", (paths.to_bytes(path),))

    def believe(self, path: str, files_packed: bytes, births_packed: bytes, directories_packed: bytes) -> None:
        """Replace what is known of a directory by something that was told and not seen: its times prove nothing."""
        self._db.execute(
            "INSERT INTO directory (path, files, births, directories, told, whole) VALUES (?, ?, ?, ?, 0, 0) "
            "ON CONFLICT (path) DO UPDATE SET mtime_ns = NULL, ctime_ns = NULL, whole = 0, files = excluded.files, "
            "births = excluded.births, directories = excluded.directories, told = 0",
            (paths.to_bytes(path), files_packed, births_packed, directories_packed),
        )

    def forget_unreadable(self) -> None:
        """That directories cannot be read must be told again."""
        self._db.execute("DELETE FROM unreadable")

    def suspected_in(self, directory: str) -> set[str]:
        """The names in this directory that are suspected gone."""
        rows = self._db.execute("SELECT name FROM candidate WHERE directory = ?", (paths.to_bytes(directory),))
        return {paths.to_wire(raw) for (raw,) in rows}

    def note_unreadable(self, path: str) -> bool:
        """Write down that a directory cannot be read; False when that is known already."""
        inserted = self._db.execute("INSERT OR IGNORE INTO unreadable VALUES (?)", (paths.to_bytes(path),))
        if inserted.rowcount:
            self.retell(path)
        return bool(inserted.rowcount)

    def note_readable(self, listed: Iterable[str]) -> None:
        """These directories were read."""
        self._db.executemany("DELETE FROM unreadable WHERE path = ?", [(paths.to_bytes(path),) for path in listed])

    def has_unreadable(self) -> bool:
        """Whether any directory is written down as unreadable."""
        return self._db.execute("SELECT 1 FROM unreadable LIMIT 1").fetchone() is not None

    def scopes(self) -> str:
        """The scopes that this journal was told to cover, as :meth:`set_scopes` left them."""
        return str(self._store.meta("scopes"))

    def set_scopes(self, text: str) -> None:
        """Remember the scopes. What was left out under others may be wanted now."""
        self._store.set_meta("scopes", text)
        self.distrust()

    def rules(self) -> dict[str, str]:
        """The ignore files of the volume: folder -> text."""
        return read_rules(str(self._store.meta("rules")))

    def set_rules(self, rules: Mapping[str, str]) -> None:
        """Remember the ignore files. What was left out under others may be wanted now."""
        self._store.set_meta("rules", _json(dict(sorted(rules.items()))).decode())
        self.distrust()

    def rules_are_told(self) -> bool:
        """Whether the ignore files that were told last are those that there are."""
        return bool(self._store.meta("rules") == self._store.meta("rules_told"))

    def rules_told_are_known(self) -> bool:
        """Whether anybody knows what was told of ignore files."""
        return bool(self._store.meta("rules_told"))

    def note_rules_told(self) -> None:
        """The ignore files as they are now were told."""
        self._store.set_meta("rules_told", str(self._store.meta("rules")))

    def retell_rules(self) -> None:
        """Nobody knows what was told of ignore files."""
        self._store.set_meta("rules_told", "")

    def distrust(self) -> None:
        """Every directory is to be listed, whatever it looks like."""
        self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'interests'")

    # What is suspected gone

    def suspect(self, candidates: Iterable[Candidate]) -> None:
        """Write candidates down, replacing those of the same place."""
        self._db.executemany(
            "INSERT OR REPLACE INTO candidate (directory, name, inode, listed, rest, body) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    paths.to_bytes(c.directory),
                    paths.to_bytes(c.file.name),
                    *_signed([c.file.inode]),
                    paths.to_bytes(c.listed),
                    c.rest,
                    _pack(c),
                )
                for c in candidates
            ],
        )

    def clear(self, keys: Iterable[tuple[str, str]]) -> None:
        """Strike out candidates, by directory and name."""
        self._db.executemany(
            "DELETE FROM candidate WHERE directory = ? AND name = ?",
            [(paths.to_bytes(directory), paths.to_bytes(name)) for directory, name in keys],
        )

    def candidates_listed(self, listed: str) -> list[Candidate]:
        """The candidates whose absence hangs on the listing of this directory."""
        rows = self._db.execute("SELECT body FROM candidate WHERE listed = ?", (paths.to_bytes(listed),))
        return [_unpack_candidate(body) for (body,) in rows]

    def candidates_like(self, inodes: Iterable[int], places: Iterable[tuple[str, str]]) -> list[Candidate]:
        """The candidates that had one of these inodes, or were at one of these places."""
        found: dict[tuple[str, str], Candidate] = {}
        wanted = _json(_signed(inodes)).decode()
        for (body,) in self._db.execute(
            "SELECT body FROM candidate WHERE inode IN (SELECT value FROM json_each(?))", (wanted,)
        ):
            candidate = _unpack_candidate(body)
            found[candidate.key] = candidate
        for directory, name in places:
            for (body,) in self._db.execute(
                "SELECT body FROM candidate WHERE directory = ? AND name = ?",
                (paths.to_bytes(directory), paths.to_bytes(name)),
            ):
                candidate = _unpack_candidate(body)
                found[candidate.key] = candidate
        return list(found.values())

    def suspected_listings(self) -> list[str]:
        """The directories whose listings can prove candidates gone."""
        rows = self._db.execute("SELECT DISTINCT listed FROM candidate WHERE rest <> ? ORDER BY listed", (Rest.RESTS,))
        return [paths.to_wire(raw) for (raw,) in rows]

    def has_candidates(self) -> bool:
        """Whether any file is suspected gone."""
        return self._db.execute("SELECT 1 FROM candidate LIMIT 1").fetchone() is not None

    def candidate_count(self) -> int:
        """How many files are suspected gone."""
        return int(self._db.execute("SELECT COUNT(*) FROM candidate").fetchone()[0])

    # What can be looked for, to see whether the rest is there (R9)

    def directory_count(self) -> int:
        """How many directories are known."""
        return int(self._db.execute("SELECT COUNT(*) FROM directory").fetchone()[0])

    def file_count(self, path: str) -> int:
        """How many files are known in a directory and below it."""
        rows = self._db.execute(f"SELECT substr(files, 1, 5) FROM directory WHERE {_BELOW}", _below(path))
        return sum(file_count(head) for (head,) in rows)

    def some_files(self, path: str) -> list[tuple[str, list[FileEntry]]]:
        """The first and the last directory at or below this one that have files, with these files."""
        found: dict[str, list[FileEntry]] = {}
        # Apart: with OR, SQLite reads all of them and sorts, and this is asked while a disk is being plugged in.
        itself, below = (f"SELECT path, files FROM directory WHERE {where} AND length(files) > 1" for where in _APART)
        for order in ("ASC", "DESC"):
            rows = self._db.execute(f"{itself} UNION ALL {below} ORDER BY path {order} LIMIT 1", _below(path))
            found |= {paths.to_wire(raw): unpack_files(files) for raw, files in rows}
        return list(found.items())

    def suspected_places(self) -> list[tuple[str, str, int]]:
        """Each directory of which files were missed of late: its path, the name of one, and how many. Those that have
        rested were judged when they were missed."""
        rows = self._db.execute(
            "SELECT directory, MIN(name), COUNT(*) FROM candidate WHERE rest = ? GROUP BY directory ORDER BY directory",
            (Rest.NONE,),
        )
        return [(paths.to_wire(raw), paths.to_wire(name), count) for raw, name, count in rows]

    def _forget_inodes(self, number: int, inodes: Iterable[int]) -> None:
        """These are not in the directory with this number any more."""
        # One statement for all of them takes a quarter of the time of one for each.
        if gone := _signed(inodes):
            text = "DELETE FROM inode WHERE directory = ? AND inode IN (SELECT value FROM json_each(?))"
            self._db.execute(text, (number, _json(gone).decode()))


_INTEGER_MAX = 0x7FFF_FFFF_FFFF_FFFF
_INTERESTS = "(SELECT value FROM meta WHERE key = 'interests')"
_COLUMNS = f"mtime_ns, ctime_ns, files, births, directories, told, whole = {_INTERESTS}"
_APART = ("path = ?", "path >= ? AND path < ?")
_BELOW = "({} OR ({}))".format(*_APART)


def _below(path: str) -> tuple[bytes, bytes, bytes]:
    """Bounds of the keys of a directory and all below it: ``0`` is the byte after ``/``."""
    raw = paths.to_bytes(path)
    return (raw, raw + b"/", raw + b"0") if raw else (b"", b"", b"\xff" * 2)


def _known(row: Sequence[Any]) -> KnownDirectory:
    mtime_ns, ctime_ns, files, births, directories, told, whole = row
    stamp = None if mtime_ns is None else (mtime_ns, ctime_ns)
    return KnownDirectory(stamp, files, births, directories, bool(told), bool(whole))


def _signed(inodes: Iterable[int]) -> list[int]:
    """Inode numbers have 64 bits without a sign, SQLite's integers have one."""
    found = list(inodes)
    if max(found, default=0) <= _INTEGER_MAX:  # as nearly everywhere
        return found
    return [inode - 0x1_0000_0000_0000_0000 if inode > _INTEGER_MAX else inode for inode in found]
