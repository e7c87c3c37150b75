"""What really was on the disks, at every moment: the yardstick of the checkers."""

from __future__ import annotations

import bisect
import errno
from collections.abc import Callable, Iterable, Sequence

from agent.testing.disk import FakeDisk
from agent.testing.host import FakeHost
from agent.testing.node import NodeKind
from holdfast import media, paths
from holdfast.reports import Absent, Listed, Moved, Report

FileKey = tuple[str, int, int]  # the storage, inode, birth


class Truth:
    """Remembers for every path of every disk when it was there, and which disk was behind every mount.

    A *storage* is what a person takes for one: a disk, with its clones, which are as good as the disk itself; but not
    a disk that was formatted with the UUID of another one.
    """

    def __init__(self) -> None:
        self._history: dict[tuple[int, str], tuple[list[float], list[bool]]] = {}
        self._last: dict[int, set[str]] = {}
        self._seen: dict[int, object] = {}
        # Since when which disk is behind a mount; more than one where numbers are used again.
        self._mounts: dict[tuple[str, int], list[tuple[float, FakeDisk]]] = {}
        # Since when a server leaves out what of its listings, and finds it all the same when it is asked for by name.
        self._left_out: dict[int, list[tuple[float, Callable[[str], bool] | None]]] = {}
        self._boots: dict[str, float] = {}
        self._hosts: list[FakeHost] = []
        self._storage: dict[int, str] = {}
        self._disks: dict[int, FakeDisk] = {}  # kept, so that no number is used a second time
        self.volumes: dict[str, str] = {}
        self.now = 0.0
        # Files that may get another id: they had two names at once, or one that no photo server wants, or lay where
        # the agent may not look, so that nobody can tell a move from a copy.
        self.untraceable: set[FileKey] = set()
        # Files that had another path at some moment since this was cleared, though they may be back.
        self.moved: set[FileKey] = set()
        # And those whose name another file has taken, so that whoever looks later finds that one there.
        self.taken: set[FileKey] = set()
        self._paths: dict[FileKey, set[str]] = {}
        self._occupants: dict[tuple[str, str], FileKey] = {}

    # What the simulator tells

    def add_host(self, host: FakeHost) -> None:
        """There is this machine."""
        self._hosts.append(host)

    def is_storage(self, disk: FakeDisk, storage: str) -> None:
        """This disk is this storage."""
        self._storage[id(disk)] = storage
        self._disks[id(disk)] = disk

    def storage_of(self, disk: FakeDisk) -> str:
        """Which storage a disk is."""
        return self._storage.get(id(disk), disk.label)

    def observe(self) -> None:
        """Take note of what is mounted and on the disks now; to be called after everything that changes them."""
        for host in self._hosts:
            self._boots.setdefault(host.boot_id, self.now - host.clock.now().boot)
            for one in host.all_mounted():
                behind = self._mounts.setdefault((host.boot_id, one.unique_id), [])
                if not behind or behind[-1][1] is not one.disk:
                    behind.append((self.now, one.disk))
        for disk in self._disks.values():
            seen = (id(disk.root), disk.changes, _closed_by_faults(disk))
            if self._seen.get(id(disk)) != seen:
                self._seen[id(disk)] = seen
                self._observe_files(disk)
            left_out = self._left_out.setdefault(id(disk), [(self.now, None)])
            if (now := disk.faults.hidden if disk.faults.still_found else None) is not left_out[-1][1]:
                left_out.append((self.now, now))

    def all_known(self) -> None:
        """The catalog is in step with the disks: what follows is measured by how they are now."""
        self.moved.clear()
        self.taken.clear()
        self._paths.clear()
        self._occupants.clear()
        for disk in self._disks.values():
            self._follow(keys(disk, self.storage_of(disk)))

    # What the checkers ask

    def was_there(self, disk: FakeDisk, path: str, boot_id: str, boot_s: float) -> bool:
        """Whether a file was at this path at this moment of this boot."""
        times, present = self._history.get((id(disk), path), ([], []))
        index = bisect.bisect_right(times, self._boots[boot_id] + boot_s + 1e-6) - 1
        return index >= 0 and present[index]

    def ever_there(self, disk: FakeDisk, path: str) -> bool:
        """Whether a file was ever at this path."""
        return (id(disk), path) in self._history

    def false_words(self, report: Report) -> list[str]:
        """What a report says that was not so: files that it calls absent although they were there at one of the two
        looks, and files that never were where it lists them.

        A server may leave a file out of its first listing, which nobody can see, and lose it before the second. That is
        no false word: at the second look, it was asked for by its name."""
        boot, behind = report.epoch.boot_id, self._mounts.get((report.epoch.boot_id, report.epoch.mount_id))
        if behind is None:
            return [f"an epoch without a mount: {report.epoch}"]
        told = [one for one in report.observations if isinstance(one, Absent | Listed | Moved)]
        if not told:
            return []  # nothing to know the volume by: another disk may be behind a number that is used again
        storage = self.volumes.setdefault(report.volume, self.storage_of(behind[-1][1]))
        ours = [(since, disk) for since, disk in behind if self.storage_of(disk) == storage]
        if not ours:
            return [f"of {storage}, while {self.storage_of(behind[-1][1])} is there: {one}" for one in told]
        found = []
        for one in report.observations:
            if isinstance(one, Absent):
                first, second = one.proof.first.boot_s, one.proof.second.boot_s
                for path in (paths.join(one.directory, name) for name in one.names):
                    was_listed = self._was_there_behind(ours, path, boot, first, unless_left_out=True)
                    if was_listed or self._was_there_behind(ours, path, boot, second):
                        found.append(f"absent: {path}")
            for path in _listed(one):
                if not any(self.ever_there(disk, path) for _, disk in ours):
                    found.append(f"listed: {path}")
        return found

    # Details

    def _was_there_behind(
        self,
        ours: Sequence[tuple[float, FakeDisk]],
        path: str,
        boot_id: str,
        boot_s: float,
        *,
        unless_left_out: bool = False,
    ) -> bool:
        """Whether a file was on the disk that was behind the mount at this moment."""
        at = self._boots[boot_id] + boot_s + 1e-6
        disk = next((disk for since, disk in reversed(ours) if since <= at), ours[0][1])
        left_out = next((what for since, what in reversed(self._left_out.get(id(disk), ())) if since <= at), None)
        if unless_left_out and left_out is not None and left_out(path):
            return False
        return self.was_there(disk, path, boot_id, boot_s)

    def _observe_files(self, disk: FakeDisk) -> None:
        there = set(disk.files())
        for path in there ^ self._last.get(id(disk), set()):
            times, present = self._history.setdefault((id(disk), path), ([], []))
            times.append(self.now)
            present.append(path in there)
        self._last[id(disk)] = there
        files = keys(disk, self.storage_of(disk))
        self._follow(files)
        self.untraceable |= {key for key, links in _links(disk, self.storage_of(disk)) if links > 1}
        self.untraceable |= {key for path, key in files.items() if not _is_photo(path)}
        closed = [path for path, node in disk.walk() if node.denied]
        closed += _closed_by_faults(disk)
        # Also files that were in there when anybody looked last: where they came from cannot be seen.
        been = [(key, path) for key in files.values() for path in self._paths[key]]
        self.untraceable |= {key for key, path in been for top in closed if paths.contains(top, path)}

    def _follow(self, files: dict[str, FileKey]) -> None:
        for path, key in files.items():
            known = self._paths.setdefault(key, {path})
            if known != {path}:
                self.moved.add(key)
            known.add(path)
            before = self._occupants.get((key[0], path), key)
            if before != key:
                self.taken.add(before)
            self._occupants[key[0], path] = key


def _closed_by_faults(disk: FakeDisk) -> list[str]:
    """Folders that the storage lets nobody look into, although they are not closed."""
    failing = [*disk.faults.path_errnos.items(), *disk.faults.listing_errnos.items()]
    return [path for path, code in failing if code == errno.EACCES]


def photos(disk: FakeDisk) -> set[str]:
    """Every photo and video on a disk."""
    return {path for path, node in disk.walk() if node.kind is NodeKind.FILE and _is_photo(path)}


def keys(disk: FakeDisk, storage: str) -> dict[str, FileKey]:
    """Every file on a disk, and which one it is."""
    return {path: (storage, node.inode, node.birth_ns) for path, node in disk.walk() if node.kind is NodeKind.FILE}


def _listed(one: object) -> Iterable[str]:
    if isinstance(one, Listed):
        return [paths.join(one.directory, file.name) for file in one.files]
    return []


def _is_photo(path: str) -> bool:
    return media.kind(paths.split(path)[1]) in (media.Kind.IMAGE, media.Kind.VIDEO)


def _links(disk: FakeDisk, storage: str) -> list[tuple[FileKey, int]]:
    return [((storage, node.inode, node.birth_ns), node.links) for _, node in disk.walk() if not node.is_directory]
