"""FUSE file systems that people use, each as a program in the foreground that a test can kill, stop and start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from agent.linux.mountinfo import MountTable
from tests.linux.disks import run
from tests.needs import needs

WAIT_S = 30.0


class Program:
    """One of these programs, and its mount."""

    def __init__(self, command: Sequence[str], place: Path) -> None:
        needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
        needs(shutil.which(command[0]), f"needs {command[0]}")
        self._command = list(command)
        self.place = place
        self._process: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        """Start it, and wait until its mount is in the table."""
        self.place.mkdir(parents=True, exist_ok=True)
        table = MountTable()
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, process_group=0)
            until = time.monotonic() + WAIT_S
            while not any(mount.mount_point == str(self.place) for mount in table.table()):
                assert self._process.poll() is None, f"{self._command[0]} ended"
                assert time.monotonic() < until
                time.sleep(0.005)
        finally:
            table.close()

    def kill(self) -> None:
        """SIGKILL; the mount stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)

    def stop(self) -> None:
        """SIGSTOP: it answers nobody."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def umount(self) -> None:
        """Unmount, whoever uses it, and wait until the program has ended."""
        run("umount", "-l", str(self.place))
        if self._process is not None:
            self._process.wait(WAIT_S)

    def close(self) -> None:
        """Unmount and end it, whatever state it is in."""
        # Killed first: to unmount a fuseblk whose program is stopped takes for ever.
        self.kill()
        subprocess.run(["umount", "-l", str(self.place)], capture_output=True, check=False)

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise AssertionError("bug: not mounted")
        os.killpg(self._process.pid, number)


def mergerfs(place: Path, *branches: Path, options: str = "") -> Program:
    """A union of directories."""
    flags = ["-o", options] if options else []
    return Program(["mergerfs", "-f", *flags, ":".join(map(str, branches)), str(place)], place)
