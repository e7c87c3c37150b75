"""Where the volumes are: the mount table, what probes find at its mounts, and what the slow beat sees below them.

Everything that a volume's state is decided from comes from here, as one sighting a volume. Nothing here touches
storage itself: the mount table and mount ids are the kernel's, sysfs too, and probes run in processes that may hang.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.locating import locate
from agent.ports import Devices, Mount, Mounts
from agent.probing import Prober, unique_ids
from agent.vigil import Vigil
from agent.volume import Gone, Noted, Sighting, Unprobed, Volume
from holdfast.volumes import Reason


class Lookout:
    """Reads the mount table when it changes, and has its mounts probed. Times are seconds of the boot clock.

    First :meth:`look`, then :meth:`sight` for each volume: what carrying out one sighting makes doubtful is so for the
    next one already.
    """

    def __init__(self, mounts: Mounts, prober: Prober, devices: Devices) -> None:
        self._mounts = mounts
        self._prober = prober
        self._vigil = Vigil(devices)
        self._distrust_ids = False
        self._unique_ids: dict[int, int] = {}
        self.table: list[Mount] = []

    def fileno(self) -> int:
        """Reports POLLPRI when the mount table has changed."""
        return self._mounts.fileno()

    def changed(self) -> bool:
        """Whether the mount table has changed since this was asked last."""
        changed = self._mounts.changed()
        if changed:
            self._distrust_ids = self._mounts.recycles_ids
        return changed

    def current(self) -> list[Mount]:
        """The mount table as it is at this moment, whatever is concluded from it next."""
        return self._mounts.table()

    def look(self, volumes: Sequence[Volume], now: float) -> None:
        """Read the mount table, and drop what was found at mounts that it does not have any more."""
        before, self.table = self.table, self._mounts.table()
        if self._distrust_ids:
            self._distrust_ids = False
            unchanged = {mount.mount_id for mount in self.table if mount in before}
            # Where only clones are looked for, unchanged lines are believed: else no disk could ever sleep.
            kept = unchanged if all(volume.epoch is not None for volume in volumes) else set()
            self._prober.forget_all_but(kept)
            self._vigil.forget_all_but(unchanged)
        shapes = {(volume.identity.fs_type, volume.identity.root) for volume in volumes}
        places = {volume.last_mounted_at for volume in volumes}
        interesting = [m for m in self.table if (m.fs_type, m.root) in shapes or m.mount_point in places]
        self._unique_ids = unique_ids(self._mounts, self.table, interesting)
        self._vigil.look(volumes, self.table, self._unique_ids, now)

    def sight(self, volume: Volume, now: float) -> Sighting | None:
        """Where this volume is, by the last :meth:`look`; None while a mount that could be it is being probed."""
        sighting = locate(volume, self.table, self._unique_ids, self._prober.probes, self._vigil.vitals)
        if sighting == Gone(Reason.NOT_MOUNTED):
            sighting = self._vigil.explain(volume)
        if isinstance(sighting, Unprobed):
            for mount in sighting.mounts:
                self._prober.probe(mount, self._unique_ids[mount.mount_id], now)
            return None
        return sighting

    def begin(self, mount: Mount, unique_id: int) -> None:
        """A volume is attached at this mount from now on."""
        self._vigil.begin(mount, unique_id)

    def forget(self, unique_ids: Iterable[int]) -> None:
        """What was found at these mounts is not to be relied on any more."""
        self._prober.forget(unique_ids)

    # The slow beat

    @property
    def beat_at(self) -> float:
        """When :meth:`beat` is due."""
        return self._vigil.due

    @property
    def notes(self) -> dict[str, Noted]:
        """What is to be said about attached volumes, by their ids, as of the last look or beat."""
        return self._vigil.notes

    def beat(self, volumes: Sequence[Volume], now: float) -> bool:
        """See what no change of the mount table tells; whether every volume is to be looked for again."""
        is_news = self._vigil.look(volumes, self.table, self._unique_ids, now)
        return is_news or self._mounts.table() != self.table

    def age(self, volumes: dict[str, Volume]) -> bool:
        """Write down which generation each btrfs volume has reached; whether any has moved."""
        return self._vigil.age(volumes)
