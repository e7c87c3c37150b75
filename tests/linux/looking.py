"""One volume on real mounts, looked at as the supervisor does: mount table, probes, devices, and the state machine."""

from __future__ import annotations

import os
from pathlib import Path

from agent.bindings import bind
from agent.linux import blockdev
from agent.linux.devices import KernelDevices
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.locating import locate
from agent.messages import Inspected
from agent.mounts import resolve
from agent.ports import Mount, Probe, Trouble
from agent.probing import unique_ids
from agent.registry import Registry
from agent.vigil import Vigil
from agent.volume import Adopted, Effect, Gone, Sighting, Unprobed, Volume, advance
from holdfast import paths
from holdfast.volumes import Reason


class Looker:
    """Enrols what is mounted at a place, and looks for it whenever it is asked to. What is found is adopted at once,
    as by a worker that has nothing to say against it."""

    def __init__(self, table: MountTable, place: Path, sys: str = blockdev.SYS) -> None:
        self._table = table
        self._vigil = Vigil(KernelDevices(sys))
        self._probes: dict[int, Probe | Trouble] = {}
        self._now = 1.0
        self.effects: list[Effect] = []
        mount = resolve(table.table(), str(place))
        assert mount is not None
        found = probe(mount)
        assert isinstance(found, Probe), found
        book = Registry()
        bind(book, Inspected("imp", paths.from_os(str(place)), None), mount, found, lambda: "vol", self._now, ["/"])
        self.volume: Volume = book.volumes["vol"]
        self.look()

    def look(self) -> Reason:
        """Look once; returns the reason of the state that follows."""
        self._now += 1.0
        self.effects = []
        table = self._table.table()
        ids = unique_ids(self._table, table, [m for m in table if m.fs_type == self.volume.identity.fs_type])
        self._vigil.look([self.volume], table, ids, self._now)
        sighting = self._sight(table, ids)
        self._take(self._vigil.explain(self.volume) if sighting == Gone(Reason.NOT_MOUNTED) else sighting)
        if self.volume.epoch is not None:
            here = next(m for m in table if m.mount_id == self.volume.table_id)
            self._vigil.begin(here, self.volume.epoch.mount_id)
            self._take(Adopted(self.volume.epoch))
            self._vigil.look([self.volume], table, ids, self._now)
            self._vigil.age({"vol": self.volume})
            book = {"vol": self.volume}
            self._vigil.age(book)
            self.volume = book["vol"]
        return self.volume.reason

    def doubt(self) -> None:
        """What was found at the mounts is not to be relied on any more."""
        self._probes.clear()

    def _sight(self, table: list[Mount], ids: dict[int, int]) -> Sighting:
        for _ in range(len(table) + 2):
            sighting = locate(self.volume, table, ids, self._probes, self._vigil.vitals)
            if not isinstance(sighting, Unprobed):
                return sighting
            for mount in sighting.mounts:
                self._probes[ids[mount.mount_id]] = probe(mount)
        raise AssertionError("a mount that is probed stays unprobed")

    def _take(self, sighting: Sighting) -> None:
        before = self.volume.epoch
        self.volume, effects = advance(self.volume, sighting, "boot", self._now)
        self.effects += effects
        if before is not None and self.volume.epoch != before:
            self._probes.pop(before.mount_id, None)


def device_number(device: str) -> str:
    """The number of a device node, as the mount table writes it."""
    node = os.stat(device)
    return f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"
