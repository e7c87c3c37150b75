"""Opening things on one particular mount, and on no other that may stand at its place by now.

A path proves nothing: between two calls a disk can be unmounted, and the bare mount point lists as an empty
directory. A descriptor cannot move. So every look at storage goes through a descriptor whose own mount id was
compared with the id of the mount that was verified.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from agent.linux import kernel
from agent.ports import Trouble
from holdfast import paths

_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS


class Attachment:
    """The mount with this unique id, expected at this path. It holds nothing open."""

    def __init__(self, mount_point: str, mount_id: int) -> None:
        self.mount_point = mount_point
        self.mount_id = mount_id
        self._root = os.fsencode(mount_point)
        # Reading a directory must not even touch its access time. Only owners and root may ask for that, so the
        # first refusal ends the asking.
        self._noatime = os.O_NOATIME

    @contextmanager
    def directory(self, directory: str) -> Iterator[int]:
        """A descriptor to read this directory by (wire text, relative to the root of the volume).

        Raises :class:`OSError`; EXDEV when the path leads to another mount, at its root or below it.
        """
        descriptor = self._open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def place(self, directory: str) -> Iterator[int]:
        """A descriptor that only names this directory (O_PATH). Raises as :meth:`directory` does."""
        descriptor = self._open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self, directory: str, flags: int) -> int:
        path = paths.to_bytes(directory) or b"."
        # O_PATH neither triggers an automount that has gone idle, nor asks the storage anything.
        root = os.open(self._root, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._check(root)
            if flags & os.O_PATH:
                return kernel.openat2(root, path, flags, _RESOLVE)
            return self._open_quietly(root, path, flags)
        finally:
            os.close(root)

    def _open_quietly(self, root: int, path: bytes, flags: int) -> int:
        try:
            return kernel.openat2(root, path, flags | self._noatime, _RESOLVE)
        except PermissionError as error:
            if error.errno != errno.EPERM or not self._noatime:
                raise
        self._noatime = 0
        return kernel.openat2(root, path, flags, _RESOLVE)

    def _check(self, descriptor: int) -> None:
        found = kernel.mount_of(descriptor).mount_id
        if found != self.mount_id:
            raise OSError(errno.EXDEV, "another mount stands at this path", self.mount_point)


def trouble(error: OSError, where: str) -> Trouble:
    """The answer for storage that could not be read."""
    # An OSError without an errno does not come from the kernel; nothing may be concluded from it either.
    return Trouble(error.errno or errno.EIO, where)
