"""The directory in which backups are kept: a new one appears whole and verified or not at all, then old ones go."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from sidecar.backup import making
from sidecar.backup.making import Manifest

_NAME = re.compile(r"catalog-\d{8}T\d{6}Z(?:-(\d+))?\.backup")
_DRAFT = ".catalog.draft"
_LOCK = ".lock"


class ShelfBusy(Exception):
    """Another process makes a backup here at the moment."""


@contextlib.contextmanager
def opened(directory: str) -> Iterator[Shelf]:
    """The shelf in a directory, which is made when it is not there; for one process at a time.

    Raises :class:`ShelfBusy`, and :class:`OSError`.
    """
    if not os.path.lexists(directory):
        os.makedirs(directory, mode=0o700)
        _belong(directory, os.path.dirname(os.path.abspath(directory)))
    lock = os.open(os.path.join(directory, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _belong(lock, directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShelfBusy(f"Another backup is being made in {directory}.") from error
        yield Shelf(directory)
    finally:
        os.close(lock)


class Shelf:
    """A directory that nobody else puts backups into at the moment."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def put(self, write: Callable[[BinaryIO], None], now: float) -> tuple[str, Manifest]:
        """Have a backup written, read it through, and only then give it its name. ``now`` is Unix time."""
        draft = os.path.join(self._directory, _DRAFT)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)  # of one that was killed; nobody else is here
        try:
            with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b") as file:
                _belong(file.fileno(), self._directory)
                write(file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                manifest = making.read_through(file)
            path = self._free_name(now)
            # Not by a link, which the file systems of many USB disks do not have. Nobody else names anything here.
            os.rename(draft, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            raise
        self._sync()
        return path, manifest

    def names(self) -> list[str]:
        """The backups that are here, the oldest first. Whatever else lies here is nothing of ours."""
        found = [match for name in os.listdir(self._directory) if (match := _NAME.fullmatch(name))]
        return [one[0] for one in sorted(found, key=lambda one: (one[0][:24], int(one[1] or 1)))]

    def keep(self, count: int) -> list[str]:
        """Throw away all but the newest so many; returns the names of those that went."""
        old = self.names()[:-count]
        for name in old:
            os.unlink(os.path.join(self._directory, name))
        self._sync()
        return old

    def _free_name(self, now: float) -> str:
        """A name that no other backup has."""
        stem = os.path.join(self._directory, f"catalog-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}")
        numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
        return next(path for number in numbers if not os.path.lexists(path := f"{stem}{number}.backup"))

    def _sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _belong(made: int | str, directory: str) -> None:
    """Give what root has made to the owner of the directory that it is in: the timer, which is not root, comes here
    too."""
    owner = os.stat(directory)
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(made, owner.st_uid, owner.st_gid)
