"""What sysfs knows about the disk below a mount, without asking the disk.

A mount survives its disk: after a yank the mount table is unchanged, and a FAT then lists as empty without an
error. The kernel's own record of the device is what tells. ``diskseq`` is new for every disk that ever appeared,
so that a replugged disk is not the one that was mounted.
"""

from __future__ import annotations

import glob
import os
import stat
from typing import NamedTuple

from agent.ports import Mount

SYS = "/sys"
_RUNNING = frozenset({"running", "live"})  # what SCSI and NVMe call a disk that works


class Disk(NamedTuple):
    """A disk as it appeared in the kernel. ``sequence`` is its diskseq, "" before Linux 5.15."""

    device: str
    sequence: str


class Health(NamedTuple):
    """``disks``: all that the device stands on. ``stopped``: those among them that the kernel has given up.
    ``errors``: all that the kernel counted for them and for their file system; it only grows."""

    disks: frozenset[Disk]
    stopped: frozenset[str]
    errors: int


def device_of(mount: Mount) -> str:
    """The block device ("major:minor") of a mount. Btrfs shows an anonymous one, so there it is that of its
    source, where that is a device node."""
    if not mount.device.startswith("0:") or not mount.source.startswith("/"):
        return mount.device
    try:
        node = os.stat(mount.source)
    except OSError:
        return mount.device  # a source is a mere name; one that names no node says nothing
    if not stat.S_ISBLK(node.st_mode):
        return mount.device
    return f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"


def read_health(device: str, sys: str = SYS) -> Health | None:
    """How the block device stands, or None when the kernel knows no such device: it is gone, or never was one."""
    place = os.path.realpath(f"{sys}/dev/block/{device}")
    if _text(f"{place}/dev") != device:
        return None
    disks: set[Disk] = set()
    stopped: set[str] = set()
    errors = _filesystem_errors(os.path.basename(place), sys)
    waiting = [place]
    while waiting:
        disk = _whole_disk(waiting.pop())
        disks.add(Disk(_text(f"{disk}/dev"), _text(f"{disk}/diskseq")))
        state = _text(f"{disk}/device/state")
        if state and state not in _RUNNING:
            stopped.add(os.path.basename(disk))
        errors += _number(f"{disk}/device/ioerr_cnt")
        # A redundant array outlives its members, so what is below an md device is its own affair.
        if not os.path.isdir(f"{disk}/md"):
            waiting += [os.path.realpath(link) for link in glob.glob(f"{disk}/slaves/*")]
    return Health(frozenset(disks), frozenset(stopped), errors)


def _whole_disk(place: str) -> str:
    return os.path.dirname(place) if _text(f"{place}/partition") else place


def _filesystem_errors(name: str, sys: str) -> int:
    errors = _number(f"{sys}/fs/ext4/{name}/errors_count")
    for member in glob.glob(f"{sys}/fs/btrfs/*/devices/{name}"):
        for statistics in glob.glob(f"{os.path.dirname(os.path.dirname(member))}/devinfo/*/error_stats"):
            errors += sum(int(word) for word in _text(statistics).split() if word.isdigit())
    return errors


def _number(path: str) -> int:
    text = _text(path)
    return int(text, 0) if text else 0


def _text(path: str) -> str:
    """An attribute of sysfs; "" when there is none, which is how a device that is gone looks."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
