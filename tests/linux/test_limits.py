"""Rule R31: the kernel gives watches to fewer directories than there are. The limit is its own, of a user namespace."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.local_socket import ask_status
from holdfast.status import AgentStatus, VolumeReading
from tests.linux.disks import Disk, Disks
from tests.linux.matrix.grounds import FOLDERS, fill
from tests.story.stack import PATIENCE_S, Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

WATCHES = 10
LIMIT = "/proc/sys/user/max_inotify_watches"


class FewWatches(Stack):
    """Its agent is in a user namespace where the kernel gives it few watches, and scans often what it cannot watch."""

    agent_within = ("unshare", "-U", "-r", "sh", "-c", f'echo {WATCHES} > {LIMIT} && exec "$@"', "sh")
    agent_settings = "rescan_s = 1.0\n"
    watch = "inotify"

    def raise_limit(self, watches: int) -> None:
        """As an administrator does."""
        pid = str(self.status().pid)
        subprocess.run(["nsenter", "--target", pid, "--user", "sh", "-c", f"echo {watches} > {LIMIT}"], check=True)

    def status(self) -> AgentStatus:
        return ask_status(str(self.home / "agent" / "agent.sock"))

    def reading(self) -> VolumeReading:
        """The one volume."""
        (found,) = self.status().volumes
        return found

    def until_watched(self, directories: int) -> str:
        """Wait until so many directories are watched, and the scan is over; says how changes are seen."""
        until = time.monotonic() + PATIENCE_S
        while (reading := self.reading()).watched_directories != directories or reading.scan is not None:
            assert time.monotonic() < until, reading
            time.sleep(0.05)  # the status socket answers, and tells nobody of news
        return reading.watching


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Disk:
    one = disks.make("ext4", label="family")
    (one.mount(tmp_path / "mnt/disk") / "lost+found").rmdir()
    fill(one.path)
    return one


@pytest.fixture
def parts(tmp_path: Path, disk: Disk) -> Iterator[FewWatches]:
    home = tmp_path / "state"
    home.mkdir()
    running = FewWatches(home)
    try:
        running.start_agent(tmp_path / "mnt")
        library = running.library(disk.path)
        running.feed.until_true(lambda: running.by_status(library) == {"present": FOLDERS})
        running.feed.drain()
        yield running
        print(running.log())  # noqa: T201 - pytest shows it when the test has failed
    finally:
        running.close()


def test_r31_directories_that_get_no_watch_are_scanned_until_the_limit_is_raised(parts: FewWatches, disk: Disk) -> None:
    said = parts.until_watched(WATCHES)
    assert said.startswith(f"inotify for some of {FOLDERS + 1} directories and scans for the rest")
    assert "sysctl fs.inotify.max_user_watches=" in said
    for number in range(0, FOLDERS, 7):  # few of them can be among the watched ones
        photo = disk.path / f"f{number:03}" / f"new{number}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0")
        added = parts.feed.until(lambda one: one["kind"] == "asset.added")
        assert added["state"]["host_path"] == str(photo)
    (disk.path / f"f{FOLDERS - 1:03}" / f"IMG_{FOLDERS - 1:03}.jpg").unlink()
    gone = parts.feed.until(lambda one: one["kind"] == "asset.missing")
    assert gone["state"]["file_name"] == f"IMG_{FOLDERS - 1:03}.jpg"

    parts.raise_limit(10 * FOLDERS)
    assert parts.until_watched(FOLDERS + 1) == f'inotify, {FOLDERS + 1} directories (watch = "inotify" in agent.toml)'
    scans = parts.reading().scans_finished
    (disk.path / "f030/last.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    parts.feed.until(lambda one: one["kind"] == "asset.added")
    assert parts.reading().scans_finished == scans, "the watch alone has told it"
