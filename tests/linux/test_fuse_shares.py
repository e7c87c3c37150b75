"""The whole product over FUSE file systems that people use: their programs die, or are unmounted, and come back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.linux.mountinfo import MountTable
from tests.linux.disks import run
from tests.needs import needs
from tests.story.stack import Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]

PHOTOS = 10
DAY_S = 86400
WAIT_S = 30.0
# Where Debian keeps it, and where it was before.
SFTP_SERVER = "/usr/lib/openssh:/usr/lib"


def bindfs(far: Path, place: Path) -> list[str]:
    """Another view of a directory."""
    return ["bindfs", "-f", str(far), str(place)]


def mergerfs(far: Path, place: Path) -> list[str]:
    """A union of two directories."""
    return ["mergerfs", "-f", f"{far}/a:{far}/b", str(place)]


def sshfs(far: Path, place: Path) -> list[str]:
    """A share over SFTP, with the server at the other end of a pipe in place of a network."""
    server = shutil.which("sftp-server", path=f"{os.environ['PATH']}:{SFTP_SERVER}")
    needs(server, "needs sftp-server")
    wrapper = far.parent / "ssh"
    wrapper.write_text(f"#!/bin/sh\nexec {server}\n")
    wrapper.chmod(0o755)
    return ["sshfs", "-f", "-o", f"ssh_command={wrapper}", f"nas:{far}", str(place)]


class Share:
    """One of these programs, in the foreground."""

    def __init__(self, command: list[str], place: Path) -> None:
        self._command = command
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        """Start it, and wait until its mount is in the table."""
        table = MountTable()
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, process_group=0)
            until = time.monotonic() + WAIT_S
            while not any(mount.mount_point == str(self._place) for mount in table.table()):
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
        """SIGSTOP: nobody answers any more, and nothing fails."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def umount(self) -> None:
        """Unmount, whoever uses it, and wait until the program has ended."""
        run("umount", "-l", str(self._place))
        if self._process is not None:
            self._process.wait(WAIT_S)

    def close(self) -> None:
        """Unmount and end it, whatever state it is in."""
        subprocess.run(["umount", "-l", str(self._place)], capture_output=True, check=False)
        self.kill()


@pytest.fixture(params=[bindfs, mergerfs, sshfs], ids=lambda made_by: made_by.__name__)
def share(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Share]:
    """Mounted, with photos in it."""
    command: Callable[[Path, Path], list[str]] = request.param
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    needs(shutil.which(command.__name__), f"needs {command.__name__}")
    far, place = tmp_path / "far", tmp_path / "mnt/share"
    place.mkdir(parents=True)
    fill(far)
    mounted = Share(command(far, place), place)
    try:
        mounted.mount()
        yield mounted
    finally:
        mounted.close()


@pytest.fixture
def parts(tmp_path: Path, share: Share) -> Iterator[Stack]:
    """The stack, which may expose what is mounted below mnt."""
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.start_agent(tmp_path / "mnt")
        yield running


def fill(top: Path) -> None:
    """Photos in two folders, which nobody has touched since yesterday."""
    then = time.time() - DAY_S
    for number in range(PHOTOS):
        folder = top / "ab"[number % 2] / "2024"
        folder.mkdir(parents=True, exist_ok=True)
        photo = folder / f"IMG_{number:04}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes([number]) * 16)
        os.utime(photo, (then, then))


def test_a_share_that_is_unmounted_or_dies_comes_back_with_the_same_photos(
    parts: Stack, share: Share, tmp_path: Path
) -> None:
    library = parts.library(tmp_path / "mnt/share")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    parts.feed.drain()
    before = parts.assets(library=library).keys()
    seen = len(parts.feed.items)

    share.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")
    share.mount()
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    parts.scan_to_the_end()

    share.kill()
    parts.scan()
    suspect = parts.feed.until(lambda item: item["kind"] == "volume.suspect")
    assert suspect["state"]["reason"] == "disconnected"
    assert parts.by_status(library) == {"present": PHOTOS}
    share.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")
    share.mount()
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    parts.scan_to_the_end()
    parts.feed.drain()
    assert [item["kind"] for item in parts.feed.items[seen:] if item["entity"] == "asset"] == []
    assert parts.assets(library=library).keys() == before
    assert len(parts.get("/volumes")["items"]) == 1
