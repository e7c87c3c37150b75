"""What the kernel of a fake host knows about its devices."""

from __future__ import annotations

from agent.ports import Disk, Health, Mount, Surroundings
from agent.testing.host import FakeHost, Mounted


class FakeDevices:
    """Implements :class:`agent.ports.Devices`. ``open_luks``, ``arrays`` and ``pools`` are for tests to set; whether
    a disk is connected follows from its faults."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self.around = Surroundings(is_complete=True)

    def health(self, mount: Mount) -> Health | None:
        """How the block device of a mount stands; None when it is gone."""
        one = self._mounted(mount)
        if one is None or one.disk.faults.device_gone:
            return None
        now = self._host.plug_of(one.disk)
        counted = one.disk.faults.errors_counted
        return Health(frozenset({Disk(one.disk.device, str(now))}), frozenset(), counted, counted)

    def has_device(self, mount: Mount) -> bool:
        """Whether this is a mount of a block device at all."""
        one = self._mounted(mount)
        return one is not None and not one.disk.is_remote

    def generation(self, mount: Mount, uuid: str) -> int | None:
        """The generation of a whole btrfs, None elsewhere."""
        one = self._mounted(mount)
        return None if one is None else one.disk.generation

    def surroundings(self) -> Surroundings:
        """What is connected: every disk that was not pulled."""
        connected = {
            disk.uuid: f"disk {disk.device}"
            for disk in self._host.disks
            if disk.uuid is not None and not disk.is_remote and not disk.faults.device_gone
        }
        return self.around._replace(devices={**connected, **self.around.devices})

    def _mounted(self, mount: Mount) -> Mounted | None:
        return self._host.mounted(mount.mount_id)
