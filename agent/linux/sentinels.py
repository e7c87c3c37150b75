"""Looking for files past the caches: a kernel that has lost its disk still answers from memory for a while.

A server or a daemon is asked with a fresh open of each file. Of a disk, one block of one file is read around the page
cache, where that leaves no trace: without O_NOATIME even a read would write an access time to the disk (R28).
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import time
from collections.abc import Sequence

from agent.linux import kernel
from agent.linux.attachment import HELD_S, Attachment
from agent.ports import Sought
from holdfast import paths

_LOOK = kernel.AT_SYMLINK_NOFOLLOW | kernel.AT_STATX_FORCE_SYNC
_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
# There, or not to be told: closed to us, behind another mount, leased to somebody (EAGAIN).
_UNTOLD = frozenset({errno.EACCES, errno.EPERM, errno.EXDEV, errno.ELOOP, errno.ENAMETOOLONG, errno.EAGAIN})
# The file system takes no O_DIRECT, or not of this size.
_NOT_TAKEN = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
_BLOCK_BYTES = 4096


def look_for(attachment: Attachment, sought: Sequence[Sought], *, remote: bool) -> dict[Sought, bool]:
    """Whether each of these files is there; those that cannot be told are left out. Raises :class:`OSError` for
    everything that casts doubt on the storage. There are pauses, in which people can unmount (R40)."""
    found: dict[Sought, bool] = {}
    was_read = False
    until = time.monotonic() + HELD_S
    for one in sought:
        if time.monotonic() >= until:
            attachment.breath.rest()
            until = time.monotonic() + HELD_S
        try:
            with attachment.directory(one.directory) as directory:
                look = kernel.statx(directory, paths.to_bytes(one.name), _LOOK, kernel.STATX_BASIC_STATS)
                found[one] = stat.S_ISREG(look.mode)
                if found[one] and remote:
                    _open(directory, one)
                elif found[one] and not was_read:
                    was_read = _read_past_the_cache(directory, one)
        except OSError as error:
            if error.errno in _GONE:
                found[one] = False
            elif error.errno not in _UNTOLD:
                raise
    return found


def _open(directory: int, one: Sought) -> None:
    os.close(kernel.openat2(directory, paths.to_bytes(one.name), _OPEN, _RESOLVE))


def _read_past_the_cache(directory: int, one: Sought) -> bool:
    """Read a block from the disk itself. False where this file or file system cannot be read so."""
    flags = _OPEN | os.O_DIRECT | os.O_NOATIME
    try:
        file = kernel.openat2(directory, paths.to_bytes(one.name), flags, _RESOLVE)
    except OSError as error:
        if error.errno in _NOT_TAKEN | _UNTOLD:
            return False
        raise
    try:
        # O_DIRECT wants memory that is aligned as blocks are.
        with mmap.mmap(-1, _BLOCK_BYTES) as block:
            return os.preadv(file, [block], 0) > 0
    except OSError as error:
        if error.errno in _NOT_TAKEN:
            return False
        raise
    finally:
        os.close(file)
