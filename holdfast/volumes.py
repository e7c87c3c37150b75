"""Volumes: the states storage can be in, why, and how one is recognised.

A *volume* is one file system as it is mounted: a disk's partition, a share, a FUSE file system. Where a file is
= (volume, path inside it). A volume keeps its id wherever it is mounted; two disks that take turns at one mount
point are two volumes.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class VolumeState(StrEnum):
    """Only ``ONLINE`` storage can prove that a file is gone."""

    ONLINE = "online"
    IDLE = "idle"
    OFFLINE = "offline"
    SUSPECT = "suspect"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a volume is in its state. Each reason belongs to exactly one state, see :data:`STATE_OF`."""

    VERIFIED = "verified"
    AUTOMOUNT_IDLE = "automount-idle"
    NOT_MOUNTED = "not-mounted"
    UNPLUGGED = "unplugged"
    DATASET_NOT_MOUNTED = "dataset-not-mounted"
    ARRAY_STOPPED = "array-stopped"
    NO_DEVICE = "no-device"
    LOCKED = "locked"
    HUNG = "hung"
    IO_ERROR = "io-error"
    DISCONNECTED = "disconnected"
    STALE = "stale"
    COVERED = "covered"
    EMPTY = "empty"
    MARKER_MISSING = "marker-missing"
    PARTIAL = "partial"
    BRANCH_LOST = "branch-lost"
    READ_ONLY_ERROR = "read-only-error"
    SHUT_DOWN = "shut-down"
    ROOT_MISSING = "root-missing"
    NO_PERMISSION = "no-permission"
    WRONG_VOLUME = "wrong-volume"
    CLONE = "clone"
    REFORMATTED = "reformatted"
    ROLLED_BACK = "rolled-back"
    TWO_WRITERS = "two-writers"
    NOT_YET_VERIFIED = "not-yet-verified"
    AGENT_SILENT = "agent-silent"


STATE_OF: dict[Reason, VolumeState] = {
    Reason.VERIFIED: VolumeState.ONLINE,
    Reason.AUTOMOUNT_IDLE: VolumeState.IDLE,
    Reason.NOT_MOUNTED: VolumeState.OFFLINE,
    Reason.UNPLUGGED: VolumeState.OFFLINE,
    Reason.DATASET_NOT_MOUNTED: VolumeState.OFFLINE,
    Reason.ARRAY_STOPPED: VolumeState.OFFLINE,
    Reason.NO_DEVICE: VolumeState.OFFLINE,
    Reason.LOCKED: VolumeState.OFFLINE,
    Reason.HUNG: VolumeState.SUSPECT,
    Reason.IO_ERROR: VolumeState.SUSPECT,
    Reason.DISCONNECTED: VolumeState.SUSPECT,
    Reason.STALE: VolumeState.SUSPECT,
    Reason.COVERED: VolumeState.SUSPECT,
    Reason.EMPTY: VolumeState.SUSPECT,
    Reason.MARKER_MISSING: VolumeState.SUSPECT,
    Reason.PARTIAL: VolumeState.SUSPECT,
    Reason.BRANCH_LOST: VolumeState.SUSPECT,
    Reason.READ_ONLY_ERROR: VolumeState.SUSPECT,
    Reason.SHUT_DOWN: VolumeState.SUSPECT,
    Reason.ROOT_MISSING: VolumeState.SUSPECT,
    Reason.NO_PERMISSION: VolumeState.SUSPECT,
    Reason.WRONG_VOLUME: VolumeState.CONFLICT,
    Reason.CLONE: VolumeState.CONFLICT,
    Reason.REFORMATTED: VolumeState.CONFLICT,
    Reason.ROLLED_BACK: VolumeState.CONFLICT,
    Reason.TWO_WRITERS: VolumeState.CONFLICT,
    Reason.NOT_YET_VERIFIED: VolumeState.UNKNOWN,
    Reason.AGENT_SILENT: VolumeState.UNKNOWN,
}

# The page that explains every message about storage; each has an anchor there.
HELP = "docs/troubleshooting.md"

