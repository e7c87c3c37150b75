"""What is connected to this machine, and how it stands: from sysfs, udev and /proc, without asking any disk."""

from __future__ import annotations

import os
from collections.abc import Iterator

from agent.causes import normal
from agent.linux import blockdev, udev
from agent.linux.blockdev import device_of
from agent.ports import Health, Mount, Surroundings

BY_UUID = "/dev/disk/by-uuid"
ZFS = "/proc/spl/kstat/zfs"


class KernelDevices:
    """Implements :class:`agent.ports.Devices`."""

    def __init__(
        self, sys: str = blockdev.SYS, database: str = udev.DATABASE, by_uuid: str = BY_UUID, zfs: str = ZFS
    ) -> None:
        self._sys = sys
        self._database = database
        self._by_uuid = by_uuid
        self._zfs = zfs

    def health(self, mount: Mount) -> Health | None:
        """How the block device of a mount stands; None when it is gone."""
        return blockdev.read_health(device_of(mount), self._sys)

    def has_device(self, mount: Mount) -> bool:
        """Whether this is a mount of a block device at all, and one that can be asked for here."""
        return not mount.device.startswith("0:") or (mount.fs_type == "btrfs" and mount.source.startswith("/dev/"))

    def generation(self, mount: Mount, uuid: str) -> int | None:
        """The generation of a whole btrfs, None elsewhere."""
        return blockdev.btrfs_generation(uuid, self._sys) if mount.fs_type == "btrfs" else None

    def surroundings(self) -> Surroundings:
        """What is connected."""
        linked = _entries(self._by_uuid)
        known = dict(udev.block_devices(self._database)) if _entries(self._database) else {}
        devices: dict[str, str] = {}
        members: set[str] = set()
        for properties in known.values():
            uuid = normal(properties.get("ID_FS_UUID", ""))
            if properties.get("ID_FS_TYPE") == "linux_raid_member":
                members.add(uuid)
            elif uuid:
                devices[uuid] = os.path.basename(properties.get("DEVNAME", "")) or "a device"
        for name in linked:
            devices[normal(name)] = os.path.basename(os.path.realpath(f"{self._by_uuid}/{name}"))
        return Surroundings(
            is_complete=bool(linked or known),
            devices=devices,
            open_luks=frozenset(uuid for name in self._blocks("dm-") for uuid in self._luks_of(name)),
            arrays=dict(self._arrays()),
            members=frozenset(members),
            pools=frozenset(self._pools()) if os.path.isdir(self._zfs) else None,
        )

    def _blocks(self, prefix: str) -> Iterator[str]:
        return (name for name in _entries(f"{self._sys}/block") if name.startswith(prefix))

    def _luks_of(self, name: str) -> tuple[str, ...]:
        device = blockdev.text(f"{self._sys}/block/{name}/dev")
        return blockdev.foundation(device, self._sys).luks

    def _arrays(self) -> Iterator[tuple[str, str]]:
        for name in self._blocks("md"):
            disk = f"{self._sys}/block/{name}"
            if uuid := blockdev.array_uuid(disk, self._database):
                yield uuid, blockdev.text(f"{disk}/md/array_state")

    def _pools(self) -> Iterator[str]:
        return (name for name in _entries(self._zfs) if os.path.isdir(f"{self._zfs}/{name}"))


def _entries(directory: str) -> list[str]:
    """What is in a directory of the kernel's or of udev; nothing where there is none."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return []
