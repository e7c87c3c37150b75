"""The catalog moves to a database server while the agent works, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linux.disks import Disks
from tests.mariadb import MariaDB
from tests.story.stack import Stack, stack
from tests.story.test_story import fill, no_repetition

pytestmark = [pytest.mark.root, pytest.mark.story, pytest.mark.mariadb]

PHOTOS = 400


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "state"
    home.mkdir()
    (tmp_path / "mnt").mkdir()
    with stack(home) as running:
        running.start_agent(tmp_path / "mnt")
        yield running


def test_the_agent_works_on_before_during_and_after(
    parts: Stack, disks: Disks, mariadb: MariaDB, tmp_path: Path
) -> None:
    disk = disks.make("ext4", label="family")
    place = disk.mount(tmp_path / "mnt/usb")
    fill(place, PHOTOS)
    library = parts.library(place)
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    parts.until_online("family")
    before = parts.assets(library=library)
    assert len(before) == PHOTOS
    url = mariadb.fresh_database()
    stop = threading.Event()

    def a_person() -> None:
        """Puts photos on the disk all the while, and moves one and deletes one now and then."""
        number = 0
        while not stop.wait(0.02):
            (place / f"new {number:04}.jpg").write_bytes(b"\xff\xd8" + number.to_bytes(4, "big"))
            if number % 10 == 9:
                (place / f"new {number:04}.jpg").rename(place / "trip 000" / f"moved {number}.jpg")
                (place / f"new {number - 1:04}.jpg").unlink()
            number += 1

    person = threading.Thread(target=a_person)
    person.start()
    command = [sys.executable, "-m", "sidecar.cli", "promote", "--state", str(parts.home), "--to", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert len(parts.assets(library=library)) >= PHOTOS, "the old catalog can still be read"
    parts.restart_sidecar(url)
    (place / "after.jpg").write_bytes(b"\xff\xd8 after")
    stop.set()
    person.join()
    parts.feed.until(lambda item: item["entity"] == "asset" and item["state"]["file_name"] == "after.jpg")
    parts.scan_to_the_end()
    parts.feed.until_true(lambda: set(parts.by_status(library)) <= {"present", "missing"})
    wanted = len(list(place.rglob("*.jpg")))
    parts.feed.until_true(lambda: parts.by_status(library).get("present") == wanted)
    present = parts.assets(library=library, status="present")
    assert sorted(Path(one["host_path"]) for one in present.values()) == sorted(place.rglob("*.jpg"))
    assert present.keys() >= before.keys()
    # The reader of the feed never began anew, and saw each change once.
    parts.feed.drain()
    no_repetition(parts.feed.items)
