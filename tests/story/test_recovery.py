"""Parts of the product die, or lose what they remember; nothing that they told before is taken back."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.exposition import one, parsed
from tests.linux.disks import Disk
from tests.story.family import PHOTOS
from tests.story.family import disk as disk  # noqa: PLC0414 - a fixture is found where its name is
from tests.story.stack import Stack

pytestmark = [pytest.mark.root, pytest.mark.story]


@pytest.fixture
def library(parts: Stack, disk: Disk) -> str:
    """Every photo of the disk is known."""
    library = parts.library(disk.path)
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    parts.until_online("family")
    parts.feed.drain()
    assert parts.by_status(library) == {"present": PHOTOS}
    return library


def asset_events(parts: Stack) -> list[str]:
    return [item["kind"] for item in parts.feed.drain() if item["entity"] == "asset"]


def a_new_photo_is_seen(parts: Stack, mounted: Path) -> None:
    (mounted / "new.jpg").write_bytes(b"\xff\xd8 a new one")
    added = parts.feed.until(lambda item: item["entity"] == "asset")
    assert (added["kind"], added["state"]["file_name"]) == ("asset.added", "new.jpg")


def test_worker_that_dies_is_replaced(parts: Stack, disk: Disk, library: str) -> None:
    (reading,) = json.loads(parts.agent_cli("status", "--json"))["volumes"]
    os.kill(reading["worker_pid"], signal.SIGKILL)
    parts.feed.until(lambda item: item["kind"] == "volume.unknown")
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    parts.scan_to_the_end()
    assert asset_events(parts) == []
    a_new_photo_is_seen(parts, disk.path)
    figures = parsed(parts.agent_cli("metrics"))
    assert one(figures, "holdfast_agent_volume_worker_deaths_total", label="family") == 1
    assert one(figures, "holdfast_agent_volume_available", label="family") == 1
    assert one(figures, "holdfast_agent_volume_last_scan_files", label="family") == PHOTOS
    assert one(figures, "holdfast_agent_volume_reports_total", label="family") >= 2
    assert one(figures, "holdfast_agent_connected") == 1


def test_agent_started_again_tells_nothing_twice(parts: Stack, place: Path, disk: Disk, library: str) -> None:
    assert parts.stop_agent() == 0
    (disk.path / "trip 001" / "IMG_00050.jpg").rename(disk.path / "moved.jpg")
    parts.start_agent(place)
    moved = parts.feed.until(lambda item: item["entity"] == "asset")
    assert (moved["kind"], moved["state"]["file_name"]) == ("asset.moved", "moved.jpg")
    parts.scan_to_the_end()
    assert asset_events(parts) == []
    assert parts.by_status(library) == {"present": PHOTOS}


@pytest.mark.parametrize("lost", ["registry.json", "journals"])
def test_r34_agent_that_lost_its_memory_takes_nothing_back(
    parts: Stack, place: Path, disk: Disk, library: str, lost: str
) -> None:
    before = parts.assets(library=library)
    parts.kill_agent()
    forgotten = parts.home / "agent" / lost
    if forgotten.is_dir():
        shutil.rmtree(forgotten)
    else:
        forgotten.unlink()
    parts.start_agent(place)
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    parts.until_online("family")
    assert asset_events(parts) == []
    assert parts.assets(library=library) == before
    assert parts.volume("family")["state"] == "online"
    a_new_photo_is_seen(parts, disk.path)
