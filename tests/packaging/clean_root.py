"""A clean Debian, booted as on a machine of its own, with nothing but what a server has."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.needs import needs
from tests.packaging.debian import debian, unpacked
from tests.packaging.host import Host, ScriptFailed, as_typed, judged

# What a server has, and our packages ask for, but for themselves; and curl, to ask the API.
_PACKAGES = ("ca-certificates", "curl", "python3", "systemd")
# Files that tell how the system was used, and not what is installed.
_TRACES = re.compile(r"/(dev|proc|run|sys|tmp|var/(cache|log|tmp)|var/lib/(apt|dpkg|systemd|ucf))/")


class CleanRoot(Host):
    """The system below a directory, which is a mount point. Booted, it has a systemd, processes and a network of its
    own; file systems that are mounted below the directory by then are mounted in there too."""

    # A busy machine starts ten services in seconds.
    patience_s = 120.0

    def __init__(self, path: Path) -> None:
        self.path = path
        self._machine: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start it as a machine, and wait until its systemd has started everything."""
        (self.path / "etc/hostname").write_text("clean\n")
        alone = ["--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--timezone=off"]
        self._machine = subprocess.Popen(
            ["systemd-nspawn", "--quiet", f"--directory={self.path}", *alone, "--console=pipe", "--boot"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.until("systemctl is-system-running --wait")

    def script(self, text: str) -> str:
        command = [*self._inside(), "bash", "-c", as_typed(text)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return judged(text, done.returncode, done.stdout, done.stderr)

    def files(self) -> dict[str, str]:
        """Every file, with its kind, permissions and owners; not what only tells how the system was used."""
        command = ["find", str(self.path), "-xdev", "-printf", "/%P\t%y %#m %U:%G %l\n"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        entries = (line.split("\t") for line in done.stdout.splitlines())
        return {path: about for path, about in entries if not _TRACES.match(f"{path}/")}

    def close(self) -> None:
        """End all that runs in there, at once."""
        if self._machine is None:
            return
        # With the first process all others end, and then whoever started it. The other way round all would go on.
        for first in self._first():
            os.kill(int(first), signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._machine.wait(30)
        self._machine.kill()
        self._machine.wait()

    def _first(self) -> list[str]:
        """The first process in there, by the number that it has out here; none before it is started."""
        if self._machine is None:
            raise AssertionError("bug: it was not started")
        pid = self._machine.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def _inside(self) -> list[str]:
        """What leads a command in there."""
        first = self._first()
        if not first:
            raise ScriptFailed("it has no process yet")
        spaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"]
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        return ["nsenter", f"--target={first[0]}", *spaces, *environment]


@contextlib.contextmanager
def clean_root(place: Path) -> Iterator[CleanRoot]:
    """A new one, in memory, below an empty directory."""
    needs(shutil.which("systemd-nspawn"), "needs systemd-nspawn, of Debian's systemd-container")
    root = CleanRoot(place)
    with unpacked(debian("clean-2", _PACKAGES), place):
        try:
            yield root
        finally:
            root.close()
