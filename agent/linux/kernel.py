"""The system calls that Python's ``os`` lacks: statx with mount ids and births, openat2, and identity ioctls.

Everything raises :class:`OSError` with its errno. Only calls that read are in here, by design: nothing in the agent
writes to storage but :mod:`agent.linux.marking`, which only the verb ``enrol --marker`` leads to.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any, NamedTuple

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
AT_EMPTY_PATH = 0x1000
AT_STATX_FORCE_SYNC = 0x2000
AT_STATX_DONT_SYNC = 0x4000

STATX_INO = 0x100
STATX_BASIC_STATS = 0x7FF
STATX_BTIME = 0x800
_FILE_MASK = STATX_BASIC_STATS | STATX_BTIME
STATX_MNT_ID = 0x1000
STATX_MNT_ID_UNIQUE = 0x4000  # Linux 6.8; older kernels ignore it and answer with the table's recycled id

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

_SYS_OPENAT2 = 437  # the same number on every architecture
_FS_IOC_GETFSUUID = 0x80111500  # Linux 6.9: one byte of length, 16 of UUID
_FS_IOC_GETFSLABEL = 0x81009431
_FS_LABEL_BYTES = 256
_EXT4_IOC_GETFSUUID = 0x8008662C
_XFS_IOC_FSGEOMETRY_V1 = 0x80705864
_BTRFS_IOC_FS_INFO = 0x8400941F
_BTRFS_FS_INFO_GENERATION = 1 << 1  # Linux 5.10: ask for the generation too, and whether it was given
_BTRFS_IOC_GET_SUBVOL_INFO = 0x81F8943C  # Linux 4.18, for everybody who may enter the directory

_STATX = struct.Struct("=IIQIIIH2xQQQQqI4xqI4xqI4xqI4xIIIIQ")  # struct statx up to stx_mnt_id
_StatxBuffer = ctypes.c_char * 256
# Of the same, what there is to know of a file: mask, mode, inode, size, and seconds and nanoseconds of birth, change
# and modification.
_FILE = struct.Struct("=I24xH2xQQ32xqI4xqI4xqI132x")
_OPEN_HOW = struct.Struct("=QQQ")
_HANDLE = struct.Struct("=Ii")  # handle_bytes, handle_type
_HANDLE_BYTES_MAX = 128  # MAX_HANDLE_SZ

_libc = ctypes.CDLL(None, use_errno=True)
_libc.statx.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
_libc.statx.restype = ctypes.c_int
_libc.name_to_handle_at.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
_libc.name_to_handle_at.restype = ctypes.c_int
# The only system call made by number is openat2.
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
_libc.syscall.restype = ctypes.c_long


class Statx(NamedTuple):
    """What statx told. ``mask`` says which of it is real; ``birth_ns`` is None where births are not kept."""

    mask: int
    mode: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    birth_ns: int | None
    mount_id: int

    @property
    def has_unique_mount_id(self) -> bool:
        """Whether ``mount_id`` is one that is never used again (Linux 6.8)."""
        return bool(self.mask & STATX_MNT_ID_UNIQUE)


def statx(descriptor: int, path: bytes, flags: int, mask: int) -> Statx:
    """Look at ``path`` below ``descriptor``; with ``AT_EMPTY_PATH`` and ``b""``, at the descriptor itself."""
    buffer = _StatxBuffer()
    call(_libc.statx, descriptor, path, flags, mask, buffer)
    found = _STATX.unpack_from(buffer)
    given, mode, inode = found[0], found[6], found[7]
    birth_s, birth_frac_ns, ctime_s, ctime_frac_ns, mtime_s, mtime_frac_ns = found[13:19]
    return Statx(
        mask=given,
        mode=mode,
        inode=inode,
        mtime_ns=mtime_s * 1_000_000_000 + mtime_frac_ns,
        ctime_ns=ctime_s * 1_000_000_000 + ctime_frac_ns,
        # Some inodes that mkfs itself made have no birth: it is zero.
        birth_ns=birth_s * 1_000_000_000 + birth_frac_ns or None if given & STATX_BTIME else None,
        mount_id=found[23],
    )


# What there is to know of a name in a directory: mode, inode, size, and the times at which it was modified, changed and
# born in ns; the last is None where births are not kept. Names for these would cost as much as the system call.
FileFacts = tuple[int, int, int, int, int, int | None]


class FileLooker:
    """Looks at files by name, like :func:`statx` and for a third of its time: the innermost loop of the agent. For one
    thread at a time. Symbolic links are not followed."""

    AT_ONCE = 16

    def __init__(self) -> None:
        self._buffers = (_StatxBuffer * self.AT_ONCE)()
        self._addresses = [ctypes.c_void_p(ctypes.addressof(buffer)) for buffer in self._buffers]
        # A function of its own that nothing is declared of: to check and convert declared arguments takes a tenth of a
        # look. What is given to it has the right types by itself.
        self._statx = _libc["statx"]

    def look(self, descriptor: int, name: bytes) -> FileFacts:
        """Look at a name in an open directory. Raises :class:`OSError`."""
        call(self._statx, descriptor, name, AT_SYMLINK_NOFOLLOW, _FILE_MASK, self._addresses[0])
        return self._facts(1)[0]

    def look_at(self, descriptor: int, names: Sequence[bytes]) -> tuple[list[FileFacts], OSError | None]:
        """Look at up to ``AT_ONCE`` names, no further than to the first that cannot be looked at; also answers with
        what is wrong with that. Storage that fails may take a minute for each answer."""
        links, mask, addresses = repeat(AT_SYMLINK_NOFOLLOW), repeat(_FILE_MASK), iter(self._addresses)
        # It answers with 0 for each of them, or with -1, which ends it.
        if not any(map(self._statx, repeat(descriptor), names, links, mask, addresses)):
            return self._facts(len(names)), None
        code = ctypes.get_errno()
        seen = self._facts(self.AT_ONCE - 1 - len([*addresses]))
        if code != errno.EINTR:
            return seen, OSError(code, os.strerror(code))
        try:
            return [*seen, self.look(descriptor, names[len(seen)])], None
        except OSError as error:
            return seen, error

    def _facts(self, count: int) -> list[FileFacts]:
        return [
            (
                mode,
                inode,
                size,
                modified_s * 1_000_000_000 + modified_ns,
                changed_s * 1_000_000_000 + changed_ns,
                born_s * 1_000_000_000 + born_ns or None if given & STATX_BTIME else None,
            )
            for given, mode, inode, size, born_s, born_ns, changed_s, changed_ns, modified_s, modified_ns in (
                _FILE.iter_unpack(memoryview(self._buffers).cast("B")[: count * _FILE.size])
            )
        ]


def stat_descriptor(descriptor: int) -> Statx:
    """Times, birth and unique mount id of an open descriptor."""
    return statx(descriptor, b"", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID_UNIQUE)


def mount_of(descriptor: int) -> Statx:
    """The unique mount id of an open descriptor. Asks for nothing else, so that it cannot block on storage."""
    return statx(descriptor, b"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE)


def table_id_of(descriptor: int) -> int:
    """The mount id of an open descriptor as the mount table writes it. Cannot block on storage."""
    return statx(descriptor, b"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID).mount_id


def mount_at(path: bytes) -> Statx:
    """The mount on top at a path, without triggering an automount and without waiting for storage."""
    flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC
    return statx(AT_FDCWD, path, flags, STATX_MNT_ID_UNIQUE)


def openat2(descriptor: int, path: bytes, flags: int, resolve: int) -> int:
    """Open for reading, with rules for how the path may be resolved (openat2(2), Linux 5.6)."""
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    return call(_libc.syscall, _SYS_OPENAT2, descriptor, path, how, len(how))


def open_quietly(path: str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open for reading, like :func:`os.open`. The access time stays as it is, where we may ask for that: only owners
    and root may, and for others it is the mount's to say."""
    flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
    return os.open(path, flags, dir_fd=dir_fd)


