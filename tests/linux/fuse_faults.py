"""A FUSE file system that passes a directory through, read-only, and fails in ways that a test chooses.

Run as a program: ``python -m tests.linux.fuse_faults SOURCE MOUNT_POINT CONTROL KEEP_S``, with CONTROL the number of an
inherited socket. On it the program says ``mounted``, takes :class:`Faults` as a line of JSON each, and answers
``done`` when they are in force. :class:`FaultyMount` is the other end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from fuse import FUSE, Operations

from agent.linux.mountinfo import MountTable
from tests.linux.disks import run

CONNECTIONS = Path("/sys/fs/fuse/connections")
FS_TYPE = "fuse.faulty"
# Everything here happens at once; a machine that is busy with other tests may take longer.
_PATIENCE_S = 30.0
_REPOSITORY = Path(__file__).parents[2]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong. Paths are those of the file system, from "/".

    ``eio`` and ``hang``: every question about these paths, and about what is below them, fails with EIO, or is not
    answered until the fault is lifted. ``empty``: these directories list nothing. ``left_out``: these directories
    list without some of their names. ``slow_s``: each listing of these directories takes so many seconds.
    ``drag_s``: every question about these paths, and about what is below them, takes so many seconds.
    """

    eio: list[str] = []
    hang: list[str] = []
    empty: list[str] = []
    left_out: dict[str, list[str]] = {}
    slow_s: dict[str, float] = {}
    drag_s: dict[str, float] = {}


class FaultyFiles(Operations):  # type: ignore[misc]
    """The file system. What it does not implement is refused: it is read-only."""

    use_ns = True

    def __init__(self, source: str, control: socket.socket) -> None:
        self._source = source
        self._control = control
        self._faults = Faults()
        self._changed = threading.Condition()

    def obey(self) -> None:
        """Take faults until the other end hangs up."""
        with self._control.makefile("rb") as orders:
            for order in orders:
                faults = msgspec.json.decode(order, type=Faults)
                with self._changed:
                    self._faults = faults
                    self._changed.notify_all()
                self._control.sendall(b"done\n")

    def init(self, path: str) -> None:
        self._control.sendall(b"mounted\n")

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        found = os.lstat(self._meet(path))
        return {
            "st_mode": found.st_mode,
            "st_nlink": found.st_nlink,
            "st_size": found.st_size,
            "st_uid": found.st_uid,
            "st_gid": found.st_gid,
            "st_atime": found.st_atime_ns,
            "st_mtime": found.st_mtime_ns,
            "st_ctime": found.st_ctime_ns,
        }

    def readdir(self, path: str, fh: int) -> list[str]:
        names = os.listdir(self._meet(path))
        faults = self._faults
        if wait_s := faults.slow_s.get(path):
            with self._changed:
                self._changed.wait_for(lambda: path not in self._faults.slow_s, wait_s)
        if path in faults.empty:
            names = []
        left_out = faults.left_out.get(path, [])
        return [".", "..", *(name for name in names if name not in left_out)]

    def readlink(self, path: str) -> str:
        return os.readlink(self._meet(path))

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._meet(path))
        return {key: getattr(found, key) for key in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._meet(path), os.O_RDONLY | os.O_CLOEXEC)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._meet(path)
        return os.pread(fh, size, offset)

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def _meet(self, path: str) -> str:
        """Where this path leads, once the faults that lie on the way have been met."""
        if _lies_below(path, self._faults.hang):
            with open(_taken_log(self._source), "ab") as log:
                log.write(b".")
            with self._changed:
                self._changed.wait_for(lambda: not _lies_below(path, self._faults.hang))
        for top, wait_s in self._faults.drag_s.items():
            if _lies_below(path, [top]):
                time.sleep(wait_s)  # the fault itself
        if _lies_below(path, self._faults.eio):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._source + path


