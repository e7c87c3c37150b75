"""What happens to disks, mounts and shares: every fault that the fakes know, drawn from a seed.

Each photo disk has a home, where it is mounted when all is well.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from agent.ports import Marker
from agent.testing.disk import FakeDisk
from agent.testing.faults import Hung
from agent.testing.host import FakeHost
from holdfast import paths
from tests.simulation.mischief import FOLDERS
from tests.simulation.truth import Truth

_CODES = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT)
WATCHES_MAX = 100_000
_OF_PATHS = (errno.EIO, errno.EACCES, errno.ENOTCONN, errno.ENOMEM)


@dataclass
class Home:
    """A photo disk, where it belongs, and what else there is of it."""

    host: FakeHost
    place: str
    disk: FakeDisk
    clones: list[FakeDisk] = field(default_factory=list)
    # Of a disk that was set back while nobody looked: that is what it is now.
    is_rolled_back: bool = False
    # What its marker file says when all is well.
    marker: Marker | None = None


class Cables:
    """``sharers`` are other hosts that may mount the same disks."""

    def __init__(
        self, homes: Sequence[Home], strangers: dict[int, FakeDisk], inner: Home, truth: Truth, rng: random.Random
    ) -> None:
        self.homes = homes
        self.inner = inner
        self.sharers: list[FakeHost] = []
        self._strangers = strangers
        self._truth = truth
        self._random = rng
        self.is_nested = False
        self._snapshots: dict[int, object] = {}

    def happens(self) -> str:
        """Something happens to a disk or a mount; returns what."""
        home = self._random.choice(self.homes)
        actions: list[tuple[int, Callable[[Home], str]]] = [
            (3, self._umount),
            (2, self._lazy),
            (1, self._kept_alive),
            (5, self._mount),
            (1, self._elsewhere),
            (2, self._cover),
            (4, self._uncover),
            (2, self._wrong_disk),
            (2, self._yank),
            (4, self._replug),
            (2, self._sick),
            (2, self._sick_paths),
            (2, self._short),
            (2, self._hang),
            (1, self._read_only),
            (1, self._clone_beside),
            (1, self._clone_instead),
            (1, self._formatted_alike),
            (1, self._snapshot),
            (1, self._roll_back),
            (1, self._lose_marker),
            (1, self._nest),
            (1, self._bind),
            (1, self._stray),
            (1, self._carry),
            (7, self._heal),
        ]
        action = self._random.choices([one for _, one in actions], [weight for weight, _ in actions])[0]
        try:
            return f"{home.disk.label}: {action(home)}"
        except OSError as error:
            return f"{home.disk.label}: {action.__name__} fails with {errno.errorcode[error.errno or 0]}"
        except Hung:
            return f"{home.disk.label}: {action.__name__} never comes back"

    def all_well(self) -> None:
        """Every fault is over, and every disk is mounted at home and nowhere else."""
        for home in self.homes:
            self._replug_everywhere(home)
            home.disk.faults.clear()
            if home.marker is not None and not home.is_rolled_back:
                home.disk.mark(home.marker)
            for path, node in list(home.disk.walk()):
                if node.denied:
                    home.disk.deny(path, 0)
        for host in (*self.hosts(), *self.sharers):
            host.before_call = None
            host.watch_limit = WATCHES_MAX
            self.clear(host)
        self.inner.disk.faults.clear()
        for home in self.homes:
            home.host.mount(home.disk, home.place)
        if self.is_nested:
            self._mount_inner()

    def remount(self, place: str) -> None:
        """Unmount a disk and mount it again at home: what some absences wait for."""
        home = next(one for one in (*self.homes, self.inner) if one.place == place)
        with suppress(OSError):
            home.host.umount(place, lazy=True)
        home.host.mount(home.disk, place)
        if self.is_nested and place != self.inner.place:
            with suppress(OSError):
                self._mount_inner()

    def mount(self, home: Home) -> None:
        """Mount a disk at home."""
        home.host.mount(home.disk, home.place)

    def replug(self, home: Home) -> None:
        """Plug a disk in again; what is left of its old mounts is unmounted."""
        self._replug_everywhere(home)

    def replace(self, home: Home) -> None:
        """Put another disk in the place of this one."""
        home.host.umount(home.place)
        home.host.mount(self._stranger(home), home.place)

    def hosts(self) -> list[FakeHost]:
        """The hosts with homes."""
        found: list[FakeHost] = []
        for home in self.homes:
            if home.host not in found:
                found.append(home.host)
        return found

    def clear(self, host: FakeHost) -> None:
        """Unmount everything but the root."""
        while tops := [one.mount.mount_point for one in host.all_mounted() if one.mount.mount_point != "/"]:
            for place in tops:
                with suppress(OSError):
                    host.umount(place, lazy=True)
        host.let_go()

    def is_mounted(self, disk: FakeDisk) -> bool:
        """Whether a disk is mounted anywhere, seen or unseen."""
        return any(host.is_alive(disk) for host in (*self.hosts(), *self.sharers))

    # Mounts

    def _umount(self, home: Home) -> str:
        home.host.umount(home.place)
        return "umount"

    def _lazy(self, home: Home) -> str:
        home.host.umount(home.place, lazy=True)
        return "umount -l"

    def _kept_alive(self, home: Home) -> str:
        home.host.umount(home.place, lazy=True, kept_alive=True)
        return "umount -l, kept alive by an open file"

    def _mount(self, home: Home) -> str:
        if self.is_mounted(home.disk):
            return "mounted already"
        home.host.mount(home.disk, home.place)
        return "mount"

    def _elsewhere(self, home: Home) -> str:
        if self.is_mounted(home.disk):
            home.host.umount(home.place)
        home.host.mount(home.disk, f"{home.place}-elsewhere")
        return "mount elsewhere"

    def _cover(self, home: Home) -> str:
        home.host.mount(self._stranger(home), home.place)
        return "something else mounted on top"

    def _uncover(self, home: Home) -> str:
        if home.host.place(home.place).mounted.disk is home.disk:
            return "nothing on top"
        home.host.umount(home.place)
        return "what was on top unmounted"

    def _wrong_disk(self, home: Home) -> str:
        self.replace(home)
        return "another disk in its place"

    def _nest(self, home: Home) -> str:
        self.is_nested = True
        self._mount_inner()
        return f"another disk mounted below, at {self.inner.place}"

    def _bind(self, home: Home) -> str:
        home.host.bind(home.place, f"{home.place}-bound")
        return "mount --bind"

    def _stray(self, home: Home) -> str:
        if home.host.place(home.place).mounted.disk is not home.host.root_disk:
            return "nothing strays where a disk is mounted"
        path = home.place.strip("/")
        if path not in home.host.root_disk:
            home.host.root_disk.mkdir(path)
        home.host.root_disk.write(f"{path}/{self._random.choice(['a.jpg', 'stray.jpg'])}")
        return "a stray file on the bare mount point"

    def _carry(self, home: Home) -> str:
        """Another machine gets the disk, beside this one or instead of it; or gives it back."""
        if not self.sharers:
            return "nobody to carry it to"
        other = self.sharers[0]
        if other.is_alive(home.disk):
            self.clear(other)
            return "the other machine lets go of it"
        if home.disk.faults.device_gone:
            return "cannot be carried, unplugged as it is"
        if self._random.random() < 0.7:
            self.clear(home.host)
        home.disk.clock = other.clock
        other.mount(home.disk, home.place)
        return "mounted at the other machine"

    # Sick disks

    def _yank(self, home: Home) -> str:
        home.host.yank(home.disk)
        return "yanked"

    def _replug(self, home: Home) -> str:
        if not home.disk.faults.device_gone:
            return "plugged in already"
        self._replug_everywhere(home)
        return "replugged"

    def _sick(self, home: Home) -> str:
        code = self._random.choice(_CODES)
        home.disk.faults.errno = code
        return f"{errno.errorcode[code]} everywhere"

    def _sick_paths(self, home: Home) -> str:
        code, place = self._random.choice(_OF_PATHS), self._random.choice(FOLDERS[1:])
        faults = home.disk.faults
        (faults.path_errnos if self._random.random() < 0.5 else faults.listing_errnos)[place] = code
        return f"{errno.errorcode[code]} at {place!r}"

    def _short(self, home: Home) -> str:
        faults = home.disk.faults
        kind = self._random.choice(["empty", "nothing", "partial", "cached"])
        if kind == "empty":
            faults.empty = True
        elif kind == "nothing" and not home.disk.is_remote:
            # A FAT that was pulled, as far as it is cached; and the caches have nothing to say below.
            faults.lists_nothing = faults.dead_below_caches = True
        elif kind == "cached":
            faults.dead_below_caches = True
        else:
            # A listing that is short without a trace, in a directory that really did change, looks like a deletion to
            # everybody; see the rules on sentinels and on quantity (R9, R20).
            faults.noticed = True
            hidden = self._random.choice(FOLDERS[1:])
            faults.hidden = lambda path: paths.contains(hidden, path)
            if home.disk.is_remote:
                faults.still_found = True
            return f"lists without {hidden!r}"
        return f"lists short: {kind}"

    def _hang(self, home: Home) -> str:
        home.disk.faults.hung = True
        return "hangs"

    def _read_only(self, home: Home) -> str:
        home.disk.faults.errors_counted += 1
        home.disk.faults.super_options = frozenset({self._random.choice(["emergency_ro", "shutdown"])})
        if "shutdown" in home.disk.faults.super_options:
            home.disk.faults.errno = errno.EIO
        return f"the kernel meets an error: {sorted(home.disk.faults.super_options)}"

    def _heal(self, home: Home) -> str:
        if home.disk.faults.device_gone:
            return "nothing to heal: it is unplugged"
        was_shut_down = "shutdown" in home.disk.faults.super_options
        home.disk.faults.clear()
        if was_shut_down and self.is_mounted(home.disk):
            home.host.umount(home.place, lazy=True)
        return "healed"

    # Disks that are not what they seem

    def _clone_beside(self, home: Home) -> str:
        clone = self._clone(home)
        home.host.mount(clone, f"{home.place}-clone")
        return "a clone beside it"

    def _clone_instead(self, home: Home) -> str:
        """A copy that was made a moment ago takes its place, and goes on as that disk."""
        if home.disk.faults.device_gone or home.disk.is_remote:
            return "no clone instead"
        clone = self._clone(home)
        self.clear(home.host)
        for sharer in self.sharers:
            self.clear(sharer)
        home.disk.faults.clear()
        home.disk = clone
        home.host.mount(clone, home.place)
        return "a clone instead of it"

    def _formatted_alike(self, home: Home) -> str:
        """Another disk, formatted anew with the same UUID, in its place."""
        if home.disk.is_remote or home.disk.is_fat:
            return "no disk that could tell"  # a FAT has no birth, so that it is the same one by all that is known
        alike = home.host.clone(home.disk)
        alike.reformat(home.disk.uuid)
        alike.write("foreign.jpg")
        self._truth.is_storage(alike, f"{home.disk.label} formatted")
        home.host.umount(home.place)
        home.host.mount(alike, home.place)
        return "one with its UUID, formatted anew, in its place"

    def _snapshot(self, home: Home) -> str:
        self._snapshots[id(home.disk)] = home.disk.snapshot()
        return "a snapshot is made"

    def _roll_back(self, home: Home) -> str:
        """Only where it can be seen: a disk without a generation that is set back is what it is."""
        snapshot = self._snapshots.get(id(home.disk))
        if snapshot is None or home.disk.generation is None:
            return "no snapshot"
        self.clear(home.host)
        if self.is_mounted(home.disk):
            return "in use"
        home.disk.restore(snapshot)  # type: ignore[arg-type]
        home.is_rolled_back = True
        home.host.mount(home.disk, home.place)
        return "set back to the snapshot"

    def _lose_marker(self, home: Home) -> str:
        if home.disk.marker is None:
            return "no marker to lose"
        home.disk.mark(None)
        return "its marker is deleted"

    # Details

    def _clone(self, home: Home) -> FakeDisk:
        clone = home.host.clone(home.disk)
        self._truth.is_storage(clone, self._truth.storage_of(home.disk))
        home.clones.append(clone)
        return clone

    def _mount_inner(self) -> None:
        inner = self.inner
        if inner.host.is_alive(inner.disk):
            return
        below = inner.host.place(inner.place)
        if below.path not in below.mounted.disk and below.mounted.disk is not inner.host.root_disk:
            below.mounted.disk.faults.check("")
            below.mounted.disk.mkdir(below.path)
        inner.host.mount(inner.disk, inner.place)

    def _replug_everywhere(self, home: Home) -> None:
        if home.disk.faults.device_gone:
            for host in (*self.hosts(), *self.sharers):
                for one in host.all_mounted():
                    if one.disk is home.disk and one.mount.mount_point != "/":
                        with suppress(OSError):
                            host.umount(one.mount.mount_point, lazy=True)
                host.replug(home.disk)

    def _stranger(self, home: Home) -> FakeDisk:
        return self._strangers[id(home.host)]
