"""What really was on the disks, at every moment: the yardstick of the checkers."""

from __future__ import annotations

import bisect

from agent.testing.disk import FakeDisk, NodeKind
from agent.testing.host import FakeHost
from holdfast import media, paths
from holdfast.reports import Absent, Report

FileKey = tuple[str, int, int]  # the disk's UUID, inode, birth


class Truth:
    """Remembers for every path of every disk when it was there. Times are of the boot clock of one boot."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._history: dict[tuple[str, str], tuple[list[float], list[bool]]] = {}
        self._last: dict[str, set[str]] = {}
        # Files that may get another id: they had two names at once, or one that no photo server wants, or lay where
        # the agent may not look, so that nobody can tell a move from a copy.
        self.untraceable: set[FileKey] = set()
        self.observe()

    def observe(self) -> None:
        """Take note of what is on the disks now; to be called after everything that changes one."""
        now = self._time(self._host.boot_id, self._host.clock.now().boot)
        for disk in self._host.disks:
            uuid = disk.uuid or ""
            there = set(disk.files())
            before = self._last.get(uuid, set())
            for path in there ^ before:
                times, present = self._history.setdefault((uuid, path), ([], []))
                times.append(now)
                present.append(path in there)
            self._last[uuid] = there
            files = _files(disk)
            self.untraceable |= {key for key, links in _links(disk) if links > 1}
            self.untraceable |= set(files.values()) - set(photos(disk).values())
            closed = [path for path, node in disk.walk() if node.denied]
            self.untraceable |= {key for path, key in files.items() for top in closed if paths.contains(top, path)}

    def was_there(self, uuid: str, path: str, boot_id: str, boot_s: float) -> bool:
        """Whether a file was at this path at this moment."""
        times, present = self._history.get((uuid, path), ([], []))
        index = bisect.bisect_right(times, self._time(boot_id, boot_s)) - 1
        return index >= 0 and present[index]

    def false_absences(self, report: Report, uuid: str) -> list[str]:
        """The files that a report calls absent although they were there at one of the two looks."""
        found = []
        for one in report.observations:
            if isinstance(one, Absent):
                looks = (one.proof.first.boot_s, one.proof.second.boot_s)
                for path in (paths.join(one.directory, name) for name in one.names):
                    if any(self.was_there(uuid, path, report.epoch.boot_id, look) for look in looks):
                        found.append(path)
        return found

    def _time(self, boot_id: str, boot_s: float) -> float:
        """One ascending time over all boots. The simulator never boots twice at the same second."""
        if not hasattr(self, "_boots"):
            self._boots: dict[str, float] = {}
        if boot_id not in self._boots:
            self._boots[boot_id] = 1e9 * len(self._boots)
        return self._boots[boot_id] + boot_s


def photos(disk: FakeDisk) -> dict[str, FileKey]:
    """Every photo and video on a disk, and which file it is."""
    wanted = (media.Kind.IMAGE, media.Kind.VIDEO)
    return {path: key for path, key in _files(disk).items() if media.kind(paths.split(path)[1]) in wanted}


def _files(disk: FakeDisk) -> dict[str, FileKey]:
    return {
        path: (disk.uuid or "", node.inode, node.birth_ns) for path, node in disk.walk() if node.kind is NodeKind.FILE
    }


def _links(disk: FakeDisk) -> list[tuple[FileKey, int]]:
    return [
        ((disk.uuid or "", node.inode, node.birth_ns), node.links) for _, node in disk.walk() if not node.is_directory
    ]