class FaultyMount:
    """A directory, mounted through :class:`FaultyFiles` in a process of its own; gone at the end, whatever happens.

    Used as a context manager, or with :meth:`close`. It can be mounted again after its program died. The kernel
    remembers answers for ``keep_s``.
    """

    def __init__(self, source: Path, place: Path, *, keep_s: float = 0.0) -> None:
        self.source = source
        self.place = place
        self._keep_s = keep_s
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._connection = 0
        self._stopped = False

    def __enter__(self) -> Self:
        return self.mount()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that serves it, which leads a group of its own."""
        if self._process is None:
            raise AssertionError("bug: not mounted")
        return self._process.pid

    def mount(self) -> Self:
        """Start the program, and wait until the kernel has asked it for the first time. No fault is on."""
        if self._process is not None:
            raise AssertionError("bug: mounted already")
        self.place.mkdir(parents=True, exist_ok=True)
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_PATIENCE_S)
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", __name__, str(self.source), str(self.place)),
                    *(str(theirs.fileno()), str(self._keep_s)),
                ],
                pass_fds=(theirs.fileno(),),
                cwd=_REPOSITORY,
                process_group=0,
            )
        try:
            self._expect(b"mounted\n")
            self._connection = _connection_at(self.place)
        except BaseException:
            self.close()
            raise
        return self

    def set(self, faults: Faults) -> None:
        """Have these faults, and no others, from now on."""
        if self._control is None or self._stopped:
            raise AssertionError("bug: nobody is there to take faults")
        self._control.sendall(msgspec.json.encode(faults) + b"\n")
        self._expect(b"done\n")

    def stop(self) -> None:
        """SIGSTOP: nobody answers any more, and nothing fails."""
        self._signal(signal.SIGSTOP)
        self._stopped = True

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self._stopped = False

    def kill(self) -> None:
        """SIGKILL. The mount stays in the table, and whoever uses it is told ENOTCONN."""
        self._signal(signal.SIGKILL)
        self._end()

    def waiting(self) -> int:
        """How many questions the kernel has put that are not answered."""
        return int((self._control_files() / "waiting").read_text())

    def taken(self) -> int:
        """How many questions the program has taken and let hang, since the beginning: who asked one of these sleeps
        beyond killing, as one whose question is still in the queue does not."""
        log = Path(_taken_log(str(self.source)))
        return log.stat().st_size if log.exists() else 0

    def abort(self) -> None:
        """Have the kernel break the connection: every question under way ends with an error."""
        (self._control_files() / "abort").write_text("1")

    def umount(self) -> None:
        """Take the mount away, in use or not. The program, if it lives, ends by itself when nobody uses it."""
        run("umount", "-l", str(self.place))

    def close(self) -> None:
        """Free whoever waits, unmount, and end the program."""
        if self._process is not None:
            with contextlib.suppress(FileNotFoundError, RuntimeError):
                self.abort()
        while subprocess.run(["umount", "-l", str(self.place)], capture_output=True, check=False).returncode == 0:
            pass
        if self._process is not None:
            self.kill()

    def _control_files(self) -> Path:
        if not any(CONNECTIONS.iterdir()):
            run("mount", "-t", "fusectl", "none", str(CONNECTIONS))
        return CONNECTIONS / str(self._connection)

    def _expect(self, answer: bytes) -> None:
        if self._control is None:
            raise AssertionError("bug: nobody to hear from")
        heard = b""
        while not heard.endswith(b"\n"):
            piece = self._control.recv(64)
            if not piece:
                raise AssertionError("the file system has ended")
            heard += piece
        assert heard == answer

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _end(self) -> None:
        if self._process is not None:
            self._process.wait(_PATIENCE_S)
        if self._control is not None:
            self._control.close()
        self._process = self._control = None
        self._stopped = False


def _connection_at(place: Path) -> int:
    """The number by which the kernel names the connection of this mount, read without asking the mount."""
    table = MountTable()
    try:
        (device,) = [one.device for one in table.table() if one.mount_point == str(place) and one.fs_type == FS_TYPE]
    finally:
        table.close()
    major, minor = map(int, device.split(":"))
    return major << 20 | minor


def _taken_log(source: str) -> str:
    return f"{source}.taken"


def _lies_below(path: str, tops: Iterable[str]) -> bool:
    return any(top in ("/", path) or path.startswith(f"{top}/") for top in tops)


def main(source: str, mount_point: str, control: str, keep_s: str) -> None:
    """Serve until unmounted."""
    options: dict[str, Any] = {"attr_timeout": keep_s, "entry_timeout": keep_s, "negative_timeout": 0}
    with socket.socket(fileno=int(control)) as line:
        files = FaultyFiles(source, line)
        threading.Thread(target=files.obey, daemon=True).start()
        # Where nothing is kept, every question reaches the program; directly, not through the page cache, contents too.
        FUSE(
            files,
            mount_point,
            foreground=True,
            ro=True,
            direct_io=True,
            fsname=source,
            subtype=FS_TYPE.removeprefix("fuse."),
            **options,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
