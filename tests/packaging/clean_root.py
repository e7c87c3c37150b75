"""A clean Debian, booted as on a machine of its own, with nothing but what a server has."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.linux.disks import run
from tests.needs import needs

# What a server has, and our packages ask for, but for themselves; and curl, to ask the API.
_PACKAGES = ("ca-certificates", "curl", "python3", "systemd")
# A busy machine starts ten services in seconds.
PATIENCE_S = 120.0
# Files that tell how the system was used, and not what is installed.
_TRACES = re.compile(r"/(dev|proc|run|sys|tmp|var/(cache|log|tmp)|var/lib/(apt|dpkg|systemd|ucf))/")


class ScriptFailed(AssertionError):
    """A script in the clean root ended with another status than 0. The text has what it printed."""


class CleanRoot:
    """The system below a directory, which is a mount point. Booted, it has a systemd, processes and a network of its
    own; file systems that are mounted below the directory by then are mounted in there too."""

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
        """Run lines of a shell in there, as root, who needs no sudo; they have to succeed."""
        lines = f'set -euo pipefail\nsudo() {{ "$@"; }}\ncd /root\n{text}'
        done = subprocess.run([*self._inside(), "bash", "-c", lines], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ScriptFailed(f"{text}\n-- ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def until(self, text: str, wanted: Callable[[str], bool] = bool) -> str:
        """What a script prints, once it succeeds and prints what is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if wanted(printed := self.script(text)):
                    return printed
                last = printed
            except ScriptFailed as failed:
                last = str(failed)
            assert time.monotonic() < deadline, last
            time.sleep(0.1)  # nothing tells what goes on in there, but asking

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
    archive = _archive()
    run("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "clean", str(place))
    root = CleanRoot(place)
    try:
        run("tar", "--extract", f"--file={archive}", f"--directory={place}")
        yield root
    finally:
        root.close()
        run("umount", "--recursive", "--lazy", str(place))


def _archive() -> Path:
    """What debootstrap makes of the release that runs here: made once a machine, and kept in the user's cache."""
    needs(shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin"), "needs debootstrap")
    release = platform.freedesktop_os_release()
    needs(release["ID"] == "debian", "needs Debian: packages are bound to the Python of the release that built them")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast"
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"clean-{release['VERSION_CODENAME']}-{platform.machine()}-2.tar.zst"
    with (cache / "clean.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _bootstrap(release["VERSION_CODENAME"], archive)
    return archive


def _bootstrap(codename: str, archive: Path) -> None:
    place = archive.with_suffix(".root")
    place.mkdir(exist_ok=True)
    # In memory: the tools of Debian wait for the disk after every file.
    run("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "clean", str(place))
    try:
        run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", codename, str(place))
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(place / waste)
        (place / "etc/apt/apt.conf.d/90-yes").write_text('APT::Get::Assume-Yes "true";\nAPT::Sandbox::User "root";\n')
        draft = archive.with_suffix(".new")
        run("tar", "--create", "--zstd", f"--file={draft}", f"--directory={place}", ".")
        draft.rename(archive)
    finally:
        run("umount", "--lazy", str(place))
        place.rmdir()
