"""Opening things on one particular mount, and on no other that may stand at its place by now.

A path proves nothing: between two calls a disk can be unmounted, and the bare mount point lists as an empty
directory. A descriptor cannot move. So every look at storage goes through a descriptor whose own mount id was
compared with the id of the mount that was verified.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from agent.linux import kernel
from agent.ports import Trouble
from holdfast import paths

# A descriptor on a directory keeps its disk from being unmounted, so none is held for longer than this, and after that
# the disk is left alone for a moment: whoever tries to unmount again and again gets through within a second (R40).
HELD_S = 0.04
REST_S = 0.01

_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS


class Attachment:
    """The mount with this unique id, expected at this path. It holds nothing open. May be used by several threads;
    ``breath`` is what their readings have in common."""

    def __init__(self, mount_point: str, mount_id: int) -> None:
        self.mount_point = mount_point
        self.mount_id = mount_id
        self.breath = Breath()
        self._root = os.fsencode(mount_point)
        # Reading a directory must not even touch its access time. Only owners and root may ask for that, so the
        # first refusal ends the asking.
        self._noatime = os.O_NOATIME

    @contextmanager
    def directory(self, directory: str) -> Iterator[int]:
        """A descriptor to read this directory by (wire text, relative to the root of the volume).

        Raises :class:`OSError`; EXDEV when the path leads to another mount, at its root or below it.
        """
        descriptor = self.open(directory)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def file(self, directory: str, name: str) -> Iterator[int]:
        """A descriptor to read a file by. Raises as :meth:`directory` does; EINVAL for what is no regular file, which
        is not waited for either."""
        descriptor = self._open(paths.join(directory, name), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "no regular file", name)
            yield descriptor
        finally:
            os.close(descriptor)

    def open(self, directory: str) -> int:
        """The same, to be closed by the caller."""
        return self._open(directory, os.O_RDONLY | os.O_DIRECTORY)

    def reading(self, directory: str, asked_to_let_go: Callable[[], bool]) -> Reading:
        """The same, for a directory that takes long to read."""
        return Reading(self, directory, asked_to_let_go)

    @contextmanager
    def place(self, directory: str) -> Iterator[int]:
        """A descriptor that only names this directory (O_PATH). Raises as :meth:`directory` does."""
        descriptor = self._open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def look(self, root: int, directory: str) -> os.stat_result:
        """What a directory is like, by a descriptor of the root of the volume that was opened a moment ago."""
        descriptor = kernel.openat2(root, paths.to_bytes(directory) or b".", os.O_PATH | os.O_DIRECTORY, _RESOLVE)
        try:
            return os.fstat(descriptor)
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
        noatime = self._noatime
        try:
            return kernel.openat2(root, path, flags | noatime, _RESOLVE)
        except PermissionError as error:
            if error.errno != errno.EPERM or not noatime:
                raise
        self._noatime = 0
        return kernel.openat2(root, path, flags, _RESOLVE)

    def _check(self, descriptor: int) -> None:
        found = kernel.mount_of(descriptor).mount_id
        if found != self.mount_id:
            raise OSError(errno.EXDEV, "another mount stands at this path", self.mount_point)


class Breath:
    """How long the directories of a mount are held: for a moment, and then none of them for a moment, however many
    threads are reading. A descriptor of one of them keeps people from unmounting as well as those of all."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders = 0
        self._until = 0.0
        self._resting = False

    def take(self) -> None:
        """Before something is opened: wait until nobody rests any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._resting)
            if not self._holders:
                self._until = time.monotonic() + HELD_S
            self._holders += 1

    def let_go(self) -> None:
        """After it was closed."""
        with self._changed:
            self._holders -= 1
            if not self._holders:
                self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether it is time to rest, for whoever holds something."""
        return self._resting or time.monotonic() >= self._until

    def rest(self) -> None:
        """Leave the disk alone for a moment. The caller has let go; what others still hold is waited for, as long as
        the storage takes to answer them."""
        with self._changed:
            if self._resting:
                self._changed.wait_for(lambda: not self._resting)
                return
            self._resting = True
            self._changed.wait_for(lambda: not self._holders)
        time.sleep(REST_S)
        with self._changed:
            self._resting = False
            self._changed.notify_all()


class Reading:
    """A directory that is being read, as a context manager. Its ``descriptor`` is given back now and then."""

    def __init__(self, attachment: Attachment, directory: str, asked_to_let_go: Callable[[], bool]) -> None:
        self._attachment = attachment
        self._directory = directory
        self._asked_to_let_go = asked_to_let_go
        self._breath = attachment.breath
        self.descriptor = -1
        self._inode = 0

    def __enter__(self) -> Self:
        self._open()
        try:
            self._inode = os.fstat(self.descriptor).st_ino
        except OSError:
            self._close()  # storage may fail between the two, and a descriptor would keep it mounted for ever
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def pause(self) -> None:
        """To be called often: gives the descriptor back for a moment when it was held for long.

        Raises :class:`OSError`: ECANCELED when somebody asked for the disk; and as opening does. Where another
        directory stands by then, what was read before does not belong to what follows: EAGAIN.
        """
        if self._asked_to_let_go():
            raise OSError(errno.ECANCELED, "the volume is to be let go of", self._directory)
        if not self._breath.is_over:
            return
        self._close()
        self._breath.rest()
        self._open()
        if os.fstat(self.descriptor).st_ino != self._inode:
            raise OSError(errno.EAGAIN, "another directory stands at this path", self._directory)

    def _open(self) -> None:
        self._breath.take()
        try:
            self.descriptor = self._attachment.open(self._directory)
        except OSError:
            self._breath.let_go()
            raise

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor < 0:
            return
        try:
            os.close(descriptor)
        finally:
            self._breath.let_go()


def trouble(error: OSError, where: str) -> Trouble:
    """The answer for storage that could not be read."""
    # An OSError without an errno does not come from the kernel; nothing may be concluded from it either.
    return Trouble(error.errno or errno.EIO, where)
