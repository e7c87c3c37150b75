"""A file system in memory that moves inode numbers and times exactly as Linux does.

Whoever changes it is a user of the disk; the agent only ever sees it through :mod:`agent.testing.files`. Paths
are wire text relative to its root. Wrong calls raise :class:`OSError` as the system calls do.
"""

from __future__ import annotations

import copy
import errno
import heapq
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.linux import watched
from agent.ports import FileEntry, Marker
from agent.testing.clock import FakeClock
from agent.testing.faults import Faults
from agent.testing.node import Node, NodeKind, entry
from holdfast import paths

ROOT_INODE = 2
_FIRST_INODE = 11
_NATIVE_TICK_NS = 4_000_000  # the coarse clock of a kernel with HZ=250
_FAT_TICK_NS = 2_000_000_000
_TYPICAL_BYTES = 4_000_000_000_000


@dataclass
class _State:
    """All that a snapshot keeps."""

    root: Node
    free: list[int]
    next_inode: int
    generation: int = 1  # counts every change, as the transactions of a btrfs do
    marker: Marker | None = None


# A change that somebody may watch: the inode it is reported on, inotify's mask, and the name in that directory.
Listener = Callable[[int, int, str], None]


class FakeDisk:
    """A file system. ``tick_ns`` is the grain of its times, ``capacity_bytes`` its total size."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        uuid: str | None,
        label: str = "",
        fs_type: str = "ext4",
        device: str = "8:1",
        tick_ns: int | None = None,
        capacity_bytes: int = _TYPICAL_BYTES,
    ) -> None:
        self.clock = clock
        self.uuid = uuid
        self.label = label
        self.fs_type = fs_type
        self.device = device
        self.tick_ns = tick_ns or (_FAT_TICK_NS if self.is_fat else _NATIVE_TICK_NS)
        self.capacity_bytes = capacity_bytes
        self.serial = f"fake-{device}"
        self.faults = Faults()
        self.listeners: list[Listener] = []
        self._written = 0
        self._state = self._formatted()

    @property
    def is_fat(self) -> bool:
        """Whether its root directory has no times and its inode numbers do not last."""
        return self.fs_type == "vfat"

    @property
    def is_remote(self) -> bool:
        """Whether there is no block device below it, but a server or a daemon."""
        return self.fs_type.startswith(("fuse.", "nfs", "cifs"))

    @property
    def generation(self) -> int | None:
        """What a whole btrfs tells of its age."""
        return self._state.generation if self.fs_type == "btrfs" else None

    @property
    def changes(self) -> int:
        """How often anything on it was changed, as its present state remembers."""
        return self._state.generation

    @property
    def marker(self) -> Marker | None:
        """What the marker file says. It is set back with everything else."""
        return self._state.marker

    def mark(self, marker: Marker | None) -> None:
        """Write the marker file, or remove it."""
        self._state.marker = marker

    def write(self, path: str, size: int = 1000, text: str = "", seed: str = "") -> None:
        """Create a file, or replace the content of one in place, and close it. Files of one ``seed`` and size have the
        same content; without one nothing else has it."""
        directory, name = self._parent(path)
        node = directory.children.get(name)
        if node is None:
            node = self._create(directory, name, NodeKind.FILE)
        elif node.kind is not NodeKind.FILE:
            raise _error(errno.EISDIR, path)
        node.size, node.text = len(text.encode()) or size, text
        self._written += 1
        node.seed = seed or f"{self.device}/{self._written}"
        node.mtime_ns = node.ctime_ns = self._now_ns()
        self._tell(directory, watched.MODIFY, name)
        self._tell(directory, watched.CLOSE_WRITE, name)

    def append(self, path: str, size: int) -> None:
        """Write more into a file and leave it open: there is no closing to be seen."""
        directory, name, node = self._named(path)
        node.size += size
        node.mtime_ns = node.ctime_ns = self._now_ns()
        self._tell(directory, watched.MODIFY, name)

    def mkdir(self, path: str) -> None:
        """Make a directory, and those above it that are missing."""
        parent, name = paths.split(path)
        if parent and parent not in self:
            self.mkdir(parent)
        directory, name = self._parent(path)
        if name in directory.children:
            raise _error(errno.EEXIST, path)
        self._create(directory, name, NodeKind.DIRECTORY)

    def symlink(self, path: str) -> None:
        """Make a symbolic link; where it leads is of no interest, for it is not followed."""
        directory, name = self._parent(path)
        if name in directory.children:
            raise _error(errno.EEXIST, path)
        self._create(directory, name, NodeKind.LINK)

    def link(self, old: str, new: str) -> None:
        """Give a file a second name."""
        _, _, node = self._named(old)
        directory, name = self._parent(new)
        if name in directory.children:
            raise _error(errno.EEXIST, new)
        node.links += 1
        node.ctime_ns = self._now_ns()
        directory.children[name] = node
        self._moved(directory)
        self._tell(directory, watched.CREATE, name)

    def unlink(self, path: str) -> None:
        """Remove the name of a file."""
        directory, name, node = self._named(path)
        if node.is_directory:
            raise _error(errno.EISDIR, path)
        del directory.children[name]
        self._moved(directory)
        self._drop(node)
        self._tell(directory, watched.DELETE, name)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        directory, name, node = self._named(path)
        if not node.is_directory:
            raise _error(errno.ENOTDIR, path)
        if node.children:
            raise _error(errno.ENOTEMPTY, path)
        del directory.children[name]
        self._moved(directory)
        self._drop(node)
        self._tell(directory, watched.DELETE | watched.ISDIR, name)

    def rmtree(self, path: str) -> None:
        """Remove a directory with all that is in it, one call after the other as ``rm -r`` does."""
        node = self.look(path)
        for name in sorted(node.children):
            below = paths.join(path, name)
            if node.children[name].is_directory:
                self.rmtree(below)
            else:
                self.unlink(below)
        if path:
            self.rmdir(path)

    def rename(self, old: str, new: str) -> None:
        """Move a name; a file or an empty directory of the new name is replaced."""
        origin, old_name, node = self._named(old)
        target, new_name = self._parent(new)
        if node.is_directory and paths.contains(old, new):
            raise _error(errno.EINVAL, new)
        replaced = target.children.get(new_name)
        if replaced is node:
            return
        if replaced is not None:
            _check_replaceable(node, replaced, new)
        del origin.children[old_name]
        target.children[new_name] = node
        node.ctime_ns = self._now_ns()
        self._moved(origin)
        self._moved(target)
        kind = watched.ISDIR if node.is_directory else 0
        self._tell(origin, watched.MOVED_FROM | kind, old_name)
        self._tell(target, watched.MOVED_TO | kind, new_name)
        if node.is_directory:
            self._tell(node, watched.MOVE_SELF, "")
        if replaced is not None:
            self._drop(replaced)

    def touch(self, path: str, mtime_ns: int) -> None:
        """Set a modification time."""
        node = self.look(path)
        node.mtime_ns = mtime_ns // self.tick_ns * self.tick_ns if self.is_fat else mtime_ns
        node.ctime_ns = self._now_ns()
        self._tell_attributes(path, node)

    def deny(self, path: str, code: int = errno.EACCES) -> None:
        """Take the permission to look into a directory; 0 gives it back. Changes its ctime as chmod does."""
        node = self.look(path)
        node.denied = code
        node.ctime_ns = self._now_ns()
        self._tell_attributes(path, node)

    # What happens to whole disks.

    def snapshot(self) -> _State:
        """The state of the disk, for :meth:`restore`."""
        return copy.deepcopy(self._state)

    def restore(self, snapshot: _State) -> None:
        """Set the disk back. Only while it is not mounted: nobody is told."""
        self._state = copy.deepcopy(snapshot)

    def clone(self, device: str) -> FakeDisk:
        """A second device with the same content and the same identity, as ``dd`` makes it."""
        twin = FakeDisk(self.clock, uuid=self.uuid, label=self.label, fs_type=self.fs_type, device=device)
        twin.tick_ns, twin.capacity_bytes = self.tick_ns, self.capacity_bytes
        twin._state = copy.deepcopy(self._state)
        return twin

    def reformat(self, uuid: str | None) -> None:
        """Make it a new, empty file system."""
        self.uuid = uuid
        self._state = self._formatted()

    def renumber(self) -> None:
        """Give every inode another number, as file systems without real inodes do at each mount."""
        free = iter(range(self._state.next_inode, 2 * self._state.next_inode))
        for _, node in self.walk():
            node.inode = next(free, node.inode)
        self._state.next_inode *= 2

    # What is there.

    def __contains__(self, path: str) -> bool:
        try:
            self.look(path)
        except OSError:
            return False
        return True

    @property
    def root(self) -> Node:
        """Its root directory."""
        return self._state.root

    def look(self, path: str) -> Node:
        """The inode at a path. Symbolic links are not followed."""
        node = self._state.root
        for name in path.split("/") if path else ():
            if not node.is_directory:
                raise _error(errno.ENOTDIR, path)
            if name not in node.children:
                raise _error(errno.ENOENT, path)
            node = node.children[name]
        return node

    def walk(self, top: str = "") -> Iterator[tuple[str, Node]]:
        """Everything below a directory, with its path, in order of names. A file has an entry for each name."""
        for name, node in sorted(self.look(top).children.items()):
            path = paths.join(top, name)
            yield path, node
            if node.is_directory:
                yield from self.walk(path)

    def files(self) -> dict[str, FileEntry]:
        """Every file by its path: the truth, for checkers."""
        return {path: entry(paths.split(path)[1], node) for path, node in self.walk() if node.kind is NodeKind.FILE}

    def times(self, node: Node) -> tuple[int, int]:
        """Modification and change time, as stat shows them."""
        if self.is_fat and node is self._state.root:
            return (0, 0)
        return (node.mtime_ns, node.ctime_ns)

    def _formatted(self) -> _State:
        now_ns = self._now_ns()
        return _State(Node(ROOT_INODE, NodeKind.DIRECTORY, now_ns, now_ns, now_ns), [], _FIRST_INODE)

    def _now_ns(self) -> int:
        return self.clock.wall_ns // self.tick_ns * self.tick_ns

    def _parent(self, path: str) -> tuple[Node, str]:
        directory, name = paths.split(path)
        node = self.look(directory)
        if not node.is_directory:
            raise _error(errno.ENOTDIR, path)
        return node, paths.check_name(name)

    def _named(self, path: str) -> tuple[Node, str, Node]:
        directory, name = self._parent(path)
        return directory, name, self.look(path)

    def _create(self, directory: Node, name: str, kind: NodeKind) -> Node:
        now_ns = self._now_ns()
        node = Node(self._new_inode(), kind, self.clock.wall_ns, now_ns, now_ns)
        directory.children[paths.check_name(name)] = node
        self._moved(directory)
        self._tell(directory, watched.CREATE | (watched.ISDIR if node.is_directory else 0), name)
        return node

    def _new_inode(self) -> int:
        # As ext4: the lowest number that is free, so that the number of a removed file is soon another file's.
        if self._state.free:
            return heapq.heappop(self._state.free)
        self._state.next_inode += 1
        return self._state.next_inode - 1

    def _drop(self, node: Node) -> None:
        """A name of this inode went away."""
        node.links -= 1
        node.ctime_ns = self._now_ns()
        if node.links == 0:
            heapq.heappush(self._state.free, node.inode)
            if node.is_directory:
                self._tell(node, watched.DELETE_SELF, "")
                self._tell(node, watched.IGNORED, "")

    def _moved(self, directory: Node) -> None:
        directory.mtime_ns = directory.ctime_ns = self._now_ns()

    def _tell_attributes(self, path: str, node: Node) -> None:
        kind = watched.ISDIR if node.is_directory else 0
        if path:
            directory, name = self._parent(path)
            self._tell(directory, watched.ATTRIB | kind, name)
        if node.is_directory:
            self._tell(node, watched.ATTRIB | kind, "")

    def _tell(self, node: Node, mask: int, name: str) -> None:
        self._state.generation += 1
        for listener in list(self.listeners):
            listener(node.inode, mask, name)


def _check_replaceable(node: Node, replaced: Node, path: str) -> None:
    if replaced.is_directory and not node.is_directory:
        raise _error(errno.EISDIR, path)
    if node.is_directory and not replaced.is_directory:
        raise _error(errno.ENOTDIR, path)
    if replaced.children:
        raise _error(errno.ENOTEMPTY, path)


def _error(code: int, path: str) -> OSError:
    return OSError(code, os.strerror(code), path)