@contextmanager
def directory(path: str) -> Iterator[int]:
    """A descriptor to list a directory by, wherever its path leads."""
    descriptor = open_quietly(path, os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def handle_of(descriptor: int) -> bytes:
    """The handle of an open descriptor, with its header: the name that an inode keeps under every path."""
    buffer = ctypes.create_string_buffer(_HANDLE.pack(_HANDLE_BYTES_MAX, 0), _HANDLE.size + _HANDLE_BYTES_MAX)
    call(_libc.name_to_handle_at, descriptor, b"", buffer, ctypes.byref(ctypes.c_int()), AT_EMPTY_PATH)
    size, _ = _HANDLE.unpack_from(buffer)
    return buffer.raw[: _HANDLE.size + size]


def filesystem_uuid(descriptor: int, fs_type: str) -> bytes | None:
    """The UUID (16 bytes, or 4 of a FAT) that the file system itself answers with, or None when it has none.

    All zero is no UUID: it occurs on images that nobody gave one.
    """
    questions: list[Callable[[int], bytes]] = [_generic_uuid]
    if fs_type in _OWN_UUID:
        questions.append(_OWN_UUID[fs_type])
    for question in questions:
        try:
            uuid = question(descriptor)
        except OSError as error:
            if error.errno not in _NOT_ASKABLE:
                raise
            continue
        return uuid if any(uuid) else None
    return None


def subvolume_uuid(descriptor: int) -> bytes | None:
    """The UUID (16 bytes) of the btrfs subvolume of this directory, which no snapshot of it shares; None where there
    is no such thing."""
    buffer = bytearray(504)
    try:
        fcntl.ioctl(descriptor, _BTRFS_IOC_GET_SUBVOL_INFO, buffer)
    except OSError as error:
        if error.errno not in _NOT_ASKABLE:
            raise
        return None
    uuid = bytes(buffer[296:312])
    return uuid if any(uuid) else None


def btrfs_generation(descriptor: int) -> int | None:
    """The number of the last transaction of a whole btrfs, which only grows; None where there is no such thing."""
    buffer = bytearray(1024)
    struct.pack_into("=Q", buffer, 48, _BTRFS_FS_INFO_GENERATION)
    try:
        fcntl.ioctl(descriptor, _BTRFS_IOC_FS_INFO, buffer)
    except OSError as error:
        if error.errno not in _NOT_ASKABLE:
            raise
        return None
    flags, generation = struct.unpack_from("=QQ", buffer, 48)
    return generation if flags & _BTRFS_FS_INFO_GENERATION else None


def filesystem_label(descriptor: int) -> str:
    """The label people gave the file system, or "" when it has none or keeps it from us."""
    buffer = bytearray(_FS_LABEL_BYTES)
    try:
        fcntl.ioctl(descriptor, _FS_IOC_GETFSLABEL, buffer)
    except OSError as error:
        if error.errno not in _NOT_ASKABLE:
            raise
        return ""
    return bytes(buffer).partition(b"\0")[0].decode("utf-8", "replace")


def boot_id() -> str:
    """The random id of this boot of the kernel."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _generic_uuid(descriptor: int) -> bytes:
    buffer = bytearray(17)
    fcntl.ioctl(descriptor, _FS_IOC_GETFSUUID, buffer)
    return bytes(buffer[1 : 1 + buffer[0]])


def _ext4_uuid(descriptor: int) -> bytes:
    buffer = bytearray(struct.pack("=II16x", 16, 0))
    fcntl.ioctl(descriptor, _EXT4_IOC_GETFSUUID, buffer)
    return bytes(buffer[8:24])


def _xfs_uuid(descriptor: int) -> bytes:
    buffer = bytearray(112)
    fcntl.ioctl(descriptor, _XFS_IOC_FSGEOMETRY_V1, buffer)
    return bytes(buffer[64:80])


def _btrfs_uuid(descriptor: int) -> bytes:
    buffer = bytearray(1024)
    fcntl.ioctl(descriptor, _BTRFS_IOC_FS_INFO, buffer)
    return bytes(buffer[16:32])


# For kernels that lack the generic question, and for btrfs, which does not answer it.
_OWN_UUID: dict[str, Callable[[int], bytes]] = {
    "ext2": _ext4_uuid,
    "ext3": _ext4_uuid,
    "ext4": _ext4_uuid,
    "xfs": _xfs_uuid,
    "btrfs": _btrfs_uuid,
}
# How file systems say that they do not know an ioctl. FUSE says ENOSYS, network file systems EINVAL or ENOTTY.
_NOT_ASKABLE = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM})


def call(function: Callable[..., int], *arguments: Any) -> int:
    """Call a function of the C library that answers with a negative number and errno when it fails."""
    while True:
        result = function(*arguments)
        if result >= 0:
            return result
        code = ctypes.get_errno()
        if code != errno.EINTR:  # FUSE and network file systems can be interrupted
            raise OSError(code, os.strerror(code))
