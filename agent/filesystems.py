"""What can be relied on, by type of file system. Facts measured on Linux 6.1 to 6.18."""

from __future__ import annotations

import msgspec


class Traits(msgspec.Struct, frozen=True):
    """``stable_inodes``: an inode number with its birth names a file for as long as it lives, across mounts (R39).
    ``directory_times``: a name cannot leave a directory without moving its times. ``timeless``: it can, and often
    does. Where neither is known, a name that left without moving them is neither gone nor a reason for doubt.
    ``tick_ns``: how far apart two changes must be to have different times. ``local``: all changes are made through
    this kernel, so that a watch sees them and no server or daemon stands between us and the disk. ``local_time``:
    times are kept in a zone, so that they shift by whole hours; ``grain_ns`` is what the disk keeps of them."""

    stable_inodes: bool = False
    directory_times: bool = False
    timeless: bool = False
    tick_ns: int = 20_000_000  # the coarse clock of a kernel with HZ=100, twice
    local: bool = False
    local_time: bool = False
    grain_ns: int = 1


_NATIVE = Traits(stable_inodes=True, directory_times=True, local=True)

_TRAITS = {
    "ext2": _NATIVE,
    "ext3": _NATIVE,
    "ext4": _NATIVE,
    "xfs": _NATIVE,
    "btrfs": _NATIVE,
    "f2fs": _NATIVE,
    "zfs": _NATIVE,
    "tmpfs": _NATIVE,
    # Overlay inodes may change when a file is copied up; times are those of the upper layer.
    "overlay": Traits(directory_times=True, local=True),
    # The root of a FAT has no times, its files have even seconds.
    "vfat": Traits(timeless=True, tick_ns=2_000_000_000, local=True, local_time=True, grain_ns=2_000_000_000),
    "exfat": Traits(directory_times=True, tick_ns=2_000_000_000, local=True, local_time=True, grain_ns=10_000_000),
    # NTFS keeps UTC, and a Windows whose clock is set to local time writes something else into it.
    "ntfs3": Traits(directory_times=True, local=True, local_time=True, grain_ns=100),
    "fuseblk": Traits(directory_times=True, local=True, local_time=True, grain_ns=100),
}
_UNTRUSTED = Traits()

# Mounts of these types never hold photos; they are not looked at.
PSEUDO = frozenset(
    {
        *(
            "autofs",
            "bpf",
            "binfmt_misc",
            "cgroup",
            "cgroup2",
            "configfs",
            "debugfs",
            "devpts",
            "devtmpfs",
            "efivarfs",
        ),
        *("fusectl", "fuse.gvfsd-fuse", "fuse.portal", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs"),
        *("rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs"),
    }
)


# A server answers for these that does many things at once. Those that may be paid by the question are left out.
_SERVED = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "afs"),
        *("fuse.sshfs", "fuse.smbnetfs", "fuse.glusterfs", "fuse.ceph-fuse"),
    }
)

# Programs that stand before disks of this machine, or of one in the same house.
_NEAR = frozenset(
    {
        "fuseblk",
        *("fuse.bindfs", "fuse.mergerfs", "fuse.shfs", "fuse.unionfs", "fuse.unionfs-fuse"),
        *("fuse.ntfs-3g", "fuse.exfat", "fuse.apfs", "fuse.zfs", "fuse.squashfuse"),
        *("fuse.sshfs", "fuse.smbnetfs", "fuse.glusterfs", "fuse.ceph-fuse"),
        *("fuse.gocryptfs", "fuse.encfs", "fuse.cryfs", "fuse.securefs"),
    }
)


def is_fuse(fs_type: str) -> bool:
    """Whether a program stands behind mounts of this type, which may hang or die."""
    return fs_type in ("fuse", "fuseblk") or fs_type.startswith("fuse.")


def is_served(fs_type: str) -> bool:
    """Whether a server that may be asked many things at once is known to be behind mounts of this type."""
    return fs_type in _SERVED


def is_fetched(fs_type: str) -> bool:
    """Whether a program may fetch the files from far away when they are read, which costs time, and often money. Of
    programs that are not known, that has to be supposed."""
    return is_fuse(fs_type) and fs_type not in _NEAR


def traits(fs_type: str) -> Traits:
    """What to rely on; for an unknown type, nothing."""
    return _TRAITS.get(fs_type, _UNTRUSTED)
