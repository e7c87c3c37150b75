"""A descriptor that polls readable while something waits: what fakes answer ``fileno()`` with."""

from __future__ import annotations

import contextlib
import socket


class Bell:
    """Polls POLLIN and POLLPRI from :meth:`ring` until :meth:`silence`."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        self._rings = False

    def fileno(self) -> int:
        """The descriptor."""
        return self._outside.fileno()

    def ring(self) -> None:
        """Something waits."""
        if not self._rings:
            # An urgent byte sets POLLPRI too, which is how the kernel tells of the mount table.
            self._inside.send(b"!", socket.MSG_OOB)
            self._rings = True

    def silence(self) -> None:
        """Nothing waits any more."""
        if self._rings:
            self._outside.recv(1, socket.MSG_OOB)
            with contextlib.suppress(BlockingIOError):
                self._outside.recv(1, socket.MSG_DONTWAIT)  # the place where the urgent byte was
            self._rings = False

    def close(self) -> None:
        """Give the descriptors back."""
        self._inside.close()
        self._outside.close()
