"""The same small world three times: a fake host, real disks, and a plain directory of the machine that runs the
tests. What one can do in it is what users of a disk do; the ports look at it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

from agent.linux.blockdev import device_of
from agent.linux.fanotify import FanotifyWatch
from agent.linux.files import MountedFiles
from agent.linux.inotify import InotifyWatch
from agent.linux.mountinfo import MountTable
from agent.mounts import inside, resolve
from agent.ports import Files, Mounts, Watch
from agent.testing.disk import FakeDisk
from agent.testing.files import FakeFiles
from agent.testing.host import FakeHost
from agent.testing.mounts import FakeMounts
from agent.testing.watch import FakeWatch
from holdfast import paths
from tests.linux.disks import Disk, Disks, run

_CLOCK_REALTIME_COARSE = 5  # what file times are taken from; Python does not name it


class World(Protocol):
    """One volume and what its users do. ``prefix`` is where its paths begin, as the ports see them."""

    prefix: str
    mount_point: str
    mounts: Mounts

    def write(self, path: str, size: int = 10) -> None: ...
    def write_text(self, path: str, text: str) -> None: ...
    def append(self, path: str, size: int = 10) -> None: ...
    def mkdir(self, path: str) -> None: ...
    def symlink(self, path: str) -> None: ...
    def link(self, old: str, new: str) -> None: ...
    def unlink(self, path: str) -> None: ...
    def rmdir(self, path: str) -> None: ...
    def rename(self, old: str, new: str) -> None: ...
    def touch(self, path: str, mtime_ns: int) -> None: ...
    def deny(self, path: str) -> None: ...
    def times(self, path: str) -> tuple[int, int]: ...
    def tick(self) -> None: ...
    def mount(self) -> None: ...
    def umount(self, *, lazy: bool = False) -> None: ...
    def cover(self) -> None: ...
    def uncover(self) -> None: ...
    def files(self) -> Files: ...
    def watch(self, back_end: str = "inotify") -> Watch: ...
    def close(self) -> None: ...


class FakeWorld:
    """A fake host with one fake disk."""

    prefix = ""
    mount_point = "/mnt/disk"

    def __init__(self) -> None:
        self.host = FakeHost()
        self.disk = self.host.disk("photos")
        self.mounts = FakeMounts(self.host)
        self._cover = self.host.disk("cover")
        self._watches: list[FakeWatch] = []
        self.mount()

    def write(self, path: str, size: int = 10) -> None:
        self.disk.write(path, size)

    def write_text(self, path: str, text: str) -> None:
        self.disk.write(path, text=text)

    def append(self, path: str, size: int = 10) -> None:
        self.disk.append(path, size)

    def __getattr__(self, name: str) -> object:
        # What users do has the same names and parameters on the fake disk.
        if name in ("mkdir", "symlink", "link", "unlink", "rmdir", "rename", "touch", "deny"):
            return getattr(self.disk, name)
        raise AttributeError(name)

    def times(self, path: str) -> tuple[int, int]:
        return self.disk.times(self.disk.look(path))

    def tick(self) -> None:
        self.host.clock.advance(1)

    def mount(self) -> None:
        self.host.mount(self.disk, self.mount_point)

    def umount(self, *, lazy: bool = False) -> None:
        self.host.umount(self.mount_point, lazy=lazy)

    def cover(self) -> None:
        self.host.mount(self._cover, self.mount_point)

    def uncover(self) -> None:
        self.host.umount(self.mount_point)

    def files(self) -> FakeFiles:
        return FakeFiles(self.host, self.mount_point, self._mount_id())

    def watch(self, back_end: str = "inotify") -> FakeWatch:
        self._watches.append(FakeWatch(self.host, self.mount_point, self._mount_id()))
        return self._watches[-1]

    def close(self) -> None:
        for watch in self._watches:
            watch.close()
        self.mounts.close()

    def _mount_id(self) -> int:
        mount_id = self.mounts.unique_id(self.mount_point)
        assert mount_id is not None
        return mount_id


class RealWorld:
    """A directory of this machine: on a disk of its own that can be unmounted, or wherever it is."""

    def __init__(self, place: Path, disk: Disk | None = None) -> None:
        self._place = place
        self._disk = disk
        self._descriptors: list[int] = []
        self._ports: list[MountedFiles | InotifyWatch | FanotifyWatch] = []
        self.mounts = MountTable()
        if disk is not None:
            disk.mount(place)
        mount = resolve(self.mounts.table(), str(place))
        assert mount is not None
        self.mount_point = mount.mount_point
        self.prefix = paths.from_os(inside(mount, str(place)))

    def write(self, path: str, size: int = 10) -> None:
        with open(self._at(path), "wb") as file:
            file.write(bytes(size))

    def write_text(self, path: str, text: str) -> None:
        with open(self._at(path), "w", encoding="utf-8") as file:
            file.write(text)

    def append(self, path: str, size: int = 10) -> None:
        self._descriptors.append(os.open(self._at(path), os.O_WRONLY | os.O_APPEND))
        os.write(self._descriptors[-1], bytes(size))

    def mkdir(self, path: str) -> None:
        os.makedirs(self._at(path))

    def symlink(self, path: str) -> None:
        os.symlink("nowhere", self._at(path))

    def link(self, old: str, new: str) -> None:
        os.link(self._at(old), self._at(new))

    def unlink(self, path: str) -> None:
        os.unlink(self._at(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._at(old), self._at(new))

    def touch(self, path: str, mtime_ns: int) -> None:
        os.utime(self._at(path), ns=(mtime_ns, mtime_ns))

    def deny(self, path: str) -> None:
        os.chmod(self._at(path), 0o700)

    def times(self, path: str) -> tuple[int, int]:
        found = os.lstat(self._at(path))
        return found.st_mtime_ns, found.st_ctime_ns

    def tick(self) -> None:
        # What is done from now on gets another time than what was done before.
        before = time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
        while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) == before:
            time.sleep(0.001)

    def mount(self) -> None:
        assert self._disk is not None
        self._disk.mount(self._place)

    def umount(self, *, lazy: bool = False) -> None:
        assert self._disk is not None
        self._disk.umount(lazy=lazy)

    def cover(self) -> None:
        run("mount", "-t", "tmpfs", "none", str(self._place))

    def uncover(self) -> None:
        run("umount", str(self._place))

    def files(self) -> MountedFiles:
        mount = resolve(self.mounts.table(), str(self._place))
        assert mount is not None
        files = MountedFiles(self.mount_point, self._mount_id(), device=device_of(mount))
        self._ports.append(files)
        return files

    def watch(self, back_end: str = "inotify") -> Watch:
        kind = FanotifyWatch if back_end == "fanotify" else InotifyWatch
        watch = kind(self.mount_point, self._mount_id())
        self._ports.append(watch)
        return watch

    def close(self) -> None:
        for port in self._ports:
            port.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self.mounts.close()

    def _mount_id(self) -> int:
        mount_id = self.mounts.unique_id(self.mount_point)
        assert mount_id is not None
        return mount_id

    def _at(self, path: str) -> bytes:
        return os.fsencode(self._place) + b"/" + paths.to_bytes(path)


def make_world(kind: str, disks: Disks | None, place: Path) -> World:
    """A fake world, a plain directory, or a disk with a file system of this type."""
    if kind == "fake":
        return FakeWorld()
    if kind == "directory":
        return RealWorld(place)
    assert disks is not None
    return RealWorld(place / "disk", disks.make(kind))


__all__ = ["FakeDisk", "FakeWorld", "RealWorld", "World", "make_world"]
