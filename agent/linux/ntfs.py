"""The serial of an NTFS behind ntfs-3g, read through the mount: from ``$Boot``, the file that is its boot sector.

A FUSE program answers none of the kernel's questions for a UUID. This file does, for everybody who may read the mount,
without udev and without a right to the device; it is not listed, but can be opened by its name. To read it writes
nothing: ntfs-3g keeps access times like ``relatime``, and nothing ever changes a boot sector.
"""

from __future__ import annotations

import errno
import os

from agent.linux import kernel

# struct NTFS_BOOT_SECTOR: the name of the file system, and the 8 bytes of its serial, the least significant first.
_NAME, _NAMED = slice(3, 11), b"NTFS    "
_SERIAL = slice(0x48, 0x50)
_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS
# Another file system behind "fuseblk" has no such file, or does not let it be read.
_NONE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO})


def read_serial(root: int) -> bytes | None:
    """The serial (8 bytes) of the NTFS whose root this descriptor is, or None when it is none.

    Raises :class:`OSError` where the storage does not answer.
    """
    try:
        descriptor = kernel.openat2(root, b"$Boot", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, _RESOLVE)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise
    try:
        sector = os.pread(descriptor, 512, 0)
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise
    finally:
        os.close(descriptor)
    serial = sector[_SERIAL][::-1]
    return serial if sector[_NAME] == _NAMED and any(serial) else None
