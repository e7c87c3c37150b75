"""What sysfs knows about the disk below a mount, without asking the disk.

A mount survives its disk: after a yank the mount table is unchanged, and a FAT then lists as empty without an
error. The kernel's own record of the device is what tells. ``diskseq`` is new for every disk that ever appeared,
so that a replugged disk is not the one that was mounted.
"""

from __future__ import annotations

import os
import stat

from agent.linux import udev
from agent.ports import Disk, Foundation, Health, Mount

SYS = "/sys"
_RUNNING = frozenset({"running", "live"})  # what SCSI and NVMe call a disk that works


def device_of(mount: Mount) -> str:
    """The block device ("major:minor") of a mount. Btrfs shows an anonymous one, so there it is that of its
    source, where that is a device node."""
    if not mount.device.startswith("0:") or not mount.source.startswith("/dev/"):
        return mount.device  # any other path may lie on storage, and must not be asked from everywhere
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
    if text(f"{place}/dev") != device:
        return None
    disks: set[Disk] = set()
    stopped: set[str] = set()
    filesystem_errors = _filesystem_errors(os.path.basename(place), sys)
    errors = filesystem_errors
    degraded: set[str] = set()
    waiting = [place]
    while waiting:
        disk = _whole_disk(waiting.pop())
        disks.add(Disk(text(f"{disk}/dev"), text(f"{disk}/diskseq")))
        state = text(f"{disk}/device/state")
        if state and state not in _RUNNING:
            stopped.add(os.path.basename(disk))
        errors += _number(f"{disk}/device/ioerr_cnt")
        # A redundant array outlives its members, so what is below an md device is its own affair.
        if not os.path.isdir(f"{disk}/md"):
            waiting += _below(disk)
        elif _number(f"{disk}/md/degraded"):
            degraded.add(os.path.basename(disk))
    return Health(frozenset(disks), frozenset(stopped), errors, filesystem_errors, frozenset(degraded))


def is_gone(device: str, sys: str = SYS) -> bool:
    """Whether the block device of a mount is one that the kernel does not know any more, or has given up.

    Never true of an anonymous device, nor where there is no sysfs to ask.
    """
    if device.startswith("0:") or not os.path.isdir(f"{sys}/dev/block"):
        return False
    health = read_health(device, sys)
    return health is None or bool(health.stopped)


def foundation(device: str, sys: str = SYS) -> Foundation:
    """The encrypted devices and arrays that a block device stands on."""
    luks: set[str] = set()
    arrays: set[str] = set()
    for disk in _stack(device, sys):
        kind, _, rest = text(f"{disk}/dm/uuid").partition("-")
        if kind == "CRYPT":
            luks.add(rest.split("-")[1])  # CRYPT-LUKS2-<32 digits>-<name>
        if uuid := array_uuid(disk):
            arrays.add(uuid)
    return Foundation(tuple(sorted(luks)), tuple(sorted(arrays)))


def array_uuid(disk: str, database: str = udev.DATABASE) -> str:
    """The UUID of an md array, 32 digits; "" for what is none. Udev tells it where the kernel is older than that."""
    if not os.path.isdir(f"{disk}/md"):
        return ""
    uuid = text(f"{disk}/md/uuid") or udev.properties(text(f"{disk}/dev"), database).get("MD_UUID", "")
    return uuid.replace(":", "").replace("-", "").lower()


def serial(device: str, sys: str = SYS) -> str:
    """The serial number of the one disk that a device stands on; "" when there are several, or it has none."""
    bottom = [disk for disk in _stack(device, sys) if not _below(disk)]
    if len(bottom) != 1:
        return ""
    places = ("serial", "device/serial", "device/vpd_pg80")
    # The page of SCSI begins with four bytes that are no text.
    found = (text(f"{bottom[0]}/{place}")[4 if place.endswith("pg80") else 0 :] for place in places)
    return next((number for one in found if (number := one.strip("\0 "))), "")


def has_heads(device: str, sys: str = SYS) -> bool:
    """Whether any of the disks that a device stands on has to move something to get from one place to another, or does
    not say."""
    disks = _stack(device, sys)
    return not disks or any(text(f"{disk}/queue/rotational") != "0" for disk in disks)


def btrfs_generation(uuid: str, sys: str = SYS) -> int | None:
    """The generation of a mounted btrfs with this UUID (32 digits), which only grows; None where it is not told."""
    dashed = "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
    digits = text(f"{sys}/fs/btrfs/{dashed}/generation")
    return int(digits) if digits.isdigit() else None


def _stack(device: str, sys: str) -> list[str]:
    """Every whole disk below a device, itself included, the members of arrays too."""
    place = os.path.realpath(f"{sys}/dev/block/{device}")
    if text(f"{place}/dev") != device:
        return []
    found: list[str] = []
    waiting = [place]
    while waiting:
        disk = _whole_disk(waiting.pop())
        found.append(disk)
        waiting += _below(disk)
    return found


def _whole_disk(place: str) -> str:
    return os.path.dirname(place) if text(f"{place}/partition") else place


def _filesystem_errors(name: str, sys: str) -> int:
    errors = _number(f"{sys}/fs/ext4/{name}/errors_count")
    for whole in _inside(f"{sys}/fs/btrfs"):
        if f"{whole}/devices/{name}" not in _inside(f"{whole}/devices"):
            continue
        for member in _inside(f"{whole}/devinfo"):
            errors += sum(int(word) for word in text(f"{member}/error_stats").split() if word.isdigit())
    return errors


def _below(disk: str) -> list[str]:
    """The devices that a device is made of."""
    return [os.path.realpath(link) for link in _inside(f"{disk}/slaves")]


def _inside(directory: str) -> list[str]:
    """The paths of what is in a directory of sysfs; none when there is no such directory."""
    try:
        return [f"{directory}/{name}" for name in os.listdir(directory)]
    except OSError:
        return []


def _number(path: str) -> int:
    digits = text(path)
    return int(digits, 0) if digits else 0


def text(path: str) -> str:
    """An attribute of sysfs; "" when there is none, which is how a device that is gone looks."""
    try:
        # Every pass asks for some; a file of text takes five times as long to be opened.
        with open(path, "rb", buffering=0) as file:
            return file.readall().decode("ascii", "replace").strip()
    except OSError:
        return ""
