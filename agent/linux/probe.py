"""What stands at the root of a mount: the identity that a volume is recognised by (rule R6).

It may block for as long as the storage does, so it runs where blocking does no harm.
"""

from __future__ import annotations

import errno
import glob
import os
import re

from agent.linux import blockdev, kernel, network, ntfs, udev
from agent.linux.attachment import Attachment, trouble
from agent.linux.blockdev import device_of
from agent.linux.marker import read_marker
from agent.ports import Marker, Mount, Probe, Trouble
from agent.unions import is_union
from holdfast.volumes import Capacity, Identity

UDEV = udev.DATABASE
BY_LABEL = "/dev/disk/by-label"

# Storage that is named rather than plugged in: there the source is part of what it is. A FUSE file system is
# "fuse.something", but "fuseblk" has a block device.
_NAMED = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "virtiofs", "zfs"}
)
# An overlay draws a new UUID at every mount, which would make it a new volume each time.
_WITHOUT_UUID = frozenset({"overlay"})
_UDEV_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")


def probe(mount: Mount) -> Probe | Trouble:
    """Look at the root of a mount of the table, through one descriptor that was checked to be on that mount.

    A mount whose device is gone is not even looked at: it may still answer, and a FAT then lists as empty.
    """
    if blockdev.is_gone(device_of(mount)):
        return Trouble(errno.ENODEV, mount.mount_point)
    try:
        found = kernel.mount_at(os.fsencode(mount.mount_point))
        with Attachment(mount.mount_point, found.mount_id).directory("") as root:
            # Both ids are of this descriptor, so the line of the table and the unique id are of one mount.
            if kernel.table_id_of(root) != mount.mount_id:
                return Trouble(errno.EXDEV, mount.mount_point)
            size = os.fstatvfs(root)
            marker = read_marker(root)
            return Probe(
                mount_id=found.mount_id,
                identity=identity_of(mount, root, marker),
                capacity=Capacity(size.f_frsize * size.f_blocks, size.f_frsize * size.f_bavail),
                label=_label(mount, root),
                marker=marker,
                generation=kernel.btrfs_generation(root) if mount.fs_type == "btrfs" else None,
                foundation=blockdev.foundation(device_of(mount)),
            )
    except OSError as error:
        return trouble(error, mount.mount_point)


def identity_of(mount: Mount, root: int, marker: Marker | None = None) -> Identity:
    """What the volume is recognised by, asked of a descriptor of its root."""
    facts = kernel.stat_descriptor(root)
    subvolume = kernel.subvolume_uuid(root) if mount.fs_type == "btrfs" else None
    return Identity(
        fs_type=mount.fs_type,
        uuid=_uuid(mount, root),
        root=mount.root,
        root_inode=facts.inode,
        root_birth_ns=facts.birth_ns,
        source=source_of(mount) if is_named(mount.fs_type) else None,
        subvolume=None if subvolume is None else subvolume.hex(),
        server_id=network.server_id(mount),
        serial=_serial(mount),
        marker=None if marker is None else marker.id,
    )


def source_of(mount: Mount) -> str:
    """The source of a mount as its identity has it.

    That of a union is what somebody called it, or its branches, which come and go; it is where it was made. Of an SMB
    share, a folder inside it may be what is mounted; whether the source names that too depends on the kernel.
    """
    if is_union(mount.fs_type):
        return mount.mount_point
    prefix = next((option for option in mount.super_options if option.startswith("prefixpath=")), "")
    folder = prefix.removeprefix("prefixpath=").strip("/\\")
    source = mount.source.rstrip("/")
    return source if not folder or source.endswith(f"/{folder}") else f"{source}/{folder}"


def is_named(fs_type: str) -> bool:
    """Whether storage of this type is recognised by its source: a share, a FUSE file system, a ZFS dataset."""
    return fs_type in _NAMED or fs_type.startswith("fuse.")


def format_uuid(raw: bytes) -> str:
    """A UUID as 32 hexadecimal digits; serials as everybody writes them, the four bytes of a FAT's ``22AF-093F``, and
    the eight of an NTFS ``26E7BBCB15974FD9``."""
    match len(raw):
        case 4:
            digits = raw[::-1].hex().upper()
            return f"{digits[:4]}-{digits[4:]}"
        case 8:
            return raw.hex().upper()
        case _:
            return raw.hex()


def _label(mount: Mount, root: int) -> str:
    if _passes_on(mount.fs_type):
        return _last_segment(mount)
    return kernel.filesystem_label(root) or _udev_label(mount) or _linked_label(mount) or _last_segment(mount)


def _passes_on(fs_type: str) -> bool:
    """Whether it may pass questions on to another file system: a mergerfs answers with the UUID and the label of one of
    its branches, and with those of another when that is away."""
    return fs_type.startswith("fuse.")


def _uuid(mount: Mount, root: int) -> str | None:
    if mount.fs_type in _WITHOUT_UUID or _passes_on(mount.fs_type):
        return None
    raw = ntfs.read_serial(root) if mount.fs_type == "fuseblk" else kernel.filesystem_uuid(root, mount.fs_type)
    if raw is not None:
        return format_uuid(raw)
    text = _udev_properties(mount).get("ID_FS_UUID", "")
    plain = text.replace("-", "").lower()
    return plain if len(plain) == 32 else text or None


def _udev_properties(mount: Mount) -> dict[str, str]:
    return udev.properties(device_of(mount), UDEV)


def _serial(mount: Mount) -> str | None:
    """The serial number of the disk. All zero is none, and so is that of more than one disk."""
    if is_named(mount.fs_type):
        return None
    text = _udev_properties(mount).get("ID_SERIAL") or blockdev.serial(device_of(mount))
    return text if text.strip("0 ") else None


def _udev_label(mount: Mount) -> str:
    return _unescape(_udev_properties(mount).get("ID_FS_LABEL_ENC", ""))


def _linked_label(mount: Mount) -> str:
    """The label under which the device stands in /dev, which containers often see while they do not see udev."""
    if not mount.source.startswith("/dev/"):
        return ""
    device = os.path.realpath(mount.source)
    links = (link for link in glob.glob(f"{BY_LABEL}/*") if os.path.realpath(link) == device)
    return _unescape(os.path.basename(next(links, "")))


def _unescape(text: str) -> str:
    # udev writes bytes that are unsafe in a file name as \xNN; what they spell together is UTF-8.
    raw = _UDEV_ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode())
    return raw.decode("utf-8", "replace")


def _last_segment(mount: Mount) -> str:
    return os.path.basename(mount.mount_point) or mount.mount_point
