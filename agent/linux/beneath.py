"""What lies beneath a mount: the folder that it was mounted on, which nobody can see while it is.

Open_tree(2) makes a copy of one mount, without those on top of it, that hangs nowhere in the file system and is gone
when its descriptor is closed. Nothing that is mounted changes by it. It takes CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from agent.linux import kernel

_SYS_OPEN_TREE = 428  # the same number on every architecture but alpha
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
_libc.syscall.restype = ctypes.c_long


@contextmanager
def directory(mount_point: str) -> Iterator[int]:
    """The folder beneath whatever is mounted here, open for reading. Raises :class:`OSError`: EPERM without the
    right to do this, ENOSYS before Linux 5.2."""
    above, name = os.path.split(mount_point.rstrip("/"))
    copied = kernel.call(
        _libc.syscall, _SYS_OPEN_TREE, kernel.AT_FDCWD, os.fsencode(above), _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC
    )
    try:
        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=copied)
        try:
            yield found
        finally:
            os.close(found)
    finally:
        os.close(copied)
