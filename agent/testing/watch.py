"""Watching directories of a fake host. The queue is a fake of the kernel's; what its events mean is decided by the
same code that the real watch runs."""

from __future__ import annotations

import errno
from collections import deque

from agent.linux import watched
from agent.linux.watched import RawEvent, Watched
from agent.ports import Hint, Lost, Trouble
from agent.testing.bell import Bell
from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost

QUEUED_EVENTS_MAX = 16_384  # the kernel's default of fs.inotify.max_queued_events


class FakeWatch:
    """Implements :class:`agent.ports.Watch` for the mount with this unique id at this path.

    ``queue_limit`` is how many events the kernel keeps before it loses them; ``host.watch_limit`` how many
    directories one watch may have.
    """

    def __init__(self, host: FakeHost, mount_point: str, mount_id: int, queue_limit: int = QUEUED_EVENTS_MAX) -> None:
        self._host = host
        self._mount_point = mount_point
        self._mount_id = mount_id
        self._queue_limit = queue_limit
        self._watched = Watched()
        self._queue: deque[RawEvent] = deque()
        self._wd_of_inode: dict[int, int] = {}
        self._next_wd = 1
        self._disk: FakeDisk | None = None
        self._bell: Bell | None = None
        host.on_shutdown.append(self._shut_down)

    @property
    def summary(self) -> str:
        """The back end and what it watches."""
        return self._watched.summary

    @property
    def limit(self) -> int:
        """How many directories may be watched."""
        return self._host.watch_limit

    def add(self, directory: str) -> Trouble | None:
        """Watch a directory."""
        try:
            self._host.called("watch.add")
            with self._host.open(self._mount_point, self._mount_id, directory) as place:
                node = place.look()
                if not node.is_directory:
                    return Trouble(errno.ENOTDIR, directory)
                if node.denied:
                    return Trouble(node.denied, directory)
                if node.inode not in self._wd_of_inode and len(self._wd_of_inode) >= self._host.watch_limit:
                    return Trouble(errno.ENOSPC, directory)
                self._listen_to(place.mounted.disk)
        except OSError as error:
            return Trouble(error.errno or errno.EIO, directory)
        if node.inode not in self._wd_of_inode:
            self._wd_of_inode[node.inode] = self._next_wd
            self._next_wd += 1
        self._give_back(self._watched.bind(self._wd_of_inode[node.inode], directory))
        return None

    def remove(self, directory: str) -> None:
        """Stop watching this directory and everything below it."""
        self._give_back(self._watched.unbind(directory))

    def fileno(self) -> int:
        """A descriptor that polls readable when hints wait."""
        if self._bell is None:
            self._bell = Bell()
            if self._queue:
                self._bell.ring()
        return self._bell.fileno()

    def has_hints(self) -> bool:
        """Whether :meth:`fileno` polls readable."""
        return bool(self._queue)

    def read(self) -> list[Hint | Lost]:
        """The hints that wait."""
        self._host.called("watch.read")
        events = list(self._queue)
        self._queue.clear()
        if self._bell is not None:
            self._bell.silence()
        hints, gone = self._watched.understand(events)
        self._give_back(gone)
        return hints

    def close(self) -> None:
        """Give all watches back."""
        self._watched.clear()
        self._wd_of_inode.clear()
        self._queue.clear()
        if self._disk is not None:
            self._disk.listeners.remove(self._happened)
            self._disk = None
        if self._shut_down in self._host.on_shutdown:
            self._host.on_shutdown.remove(self._shut_down)
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def __len__(self) -> int:
        return len(self._watched)

    def _listen_to(self, disk: FakeDisk) -> None:
        if self._disk is None:
            self._disk = disk
            disk.listeners.append(self._happened)

    def _happened(self, inode: int, mask: int, name: str) -> None:
        wd = self._wd_of_inode.get(inode)
        if wd is None:
            return
        self._enqueue(RawEvent(wd, mask, name))
        if mask & watched.IGNORED:
            del self._wd_of_inode[inode]

    def _shut_down(self, disk: FakeDisk) -> None:
        """The file system is gone for good: the kernel ends each watch."""
        if disk is not self._disk:
            return
        for wd in self._wd_of_inode.values():
            self._enqueue(RawEvent(wd, watched.UNMOUNT, ""))
            self._enqueue(RawEvent(wd, watched.IGNORED, ""))
        self._wd_of_inode.clear()

    def _enqueue(self, event: RawEvent) -> None:
        if self._queue and self._queue[-1] == event:
            return  # the kernel merges a repetition with the last in the queue
        if len(self._queue) < self._queue_limit:
            self._queue.append(event)
        elif not self._queue[-1].mask & watched.Q_OVERFLOW:
            self._queue.append(RawEvent(-1, watched.Q_OVERFLOW, ""))
        if self._bell is not None:
            self._bell.ring()

    def _give_back(self, descriptors: list[int]) -> None:
        given = set(descriptors)
        for inode, wd in list(self._wd_of_inode.items()) if given else ():
            if wd in given:
                del self._wd_of_inode[inode]
                self._enqueue(RawEvent(wd, watched.IGNORED, ""))
