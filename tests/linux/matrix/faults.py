"""The faults themselves: how each is made on a real kernel, and how it is mended."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from agent.linux import kernel, marking
from agent.linux.attachment import Attachment
from agent.ports import Marker
from tests.linux.disks import Disk, run, umount
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.linux.matrix.grounds import (
    FOLDERS,
    MIDDLE,
    DiskGround,
    FailingDiskGround,
    FuseGround,
    Ground,
    MergerfsGround,
    SshfsGround,
    fill,
)
from tests.linux.programs import Program

# The same number for both: EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN. The journal is not written out, as after a yank.
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
# Folders that an earlier state lacks; fewer than would be held for their number.
ADDED = 5

G = TypeVar("G", bound=Ground)


class Fault(NamedTuple):
    """``prepare`` is done before the agent sees the file system, ``befall`` is the fault, ``mend`` ends it."""

    befall: Callable[[Ground], None]
    mend: Callable[[Ground], None]
    prepare: Callable[[Ground], None] | None = None


def _as(kind: type[G], ground: Ground) -> G:
    if not isinstance(ground, kind):
        raise TypeError(f"bug: this fault does not befall {ground.fs_type}")
    return ground


def _there(disk: Disk | None) -> Disk:
    if disk is None:
        raise AssertionError("bug: this fault was not prepared")
    return disk


def _unmount(ground: Ground) -> None:
    ground.umount()


def _unmount_lazily(ground: Ground) -> None:
    ground.umount(lazy=True)


def _mount(ground: Ground) -> None:
    ground.mount()


def _mount_again(ground: Ground) -> None:
    ground.umount(lazy=True)
    ground.mount()


def _unmount_in_use(ground: Ground) -> None:
    ground.things.enter_context((ground.place / MIDDLE / f"IMG_{MIDDLE[1:]}.jpg").open("rb"))
    ground.umount(lazy=True)


def _mount_after_use(ground: Ground) -> None:
    ground.things.pop_all().close()
    ground.mount()


def _write_strays(ground: Ground) -> None:
    ground.umount()
    fill(ground.place, folders=2, first=800)


def _clear_strays(ground: Ground) -> None:
    for stray in ground.place.iterdir():
        shutil.rmtree(stray)
    ground.mount()


def _cover(ground: Ground) -> None:
    run("mount", "-t", "tmpfs", "none", str(ground.place))


def _uncover(ground: Ground) -> None:
    umount(ground.place)


def _nest(ground: Ground) -> None:
    run("mount", "-t", "tmpfs", "none", str(ground.place / MIDDLE))
    fill(ground.place / MIDDLE, folders=2, first=700)


def _unnest(ground: Ground) -> None:
    run("umount", "-l", str(ground.place / MIDDLE))


def _alias(ground: Ground) -> Path:
    return ground.place.parent / f"{ground.place.name}-alias"


def _bind(ground: Ground) -> None:
    alias = _alias(ground)
    alias.mkdir()
    run("mount", "--bind", str(ground.place), str(alias))
    ground.things.callback(lambda: os.path.ismount(alias) and run("umount", "-l", str(alias)))


def _unbind(ground: Ground) -> None:
    run("umount", "-l", str(_alias(ground)))


def _make_read_only(ground: Ground) -> None:
    run("mount", "-o", "remount,ro", str(ground.place))


def _make_writable(ground: Ground) -> None:
    run("mount", "-o", "remount,rw", str(ground.place))


def _put_stranger(ground: Ground) -> None:
    disk = _as(DiskGround, ground)
    stranger = disk.stranger()
    disk.umount()
    stranger.mount(disk.place)


def _with_companion(ground: Ground) -> None:
    """A second disk with a library path of its own, at a place of its own for the time being."""
    disk = _as(DiskGround, ground)
    disk.companion = disk.stranger()
    disk.companion.mount(companion_place(disk))


def companion_place(ground: Ground) -> Path:
    """Where the companion is while all is well."""
    return ground.place.parent / f"{ground.place.name}-other"


def _take_turns(ground: Ground) -> None:
    disk = _as(DiskGround, ground)
    disk.umount()
    _there(disk.companion).umount()
    _there(disk.companion).mount(disk.place)


def _turn_back(ground: Ground) -> None:
    disk = _as(DiskGround, ground)
    _there(disk.companion).umount()
    _there(disk.companion).mount(companion_place(disk))
    disk.mount()


def _copy(ground: Ground) -> None:
    """Keep a copy of the disk as it is now."""
    disk = _as(DiskGround, ground)
    disk.umount()
    disk.copy = disk.disk.clone()
    disk.mount()


def _copy_then_add(ground: Ground) -> None:
    _copy(ground)
    for number in range(ADDED):
        # Each of them is a transaction of its own.
        fill(ground.place, folders=1, first=FOLDERS + number)
        run("sync", "-f", str(ground.place))


def _copy_between_markers(ground: Ground) -> None:
    """A copy that has an earlier marker than the disk, and less on it."""
    _write_marker(ground.place, 1)
    _copy_then_add(ground)
    _write_marker(ground.place, 2)


def _write_marker(place: Path, generation: int) -> None:
    mount_id = kernel.mount_at(os.fsencode(place)).mount_id
    marking.write_marker(Attachment(str(place), mount_id), Marker("a" * 32, generation))


def _mount_clone(ground: Ground) -> None:
    options = ["nouuid"] if ground.fs_type == "xfs" else []
    _there(_as(DiskGround, ground).copy).mount(ground.place.parent / f"{ground.place.name}-clone", *options)


def _unmount_clone(ground: Ground) -> None:
    _there(_as(DiskGround, ground).copy).umount()


def _exchange(ground: Ground) -> None:
    """The copy in the place of the disk, or the disk again."""
    disk = _as(DiskGround, ground)
    disk.umount()
    disk.disk, disk.copy = _there(disk.copy), disk.disk
    if disk.fs_type == "btrfs":
        # The kernel remembers which device it saw last with this UUID, and refuses an older one.
        run("btrfs", "device", "scan", "--forget")
    disk.mount()


def _saved(ground: Ground) -> Path:
    return ground.place.parent / f".{ground.place.name}-image"


def _save(ground: Ground) -> None:
    """Keep what is on the disk in a file, where no tool meets its UUID a second time."""
    disk = _as(DiskGround, ground)
    disk.umount()
    run("cp", "--sparse=always", disk.disk.device, str(_saved(disk)))
    disk.mount()


def _restore(ground: Ground) -> None:
    disk = _as(DiskGround, ground)
    disk.umount()
    run("blkdiscard", "-f", disk.disk.device)
    run("dd", f"if={_saved(disk)}", f"of={disk.disk.device}", "bs=1M", "conv=sparse,notrunc,fsync", "status=none")
    disk.mount()


def _reformat(ground: Ground) -> None:
    disk = _as(DiskGround, ground)
    uuid = run("blkid", "-p", "-s", "UUID", "-o", "value", disk.disk.device)
    disk.umount()
    run("blkdiscard", "-f", disk.disk.device)
    commands = {
        "ext4": ["mkfs.ext4", "-q", "-F", "-U", uuid],
        "xfs": ["mkfs.xfs", "-q", "-f", "-m", f"uuid={uuid}"],
        "btrfs": ["mkfs.btrfs", "-q", "-f", "-U", uuid],
    }
    # blkid remembers what it saw on this device a second ago, and mkfs believes it.
    run("env", "BLKID_FILE=/dev/null", *commands[disk.fs_type], disk.disk.device)
    disk.mount()
    fill(disk.place, folders=3, first=900)


def _prepare_snapshot(ground: Ground) -> None:
    """Photos on a subvolume that is mounted by itself, a snapshot of it, and photos that are newer than that."""
    disk = _as(DiskGround, ground)
    run("btrfs", "subvolume", "create", str(disk.place / "@photos"))
    fill(disk.place / "@photos")
    run("btrfs", "subvolume", "snapshot", str(disk.place / "@photos"), str(disk.place / "@before"))
    fill(disk.place / "@photos", folders=ADDED, first=FOLDERS)
    disk.umount()
    disk.options = ["subvol=@photos"]
    disk.mount()


def _swap_subvolumes(ground: Ground) -> None:
    disk = _as(DiskGround, ground)
    disk.umount()
    top = disk.place.parent / f".{disk.place.name}-top"
    top.mkdir(exist_ok=True)
    run("mount", "-t", "btrfs", "-o", "subvol=/", disk.disk.device, str(top))
    (top / "@photos").rename(top / "@swap")
    (top / "@before").rename(top / "@photos")
    (top / "@swap").rename(top / "@before")
    umount(top)  # the agent may be looking at what it is
    disk.mount()


def _shut_down(ground: Ground) -> None:
    root = os.open(ground.place, os.O_RDONLY)
    try:
        fcntl.ioctl(root, _SHUTDOWN, struct.pack("=I", _NO_LOG_FLUSH))
    finally:
        os.close(root)


def _fail_disk(ground: Ground) -> None:
    _as(FailingDiskGround, ground).switch.touch()
    # What is in the page cache would still be read well; the machine has other things to cache.
    Path("/proc/sys/vm/drop_caches").write_text("3")


def _mend_disk(ground: Ground) -> None:
    _as(FailingDiskGround, ground).switch.unlink()
    _mount_again(ground)


def _empty(ground: Ground) -> None:
    for folder in ground.place.iterdir():
        shutil.rmtree(folder)


def _refill(ground: Ground) -> None:
    fill(ground.place)


def _program(ground: Ground) -> Program | FaultyMount:
    return ground.share if isinstance(ground, SshfsGround) else _as(FuseGround, ground).share


def _kill(ground: Ground) -> None:
    _program(ground).kill()


def _stop(ground: Ground) -> None:
    _program(ground).stop()


def _resume(ground: Ground) -> None:
    _program(ground).resume()


def _with_faults(faults: Faults) -> Callable[[Ground], None]:
    return lambda ground: _as(FuseGround, ground).share.set(faults)


def _lose_branch(ground: Ground) -> None:
    _as(MergerfsGround, ground).branches[1].umount(lazy=True)


def _find_branch(ground: Ground) -> None:
    union = _as(MergerfsGround, ground)
    union.branches[1].mount(union.paths[1])


def _close_folder(ground: Ground) -> None:
    (ground.place / MIDDLE).chmod(0)


def _open_folder(ground: Ground) -> None:
    (ground.place / MIDDLE).chmod(0o755)


def _close_root(ground: Ground) -> None:
    ground.place.chmod(0)


def _open_root(ground: Ground) -> None:
    ground.place.chmod(0o755)


_NO_FAULTS = _with_faults(Faults())
_EVERY_OTHER = {f"/f{number:03}": [f"IMG_{number:03}.jpg"] for number in range(0, FOLDERS, 2)}
_SLOW = {f"/f{number:03}": 0.05 for number in range(0, FOLDERS, 4)}

FAULTS = {
    "unmounted": Fault(_unmount, _mount),
    "unmounted-lazily": Fault(_unmount_lazily, _mount),
    "unmounted-in-use": Fault(_unmount_in_use, _mount_after_use),
    "stray-files": Fault(_write_strays, _clear_strays),
    "covered": Fault(_cover, _uncover),
    "nested": Fault(_nest, _unnest),
    "alias": Fault(_bind, _unbind),
    "read-only": Fault(_make_read_only, _make_writable),
    "wrong-disk": Fault(_put_stranger, _mount_again),
    "turns": Fault(_take_turns, _turn_back, _with_companion),
    "clone": Fault(_mount_clone, _unmount_clone, _copy),
    "clone-renamed": Fault(_mount_clone, _unmount_clone, _copy),
    "reformatted": Fault(_reformat, _restore, _save),
    "set-back": Fault(_exchange, _exchange, _copy_then_add),
    "set-back-marked": Fault(_exchange, _exchange, _copy_between_markers),
    "snapshot": Fault(_swap_subvolumes, _swap_subvolumes, _prepare_snapshot),
    "shut-down": Fault(_shut_down, _mount_again),
    "disk-errors": Fault(_fail_disk, _mend_disk),
    "emptied": Fault(_empty, _refill),
    "dead": Fault(_kill, _mount_again),
    "hung": Fault(_stop, _resume),
    "eio": Fault(_with_faults(Faults(eio=[f"/{MIDDLE}/IMG_{MIDDLE[1:]}.jpg"])), _NO_FAULTS),
    "empty-listing": Fault(_with_faults(Faults(empty=["/"])), _NO_FAULTS),
    "short-listing": Fault(_with_faults(Faults(left_out=_EVERY_OTHER)), _NO_FAULTS),
    "slow-listing": Fault(_with_faults(Faults(slow_s=_SLOW)), _NO_FAULTS),
    "branch-lost": Fault(_lose_branch, _find_branch),
    "folder-closed": Fault(_close_folder, _open_folder),
    "root-closed": Fault(_close_root, _open_root),
}
