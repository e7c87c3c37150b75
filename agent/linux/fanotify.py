"""Watching a whole file system by fanotify(7): one mark, however many directories there are.

It needs no watch a directory and no walk before it is complete, and it sees what happens in directories that nobody
has heard of yet. It needs CAP_SYS_ADMIN, and a file system with handles that can be opened again; where one is
lacking, ``agent.linux.inotify`` does it. Like that it pins nothing (rule R40), and merely says where to look soon. It
says nothing when the file system is unmounted; the mount table does.

Events name a directory by its handle, which outlives every rename. Handles are turned into paths by opening them, and
remembered until a directory is renamed or removed. To open one is to ask the storage, which may hang.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent.linux import kernel
from agent.linux.attachment import Attachment
from agent.linux.watched import OVERFLOWED
from agent.ports import Hint, Lost, Trouble
from holdfast import paths

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_CREATE, _DELETE = 0x100, 0x200
_Q_OVERFLOW, _RENAME, _ONDIR = 0x4000, 0x1000_0000, 0x4000_0000  # FAN_RENAME: Linux 5.17
# The same as with inotify: what changes names, contents and permissions. Access is of no interest.
_WANTED = _MODIFY | _ATTRIB | _CLOSE_WRITE | _CREATE | _DELETE | _RENAME | _ONDIR

_INIT = 0x1 | 0x2 | 0x400 | 0x800  # CLOEXEC, NONBLOCK, REPORT_DIR_FID, REPORT_NAME
_MARK_ADD, _MARK_FILESYSTEM = 0x1, 0x100
_INFO_DFID_NAME, _INFO_DFID, _INFO_OLD_DFID_NAME, _INFO_NEW_DFID_NAME = 2, 3, 10, 12

_EVENT = struct.Struct("=IBBHQiI")  # event_len, vers, reserved, metadata_len, mask, fd, pid
_INFO = struct.Struct("=BBH8x")  # info_type, pad, len, and the fsid: there is one file system here
_HANDLE = struct.Struct("=Ii")  # handle_bytes, handle_type

# One reading takes at most so much from the kernel's queue; the rest stays there, where
# fs.fanotify.max_queued_events bounds it.
_CHUNK_BYTES = 256 * 1024
_CHUNKS_MAX = 16
# Far more directories than change between two moments; past that the paths are asked for anew.
_REMEMBERED_MAX = 65_536
_LIMIT = "/proc/sys/fs/fanotify/max_user_marks"

# The kernel or the file system cannot do it, or we may not.
CANNOT = frozenset({errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENODEV, errno.EXDEV, errno.EOPNOTSUPP})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_init.argtypes = [ctypes.c_uint, ctypes.c_uint]
_libc.fanotify_init.restype = ctypes.c_int
_libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
_libc.fanotify_mark.restype = ctypes.c_int
_libc.open_by_handle_at.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
_libc.open_by_handle_at.restype = ctypes.c_int


class _Place(NamedTuple):
    """A name in a directory that is known by its handle (with its header, as the kernel wants it back)."""

    handle: bytes
    name: str


class _Event(NamedTuple):
    """One event. ``places`` is one, or for a rename two: where it was, and where it is."""

    mask: int
    places: list[_Place]


class FanotifyWatch:
    """Implements :class:`agent.ports.Watch` for the file system of the mount with this unique id at this path.

    ``about_to_ask`` is called before the storage is asked for the paths of directories that are not known yet. Raises
    :class:`OSError` where it has to be done by inotify: with an errno of :data:`CANNOT`, or what the storage says.
    """

    def __init__(self, mount_point: str, mount_id: int, about_to_ask: Callable[[], None] = lambda: None) -> None:
        self._about_to_ask = about_to_ask
        self._attachment = Attachment(mount_point, mount_id)
        self._prefix = mount_point.rstrip("/")
        self._paths: dict[bytes, str | None] = {}
        self._group = kernel.call(_libc.fanotify_init, _INIT, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with self._attachment.directory("") as root:
                self._check_handles(root)
                kernel.call(_libc.fanotify_mark, self._group, _MARK_ADD | _MARK_FILESYSTEM, _WANTED, root, None)
        except BaseException:
            os.close(self._group)
            raise

    @property
    def summary(self) -> str:
        """The back end and what it watches."""
        return "fanotify, one mark"

    @property
    def limit(self) -> int:
        """How many marks all processes of this user may have together (fanotify(7))."""
        with open(_LIMIT, encoding="ascii") as file:
            return int(file.read())

    def add(self, directory: str) -> Trouble | None:
        """Nothing has to be done: every directory is watched."""
        return None

    def remove(self, directory: str) -> None:
        """Nothing can be done: hints that nobody wants are dropped where they arrive."""

    def fileno(self) -> int:
        """A descriptor that polls readable when hints wait."""
        return self._group

    def read(self) -> list[Hint | Lost]:
        """The hints that wait, without blocking."""
        events: list[_Event] = []
        for _ in range(_CHUNKS_MAX):
            try:
                chunk = os.read(self._group, _CHUNK_BYTES)
            except BlockingIOError:
                break
            events += _parse(chunk)
        if not events:
            return []
        # Before any path is asked for: a directory that was renamed is at its new path by now, for all events. Among
        # events that were lost there may have been such a rename.
        if any(_may_move_directories(event.mask) for event in events):
            self._paths.clear()
        found: dict[Hint | Lost, None] = {}
        if lost := self._learn({place.handle for event in events for place in event.places}):
            found[lost] = None
        for event in events:
            if event.mask & _Q_OVERFLOW:
                found[Lost("", OVERFLOWED)] = None
            for hint in self._hints(event):
                found[hint] = None
        return list(found)

    def close(self) -> None:
        """Give the mark back."""
        if self._group >= 0:
            os.close(self._group)
            self._group = -1

    def __len__(self) -> int:
        return 1

    def _hints(self, event: _Event) -> Iterator[Hint]:
        for number, place in enumerate(event.places):
            directory = self._paths.get(place.handle)
            if directory is None:
                continue
            name = "" if place.name == "." else place.name
            if event.mask & _ONDIR or not name:
                yield Hint(directory, name)
                continue
            # The kernel merges what happens to one name: created, written and closed is one event.
            whole = bool(event.mask & _CLOSE_WRITE) or (bool(event.mask & _RENAME) and number == 1)
            written = bool(event.mask & (_CREATE | _MODIFY)) and not whole
            yield Hint(directory, name, written=written, whole=whole)

    def _learn(self, handles: set[bytes]) -> Lost | None:
        """Find the paths of directories that are not known by their handles yet; those that are gone, or lie outside of
        what is mounted here, have none. Answers with the loss when they cannot be found (R31)."""
        if len(self._paths) > _REMEMBERED_MAX:
            self._paths.clear()
        unknown = handles - self._paths.keys()
        if not unknown:
            return None
        self._about_to_ask()
        try:
            with self._attachment.directory("") as root:
                for handle in unknown:
                    self._paths[handle] = self._path_of(root, handle)
        except OSError as error:
            # Without its mount, the last events of a file system are of an epoch that is over (R3).
            if error.errno not in (errno.EXDEV, errno.ENOENT):
                return Lost("", f"changed directories could not be looked up ({os.strerror(error.errno or 0)})")
        return None

    def _path_of(self, root: int, handle: bytes) -> str | None:
        try:
            descriptor = kernel.call(_libc.open_by_handle_at, root, handle, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ESTALE, errno.ENOENT):
                raise
            return None  # removed
        try:
            if os.fstat(descriptor).st_nlink == 0:
                return None
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        if path == (self._prefix or "/"):
            return ""
        if not path.startswith(f"{self._prefix}/"):
            return None
        return paths.from_os(path[len(self._prefix) + 1 :])

    def _check_handles(self, root: int) -> None:
        """Raise unless handles of this file system can be opened, which takes CAP_DAC_READ_SEARCH."""
        place = kernel.call(_libc.open_by_handle_at, root, kernel.handle_of(root), os.O_PATH | os.O_CLOEXEC)
        os.close(place)


def _may_move_directories(mask: int) -> bool:
    return bool(mask & _Q_OVERFLOW or (mask & _ONDIR and mask & (_RENAME | _DELETE)))


def _parse(chunk: bytes) -> Iterator[_Event]:
    """The events in what was read from the group."""
    at = 0
    while at < len(chunk):
        length, _, _, head, mask, _, _ = _EVENT.unpack_from(chunk, at)
        yield _Event(mask, list(_places(chunk, at + head, at + length)))
        at += length


def _places(chunk: bytes, at: int, end: int) -> Iterator[_Place]:
    while at < end:
        kind, _, length = _INFO.unpack_from(chunk, at)
        if kind in (_INFO_DFID_NAME, _INFO_DFID, _INFO_OLD_DFID_NAME, _INFO_NEW_DFID_NAME):
            start = at + _INFO.size
            size, _ = _HANDLE.unpack_from(chunk, start)
            stop = start + _HANDLE.size + size
            raw = chunk[stop : at + length].partition(b"\0")[0] if kind != _INFO_DFID else b"."
            yield _Place(chunk[start:stop], paths.to_wire(raw or b"."))
        at += length
