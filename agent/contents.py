"""What the journal knows of what is in the files: their digests, and which directories have files that nobody has read.

A digest belongs to an inode where inode numbers last, so that it follows a file that gets another name; to a path
elsewhere, and where only the catalog has told of the file. It counts for a file that has the size and the modification
time that it had when it was read. Where inode numbers last, change times mean something too: a file whose change time
has moved may have been written to by somebody who set its old time again, and is read once more.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

from agent.ports import FileEntry
from agent.store import Store
from holdfast import paths
from holdfast.reports import FileFacts

# SQLite takes at least so many parameters in a statement, whatever its version.
_PARAMETERS = 900
# How the names of .xmp files end. All files in a listing are of some kind, and to ask for it costs more.
_SIDECARS = frozenset(f".{x}{m}{p}" for x in "xX" for m in "mM" for p in "pP")
_mtime_ns = attrgetter("mtime_ns")
# A camera that takes twenty pictures a second makes some dozens of one size within the two seconds of a FAT.
_TWINS_MAX = 64
# In the words of the index over them.
_ARE_BY_PATH = "place >= X'70' AND place < X'71'"
_ANY_TIME = 0  # the change time of a file that the catalog told of


class Twin(NamedTuple):
    """A file that was read, of the size and the modification time of another."""

    directory: str
    name: str
    digest: str


class _Read(NamedTuple):
    size: int
    mtime_ns: int
    ctime_ns: int
    digest: str


class Contents:
    """The digests in an open store. What writes is to be called in a transaction of it. ``by_inode``: inode numbers
    last on this volume."""

    def __init__(self, store: Store, *, by_inode: bool) -> None:
        self._db = store.db
        self._by_inode = by_inode

    def digests(self, directory: str, files: Iterable[FileEntry]) -> dict[str, str]:
        """What is in those of these files that were read and are still as they were: name -> digest."""
        return {file.name: read.digest for file, read in self._reads(directory, files)}

    def twins(self, directory: str, files: Iterable[FileEntry]) -> dict[str, list[Twin]]:
        """The twins of each of these files of a directory: name -> twins, of those whose content belongs to a path.
        Empty files have none, nor have those that look like very many others."""
        found: dict[str, list[Twin]] = {}
        if self._db.execute(f"SELECT 1 FROM content WHERE {_ARE_BY_PATH} LIMIT 1").fetchone() is None:
            return found
        query = f"SELECT place, digest FROM content WHERE size = ? AND mtime_ns = ? AND {_ARE_BY_PATH} LIMIT ?"
        for file in files:
            here = _by_path(directory, file.name)
            rows = self._db.execute(query, (file.size, file.mtime_ns, _TWINS_MAX + 1)) if file.size > 0 else ()
            twins = [Twin(*_path(place), digest) for place, digest in rows if place != here]
            if 0 < len(twins) <= _TWINS_MAX:
                found[file.name] = twins
        return found

    def unread(self, directory: str, files: Iterable[FileEntry]) -> list[FileEntry]:
        """Those of these photos and videos that nobody has read as they are now, the newest first. There is nothing to
        be read in an empty file, and nobody is known by an .xmp file."""
        return sorted(self._unread(directory, files), key=_newest_first)

    def note(self, directory: str, files: Iterable[FileEntry]) -> None:
        """These files of a directory are new, or not as they were. A directory in which nothing else is to be read is
        not looked through for it."""
        newest = max(map(_mtime_ns, self._unread(directory, files)), default=None)
        if newest is not None:
            self._db.execute(
                "INSERT INTO unread VALUES (?, ?) "
                "ON CONFLICT (path) DO UPDATE SET newest = max(newest, excluded.newest)",
                (paths.to_bytes(directory), newest),
            )

    def done(self, directory: str) -> None:
        """All of a directory is read."""
        self._db.execute("DELETE FROM unread WHERE path = ?", (paths.to_bytes(directory),))

    def next_unread(self, besides: Container[str]) -> str | None:
        """The directory with the newest file that nobody has read, of all but those ``besides``."""
        rows = self._db.execute("SELECT path FROM unread ORDER BY newest DESC, path")
        return next((directory for (raw,) in rows if (directory := paths.to_wire(raw)) not in besides), None)

    def unread_count(self) -> int:
        """How many directories have files that nobody has read."""
        return int(self._db.execute("SELECT COUNT(*) FROM unread").fetchone()[0])

    def put(self, directory: str, file: FileEntry, digest: str) -> None:
        """This is in a file."""
        self._put(self._place(directory, file), _Read(file.size, file.mtime_ns, file.ctime_ns, digest))

    def believe(self, directory: str, files: Iterable[FileFacts]) -> None:
        """This is in the files as the catalog has heard, from a journal that was lost or another agent."""
        for file in files:
            if file.content is not None:
                read = _Read(file.size, file.mtime_ns, _ANY_TIME, file.content)
                self._put(_by_path(directory, file.name), read)

    def follow(self, file: FileEntry) -> None:
        """A file has another name, which has moved its change time: what was read of it is still in it."""
        if self._by_inode:
            self._db.execute(
                "UPDATE content SET ctime_ns = ? WHERE place = ? AND size = ? AND mtime_ns = ?",
                (file.ctime_ns, _by_inode(file), file.size, file.mtime_ns),
            )

    def forget(self, directory: str, files: Iterable[FileEntry]) -> None:
        """These files are gone, or are to be read again whatever their times say."""
        places = [place for file in files for place in self._places(directory, file)]
        self._db.executemany("DELETE FROM content WHERE place = ?", [(place,) for place in places])

    def _unread(self, directory: str, files: Iterable[FileEntry]) -> list[FileEntry]:
        readable = [file for file in files if file.size > 0 and file.name[-4:] not in _SIDECARS]
        known = self.digests(directory, readable)
        return [file for file in readable if file.name not in known] if known else readable

    def _reads(self, directory: str, files: Iterable[FileEntry]) -> Iterable[tuple[FileEntry, _Read]]:
        if self._db.execute("SELECT 1 FROM content LIMIT 1").fetchone() is None:
            return  # a first scan asks this of every file
        wanted: dict[bytes, list[FileEntry]] = {}
        for file in files:
            for place in self._places(directory, file):
                wanted.setdefault(place, []).append(file)  # names of one inode share its place
        for place, read in self._rows(list(wanted)).items():
            for file in wanted[place]:
                is_same_time = read.ctime_ns in (_ANY_TIME, file.ctime_ns) or not self._by_inode
                if (read.size, read.mtime_ns) == (file.size, file.mtime_ns) and is_same_time:
                    yield file, read

    def _rows(self, places: Sequence[bytes]) -> Mapping[bytes, _Read]:
        found: dict[bytes, _Read] = {}
        rest = iter(places)
        while part := list(islice(rest, _PARAMETERS)):
            marks = ", ".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT place, size, mtime_ns, ctime_ns, digest FROM content WHERE place IN ({marks})", part
            )
            found.update((place, _Read(*row)) for place, *row in rows)
        return found

    def _put(self, place: bytes, read: _Read) -> None:
        self._db.execute("INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?)", (place, *read))

    def _place(self, directory: str, file: FileEntry) -> bytes:
        return _by_inode(file) if self._by_inode else _by_path(directory, file.name)

    def _places(self, directory: str, file: FileEntry) -> tuple[bytes, ...]:
        """Where something may be known of a file; what was read last counts most."""
        by_path = _by_path(directory, file.name)
        return (by_path, _by_inode(file)) if self._by_inode else (by_path,)


def _newest_first(file: FileEntry) -> Any:
    return -file.mtime_ns, file.name


def _by_inode(file: FileEntry) -> bytes:
    return b"i" + file.inode.to_bytes(8, "big")


def _by_path(directory: str, name: str) -> bytes:
    return b"p" + paths.to_bytes(paths.join(directory, name))


def _path(place: bytes) -> tuple[str, str]:
    """The directory and the name that a place by path is made of."""
    return paths.split(paths.to_wire(place[1:]))
