"""From evidence to findings: volumes, import paths, mounts, watches. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator

from agent import mounts
from agent.doctor.evidence import Evidence, JournalEvidence
from agent.doctor.findings import Code
from agent.filesystems import PSEUDO, traits
from agent.ports import Mount
from holdfast import paths, wording
from holdfast.findings import Finding, Severity
from holdfast.status import VolumeReading
from holdfast.volumes import Reason, VolumeState, VolumeStatus

_SEVERITY = {
    VolumeState.ONLINE: Severity.OK,
    VolumeState.IDLE: Severity.NOTE,
    VolumeState.OFFLINE: Severity.WARNING,
    VolumeState.SUSPECT: Severity.FAULT,
    VolumeState.CONFLICT: Severity.FAULT,
    VolumeState.UNKNOWN: Severity.WARNING,
}
# The first thing to type. {where} is the mount point. The documentation has the rest.
_REMEDY = {
    Reason.AUTOMOUNT_IDLE: "Nothing. To see it mounted: ls {where}",
    Reason.NOT_MOUNTED: "mount {where}",
    Reason.UNPLUGGED: "Plug it in; lsblk -f must then show it. mount {where}",
    Reason.DATASET_NOT_MOUNTED: "zpool import; zfs load-key; zfs mount",
    Reason.ARRAY_STOPPED: "cat /proc/mdstat; mdadm --assemble --scan; mount {where}",
    Reason.NO_DEVICE: "umount -l {where}; plug it in; mount {where}",
    Reason.LOCKED: "cryptsetup open the device, then: mount {where}",
    Reason.HUNG: "Look at network, server and cable. To let go of a dead mount: umount -l {where}",
    Reason.IO_ERROR: "dmesg and smartctl -a tell about the disk. Save what you can first.",
    Reason.DISCONNECTED: "umount -l {where}; mount {where}",
    Reason.STALE: "Is the server's own disk mounted? Then: umount -l {where}; mount {where}",
    Reason.COVERED: "findmnt {where} shows both; umount {where} takes the upper one away.",
    Reason.EMPTY: "umount {where}; mount {where}. If you emptied it on purpose, keep one file in it.",
    Reason.PARTIAL: "Look whether all of {where} is there, and bring back what is missing.",
    Reason.BRANCH_LOST: "Mount the branch; the union needs no restart.",
    Reason.READ_ONLY_ERROR: "dmesg says why. umount {where}; fsck the device; mount {where}",
    Reason.SHUT_DOWN: "dmesg says why. umount {where}; fsck or xfs_repair the device; mount {where}",
    Reason.ROOT_MISSING: "If it was renamed, rename it back, or add a library path for the new name.",
    Reason.NO_PERMISSION: "setfacl -m u:holdfast:rx {where}",
    Reason.WRONG_VOLUME: "umount {where}; mount the right one there. The other one may be mounted elsewhere.",
    Reason.CLONE: "lsblk -o NAME,UUID,MOUNTPOINT shows both. Remove one, or give it a new UUID (tune2fs -U random).",
    Reason.REFORMATTED: "Restore the photos onto it, and give it a library path of its own.",
    Reason.ROLLED_BACK: "If the earlier state is what you want, approve what is held; else restore the newer one.",
    Reason.TWO_WRITERS: "Remove the import path from one of the two agents.",
    Reason.NOT_YET_VERIFIED: "Wait a moment, and ask again.",
    Reason.AGENT_SILENT: "Start the agent.",
}
# The kernel's own default on large machines. Each watch costs about 1 kB of kernel memory, and only when used.
_WATCHES_USUAL = 524_288
_NAMES_MAX = 3


def diagnose_storage(evidence: Evidence) -> Iterator[Finding]:
    """All that concerns storage."""
    silence = Code.AGENT_NOT_RUNNING if evidence.agent.lock_pid is None else Code.AGENT_SILENT_SOCKET
    for volume in evidence.agent.volumes:
        is_current = evidence.agent.status is not None
        yield of_volume(volume, evidence.now) if is_current else _as_it_was(volume, silence)
        yield from _stray(evidence, volume)
        yield from _beneath(evidence, volume)
    yield from _mounts(evidence)
    yield from _state_directory(evidence)
    yield from _watching(evidence)


def of_volume(volume: VolumeStatus, now: float) -> Finding:
    """A volume, in the sentence that status and API show too. ``now`` is Unix time."""
    where = volume.mounted_at or volume.last_mounted_at or "its mount point"
    return Finding(
        code=volume.reason,
        severity=_SEVERITY[volume.state],
        sentence=volume.detail,
        about=volume.label,
        why=f"It has been {volume.state} for {wording.duration(max(0.0, now - volume.since))}; {_place(volume)}.",
        remedy=_REMEDY.get(volume.reason, "").format(where=where),
    )


def _as_it_was(volume: VolumeStatus, code: Code) -> Finding:
    """A volume, as the agent wrote it down last; nobody can be asked how it is now."""
    return Finding(
        code=code,
        severity=Severity.NOTE,
        sentence=f"{volume.label} was {volume.state} when the agent last wrote that down.",
        about=volume.label,
        why="" if volume.state is VolumeState.ONLINE else volume.detail,
    )


def watches_needed(directories: int) -> int:
    """The limit of watches to set for so many directories: room for as many again, and no fiddling."""
    wanted = _WATCHES_USUAL
    while wanted < 2 * directories:
        wanted *= 2
    return wanted


def _place(volume: VolumeStatus) -> str:
    if volume.mounted_at:
        return f"mounted at {volume.mounted_at}"
    return f"last mounted at {volume.last_mounted_at}" if volume.last_mounted_at else "never seen mounted"


def _stray(evidence: Evidence, volume: VolumeStatus) -> Iterator[Finding]:
    where = volume.last_mounted_at
    look = evidence.looks.get(where or "")
    if where is None or look is None or not look.entries or volume.state is VolumeState.ONLINE:
        return
    top = mounts.resolve(evidence.host.mounts, where)
    if top is None or top.mount_point == where:
        return
    yield Finding(
        code=Code.STRAY_FILES,
        severity=Severity.WARNING,
        sentence=f"Files lie in the bare folder {where}, where {volume.label} is to be mounted.",
        about=volume.label,
        why=f"It is not mounted, and {some(look.entries)} is there: somebody wrote while the disk was away. The agent"
        " does not take them for photos of the disk, and they will be hidden when it is mounted.",
        remedy=f"Before you mount it: mv {where} {where}.stray; mkdir {where}",
    )


def _beneath(evidence: Evidence, volume: VolumeStatus) -> Iterator[Finding]:
    where = volume.mounted_at
    look = evidence.beneath.get(where or "")
    # A hidden file is often there on purpose, to tell the bare folder by.
    visible = [] if look is None else [name for name in look.entries if not name.startswith(".")]
    if where is None or not visible:
        return
    yield Finding(
        code=Code.FILES_BENEATH,
        severity=Severity.WARNING,
        sentence=f"Files lie hidden in the folder {where}, beneath {volume.label}.",
        about=volume.label,
        why=f"{some(visible)}: somebody wrote there while the disk was away. Nobody can see them while it is"
        " mounted, no library has them, and they use up room on the disk below.",
        remedy=f"mount --bind {os.path.dirname(where) or '/'} /mnt/beneath; look into"
        f" /mnt/beneath/{os.path.basename(where)}, and move them onto the disk; umount /mnt/beneath",
    )


def _mounts(evidence: Evidence) -> Iterator[Finding]:
    host = evidence.host
    private = [
        root
        for root in evidence.settings.roots
        if (mount := mounts.resolve(host.mounts, root)) is not None
        and host.propagation.get(mount.mount_id, "private") == "private"
    ]
    if host.secluded and private:
        yield Finding(
            code=Code.PRIVATE_MOUNTS,
            severity=Severity.FAULT,
            sentence="The agent cannot see disks that are mounted from now on.",
            why=f"It runs in a mount namespace of its own, where {some(private)} does not take part in later mounts"
            " (its propagation is private).",
            remedy="docker run -v PATH:PATH:rslave, compose: bind: {propagation: rslave}; in a unit, no PrivateMounts="
            " and MountFlags=slave.",
        )
    volumes = by_id(evidence)
    for journal in evidence.journals:
        volume = volumes.get(journal.volume)
        if volume is not None and volume.mounted_at is not None:
            yield from _nested(evidence, volume, journal)


def _nested(evidence: Evidence, volume: VolumeStatus, journal: JournalEvidence) -> Iterator[Finding]:
    """Mounts that stand inside an import path: volumes of their own, which cover what lies below them."""
    known = {binding.directory for binding in evidence.agent.bindings if binding.volume == volume.volume}
    table = evidence.host.mounts
    top = mounts.resolve(table, volume.mounted_at or "/")
    for mount in () if top is None else mounts.below(table, top):
        inside = paths.from_os(mounts.inside(top, mount.mount_point)) if top is not None else ""
        if mount.fs_type in PSEUDO or not any(paths.contains(root or "", inside) for root in known):
            continue
        yield _nested_mount(evidence, volume, mount)
        hidden = [place for place in journal.places if paths.contains(inside, place)]
        if hidden:
            yield Finding(
                code=Code.HIDDEN_FILES,
                severity=Severity.WARNING,
                sentence=f"Photos of {volume.label} are hidden below what is mounted at {mount.mount_point}.",
                about=mount.mount_point,
                why=f"They were seen in {wording.count(len(hidden), 'folder')} there before. They are kept as they"
                " were, and not called missing.",
                remedy=f"umount {mount.mount_point}, if it does not belong there; or move the photos elsewhere.",
            )


def _nested_mount(evidence: Evidence, volume: VolumeStatus, mount: Mount) -> Finding:
    path = mount.mount_point
    covered = any(
        wanted.path == path or path.startswith(f"{wanted.path}/")
        for wanted in evidence.agent.import_paths
        if mounts.resolve(evidence.host.mounts, wanted.path) == mount
    )
    return Finding(
        code=Code.NESTED_MOUNT,
        severity=Severity.OK if covered else Severity.NOTE,
        sentence=f"Another file system ({mount.fs_type}) is mounted at {path}, inside a path on {volume.label}.",
        about=path,
        why=f"It is a volume of its own, which comes and goes by itself; photos on it are not those of {volume.label}.",
        remedy="" if covered else f"If it holds photos, give the library the path {path} too.",
    )


def _state_directory(evidence: Evidence) -> Iterator[Finding]:
    table, path = evidence.host.mounts, evidence.state.path
    mount = mounts.resolve(table, path)
    for volume in evidence.agent.volumes if mount is not None else ():
        if volume.mounted_at is None or mount is None or mount.mount_point != volume.mounted_at:
            continue
        inside = paths.from_os(mounts.inside(mount, path))
        roots = [b.directory for b in evidence.agent.bindings if b.volume == volume.volume and b.directory is not None]
        watched = any(paths.contains(root, inside) for root in roots)
        if not watched and mount.mount_point == "/":
            continue  # the machine's own disk: where it is away, so is the agent
        yield Finding(
            code=Code.STATE_ON_VOLUME,
            severity=Severity.WARNING if watched else Severity.NOTE,
            sentence=f"The agent's state is on {volume.label}, which it watches.",
            about=path,
            why="When that disk is away, the agent has lost its memory; while it is there, it never sleeps.",
            remedy=f"Move state_dir ({path}) to the machine's own disk, and restart the agent.",
        )


def _watching(evidence: Evidence) -> Iterator[Finding]:
    host = evidence.host
    readings = [] if evidence.agent.status is None else evidence.agent.status.volumes
    yield from _fanotify(evidence, readings)
    marked = {one.status.volume for one in readings if one.watching.startswith("fanotify")}
    local = {one.volume for one in evidence.agent.volumes if traits(one.identity.fs_type).local} - marked
    needed = sum(journal.directories for journal in evidence.journals if journal.volume in local)
    short = [reading for reading in readings if "limit" in reading.watching]
    if needed > host.max_user_watches or any("instance" not in reading.watching for reading in short):
        wanted = watches_needed(needed)
        yield Finding(
            code=Code.WATCH_LIMIT,
            severity=Severity.WARNING,
            sentence="The kernel allows too few watches, so part of the photos is only scanned now and then.",
            why=f"{wording.count(needed, 'folder')} need a watch each; fs.inotify.max_user_watches is"
            f" {host.max_user_watches:,}, for all programs of one user.",
            remedy=f"sysctl fs.inotify.max_user_watches={wanted}; for good: echo fs.inotify.max_user_watches={wanted}"
            " > /etc/sysctl.d/60-holdfast.conf. Then restart the agent.",
        )
    instances = len(local) + 2
    if instances > host.max_user_instances or any("instance" in reading.watching for reading in short):
        wanted = max(512, 4 * instances)
        yield Finding(
            code=Code.INSTANCE_LIMIT,
            severity=Severity.WARNING,
            sentence="The kernel allows too few inotify instances: one is needed for each volume.",
            why=f"{wording.count(len(local), 'volume')} and whatever else this user runs share"
            f" fs.inotify.max_user_instances = {host.max_user_instances:,}.",
            remedy=f"sysctl fs.inotify.max_user_instances={wanted}; for good, in /etc/sysctl.d/60-holdfast.conf."
            " Then restart the agent.",
        )
    yield from (_scans_only(reading) for reading in readings if _is_shared(reading))


def _fanotify(evidence: Evidence, readings: list[VolumeReading]) -> Iterator[Finding]:
    """Asked for by name, and not to be had. With "auto" inotify is as good."""
    without = [one for one in readings if one.watching.startswith("inotify")]
    if evidence.settings.watch != "fanotify" or not without:
        return
    yield Finding(
        code=Code.FANOTIFY_MISSING,
        severity=Severity.WARNING,
        sentence="The agent may not use fanotify, which agent.toml asks for.",
        why=f"{some([one.status.label for one in without])}: changes are seen by {without[0].watching}.",
        remedy="It needs CAP_SYS_ADMIN: the drop-in holdfast-agent.service.d/fanotify.conf.example grants it. Or set"
        ' watch = "auto".',
    )


def _is_shared(reading: VolumeReading) -> bool:
    """Whether it has no watch, and could have none here."""
    return reading.watching.startswith("scans only") and not traits(reading.status.identity.fs_type).local


def _scans_only(reading: VolumeReading) -> Finding:
    label, fs_type = reading.status.label, reading.status.identity.fs_type
    return Finding(
        code=Code.SCANS_ONLY,
        severity=Severity.NOTE,
        sentence=f"Changes on {label} are seen by scans, not at once.",
        about=label,
        why=f"Others may change a {fs_type} file system behind this kernel's back, which a watch would not see.",
        remedy="None is needed. An agent on the machine with the disk itself would see changes at once.",
    )


def by_id(evidence: Evidence) -> dict[str, VolumeStatus]:
    """The volumes, by their ids."""
    return {volume.volume: volume for volume in evidence.agent.volumes}


def some(names: list[str]) -> str:
    """The first few names of many."""
    shown = ", ".join(wording.shown(name) for name in names[:_NAMES_MAX])
    return f"{shown} and more" if len(names) > _NAMES_MAX else shown
