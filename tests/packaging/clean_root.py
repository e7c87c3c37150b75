"""A clean Debian, as on a new machine: its own root, processes and network, and nothing but what a server has."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.linux.disks import run
from tests.needs import needs

# What a server has, and our packages ask for, but for themselves; and curl, to ask the API.
_PACKAGES = ("ca-certificates", "curl", "iproute2", "python3", "systemd")
# Files that tell how the system was used, and not what is installed.
_TRACES = re.compile(r"/(dev|proc|run|sys|tmp|var/(cache|log|tmp)|var/lib/(apt|dpkg|systemd|ucf))/")


class CleanRoot:
    """The system below a directory, which is a mount point. ``script`` runs in it until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._init: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Give it processes and a network of its own, with the mounts that are there by now."""
        for name in ("dev", "sys"):
            run("mount", "--rbind", f"/{name}", str(self.path / name))
        spaces = ["--fork", "--kill-child=SIGKILL", "--mount", "--propagation=private", "--pid", "--net", "--uts"]
        # All is mounted when the word comes. The first process ends when nobody holds its input any more.
        first = "hostname clean && ip link set lo up && echo up && exec cat"
        self._init = subprocess.Popen(
            ["unshare", *spaces, f"--root={self.path}", "--mount-proc=/proc", "/bin/sh", "-c", first],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        if self._init.stdout is None or self._init.stdout.readline() != b"up\n":
            raise AssertionError("the clean root does not start")

    def command(self, *command: str, directory: str = "/") -> list[str]:
        """A command line that runs a command in there."""
        if self._init is None:
            raise AssertionError("bug: it was not started")
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text().split()
        spaces = ["--mount", "--pid", "--net", "--uts", "--root", f"--wd={self.path}{directory}"]
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        return ["nsenter", f"--target={children[0]}", *spaces, *environment, *command]

    def script(self, text: str) -> str:
        """Run lines of a shell, as root, who needs no sudo; they have to succeed."""
        lines = f'set -euo pipefail\nsudo() {{ "$@"; }}\n{text}'
        command = self.command("bash", "-c", lines, directory="/root")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{text}\n-- ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def files(self) -> dict[str, str]:
        """Every file, with its kind, permissions and owners; not what only tells how the system was used."""
        command = ["find", str(self.path), "-xdev", "-printf", "/%P\t%y %#m %U:%G %l\n"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        entries = (line.split("\t") for line in done.stdout.splitlines())
        return {path: about for path, about in entries if not _TRACES.match(f"{path}/")}

    def close(self) -> None:
        """End all that runs in there."""
        if self._init is not None:
            self._init.kill()
            self._init.communicate()


@contextlib.contextmanager
def clean_root(place: Path) -> Iterator[CleanRoot]:
    """A new one, in memory, below an empty directory."""
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
    archive = cache / f"clean-{release['VERSION_CODENAME']}-{platform.machine()}-1.tar.zst"
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
