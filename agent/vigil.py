"""The slow look at devices: at every change of the mount table, and every few seconds between them.

It reads files of sysfs and /proc and never touches storage, so it wakes no disk and cannot hang.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import structs

from agent.causes import explain
from agent.ports import Devices, Health, Mount, Surroundings
from agent.pulse import Pulse, Vitals
from agent.volume import Gone, Noted, Volume
from holdfast.volumes import Epoch, Reason, VolumeState

# A disk that is pulled tells nobody. This is how long that may go unseen while nothing is read; what is read before
# is stopped by the commit gate.
EVERY_S = 5.0

# What a volume may be said to be while it is not mounted: each is looked into again when what is connected changes.
_CAUSES = frozenset(
    {
        Reason.NOT_MOUNTED,
        Reason.UNPLUGGED,
        Reason.LOCKED,
        Reason.ARRAY_STOPPED,
        Reason.DATASET_NOT_MOUNTED,
    }
)


class Vigil:
    """Knows how the devices of attached volumes stand, and why others are not there."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._pulse = Pulse()
        self._around = Surroundings()
        self._is_fresh = False
        self._generations: dict[str, tuple[Epoch, int]] = {}
        self.due = 0.0
        self.notes: dict[str, Noted] = {}

    @property
    def vitals(self) -> Vitals:
        """Which mounts are dead or sick, as of the last look."""
        return self._pulse.vitals()

    def begin(self, mount: Mount, mount_id: int) -> None:
        """A volume is attached here from now on: this is what the mount has to stand on."""
        if self._devices.has_device(mount):
            self._feel(mount, mount_id)

    def forget_all_but(self, mount_ids: Collection[int]) -> None:
        """The ids of other mounts may stand for others now; and so may those of these, as far as can be told."""
        self._pulse.keep(mount_ids)
        self._pulse.distrust()

    def look(
        self, volumes: Sequence[Volume], table: Sequence[Mount], unique_ids: Mapping[int, int], now: float
    ) -> bool:
        """Look at the devices below mounts that a volume is or was attached to; whether anything is not as it was."""
        self.due = now + EVERY_S
        before = self.vitals, self.notes
        self.notes = {}
        attached = {one.epoch.mount_id: one for one in volumes if one.epoch is not None}
        self._pulse.keep(unique_ids.values())
        for mount in table:
            mount_id = unique_ids.get(mount.mount_id)
            is_known = mount_id in attached or self._pulse.knows(mount_id)
            if mount_id is not None and is_known and self._devices.has_device(mount):
                health = self._feel(mount, mount_id)
                if mount_id in attached:
                    self._note(attached[mount_id], mount, health)
        self._is_fresh = False
        is_away = any(one.reason in _CAUSES for one in volumes)
        return (is_away and self._has_moved()) or (self.vitals, self.notes) != before

    def explain(self, volume: Volume) -> Gone:
        """Why a volume that is mounted nowhere is not there."""
        if not self._is_fresh:
            self._has_moved()
        return Gone(*explain(volume.identity, volume.foundation, self._around))

    def age(self, volumes: dict[str, Volume]) -> bool:
        """Write down which generation each btrfs volume has reached in the attachment that it has; whether any
        has moved."""
        moved = False
        for volume_id, (epoch, generation) in self._generations.items():
            volume = volumes.get(volume_id)
            if volume is not None and volume.epoch == epoch and volume.generation != generation:
                volumes[volume_id] = structs.replace(volume, generation=generation)
                moved = True
        return moved

    def _feel(self, mount: Mount, mount_id: int) -> Health | None:
        health = self._devices.health(mount)
        self._pulse.feel(mount_id, health, is_read_only="ro" in mount.super_options)
        return health

    def _note(self, volume: Volume, mount: Mount, health: Health | None) -> None:
        if volume.state is not VolumeState.ONLINE:
            return  # what stands against a volume must not be what it is measured by later
        arrays = ", ".join(sorted(health.degraded)) if health is not None else ""
        self.notes[volume.id] = Noted(f"the RAID array {arrays} below it lacks a disk: replace it" if arrays else "")
        generation = None if volume.identity.uuid is None else self._devices.generation(mount, volume.identity.uuid)
        if generation is not None and volume.epoch is not None:
            self._generations[volume.id] = (volume.epoch, generation)

    def _has_moved(self) -> bool:
        """Whether something was connected or taken away."""
        before, self._around, self._is_fresh = self._around, self._devices.surroundings(), True
        return before != self._around
