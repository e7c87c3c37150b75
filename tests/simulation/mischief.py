"""What people, cables and disks do: the actions that the simulator draws from."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

from agent.testing.disk import FakeDisk, Node
from agent.testing.host import FakeHost
from holdfast import paths

NAMES = ["a.jpg", "b.jpg", "c.heic", "d.mov", "a.jpg.xmp", "b.xmp", "IMG 1.JPG", "n\0ff.jpg", "notes.txt"]
FOLDERS = ["", "trip", "trip/day", "best", "raw/x"]
KEEPER = "keeper.jpg"
YEAR_NS = 365 * 86400 * 10**9


class Person:
    """Somebody at the keyboard, with a random will. Every method does one thing, or nothing when it cannot be done."""

    def __init__(self, host: FakeHost, rng: random.Random) -> None:
        self._host = host
        self._random = rng
        self.swapped: set[Node] = set()

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
        ]
        action = self._random.choices([one for _, one in actions], [weight for weight, _ in actions])[0]
        try:
            return f"{disk.label}: {action(disk)}"
        except OSError as error:
            return f"{disk.label}: {action.__name__} fails with {errno.errorcode[error.errno or 0]}"

    def _can_be_changed(self, disk: FakeDisk) -> bool:
        return self._host.is_alive(disk) and not disk.faults.errno and not disk.faults.empty and not disk.faults.hung

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
        self.swapped.add(disk.look(first))
        self.swapped.add(disk.look(second))
        return f"swap {first!r} and {second!r}"

    def _deny(self, disk: FakeDisk) -> str:
        path = self._folder(disk)
        code = 0 if disk.look(path).denied else errno.EACCES
        disk.deny(path, code)
        return f"deny {path!r} {code}"


class Storage:
    """Cables, mounts and sick disks. Each photo disk has a home, where it is mounted when all is well."""

    def __init__(self, host: FakeHost, homes: dict[str, FakeDisk], stranger: FakeDisk, rng: random.Random) -> None:
        self._host = host
        self._homes = homes
        self._stranger = stranger
        self._random = rng

    def happens(self) -> str:
        """Something happens to a disk or a mount; returns what."""
        home = self._random.choice(sorted(self._homes))
        disk = self._homes[home]
        actions: list[Callable[[str, FakeDisk], str]] = [
            self._umount,
            self._umount,
            self._lazy,
            self._kept_alive,
            self._mount,
            self._mount,
            self._mount,
            self._elsewhere,
            self._cover,
            self._uncover,
            self._uncover,
            self._wrong_disk,
            self._yank,
            self._replug,
            self._replug,
            self._sick,
            self._short,
            self._heal,
            self._heal,
            self._heal,
        ]
        action = self._random.choice(actions)
        try:
            return f"{disk.label}: {action(home, disk)}"
        except OSError as error:
            return f"{disk.label}: {action.__name__} fails with {errno.errorcode[error.errno or 0]}"

    def all_well(self) -> None:
        """Every fault is over, and every disk is mounted at home and nowhere else."""
        for home, disk in self._homes.items():
            self._host.replug(disk)
            disk.faults.clear()
            for place in (home, f"{home}-elsewhere"):
                self._clear(place)
            self._host.let_go()
            for path, node in list(disk.walk()):
                if node.denied:
                    disk.deny(path, 0)
            self._host.mount(disk, home)

    def _clear(self, place: str) -> None:
        while self._host.place(place).mounted.mount.mount_point == place:
            self._host.umount(place, lazy=True)

    def _is_mounted(self, disk: FakeDisk) -> bool:
        return self._host.is_alive(disk)

    def _umount(self, home: str, disk: FakeDisk) -> str:
        self._host.umount(home)
        return "umount"

    def _lazy(self, home: str, disk: FakeDisk) -> str:
        self._host.umount(home, lazy=True)
        return "umount -l"

    def _kept_alive(self, home: str, disk: FakeDisk) -> str:
        self._host.umount(home, lazy=True, kept_alive=True)
        return "umount -l, kept alive by an open file"

    def _mount(self, home: str, disk: FakeDisk) -> str:
        if self._is_mounted(disk):
            return "mounted already"
        self._host.mount(disk, home)
        return "mount"

    def _elsewhere(self, home: str, disk: FakeDisk) -> str:
        if self._is_mounted(disk):
            self._host.umount(home)
        self._host.mount(disk, f"{home}-elsewhere")
        return "mount elsewhere"

    def _cover(self, home: str, disk: FakeDisk) -> str:
        self._host.mount(self._stranger, home)
        return "something else mounted on top"

    def _uncover(self, home: str, disk: FakeDisk) -> str:
        if self._host.place(home).mounted.disk is not self._stranger:
            return "nothing on top"
        self._host.umount(home)
        return "what was on top unmounted"

    def _wrong_disk(self, home: str, disk: FakeDisk) -> str:
        self._host.umount(home)
        self._host.mount(self._stranger, home)
        return "another disk in its place"

    def _yank(self, home: str, disk: FakeDisk) -> str:
        self._host.yank(disk)
        return "yanked"

    def _replug(self, home: str, disk: FakeDisk) -> str:
        if not disk.faults.device_gone:
            return "plugged in already"
        self._clear(home)
        self._host.replug(disk)
        return "replugged"

    def _sick(self, home: str, disk: FakeDisk) -> str:
        code = self._random.choice([errno.EIO, errno.ESTALE, errno.ENOTCONN])
        place = self._random.choice(["", "trip", "best"])
        if place:
            disk.faults.path_errnos[place] = code
        else:
            disk.faults.errno = code
        return f"{errno.errorcode[code]} at {place!r}"

    def _short(self, home: str, disk: FakeDisk) -> str:
        if disk.is_remote or self._random.random() < 0.5:
            disk.faults.empty = True
            return "lists empty"
        # A listing that is short without a trace, in a directory that really did change, looks like a deletion to
        # everybody; see the rules on sentinels and on quantity (R9, R20).
        disk.faults.noticed = True
        hidden = self._random.choice(FOLDERS[1:])
        disk.faults.hidden = lambda path: paths.contains(hidden, path)
        return f"lists without {hidden!r}"

    def _heal(self, home: str, disk: FakeDisk) -> str:
        if disk.faults.device_gone:
            return "nothing to heal: it is unplugged"
        disk.faults.clear()
        return "healed"
