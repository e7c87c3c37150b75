"""Watching directories by inotify(7): one watch a directory, for everybody, on every file system.

A watch pins neither the directory nor the mount, so people can unmount (rule R40). It sees only what is done
through this kernel, and it is no notice of mounts; it merely says where to look soon.
"""

from __future__ import annotations

import errno
import os

from inotify_simple import INotify, parse_events

from agent.linux.attachment import Attachment, trouble
from agent.linux.watched import WANTED, RawEvent, Watched
from agent.ports import Hint, Lost, Trouble
from holdfast import paths

# One reading takes at most this much from the kernel's queue, about 30,000 events; the rest stays there, where
# fs.inotify.max_queued_events bounds it.
_CHUNK_BYTES = 64 * 1024
_CHUNKS_MAX = 16
_LIMIT = "/proc/sys/fs/inotify/max_user_watches"


class InotifyWatch:
    """Implements :class:`agent.ports.Watch` for the mount with this unique id at this path.

    Raises :class:`OSError` where the kernel gives no inotify instance (EMFILE: fs.inotify.max_user_instances).
    """

    def __init__(self, mount_point: str, mount_id: int) -> None:
        self._attachment = Attachment(mount_point, mount_id)
        self._inotify = INotify(nonblocking=True)
        self._watched = Watched()

    @property
    def summary(self) -> str:
        """The back end and what it watches."""
        return self._watched.summary

    @property
    def limit(self) -> int:
        """How many directories all processes of this user may watch together (inotify(7))."""
        with open(_LIMIT, encoding="ascii") as file:
            return int(file.read())

    def add(self, directory: str) -> Trouble | None:
        """Watch a directory. ENOSPC: the limit fs.inotify.max_user_watches is reached."""
        try:
            with self._attachment.place(directory) as descriptor:
                # The descriptor was checked to be on this mount; its path, by now, need not lead there.
                wd = self._inotify.add_watch(f"/proc/self/fd/{descriptor}", WANTED)
        except OSError as error:
            return trouble(error, directory)
        self._give_back(self._watched.bind(wd, directory))
        return None

    def remove(self, directory: str) -> None:
        """Stop watching this directory and everything below it."""
        self._give_back(self._watched.unbind(directory))

    def fileno(self) -> int:
        """A descriptor that polls readable when hints wait."""
        return int(self._inotify.fileno())

    def read(self) -> list[Hint | Lost]:
        """The hints that wait, without blocking."""
        events: list[RawEvent] = []
        for _ in range(_CHUNKS_MAX):
            try:
                chunk = os.read(self._inotify.fileno(), _CHUNK_BYTES)
            except BlockingIOError:
                break
            events += [RawEvent(e.wd, e.mask, paths.from_os(e.name)) for e in parse_events(chunk)]
        hints, gone = self._watched.understand(events)
        self._give_back(gone)
        return hints

    def close(self) -> None:
        """Give all watches back."""
        self._watched.clear()
        self._inotify.close()

    def __len__(self) -> int:
        return len(self._watched)

    def _give_back(self, descriptors: list[int]) -> None:
        for wd in descriptors:
            try:
                self._inotify.rm_watch(wd)
            except OSError as error:
                if error.errno != errno.EINVAL:  # the directory is gone, and its watch went with it
                    raise
