"""Rule R28: no part of the agent that touches storage can write to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.linux.disks import Disks
from tests.linux.tracing import writes_below

pytestmark = pytest.mark.root

EVERYTHING = """
import sys
from agent.linux.blockdev import device_of
from agent.linux.files import MountedFiles
from agent.linux.inotify import InotifyWatch
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.mounts import resolve
from agent.ports import Listing, Probe

place = sys.argv[1]
table = MountTable()
mount = resolve(table.table(), place)
found = probe(mount)
assert isinstance(found, Probe), found
files = MountedFiles(place, found.mount_id, device=device_of(mount))
watch = InotifyWatch(place, found.mount_id)
files.begin()
for directory in ("", "2024"):
    assert watch.add(directory) is None
    listing = files.list(directory)
    assert isinstance(listing, Listing), listing
    files.births(directory, [file.name for file in listing.files])
watch.read()
watch.remove("2024")
assert "device" in files.gate()
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
