"""What a fault befalls: a file system with photos on it, that can be mounted and unmounted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.linux.disks import Disk, Disks, run
from tests.linux.fuse_faults import FaultyMount
from tests.linux.programs import Program
from tests.linux.test_fuse_shares import sshfs
from tests.needs import needs

# Enough that a scan can be caught in the middle of it, few enough for many disks at once.
FOLDERS = 60
MIDDLE = "f030"
LAST = f"f{FOLDERS - 1:03}"
PHOTOS = FOLDERS
DAY_S = 86400
WAIT_S = 20.0


def fill(top: Path, folders: int = FOLDERS, first: int = 0) -> None:
    """One photo in each of many folders, which nobody has touched since yesterday."""
    then = time.time() - DAY_S
    for number in range(first, first + folders):
        folder = top / f"f{number:03}"
        folder.mkdir(parents=True, exist_ok=True)
        photo = folder / f"IMG_{number:03}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + number.to_bytes(2, "big"))
        os.utime(photo, (then, then))


class Ground:
    """One file system. ``place`` is where it is mounted while all is well, and the import path."""

    fs_type = ""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.scanned_at = place  # where the folder in the middle and the last one are read
        self.things = ExitStack()  # what a fault needs besides, given back at the end
        place.mkdir(parents=True, exist_ok=True)

    def mount(self) -> None:
        """Mount it at its place."""
        raise NotImplementedError

    def umount(self, *, lazy: bool = False) -> None:
        """Unmount it as a person does: try again while it is busy, but not for long (R40)."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                run("umount", *(["-l"] if lazy else []), str(self.place))
            except RuntimeError as error:
                if "busy" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.001)  # nothing tells that a mount is free, but trying
                continue
            return

    def close(self) -> None:
        """Take everything away."""
        self.things.close()
        while subprocess.run(["umount", "-l", str(self.place)], capture_output=True, check=False).returncode == 0:
            pass


class DiskGround(Ground):
    """A disk with its own file system. ``disk`` is the one that is mounted; a fault may exchange it."""

    def __init__(self, disks: Disks, fs_type: str, place: Path, disk: Disk | None = None) -> None:
        super().__init__(place)
        self.fs_type = fs_type
        self.disks = disks
        self.disk = disk or disks.make(fs_type, size_mib=8)
        self.options: list[str] = []
        self.companion: Disk | None = None
        self.copy: Disk | None = None
        self.mount()
        shutil.rmtree(place / "lost+found", ignore_errors=True)
        fill(place)
        run("sync", "-f", str(place))

    def mount(self) -> None:
        options = ["-o", ",".join(self.options)] if self.options else []
        run("mount", "-t", self.fs_type, *options, self.disk.device, str(self.place))

    def stranger(self) -> Disk:
        """Another disk of the same kind with other photos, not mounted."""
        other = self.disks.make(self.fs_type, size_mib=8)
        aside = other.mount(self.place.parent / f"{self.place.name}-aside")
        fill(aside, folders=3, first=900)
        other.umount()
        aside.rmdir()
        return other


class FailingDiskGround(DiskGround):
    """A disk that fails to be read, by the kernel's own path, as soon as a switch is set."""

    def __init__(self, disks: Disks, fs_type: str, place: Path) -> None:
        behind = place.parent / f".{place.name}"
        self.switch = behind / "switch"
        mounted = behind / "mounted"
        mounted.mkdir(parents=True)
        image = behind / "image"
        with image.open("wb") as file:
            file.truncate({"ext4": 8, "xfs": 300, "btrfs": 128}[fs_type] << 20)
        program = str(Path(__file__).parents[1] / "failing_disk.py")
        command = [sys.executable, program, str(image), str(mounted), str(self.switch)]
        self.share = Program(command, mounted)
        self.share.mount()
        disk = disks.adopt(mounted / "disk", fs_type)
        disk.reformat()
        super().__init__(disks, fs_type, place, disk)

    def close(self) -> None:
        self.switch.unlink(missing_ok=True)
        super().close()
        self.disk.close()
        self.share.close()


class OverlayGround(Ground):
    """An overlay whose layers are on a disk."""

    fs_type = "overlay"

    def __init__(self, disks: Disks, place: Path) -> None:
        super().__init__(place)
        disk = disks.make("ext4", size_mib=8)
        layers = disk.mount(place.parent / f".{place.name}")
        for name in ("lower", "upper", "work"):
            (layers / name).mkdir()
        self._options = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
        self.mount()
        fill(place)

    def mount(self) -> None:
        run("mount", "-t", "overlay", "-o", self._options, "overlay", str(self.place))


class FuseGround(Ground):
    """A FUSE file system that fails as it is told."""

    fs_type = "fuse"

    def __init__(self, place: Path) -> None:
        needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
        super().__init__(place)
        far = place.parent / f".{place.name}"
        fill(far)
        self.share = FaultyMount(far, place).mount()
        self.things.callback(self.share.close)

    def mount(self) -> None:
        self.share.close()
        self.share = FaultyMount(self.share.source, self.place).mount()
        self.things.callback(self.share.close)


class SshfsGround(Ground):
    """A share over SFTP."""

    fs_type = "sshfs"

    def __init__(self, place: Path) -> None:
        needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
        needs(shutil.which("sshfs"), "needs sshfs")
        super().__init__(place)
        far = place.parent / f".{place.name}" / "far"
        fill(far)
        self.share = Program(sshfs(far, place), place)
        self.things.callback(self.share.close)
        self.mount()

    def mount(self) -> None:
        self.share.mount()


class MergerfsGround(Ground):
    """A union of two disks."""

    fs_type = "mergerfs"

    def __init__(self, disks: Disks, place: Path) -> None:
        needs(shutil.which("mergerfs"), "needs mergerfs")
        super().__init__(place)
        behind = place.parent / f".{place.name}"
        self.branches = [disks.make("ext4", size_mib=8) for _ in "ab"]
        self.paths = [disk.mount(behind / name) for disk, name in zip(self.branches, "ab", strict=True)]
        for path, first in zip(self.paths, (0, FOLDERS // 2), strict=True):
            fill(path, folders=FOLDERS // 2, first=first)
        # A union is never scanned itself where its branches can be.
        self.scanned_at = self.paths[1]
        options = "cache.files=off,cache.readdir=false,cache.entry=0,cache.attr=0"
        union = ":".join(map(str, self.paths))
        self.share = Program(["mergerfs", "-f", "-o", options, union, str(place)], place)
        self.things.callback(self.share.close)
        self.share.mount()

    def mount(self) -> None:
        self.share.mount()
