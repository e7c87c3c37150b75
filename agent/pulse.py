"""How the devices below attached mounts are doing. Pure: it is told, at a slow beat, what the kernel knows.

A disk that is pulled, a file system that is shut down, an error that is counted: none of these wakes anybody up, and
the mount stays in the table. What a mount stood on when it was first felt is what it has to stand on ever after:
a disk that is plugged in again is another one to the kernel, and the old mount stays dead.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from agent.ports import Health


class Vitals(NamedTuple):
    """Unique ids of mounts that are not what they were: ``dead`` without their device, ``sick`` with errors that the
    kernel has counted since, or that made it read-only."""

    dead: frozenset[int] = frozenset()
    sick: frozenset[int] = frozenset()


WELL = Vitals()


class Pulse:
    """Feels every mount of a block device that a volume is attached to."""

    def __init__(self) -> None:
        self._first: dict[int, Health] = {}
        self._dead: set[int] = set()
        self._sick: set[int] = set()
        self._distrusted: set[int] = set()

    def distrust(self) -> None:
        """Any of these mounts may be another one by now, under the number of the one before: what has a living device
        is felt as if for the first time."""
        self._distrusted = set(self._first)

    def feel(self, mount_id: int, health: Health | None, *, is_read_only: bool) -> None:
        """Compare how a mount stands with how it stood at first. ``is_read_only``: its whole file system is."""
        if mount_id in self._distrusted and health is not None:
            self.keep(self._first.keys() - {mount_id})
        self._distrusted.discard(mount_id)
        first = self._first.get(mount_id)
        if first is None:
            if health is None:
                return  # its device cannot be seen from here, as in a container
            first = self._first[mount_id] = health
        if health is None or health.disks != first.disks or health.stopped:
            self._dead.add(mount_id)
            return
        has_new_errors = health.filesystem_errors > first.filesystem_errors
        if has_new_errors or (is_read_only and health.filesystem_errors):
            self._sick.add(mount_id)

    def knows(self, mount_id: int | None) -> bool:
        """Whether it was ever felt."""
        return mount_id in self._first

    def keep(self, mount_ids: Collection[int]) -> None:
        """Forget every mount but these."""
        for mount_id in self._first.keys() - set(mount_ids):
            del self._first[mount_id]
            self._dead.discard(mount_id)
            self._sick.discard(mount_id)

    def vitals(self) -> Vitals:
        """What has become of the mounts by now."""
        return Vitals(frozenset(self._dead), frozenset(self._sick))
