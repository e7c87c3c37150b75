"""Reading the marker file: its content, past the caches where that is possible (R7).

That a file of this name exists proves little: of a disk that is dead or gone, the kernel's caches still answer.
Writing it is another module's business, :mod:`agent.linux.marking`, which nothing but an explicit wish leads to.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from agent.linux import kernel
from agent.ports import Marker

NAME = ".holdfast-volume"
BYTES_MAX = 4096  # one page, which is what direct reading needs to be aligned to

_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
# Not every file system can read directly, and only owners and root may ask for no access time.
_WAYS = (os.O_DIRECT | os.O_NOATIME, os.O_NOATIME, os.O_DIRECT, 0)


class MarkerFile(msgspec.Struct, frozen=True):
    """The file, one JSON object. ``about`` tells people what it is."""

    about: str
    id: str
    generation: int


def read_marker(root: int) -> Marker | None:
    """What the marker file below this descriptor says, or None when there is none, or it is none of ours.

    Raises :class:`OSError` when the storage does not let itself be read.
    """
    try:
        with _opened(root) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            text = _first_page(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EXDEV):
            return None
        raise
    try:
        found = msgspec.json.decode(text, type=MarkerFile)
    except msgspec.DecodeError:
        return None
    return Marker(found.id, found.generation)


@contextmanager
def _opened(root: int) -> Iterator[int]:
    descriptor = -1
    for way in _WAYS:
        try:
            # A pipe of this name must not make us wait for its other end.
            descriptor = kernel.openat2(root, NAME.encode(), os.O_RDONLY | os.O_NONBLOCK | way, _RESOLVE)
            break
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL) or not way:
                raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _first_page(descriptor: int) -> bytes:
    # Memory from mmap is aligned, as direct reading wants it.
    with mmap.mmap(-1, BYTES_MAX) as page:
        length = os.preadv(descriptor, [page], 0)
        return bytes(page[:length])
