"""Reading what is in the files, a little at a time: in the background, and before a new file is told that may be one
which is missed elsewhere (R38).

A digest is that of one file that did not change while it was read, on storage that passed the commit gate afterwards.
Nothing is open between two steps, so that people can unmount (R40), and a disk that is all read is left alone (R41).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import NamedTuple

from agent import telling
from agent.contents import Contents
from agent.errnos import Meaning, meaning
from agent.journal import Journal
from agent.looks import Attachment, Unheard
from agent.missed import Missed
from agent.names import Names
from agent.outbox import Outbox
from agent.ports import Chunk, Clock, FileEntry, Trouble
from agent.scopes import Scopes
from agent.store import Standing, Store
from holdfast import content
from holdfast.reports import Listed

# Small enough that an unmount, a hint or a scan never waits for long.
CHUNK_BYTES = 1024 * 1024
# In the background, after each step the disk is left alone for as long as the step took.
_REST_SHARE = 1.0
# In the background, what was read is told together with what is read in so long a time: each report takes a disk on
# either side several writes that it waits for, and nobody waits for this one.
_TOLD_EVERY_S = 1.0
# So many directories that turn out to have nothing to be read are passed over in one step.
_DIRECTORIES_MAX = 200
# How long to leave alone what could not be read because the machine is short of something.
_LATER_S = 1.0
# What was read of storage that did not pass the gate counts for nothing. It is left alone for twice as long each time,
# up to some ten minutes.
_DOUBLINGS_MAX = 9
# A disk on which so many files in a row cannot be read is not read any further before it is mounted again.
_FAILURES_MAX = 16


class Step(NamedTuple):
    """What a step came to: directories to look at because of it, and whether it is time to tell what was read."""

    look_at: tuple[str, ...] = ()
    told: bool = False


class _Book:
    """A file that is being read."""

    def __init__(self, directory: str, file: FileEntry, *, urgent: bool) -> None:
        self.directory, self.file, self.urgent = directory, file, urgent
        self.hash = content.begin()
        self.offset = 0

    @property
    def key(self) -> Unheard:
        return Unheard(self.directory, self.file)


class Reader:
    """Reads the files of one volume. ``background_after_s``: those that nobody waits for too, when nothing has changed
    for so long; None: they are not read. Not thread-safe."""

    def __init__(self, store: Store, clock: Clock, *, background_after_s: float | None) -> None:
        self._store, self._clock, self._background_after_s = store, clock, background_after_s
        self._journal, self._outbox = Journal(store), Outbox(store)
        self.missed = Missed()
        # Files that could not be read, as they were: they are told, if they are new, without what is in them.
        self.hopeless: set[Unheard] = set()
        self._at: Attachment | None = None
        self._contents, self._names = Contents(store, by_inode=False), Names(store, by_inode=False)
        self._waiting: dict[str, dict[str, FileEntry]] = {}  # by directory and name
        self._pile: list[FileEntry] = []  # what is left of the directory that is being read, the newest last
        self._directory: str | None = None
        self._left_alone: set[str] = set()  # directories with hopeless files in them
        self._book: _Book | None = None
        self._is_done = False
        self._on_at = self._background_at = 0.0
        self._failures = self._doubts = 0
        self._untold_since: float | None = None

    def attach(self, attachment: Attachment) -> None:
        """The volume is there."""
        self._clear()
        self._at = attachment
        self.wake()
        by_inode = attachment.traits.stable_inodes
        self._contents, self._names = Contents(self._store, by_inode=by_inode), Names(self._store, by_inode=by_inode)

    def regard(self, attachment: Attachment) -> None:
        """There is a concern about the volume, or none any more."""
        self._at = attachment

    def detach(self) -> None:
        """The volume is gone, or its journal stands anew."""
        self._clear()

    def want(self, files: Iterable[Unheard]) -> None:
        """Nobody hears of these before they are read."""
        for one in files:
            if self._book is None or self._book.key != one:
                self._waiting.setdefault(one.directory, {})[one.file.name] = one.file

    def wake(self) -> None:
        """There may be more to read."""
        self._is_done = False
        self._left_alone.clear()
        self._background_at = self._clock.now().boot + (self._background_after_s or 0.0)

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for a file to be read."""
        return bool(self._waiting) or (self._book is not None and self._book.urgent)

    def awaited(self) -> set[str]:
        """The directories of the files that somebody waits for."""
        book = self._book
        return self._waiting.keys() | ({book.directory} if book and book.urgent else set())

    def awaits(self, directory: str, name: str) -> bool:
        """Whether somebody waits for a file to be read."""
        book = self._book
        is_open = book is not None and book.urgent and (book.directory, book.file.name) == (directory, name)
        return is_open or name in self._waiting.get(directory, ())

    def due(self) -> float | None:
        """When :meth:`step` has something to do, on the boot clock; None: not before something changes."""
        if self._at is None:
            return None
        told_at = None if self._untold_since is None else self._untold_since + _TOLD_EVERY_S
        if not (self.is_urgent or self._has_background()):
            return told_at
        read_at = self._on_at if self.is_urgent else max(self._on_at, self._background_at)
        return read_at if told_at is None else min(read_at, told_at)

    def step(self, scopes: Scopes) -> Step:
        """Read a little."""
        now = self._clock.now().boot
        step = self._read(scopes, now)
        if not step.told and not self._is_to_be_told(now):
            return step
        self._untold_since = None
        return step._replace(told=True)

    def _is_to_be_told(self, now: float) -> bool:
        """Whether what was read in the background waits no longer."""
        since = self._untold_since
        return since is not None and (self._is_done or now >= since + _TOLD_EVERY_S)

    def _read(self, scopes: Scopes, now: float) -> Step:
        if self._at is None or self._on_at > now:
            return Step()
        if self._book is not None and not self._book.urgent and self._waiting:
            self._book = None  # begun again later: whoever waits comes first
        self._book = self._book or self._next(scopes)
        if self._book is None:
            return Step()
        book = self._book
        self._at.files.begin()
        chunk = self._at.files.read(book.directory, book.file.name, book.offset, CHUNK_BYTES)
        step = self._fail(book, chunk) if isinstance(chunk, Trouble) else self._take(book, chunk)
        if not book.urgent:
            taken = self._clock.now().boot
            self._on_at = max(self._on_at, taken + _REST_SHARE * (taken - now))
        return step

    def _clear(self) -> None:
        self._at = self._book = self._directory = None
        self._names.forget()
        self._waiting.clear()
        self._pile.clear()
        self._left_alone.clear()
        self.hopeless.clear()
        self._is_done, self._on_at, self._background_at, self._failures, self._doubts = False, 0.0, 0.0, 0, 0
        self._untold_since = None

    def _has_background(self) -> bool:
        if self._at is None or self._at.guarded or self._background_after_s is None or self._failures >= _FAILURES_MAX:
            return False
        return not self._is_done

    def _next(self, scopes: Scopes) -> _Book | None:
        if self._waiting:
            directory, files = next(iter(self._waiting.items()))
            file = files.pop(next(iter(files)))
            if not files:
                del self._waiting[directory]
            return _Book(directory, file, urgent=True)
        if not self._has_background() or self._background_at > self._clock.now().boot:
            return None
        for _ in range(_DIRECTORIES_MAX):
            while self._directory is not None and self._pile:
                file = self._pile.pop()
                # It may have been read by another of its names.
                if self._contents.unread(self._directory, [file]):
                    return _Book(self._directory, file, urgent=False)
            if not self._open_directory(scopes):
                self._names.forget()
                self._is_done = True
                break
        return None

    def _open_directory(self, scopes: Scopes) -> bool:
        """Take up the next directory; False when all is read."""
        directory = self._contents.next_unread(self._left_alone)
        if directory is None:
            return False
        self._directory = directory
        self._names.forget()
        self._pile = [one for one in self._to_read(directory, scopes) if Unheard(directory, one) not in self.hopeless]
        self._pile.reverse()
        if not self._pile:
            self._close_directory(directory)
        return True

    def _to_read(self, directory: str, scopes: Scopes) -> list[FileEntry]:
        known = self._journal.directory(directory)
        if known is None or not scopes.enters(directory):
            return []
        excluded = scopes.excluded(directory)
        files = [file for file in known.files if excluded is None or not excluded(file.name)]
        return self._contents.unread(directory, files)

    def _close_directory(self, directory: str) -> None:
        if any(one.directory == directory for one in self.hopeless):
            self._left_alone.add(directory)
            return
        with self._store.transaction():
            self._contents.done(directory)

    def _take(self, book: _Book, chunk: Chunk) -> Step:
        if not self._is_same(book.file, chunk.file):
            return self._give_up(book)
        book.hash.update(chunk.data)
        book.offset += len(chunk.data)
        if book.offset < book.file.size and chunk.data:
            return Step()
        if book.offset != book.file.size:
            return self._give_up(book)
        self._book = None
        if self._at is None or isinstance(self._at.files.gate(), Trouble):
            # Whatever it is that stands against the storage, the look at it will find it. It may stand for days, and a
            # disk that has counted errors is not to be read over and over.
            self._doubts += 1
            self._on_at = self._clock.now().boot + _LATER_S * 2 ** min(self._doubts, _DOUBLINGS_MAX)
            return Step(look_at=(book.directory,))
        self._failures = self._doubts = 0
        return self._learn(book, content.digest(book.hash))

    def _learn(self, book: _Book, digest: str) -> Step:
        """Write down what is in a file, and tell it, if the file is known and nobody has to look at it for that."""
        if self._at is None:
            raise AssertionError("bug: something was read without an attachment")
        with self._store.transaction():
            if self._store.standing() is not Standing.WRITING:
                return Step()
            names = self._names.told(book.directory, book.file)
            self._contents.put(book.directory, book.file, digest)
            if names:
                listed = [Listed(at, [telling.facts(one, digest) for one in them]) for at, them in names.items()]
                self._outbox.spool(self._at.epoch, listed)
            if book.directory == self._directory and not self._pile and not self._left_open(book.directory):
                self._contents.done(book.directory)
            self._names.keep()
        if names and self._untold_since is None:
            self._untold_since = self._clock.now().boot
        return Step(look_at=(book.directory,) if book.urgent else (), told=bool(names) and book.urgent)

    def _left_open(self, directory: str) -> bool:
        known = self._journal.directory(directory)
        return known is not None and bool(self._contents.unread(directory, known.files))

    def _fail(self, book: _Book, trouble: Trouble) -> Step:
        means = meaning(trouble)
        if means is Meaning.LATER:
            if trouble.errno != errno.ECANCELED:
                self._on_at = self._clock.now().boot + _LATER_S
            return Step()
        self._failures += 1
        return self._give_up(book)

    def _give_up(self, book: _Book) -> Step:
        """The file cannot be read as it was. A look at its directory tells whether that is its own fault, and what it
        is now."""
        self._book = None
        self.hopeless.add(book.key)
        return Step(look_at=(book.directory,))

    def _is_same(self, wanted: FileEntry, found: FileEntry) -> bool:
        if self._at is not None and self._at.traits.stable_inodes:
            return wanted == found
        return (wanted.size, wanted.mtime_ns) == (found.size, found.mtime_ns)