# What a person reads, everywhere the same. {where} is the last known mount point. Each has an anchor of the
# reason's name in docs/troubleshooting.md.
SENTENCES: dict[Reason, str] = {
    Reason.VERIFIED: "The storage is mounted at {where} and its identity was checked.",
    Reason.AUTOMOUNT_IDLE: "The automount at {where} is idle; it will be mounted when somebody uses it.",
    Reason.NOT_MOUNTED: "The storage is not mounted. Its photos are unavailable, not deleted: mount it again.",
    Reason.UNPLUGGED: "The disk is not connected. Its photos are unavailable, not deleted: plug it in and mount it.",
    Reason.DATASET_NOT_MOUNTED: "The ZFS dataset is not mounted. Import the pool and mount it (zfs mount).",
    Reason.ARRAY_STOPPED: "The RAID array below the storage is not running. Assemble it (mdadm) and mount it.",
    Reason.NO_DEVICE: "The device is gone, while {where} is still mounted. Plug it back in and mount it again.",
    Reason.LOCKED: "The storage is encrypted and locked. Unlock it and mount it.",
    Reason.HUNG: "The storage at {where} does not answer. Check the network, the server or the cable.",
    Reason.IO_ERROR: "Reading {where} fails with input/output errors. Check the cable and the health of the disk.",
    Reason.DISCONNECTED: "The program that provides {where} has died. Unmount it and mount it again.",
    Reason.STALE: "The server no longer knows the share mounted at {where}. Mount it again.",
    Reason.COVERED: "Something else was mounted over {where}. Unmount it and the photos return.",
    Reason.EMPTY: "{where} was full of photos and is now empty. Nothing was marked as deleted.",
    Reason.MARKER_MISSING: "The marker file on {where} is gone, so this may not be the storage it was.",
    Reason.PARTIAL: "Whole parts of {where} vanished at once. Nothing was marked as deleted.",
    Reason.BRANCH_LOST: "A branch of the union at {where} is away; only the photos on it are unavailable. Mount it.",
    Reason.READ_ONLY_ERROR: "The kernel made {where} read-only after an error. Check the disk.",
    Reason.SHUT_DOWN: "The kernel shut the file system at {where} down after an error. Unmount it, check it, mount it.",
    Reason.ROOT_MISSING: "The folder {where} is not there any more, although the storage around it is.",
    Reason.NO_PERMISSION: "The agent may not read {where}. Give its user permission to read and enter it.",
    Reason.WRONG_VOLUME: "A different storage is mounted at {where}. Mount the right one.",
    Reason.CLONE: "Two devices carry the same identity. Remove one, or give one of them a new UUID.",
    Reason.REFORMATTED: "The storage at {where} was formatted anew. The old photos are kept as unavailable.",
    Reason.ROLLED_BACK: "The storage at {where} was set back to an earlier state. Nothing was marked as deleted.",
    Reason.TWO_WRITERS: "Another agent reports the same storage. Only one may; this one tells availability only.",
    Reason.NOT_YET_VERIFIED: "The storage has not been looked at yet.",
    Reason.AGENT_SILENT: "The agent on the host of this storage has not been heard from.",
}


def sentence(reason: Reason, where: str) -> str:
    """One sentence for people: what is wrong with the storage at ``where``, and what to do."""
    return SENTENCES[reason].format(where=where or "its mount point")


def help_of(reason: Reason) -> str:
    """Where the documentation explains a reason: cause, effect, remedy. Everywhere the same, as the sentence is."""
    return f"{HELP}#{reason.value}"


class Epoch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One unbroken attachment of a volume: it ends with every unmount, remount, lost event or doubt.

    ``boot_id`` is the kernel's, ``mount_id`` the kernel's unique mount id (never reused; Linux 6.8) or the old,
    recycled one, and ``attach`` counts the attachments of this volume over the life of the agent's registry.
    """

    boot_id: str
    mount_id: int
    attach: int


class Factor(StrEnum):
    """What an identity is made of: the names of those factors that were compared and agreed (R6)."""

    UUID = "uuid"
    ROOT = "root"
    SUBVOLUME = "subvolume"
    SOURCE = "source"
    SERVER = "server"
    SERIAL = "serial"
    MARKER = "marker"


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a volume is recognised by, strongest first. None means that the file system has no such thing, or that
    it is not known: what is None on either side is not compared, the UUID excepted.

    ``uuid``: the file system's own (32 hexadecimal digits, or a FAT serial). ``root`` is the part of the file
    system that is mounted (a btrfs subvolume, the source of a bind mount; "/" is all of it). ``root_inode`` and
    ``root_birth_ns`` describe that root. ``source`` is meaningful for network and FUSE file systems only.

    ``subvolume`` is the UUID of a btrfs subvolume, another one for each snapshot. ``server_id`` is what a server
    calls its file system: the fsid of NFS, the volume serial of SMB. ``serial`` is the device's. ``marker`` is the
    random id in the marker file that a person had us write.
    """

    fs_type: str
    uuid: str | None = None
    root: str = "/"
    root_inode: int
    root_birth_ns: int | None = None
    source: str | None = None
    subvolume: str | None = None
    server_id: str | None = None
    serial: str | None = None
    marker: str | None = None


# File systems whose source names the same storage on every host: server:/export, //server/share.
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs"})
_LOOPBACK = ("localhost", "127.", "[::1]", "//localhost", "//127.", "//[::1]")


def is_portable(identity: Identity) -> bool:
    """Whether an identity says which storage it is, whichever host looks.

    The source of a FUSE file system does not: every host may have an rclone remote named ``photos:``. Nor does a
    server that is the host itself.
    """
    if identity.uuid is not None:
        return True
    source = identity.source or ""
    return identity.fs_type in _NETWORK and bool(source) and not source.lower().startswith(_LOOPBACK)


def is_same_storage(one: Identity, other: Identity) -> bool:
    """Whether two hosts speak of the same storage."""
    return is_portable(one) and is_portable(other) and _where_and_what(one) == _where_and_what(other)


def _where_and_what(identity: Identity) -> tuple[object, ...]:
    storage = identity.source if identity.uuid is None else identity.uuid
    return identity.fs_type, storage, identity.root, identity.root_inode, identity.root_birth_ns


class Capacity(msgspec.Struct, frozen=True):
    """Size of a volume in bytes, as statvfs tells it."""

    total_bytes: int
    free_bytes: int


class VolumeStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent says about one volume in every heartbeat.

    ``version`` grows with every change over the life of the agent's registry, so that a late heartbeat cannot
    undo a newer one. ``since`` is Unix time in seconds. ``detail`` is the sentence for people. ``mounted_at`` is
    the mount point now, None when there is none; ``last_mounted_at`` is the last one known.
    """

    volume: str
    state: VolumeState
    reason: Reason
    detail: str
    since: float
    version: int
    label: str
    identity: Identity
    epoch: Epoch | None = None
    mounted_at: str | None = None
    last_mounted_at: str | None = None
    capacity: Capacity | None = None
    pending: int = 0  # observations that wait in the outbox
