"""The mount table of a fake host, and looking at the root of one of its mounts."""

from __future__ import annotations

import errno

from agent.ports import Mount, Probe, Trouble
from agent.testing.bell import Bell
from agent.testing.host import FakeHost, Mounted
from agent.testing.node import Node
from holdfast.volumes import Capacity, Identity


class FakeMounts:
    """Implements :class:`agent.ports.Mounts`."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._seen = host.table_events
        self._bell: Bell | None = None

    def table(self) -> list[Mount]:
        """Every mount, in the order they were made."""
        self._host.called("mounts.table")
        return self._host.table()

    def unique_id(self, mount_point: str) -> int | None:
        """The id of the mount on top at this path, or None when the path leads nowhere."""
        place = self._host.place(mount_point)
        return place.mounted.unique_id if place.path in place.mounted.disk else None

    @property
    def recycles_ids(self) -> bool:
        """Whether an id may be used again for another mount."""
        return self._host.recycles_ids

    def fileno(self) -> int:
        """A descriptor that polls POLLPRI from a change of the table until :meth:`changed` is called."""
        if self._bell is None:
            self._bell = Bell()
            self._host.on_table_event.append(self._bell.ring)
        return self._bell.fileno()

    def changed(self) -> bool:
        """Whether the table has changed since the last call."""
        self._host.called("mounts.changed")
        changed = self._host.table_events != self._seen
        self._seen = self._host.table_events
        if self._bell is not None:
            self._bell.silence()
        return changed

    def close(self) -> None:
        """Give the descriptors back."""
        if self._bell is not None:
            self._host.on_table_event.remove(self._bell.ring)
            self._bell.close()
            self._bell = None


def probe(host: FakeHost, mount: Mount) -> Probe | Trouble:
    """What is found at the root of a mount of the table."""
    try:
        host.called("probe")
        place = host.place(mount.mount_point)
        if place.mounted.disk.faults.device_gone and not place.mounted.disk.is_remote:
            return Trouble(errno.ENODEV, mount.mount_point)
        if place.mounted.mount.mount_id != mount.mount_id:
            return Trouble(errno.EXDEV, mount.mount_point)
        with host.open(mount.mount_point, place.mounted.unique_id, ""):
            root = place.look()
    except OSError as error:
        return Trouble(error.errno or errno.EIO, mount.mount_point)
    disk = place.mounted.disk
    total_bytes = disk.faults.capacity_bytes or disk.capacity_bytes
    return Probe(
        mount_id=place.mounted.unique_id,
        identity=identity_of(place.mounted, root),
        capacity=Capacity(total_bytes, total_bytes // 2),
        label=disk.label or mount.mount_point.rpartition("/")[2],
        marker=disk.marker,
        generation=disk.generation,
    )


def identity_of(mounted: Mounted, root: Node) -> Identity:
    """What a mount is known by."""
    disk = mounted.disk
    return Identity(
        fs_type=disk.fs_type,
        uuid=None if disk.is_remote else disk.uuid,
        root=mounted.mount.root,
        root_inode=root.inode,
        root_birth_ns=None if disk.is_remote or disk.is_fat else root.birth_ns,
        source=mounted.mount.source if disk.is_remote else None,
        serial=None if disk.is_remote else disk.serial,
        marker=None if disk.marker is None else disk.marker.id,
    )
