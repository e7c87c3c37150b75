"""A machine with disks and a mount table, and everything people and cables do to them.

The table behaves as the kernel's: mounts stack, a mount on an ancestor covers what is below, numbers of the table
are recycled and unique ids are not, a busy mount can only be unmounted lazily.
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from agent import mounts
from agent.ports import Mount
from agent.testing.clock import FakeClock
from agent.testing.disk import FakeDisk
from agent.testing.node import Node
from holdfast import paths

_UNIQUE_IDS_FROM = 1 << 31  # as the kernel: unique ids and table ids are never mistaken for each other
_TABLE_IDS_FROM = 20


@dataclass(frozen=True, eq=False)
class Mounted:
    """A mount with what it leads to. ``plug`` is the appearance of the disk that was mounted; after a yank and a
    replug the disk is another one to the kernel, and the old mount stays dead."""

    mount: Mount
    unique_id: int
    disk: FakeDisk
    root: str
    plug: int


class Place(NamedTuple):
    """What a path leads to: a mount, and the path on its disk."""

    mounted: Mounted
    path: str

    def look(self) -> Node:
        """The inode, or what the disk's faults answer with."""
        self.mounted.disk.faults.check(self.path)
        return self.mounted.disk.look(self.path)


class FakeHost:
    """The machine. It starts with a root file system, on which mount points are made as they are needed.

    ``before_call`` is told of every call of every port, with the port's name and the number of the call over all
    ports, from 1; what it raises, the call raises, and what it changes, the call finds changed. A listing calls
    twice: ``files.list`` before the directory is opened, ``files.read`` between opening and reading.

    ``recycles_ids``: it is a kernel older than Linux 6.8, whose unique ids are the recycled ones of the table.
    """

    def __init__(self, clock: FakeClock | None = None, seed: int = 0, *, recycles_ids: bool = False) -> None:
        self.clock = clock or FakeClock()
        self.random = random.Random(seed)
        self.recycles_ids = recycles_ids
        self.boot_id = self._new_uuid()
        self.calls: Counter[str] = Counter()
        self.before_call: Callable[[str, int], None] | None = None
        self.table_events = 0
        self.disks: list[FakeDisk] = []
        self.watch_limit = 100_000
        self._plugs: Counter[int] = Counter()
        self._open: Counter[Mounted] = Counter()
        self._next_unique_id = _UNIQUE_IDS_FROM
        self._mounted: list[Mounted] = []
        self._kept_alive: list[Mounted] = []  # unmounted lazily while somebody else holds them open
        self._detached: list[Mounted] = []  # unmounted lazily while a port holds them open
        self.on_shutdown: list[Callable[[FakeDisk], None]] = []
        self.on_table_event: list[Callable[[], None]] = []
        self.root_disk = self.disk("root")
        self._mounted.append(self._attach(self.root_disk, "/", "", parent_id=1))

    # Disks.

    def disk(self, label: str, fs_type: str = "ext4", **facts: int) -> FakeDisk:
        """A new disk with a file system of its own, not mounted yet. ``facts`` go to :class:`FakeDisk`."""
        device = f"8:{16 * len(self.disks) + 1}"
        disk = FakeDisk(self.clock, uuid=self._new_uuid(), label=label, fs_type=fs_type, device=device, **facts)
        self.disks.append(disk)
        return disk

    def clone(self, disk: FakeDisk) -> FakeDisk:
        """A second device with the same content and identity."""
        twin = disk.clone(f"8:{16 * len(self.disks) + 1}")
        self.disks.append(twin)
        return twin

    def reformat(self, disk: FakeDisk) -> None:
        """Make an unmounted disk a new, empty file system."""
        if any(one.disk is disk for one in self._mounted):
            raise _error(errno.EBUSY, disk.label)
        disk.reformat(self._new_uuid())

    def yank(self, disk: FakeDisk) -> None:
        """Pull the plug. The mount stays in the table and nobody is told. A FAT then lists as empty; the others
        answer with EIO."""
        disk.faults.device_gone = True
        if disk.is_fat:
            disk.faults.empty = True
        else:
            disk.faults.errno = errno.EIO

    def replug(self, disk: FakeDisk) -> None:
        """Plug it in again: a new device to the kernel. It has to be mounted anew; what is still mounted of it
        stays as dead as it was, until that is unmounted."""
        disk.faults.clear()
        self._plugs[id(disk)] += 1

    # Mounts.

    def mount(self, disk: FakeDisk, path: str, root: str = "") -> Mount:
        """Mount a disk, or the directory ``root`` of it, over whatever is at this path."""
        if disk.faults.device_gone:
            raise _error(errno.ENXIO, path)
        if disk.is_fat and not any(one.disk is disk for one in self._mounted):
            disk.renumber()
        on = self._reach(path)
        return self._add(self._attach(disk, path, root, on.mounted.mount.mount_id))

    def bind(self, source: str, path: str) -> Mount:
        """Show what is at ``source`` at this path too, as ``mount --bind``."""
        shown = self.place(source)
        shown.look()
        on = self._reach(path)
        bound = self._attach(shown.mounted.disk, path, shown.path, on.mounted.mount.mount_id)
        return self._add(replace(bound, plug=shown.mounted.plug))

    def umount(self, path: str, *, lazy: bool = False, kept_alive: bool = False) -> None:
        """Unmount what is on top at this path. Raises EBUSY as the kernel does, unless it is ``lazy``.

        ``kept_alive``: somebody else still has a file open there, so that the file system lives on unseen.
        """
        top = self._on_top(path)
        under = self._tree(top)
        if not lazy and (len(under) > 1 or any(self._open[one] for one in under) or kept_alive):
            raise _error(errno.EBUSY, path)
        self._mounted = [one for one in self._mounted if one not in under]
        self._changed()
        if kept_alive:
            self._kept_alive += under
            return
        self._detached += [one for one in under if self._open[one]]
        self._shut_down({id(one.disk): one.disk for one in under}.values())

    def let_go(self) -> None:
        """Whoever kept lazily unmounted file systems alive closes its files."""
        disks = {id(one.disk): one.disk for one in self._kept_alive}
        self._kept_alive.clear()
        self._shut_down(disks.values())

    def remount_read_only(self, path: str) -> None:
        """Change the options of a mount; it stays the same mount."""
        top = self._on_top(path)
        options = top.mount.options - {"rw"} | {"ro"}
        changed = replace(top, mount=msgspec.structs.replace(top.mount, options=options))
        self._mounted[self._mounted.index(top)] = changed
        self._changed()

    def reboot(self) -> None:
        """Start anew: nothing is mounted but the root, and every number begins again."""
        for mounted in self._mounted[:0:-1]:
            self._mounted.remove(mounted)
        self._kept_alive.clear()
        self._detached.clear()
        self._open.clear()
        self.boot_id = self._new_uuid()
        self._next_unique_id = _UNIQUE_IDS_FROM
        self._mounted = [self._attach(self.root_disk, "/", "", parent_id=1)]
        self._changed()
        self._shut_down(self.disks)

    # What the ports ask.

    def called(self, port: str) -> None:
        """A port is called."""
        self.calls[port] += 1
        if self.before_call is not None:
            self.before_call(port, self.calls.total())

    def fail_at(self, number: int, code: int = errno.EIO) -> None:
        """Let call ``number``, counted from now over all ports, fail with this errno."""

        def fail() -> None:
            raise _error(code, f"call {number}")

        self.change_at(number, fail)

    def change_at(self, number: int, change: Callable[[], None]) -> None:
        """Change the world just before call ``number``, counted from now over all ports."""
        due = self.calls.total() + number

        def before(port: str, count: int) -> None:
            if count == due:
                change()

        self.before_call = before

    def table(self) -> list[Mount]:
        """Every mount, with what the kernel adds to the options of sick file systems."""
        return [
            msgspec.structs.replace(one.mount, super_options=one.mount.super_options | one.disk.faults.super_options)
            for one in self._mounted
        ]

    def mounted(self, mount_id: int) -> Mounted | None:
        """The mount with this number in the table."""
        return next((one for one in self._mounted if one.mount.mount_id == mount_id), None)

    def all_mounted(self) -> list[Mounted]:
        """Every mount of the table, with what it leads to."""
        return list(self._mounted)

    def plug_of(self, disk: FakeDisk) -> int:
        """How often a disk was plugged in again: its diskseq."""
        return self._plugs[id(disk)]

    def place(self, path: str) -> Place:
        """What an absolute path leads to now. Nothing is read, so it need not exist there."""
        mount = mounts.resolve([one.mount for one in self._mounted], path)
        if mount is None:
            raise _error(errno.ENOENT, path)
        mounted = next(one for one in self._mounted if one.mount.mount_id == mount.mount_id)
        rest = paths.from_os(mounts.inside(mount, path))
        return Place(mounted, "/".join(part for part in (mounted.root, rest) if part))

    @contextmanager
    def open(self, mount_point: str, unique_id: int, directory: str) -> Iterator[Place]:
        """Hold a directory of one particular mount open, so that it can only be unmounted lazily; what is read
        through it stays true even then. Raises EXDEV when the path leads to another mount."""
        place = self.place(_below(mount_point, directory))
        if place.mounted.unique_id != unique_id:
            raise _error(errno.EXDEV, directory)
        if self.is_dead(place.mounted):
            raise _error(errno.EIO, directory)
        self._open[place.mounted] += 1
        try:
            yield place
        finally:
            self._open[place.mounted] -= 1
            if place.mounted in self._detached and not self._open[place.mounted]:
                self._detached.remove(place.mounted)
                self._shut_down([place.mounted.disk])

    def is_dead(self, mounted: Mounted) -> bool:
        """Whether the disk below was pulled and came back as another one."""
        return mounted.plug != self._plugs[id(mounted.disk)]

    def is_alive(self, disk: FakeDisk) -> bool:
        """Whether the file system is mounted anywhere, seen or unseen."""
        return any(one.disk is disk for one in (*self._mounted, *self._kept_alive, *self._detached))

    def _attach(self, disk: FakeDisk, path: str, root: str, parent_id: int) -> Mounted:
        used = {one.mount.mount_id for one in self._mounted}
        mount = Mount(
            mount_id=next(n for n in range(_TABLE_IDS_FROM, 1 << 30) if n not in used),
            parent_id=parent_id,
            device=disk.device,
            root=f"/{paths.to_os(root)}",
            mount_point=path,
            fs_type=disk.fs_type,
            source=f"/dev/disk-{disk.device}",
            options=frozenset({"rw", "relatime"}),
            super_options=frozenset({"rw"}),
        )
        self._next_unique_id += 1
        unique_id = mount.mount_id if self.recycles_ids else self._next_unique_id
        return Mounted(mount, unique_id, disk, root, self._plugs[id(disk)])

    def _add(self, mounted: Mounted) -> Mount:
        self._mounted.append(mounted)
        self._changed()
        return mounted.mount

    def _reach(self, path: str) -> Place:
        """Where a mount point is; on the root file system it is made when it is missing."""
        place = self.place(path)
        if place.mounted.disk is self.root_disk and place.path not in self.root_disk:
            self.root_disk.mkdir(place.path)
        place.look()
        return place

    def _on_top(self, path: str) -> Mounted:
        mounted = self.place(path).mounted
        if mounted.mount.mount_point != path or path == "/":
            raise _error(errno.EINVAL, path)
        return mounted

    def _tree(self, top: Mounted) -> list[Mounted]:
        found = [top]
        for one in found:
            found += [m for m in self._mounted if m.mount.parent_id == one.mount.mount_id]
        return found

    def _shut_down(self, disks: Iterable[FakeDisk]) -> None:
        for disk in list(disks):
            if not self.is_alive(disk):
                for listener in list(self.on_shutdown):
                    listener(disk)

    def _changed(self) -> None:
        self.table_events += 1
        for listener in list(self.on_table_event):
            listener()

    def _new_uuid(self) -> str:
        return f"{self.random.getrandbits(128):032x}"


def _below(mount_point: str, directory: str) -> str:
    if not directory:
        return mount_point
    return f"{mount_point.rstrip('/')}/{paths.to_os(directory)}"


def _error(code: int, where: str) -> OSError:
    return OSError(code, os.strerror(code), where)
