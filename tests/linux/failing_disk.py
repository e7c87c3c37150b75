"""A FUSE file system with one file in it, ``disk``, which fails to be read as soon as a switch is set.

A loop device over that file is a disk with I/O errors, by the kernel's own path. Run as a program:
``failing_disk.py IMAGE MOUNT_POINT SWITCH``; the switch is set when that file exists.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import Any

from fuse import FUSE, FuseOSError, Operations


class FailingDisk(Operations):  # type: ignore[misc]
    """Passes everything through to the image until the switch is set."""

    def __init__(self, image: str, switch: str) -> None:
        self._image = os.open(image, os.O_RDWR)
        self._switch = switch

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path != "/disk":
            raise FuseOSError(errno.ENOENT)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": os.fstat(self._image).st_size}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", "disk"]

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._check()
        return os.pread(self._image, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._check()
        return os.pwrite(self._image, data, offset)

    def _check(self) -> None:
        if os.path.exists(self._switch):
            raise FuseOSError(errno.EIO)


if __name__ == "__main__":
    # Direct I/O keeps the page cache of this file system from answering for the disk.
    FUSE(FailingDisk(sys.argv[1], sys.argv[3]), sys.argv[2], foreground=True, nothreads=True, direct_io=True)
