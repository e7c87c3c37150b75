"""Disks made of files: ext4 images that are mounted through loop devices, in a mount namespace of our own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator

_INSIDE = "HOLDFAST_PRIVATE_MOUNTS"
_MNT_DETACH = 2
# A scan that is running gives way to an unmount within a second.
_UMOUNT_WAIT_S = 3.0

_libc = ctypes.CDLL(None, use_errno=True)


def enter_private_mounts() -> None:
    """Start this program again where its mounts concern nobody else, and vanish with it. Needs root."""
    if os.environ.get(_INSIDE):
        return
    os.environ[_INSIDE] = "1"
    command = ["unshare", "--mount", "--propagation", "private", "--", sys.executable, *sys.orig_argv[1:]]
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted here


class Disk:
    """One disk. It can be mounted at one place at a time; the loop device goes with the mount."""

    def __init__(self, image: str, label: str, size_mib: int) -> None:
        self.label = label
        self.place: str | None = None
        self._image = image
        with open(image, "wb") as file:
            file.truncate(size_mib << 20)
        _run("mkfs.ext4", "-q", "-F", "-L", label, image)

    def mount(self, place: str) -> None:
        """Plug it in, at this path."""
        os.makedirs(place, exist_ok=True)
        _run("mount", "-o", "loop", self._image, place)
        self.place = place

    def umount(self) -> None:
        """Unmount it, as a person does: it fails while the disk is in use, and is then tried again."""
        if self.place is None:
            return
        deadline = time.monotonic() + _UMOUNT_WAIT_S
        while (error := _umount(self.place)) is not None:
            if time.monotonic() > deadline:
                raise error
            time.sleep(0.05)
        self.place = None

    def close(self) -> None:
        """Take it off whatever happens."""
        if self.place is not None:
            _umount(self.place, _MNT_DETACH)
            self.place = None


@contextlib.contextmanager
def disk(folder: str, label: str, size_mib: int = 64) -> Iterator[Disk]:
    """A new, empty disk, which is taken off in the end."""
    one = Disk(os.path.join(folder, f"{label}.img"), label, size_mib)
    try:
        yield one
    finally:
        one.close()


def _umount(place: str, flags: int = 0) -> OSError | None:
    # The system call itself: starting umount(8) would take longer than what is measured here.
    if _libc.umount2(os.fsencode(place), flags) == 0:
        return None
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), place)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")
