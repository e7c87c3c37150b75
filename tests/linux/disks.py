"""Real disks for tests: sparse images behind loop devices, with real file systems, in a private mount namespace."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from tests.needs import needs

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
# An agent that is at work lets go often enough for whoever tries to unmount to get through within a second (R40).
_BUSY_S = 2.0
# The smallest that each mkfs makes.
_SMALLEST_MIB = {"ext4": 8, "xfs": 300, "btrfs": 128, "ntfs-3g": 8}
_MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "ntfs-3g": ["mkfs.ntfs", "-Q", "-q", "-F"],
}


def enter_private_namespace() -> None:
    """Give this process, and those that it will start, a mount namespace that nobody else sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"no private mount namespace: {os.strerror(code)}")


def run(*command: str) -> str:
    """Run a system command; it has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def umount(place: str | Path, *, lazy: bool = False, within_s: float = _BUSY_S) -> None:
    """Unmount what is mounted there, trying again for a moment as people do. Fails when it stays busy for longer than
    ``within_s``, unless ``lazy``."""
    until = time.monotonic() + within_s
    while True:
        try:
            run("umount", *(["-l"] if lazy else []), str(place))
            break
        except RuntimeError:
            if time.monotonic() > until:
                raise
        time.sleep(0.02)  # nothing tells that a mount is not busy any more


class Disk:
    """One disk: an image, its loop device, and where it is mounted."""

    def __init__(self, drawer: Disks, image: Path, fs_type: str, label: str = "", *, keep_image: bool = False) -> None:
        self.fs_type = fs_type
        self.label = label
        self._keep_image = keep_image
        self.image = image
        self.device = run("losetup", "--find", "--show", str(image))
        self._drawer = drawer
        self._mounted_at: list[Path] = []
        self._is_closed = False

    @property
    def path(self) -> Path:
        """Where it is mounted, the last place first."""
        return self._mounted_at[-1]

    def mount(self, path: str | Path, *options: str) -> Path:
        """Mount it; the mount point is made when it is missing."""
        place = Path(path)
        place.mkdir(parents=True, exist_ok=True)
        flags = ["-o", ",".join(options)] if options else []
        run("mount", "-t", self.fs_type, *flags, self.device, str(place))
        self._mounted_at.append(place)
        return place

    def umount(self, *, lazy: bool = False, within_s: float = _BUSY_S) -> None:
        """Unmount it from the last place."""
        umount(self.path, lazy=lazy, within_s=within_s)
        self._mounted_at.pop()

    def forget_mount(self) -> None:
        """Somebody else has unmounted it from the last place."""
        self._mounted_at.pop()

    def clone(self) -> Disk:
        """A second disk with the same content and the same identity. Not while it is mounted."""
        return self._drawer.copy(self)

    def reformat(self) -> None:
        """Make a new file system on it."""
        run(*_MKFS[self.fs_type], self.device)

    def close(self) -> None:
        """Unmount and detach it, whatever state it is in. The second time nothing happens: the device may be another
        disk's by then."""
        if self._is_closed:
            return
        self._is_closed = True
        for place in reversed(self._mounted_at):
            subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
        self._mounted_at.clear()
        # A device that is still busy is detached by the kernel when its last user is gone.
        subprocess.run(["losetup", "-d", self.device], capture_output=True, check=False, env=_environment())
        if not self._keep_image:
            self.image.unlink(missing_ok=True)


class MemoryDisk(Disk):
    """A tmpfs. What is on it is gone when it is unmounted."""

    def __init__(self, drawer: Disks, label: str = "") -> None:
        self.fs_type = "tmpfs"
        self.label = label
        self.device = "none"
        self._drawer = drawer
        self._mounted_at: list[Path] = []

    def close(self) -> None:
        """Unmount it."""
        while self._mounted_at:
            self.umount(lazy=True)


class Disks:
    """A drawer full of disks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._disks: list[Disk] = []

    def make(self, fs_type: str = "ext4", size_mib: int = 64, label: str = "") -> Disk:
        """A new disk with an empty file system."""
        if fs_type == "tmpfs":
            return self._add(MemoryDisk(self, label))
        command = _MKFS[fs_type]
        needs(shutil.which(command[0], path=_environment()["PATH"]), f"needs {command[0]}")
        image = self._directory / f"{len(self._disks)}.img"
        with image.open("wb") as file:
            file.truncate(max(size_mib, _SMALLEST_MIB[fs_type]) << 20)
        run(*command, *(["-L", label] if label else []), str(image))
        if fs_type == "ntfs-3g":
            # mkfs draws the serial from the clock: two disks of the same second would be clones.
            run("ntfslabel", f"--new-serial={secrets.token_hex(8)}", str(image))
        return self._add(Disk(self, image, fs_type, label))

    def copy(self, disk: Disk) -> Disk:
        """The same bytes on another disk."""
        image = self._directory / f"{len(self._disks)}.img"
        run("cp", "--sparse=always", disk.device, str(image))
        return self._add(Disk(self, image, disk.fs_type, disk.label))

    def adopt(self, image: Path, fs_type: str) -> Disk:
        """A disk over a file that is there already; :meth:`Disk.reformat` puts a file system on it."""
        return self._add(Disk(self, image, fs_type, keep_image=True))

    def close(self) -> None:
        """Take everything away."""
        for disk in reversed(self._disks):
            disk.close()

    def _add(self, disk: Disk) -> Disk:
        self._disks.append(disk)
        return disk


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
