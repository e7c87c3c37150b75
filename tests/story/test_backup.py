"""A backup is made while the agent tells of new photos, and restored: what was told since comes back from the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.linux.disks import Disk
from tests.story.family import PHOTOS
from tests.story.family import disk as disk  # noqa: PLC0414 - a fixture is found where its name is
from tests.story.stack import Stack

pytestmark = [pytest.mark.root, pytest.mark.story]


def test_r35_backed_up_while_photos_come_in_and_restored(parts: Stack, disk: Disk, tmp_path: Path) -> None:
    library = parts.library(disk.path)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})

    def verb(*arguments: str) -> None:
        command = [sys.executable, "-m", "sidecar.cli", *arguments, "--state", str(parts.home)]
        subprocess.run(command, check=True, capture_output=True)

    new = disk.path / "new"
    new.mkdir()
    for number in range(300):
        (new / f"{number}.jpg").write_bytes(b"\xff\xd8 %d" % number)
    verb("backup", "--to", str(tmp_path / "backups"))
    (disk.path / "trip 001" / "IMG_00060.jpg").unlink()
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS + 299, "missing": 1})
    before = parts.assets(library=library)

    parts.stop_sidecar()
    (backup,) = (tmp_path / "backups").glob("*.backup")
    verb("restore", "--replace", str(backup))
    parts.start_sidecar()
    assert parts.client.get("/changes", params={"since": parts.feed.cursor}).status_code == 410
    parts.feed.restart()
    parts.until_online("family")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS + 299, "missing": 1})
    now = parts.assets(library=library)
    by_name = {one["file_name"]: one["id"] for one in before.values() if "trip" in one["path"]}
    assert {one["file_name"]: one["id"] for one in now.values() if "trip" in one["path"]} == by_name, "ids stay"
    assert "hf_" not in (parts.home / "processes.log").read_text(errors="replace"), "no token is ever logged"
