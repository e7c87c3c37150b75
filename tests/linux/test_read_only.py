"""Rule R28: no part of the agent that touches storage can write to it, and reading leaves no trace either."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.local_socket import ask_status
from tests.linux.disks import Disk, Disks
from tests.linux.matrix.grounds import FOLDERS, fill
from tests.linux.tracing import changes_below, readings_below, traced, writes_below
from tests.story.stack import PATIENCE_S, Stack

pytestmark = pytest.mark.root

EVERYTHING = """
import sys
from agent.linux.blockdev import device_of
from agent.linux.files import MountedFiles
from agent.linux.fanotify import FanotifyWatch
from agent.linux.inotify import InotifyWatch
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.mounts import resolve
from agent.ports import Listing, Place, Probe

place = sys.argv[1]
table = MountTable()
mount = resolve(table.table(), place)
found = probe(mount)
assert isinstance(found, Probe), found
files = MountedFiles(place, found.mount_id, device=device_of(mount))
watches = [InotifyWatch(place, found.mount_id), FanotifyWatch(place, found.mount_id)]
files.begin()
for directory in ("", "2024"):
    assert [watch.add(directory) for watch in watches] == [None, None]
    listing = files.list(directory)
    assert isinstance(listing, Listing), listing
    assert [*files.unmoved([Place(directory, (listing.mtime_ns, listing.ctime_ns), listing.files)])] == [directory]
for watch in watches:
    watch.read()
    watch.remove("2024")
assert "device" in files.gate()
for watch in watches:
    watch.close()
"""

WRITING = "import sys; open(sys.argv[1] + '/2024/b.jpg', 'w').close()"


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
def test_r28_no_call_of_any_port_would_change_the_storage(disks: Disks, tmp_path: Path, fs_type: str) -> None:
    place = disks.make(fs_type).mount(tmp_path / "disk")
    (place / "2024").mkdir()
    (place / "2024/a.jpg").write_bytes(b"photo")
    command = (sys.executable, "-c", EVERYTHING, str(place))
    assert writes_below(place, *command, log=tmp_path / "calls") == []
    assert "openat2" in (tmp_path / "calls").read_text(), "the trace must have seen the reading"


def test_r28_the_tracer_would_see_a_write(disks: Disks, tmp_path: Path) -> None:
    place = disks.make().mount(tmp_path / "disk")
    (place / "2024").mkdir()
    assert writes_below(place, sys.executable, "-c", WRITING, str(place), log=tmp_path / "calls")
    assert os.listdir(place / "2024") == ["b.jpg"]


def test_r28_the_tracer_tells_readings_that_leave_a_trace(tmp_path: Path) -> None:
    place, log = tmp_path / "disk", tmp_path / "calls"
    place.mkdir()
    (place / "a.jpg").touch()
    (tmp_path / "disk2").mkdir()
    reading = "import os, sys; os.listdir(sys.argv[1]); os.listdir(sys.argv[1] + '2')"
    assert writes_below(place, sys.executable, "-c", reading, str(place), log=log) == []
    assert len(readings_below(place, log, quiet=False)) == 1
    assert readings_below(place, log, quiet=True) == []


class Traced(Stack):
    """Its whole agent, workers included, is traced from beginning to end."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.calls = home / "calls"
        # As a grandchild, so that the agent is ours to stop.
        self.agent_within = traced(self.calls, "--daemonize=pgroup")

    def finish(self) -> None:
        """Stop the agent, and wait until the tracer has written down everything."""
        agent = ask_status(str(self.home / "agent" / "agent.sock")).pid
        status = Path(f"/proc/{agent}/status").read_text()
        tracer = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("TracerPid:"))
        assert tracer != 0
        self.stop_agent()
        until = time.monotonic() + PATIENCE_S
        while _runs(tracer):
            assert time.monotonic() < until
            time.sleep(0.01)  # it is nobody's child


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Traced]:
    home = tmp_path / "state"
    home.mkdir()
    running = Traced(home)
    try:
        running.start_agent(tmp_path / "mnt")
        yield running
        print(running.log())  # noqa: T201 - pytest shows it when the test has failed
    finally:
        running.close()


def read_at(drawer: list[Disk]) -> dict[Path, int]:
    """When everything on these disks was last read. Nothing is read to know that."""
    names = [Path(), *(Path(f"f{number:03}") for number in range(FOLDERS))]
    names += [name / f"IMG_{number:03}.jpg" for number, name in enumerate(names[1:])]
    places = [disk.path / name for disk in drawer for name in names]
    return {place: place.lstat().st_atime_ns for place in places if os.path.lexists(place)}


@pytest.mark.story
def test_r28_a_whole_agent_neither_writes_nor_leaves_a_trace_of_its_reading(
    parts: Traced, disks: Disks, tmp_path: Path
) -> None:
    """It scans, watches, misses a photo, has a disk unmounted and mounted again, and is stopped."""
    top = tmp_path / "mnt"
    drawer = [disks.make(fs_type, label=fs_type) for fs_type in ("ext4", "xfs", "btrfs")]
    for disk in drawer:
        # Every reading that can be seen shall be seen, and not only the first one.
        fill(disk.mount(top / disk.fs_type, "strictatime"))
        (disk.path / ".holdfastignore").write_text("*.tmp\n")
    before = read_at(drawer)
    library = parts.library(*(disk.path for disk in drawer))
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 3 * FOLDERS})

    (drawer[0].path / "f001/new.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    parts.feed.until(lambda one: one["kind"] == "asset.added" and one["state"]["file_name"] == "new.jpg")
    (drawer[0].path / "f002/IMG_002.jpg").unlink()
    parts.feed.until(lambda one: one["kind"] == "asset.missing")
    parts.scan_to_the_end()
    drawer[1].umount()
    parts.feed.until(lambda one: one["kind"] == "volume.offline")
    drawer[1].mount(top / "xfs", "strictatime")
    parts.feed.until(lambda one: one["kind"] == "volume.online" and one["state"]["label"] == "xfs")
    parts.scan_to_the_end()
    after = read_at(drawer)
    parts.finish()

    assert changes_below(top, parts.calls) == []
    assert readings_below(top, parts.calls, quiet=False) == []
    for disk in drawer:
        assert len(readings_below(disk.path, parts.calls, quiet=True)) > FOLDERS, "the trace must have seen it all"
    moved = {place for place, at in after.items() if before[place] != at}
    assert moved == set(), "what was read says so"
