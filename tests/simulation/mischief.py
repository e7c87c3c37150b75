"""What people do with their files, drawn from a seed."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Sequence

from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost
from holdfast import paths

NAMES = ["a.jpg", "b.jpg", "c.heic", "d.mov", "a.jpg.xmp", "b.xmp", "IMG 1.JPG", "n\0ff.jpg", "notes.txt"]
FOLDERS = ["", "trip", "trip/day", "best", "raw/x"]
KEEPER = "keeper.jpg"
YEAR_NS = 365 * 86400 * 10**9


class Person:
    """Somebody at the keyboard, with a random will. Every method does one thing, or nothing when it cannot be done."""

    def __init__(self, hosts: Sequence[FakeHost], rng: random.Random) -> None:
        self.hosts = list(hosts)
        self._random = rng
        # Inode and birth of files that have traded places; a clone of the disk has them, too.
        self.swapped: set[tuple[int, int]] = set()

    def at_files(self, disk: FakeDisk) -> str:
        """Do something with the files of a disk; returns what."""
        return self.anywhere(disk) if self._can_be_changed(disk) else "nothing: the disk is away"

    def anywhere(self, disk: FakeDisk) -> str:
        """Do something with the files of a disk, mounted here or not."""
        actions: list[tuple[int, Callable[[FakeDisk], str]]] = [
            (6, self._write),
            (3, self._write_old),
            (2, self._append),
            (4, self._unlink),
            (4, self._rename),
            (2, self._rename_folder),
            (1, self._remove_folder),
            (1, self._link),
            (2, self._swap),
            (1, self._deny),
            (1, self._touch_all),
            (1, self._remove_much),
        ]
        action = self._random.choices([one for _, one in actions], [weight for weight, _ in actions])[0]
        try:
            return f"{disk.label}: {action(disk)}"
        except OSError as error:
            return f"{disk.label}: {action.__name__} fails with {errno.errorcode[error.errno or 0]}"

    def _can_be_changed(self, disk: FakeDisk) -> bool:
        faults = disk.faults
        is_sick = faults.errno or faults.empty or faults.hung or faults.lists_nothing or faults.super_options
        return any(host.is_alive(disk) for host in self.hosts) and not is_sick and not faults.dead_below_caches

    def _place(self) -> str:
        return paths.join(self._random.choice(FOLDERS), self._random.choice(NAMES))

    def _file(self, disk: FakeDisk) -> str:
        """Any file but the keeper: a disk that really was emptied stays suspect until somebody says so (R2)."""
        return self._random.choice(sorted(disk.files().keys() - {KEEPER}) or [self._place()])

    def _folder(self, disk: FakeDisk) -> str:
        folders = [path for path, node in disk.walk() if node.is_directory]
        return self._random.choice(folders or ["trip"])

    def _make_parents(self, disk: FakeDisk, path: str) -> None:
        parent = paths.split(path)[0]
        if parent and parent not in disk:
            disk.mkdir(parent)

    def _write(self, disk: FakeDisk) -> str:
        path = self._place()
        self._make_parents(disk, path)
        disk.write(path, self._random.randint(1, 5000))
        return f"write {path!r}"

    def _write_old(self, disk: FakeDisk) -> str:
        path = self._place()
        self._make_parents(disk, path)
        disk.write(path, self._random.randint(1, 3))
        disk.touch(path, disk.clock.wall_ns - YEAR_NS)
        return f"copy {path!r} with its old time"

    def _append(self, disk: FakeDisk) -> str:
        path = self._file(disk)
        disk.append(path, 10)
        return f"append to {path!r}"

    def _unlink(self, disk: FakeDisk) -> str:
        path = self._file(disk)
        disk.unlink(path)
        return f"unlink {path!r}"

    def _rename(self, disk: FakeDisk) -> str:
        old, new = self._file(disk), self._place()
        self._make_parents(disk, new)
        disk.rename(old, new)
        return f"rename {old!r} to {new!r}"

    def _rename_folder(self, disk: FakeDisk) -> str:
        old, new = self._folder(disk), f"{self._random.choice(['holiday', 'trip', 'best'])}"
        disk.rename(old, new)
        return f"rename folder {old!r} to {new!r}"

    def _remove_folder(self, disk: FakeDisk) -> str:
        path = self._folder(disk)
        disk.rmtree(path)
        return f"rm -r {path!r}"

    def _touch_all(self, disk: FakeDisk) -> str:
        """As a time zone does: every time of a folder is an hour off."""
        folder = self._folder(disk)
        for path, node in list(disk.walk(folder) if folder in disk else ()):
            if not node.is_directory:
                disk.touch(path, node.mtime_ns - 3600 * 10**9)
        return f"set the times of {folder!r} back by an hour"

    def _remove_much(self, disk: FakeDisk) -> str:
        gone = sorted(disk.files().keys() - {KEEPER})[::2]
        for path in gone:
            disk.unlink(path)
        return f"unlink every other file, {len(gone)}"

    def _link(self, disk: FakeDisk) -> str:
        old, new = self._file(disk), self._place()
        disk.link(old, new)
        return f"link {old!r} to {new!r}"

    def _swap(self, disk: FakeDisk) -> str:
        first, second = self._file(disk), self._file(disk)
        if first == second:
            return "swap nothing"
        disk.rename(first, "swap.tmp")
        disk.rename(second, first)
        disk.rename("swap.tmp", second)
        self.swapped |= {(node.inode, node.birth_ns) for node in map(disk.look, (first, second))}
        return f"swap {first!r} and {second!r}"

    def _deny(self, disk: FakeDisk) -> str:
        path = self._folder(disk)
        code = 0 if disk.look(path).denied else errno.EACCES
        disk.deny(path, code)
        return f"deny {path!r} {code}"
