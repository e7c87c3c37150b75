"""The whole product over FUSE file systems that people use: their programs die, or are unmounted, and come back."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.linux.programs import Program
from tests.needs import needs
from tests.story.stack import Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]

PHOTOS = 10
DAY_S = 86400
# Where Debian keeps it, and where it was before.
SFTP_SERVER = "/usr/lib/openssh:/usr/lib"


def bindfs(far: Path, place: Path) -> list[str]:
    """Another view of a directory."""
    return ["bindfs", "-f", str(far), str(place)]


def sshfs(far: Path, place: Path) -> list[str]:
    """A share over SFTP, with the server at the other end of a pipe in place of a network."""
    server = shutil.which("sftp-server", path=f"{os.environ['PATH']}:{SFTP_SERVER}")
    needs(server, "needs sftp-server")
    wrapper = far.parent / "ssh"
    wrapper.write_text(f"#!/bin/sh\nexec {server}\n")
    wrapper.chmod(0o755)
    return ["sshfs", "-f", "-o", f"ssh_command={wrapper}", f"nas:{far}", str(place)]


@pytest.fixture(params=[bindfs, sshfs], ids=lambda made_by: made_by.__name__)
def share(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    """Mounted, with photos in it."""
    command: Callable[[Path, Path], list[str]] = request.param
    far, place = tmp_path / "far", tmp_path / "mnt/share"
    fill(far)
    mounted = Program(command(far, place), place)
    try:
        mounted.mount()
        yield mounted
    finally:
        mounted.close()


@pytest.fixture
def parts(tmp_path: Path, share: Program) -> Iterator[Stack]:
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
    parts: Stack, share: Program, tmp_path: Path
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
