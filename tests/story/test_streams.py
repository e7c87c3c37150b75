"""Two hosts and one disk; journals and catalogs that were lost or set back: real processes, real mounts.

The second host is a mount namespace of its own, in which the second agent lives: a disk that is mounted there is to be
seen by that agent alone.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.linux.disks import Disk, Disks
from tests.story.stack import Item, Stack
from tests.story.test_story import fill

pytestmark = [pytest.mark.root, pytest.mark.story]

PHOTOS = 200
OTHER = "other"


@pytest.fixture
def disk(disks: Disks, place: Path) -> Disk:
    disk = disks.make("ext4", label="family")
    disk.mount(place / "usb")
    photos(disk).mkdir()
    fill(photos(disk), PHOTOS)
    return disk


def photos(disk: Disk) -> Path:
    """What is imported: a directory on the disk, which is not there while the disk is away."""
    return disk.path / "photos"


@pytest.fixture
def library(parts: Stack, disk: Disk) -> str:
    """Every photo of the disk is known."""
    library = parts.library(photos(disk))
    all_known(parts, library)
    return library


@pytest.fixture
def shared(parts: Stack, place: Path, disk: Disk) -> str:
    """A library with an import path on either host, and the disk in the first."""
    mounted = disk.path
    disk.umount()  # the other host begins with a copy of the mounts here
    (place / "media").mkdir()
    parts.start_agent(place, OTHER, apart=True)
    import_paths = [
        {"agent": parts.agent_id(), "path": str(mounted / "photos")},
        {"agent": parts.agent_id(OTHER), "path": str(place / "media/photos")},
    ]
    disk.mount(mounted)
    library = str(parts.post("/libraries", {"name": "Photos", "owner": "anna", "import_paths": import_paths})["id"])
    all_known(parts, library)
    return library


def all_known(parts: Stack, library: str) -> None:
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    parts.until_online("family")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})
    parts.feed.drain()


def asset_events(parts: Stack) -> dict[str, set[str]]:
    """What became of assets since the last look, by kind: file names."""
    found: dict[str, set[str]] = {}
    for item in parts.feed.drain():
        if item["entity"] == "asset":
            found.setdefault(item["kind"], set()).add(item["state"]["file_name"])
    return found


def is_writer(parts: Stack, name: str) -> bool:
    volume = parts.volume("family")
    return bool(volume["agent"] == parts.agent_id(name) and volume["state"] == "online")


def until_scanned(parts: Stack, since: set[str]) -> None:
    """Wait until another scan than these has ended."""
    parts.feed.until_true(lambda: bool(scans(parts) - since))


def scans(parts: Stack) -> set[str]:
    return {item["id"] for item in parts.feed.items if item["kind"] == "scan.finished"}


def reading(parts: Stack, name: str) -> Item:
    (found,) = json.loads(parts.agent_cli("status", "--json", name=name))["volumes"]
    return dict(found)


def in_a_drawer(disk: Disk, tmp_path: Path, script: str) -> None:
    """Change the disk where no agent sees it."""
    away = tmp_path / "away"
    away.mkdir(exist_ok=True)
    command = f"mount {disk.device} {away} && cd {away}/photos && {script} && cd / && umount {away}"
    subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", command], check=True)


def move_to_the_other(parts: Stack, disk: Disk, place: Path) -> None:
    parts.on_host_of(OTHER, "mount", disk.device, str(place / "media"))


def test_r33_disk_that_is_carried_to_another_host_and_back(
    parts: Stack, disk: Disk, place: Path, shared: str, tmp_path: Path
) -> None:
    before = parts.assets(library=shared)
    mounted = disk.path
    disk.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")
    in_a_drawer(disk, tmp_path, "rm 'trip 000/IMG_00003.jpg' && rm -r 'trip 003' && echo new > 'trip 001/new.jpg'")
    assert asset_events(parts) == {}
    seen = scans(parts)
    move_to_the_other(parts, disk, place)
    parts.feed.until_true(lambda: is_writer(parts, OTHER))
    until_scanned(parts, seen)
    gone = {"IMG_00003.jpg", *(f"IMG_{number:05}.jpg" for number in range(150, 200))}
    parts.feed.until_true(lambda: parts.by_status(shared) == {"present": PHOTOS - 51 + 1, "missing": 51})
    assert asset_events(parts) == {"asset.missing": gone, "asset.added": {"new.jpg"}}
    now = parts.assets(library=shared)
    assert now.keys() > before.keys()
    assert {now[key]["status"] for key in before} == {"present", "missing"}

    # What the other host does there is told by its agent: it watches.
    parts.on_host_of(OTHER, "mv", str(place / "media/photos/trip 001/new.jpg"), str(place / "media/photos/moved.jpg"))
    parts.feed.until(lambda item: item["kind"] == "asset.moved")
    parts.on_host_of(OTHER, "umount", str(place / "media"))
    parts.feed.until(lambda item: item["kind"] == "volume.offline")
    parts.feed.drain()
    known = parts.assets(library=shared)

    # Back where it was: this agent's journal is of before, and tells nothing of what it remembers.
    seen = scans(parts)
    disk.mount(mounted)
    parts.feed.until_true(lambda: is_writer(parts, "agent"))
    until_scanned(parts, seen)
    (mounted / "photos/last.jpg").write_bytes(b"\xff\xd8 the last")
    parts.feed.until_true(lambda: parts.by_status(shared)["present"] == PHOTOS - 51 + 2)
    assert asset_events(parts) == {"asset.added": {"last.jpg"}}
    assert {key: one["status"] for key, one in parts.assets(library=shared).items() if key in known} == {
        key: one["status"] for key, one in known.items()
    }


def test_r33_two_hosts_that_see_one_disk_at_once(parts: Stack, disk: Disk, place: Path, shared: str) -> None:
    move_to_the_other(parts, disk, place)

    def is_told() -> bool:
        return bool(reading(parts, OTHER)["status"]["reason"] == "two-writers")

    parts.feed.until_true(is_told)
    shown = reading(parts, OTHER)
    assert shown["status"]["state"] == "conflict"
    assert (shown["scan"], shown["scans_finished"]) == (None, 0)
    assert "Another agent reports the same storage" in parts.agent_cli("status", name=OTHER)
    (photos(disk) / "trip 000" / "IMG_00000.jpg").unlink()
    missing = parts.feed.until(lambda item: item["entity"] == "asset")
    assert (missing["kind"], missing["state"]["file_name"]) == ("asset.missing", "IMG_00000.jpg")
    assert is_writer(parts, "agent")

    # The first lets go, and the other takes over; what it sees is what is known, and its own.
    parts.feed.drain()
    seen = scans(parts)
    disk.umount()
    parts.feed.until_true(lambda: is_writer(parts, OTHER))
    until_scanned(parts, seen)
    parts.on_host_of(OTHER, "touch", str(place / "media/photos/trip 000/there.jpg"))
    parts.feed.until_true(lambda: parts.by_status(shared) == {"present": PHOTOS, "missing": 1})
    assert asset_events(parts) == {"asset.added": {"there.jpg"}}


def test_r34_what_went_while_the_journal_was_lost(parts: Stack, place: Path, disk: Disk, library: str) -> None:
    before = parts.assets(library=library)
    assert parts.stop_agent() == 0
    shutil.rmtree(parts.home / "agent" / "journals")
    for number in (1, 60):
        next(photos(disk).rglob(f"IMG_{number:05}.jpg")).unlink()
    (photos(disk) / "new.jpg").write_bytes(b"\xff\xd8 a new one")
    parts.start_agent(place)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS - 1, "missing": 2})
    parts.scan_to_the_end()
    assert asset_events(parts) == {
        "asset.added": {"new.jpg"},
        "asset.missing": {"IMG_00001.jpg", "IMG_00060.jpg"},
    }
    assert parts.assets(library=library).keys() > before.keys()


def test_r34_journal_that_was_set_back(parts: Stack, place: Path, disk: Disk, library: str) -> None:
    assert parts.stop_agent() == 0
    shutil.copytree(parts.home / "agent" / "journals", parts.home / "copy")
    parts.start_agent(place)
    parts.scan_to_the_end()
    trip = photos(disk) / "trip 001"
    (trip / "IMG_00060.jpg").unlink()
    (trip / "IMG_00061.jpg").rename(trip / "renamed.jpg")
    (trip / "new.jpg").write_bytes(b"\xff\xd8 a new one")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS, "missing": 1})
    parts.feed.until_true(lambda: any(item["kind"] == "asset.moved" for item in parts.feed.items))
    assert parts.stop_agent() == 0
    parts.feed.drain()
    before = parts.assets(library=library)
    (trip / "new.jpg").unlink()
    shutil.rmtree(parts.home / "agent" / "journals")
    (parts.home / "copy").rename(parts.home / "agent" / "journals")
    parts.start_agent(place)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS - 1, "missing": 2})
    parts.scan_to_the_end()
    assert asset_events(parts) == {"asset.missing": {"new.jpg"}}
    assert parts.assets(library=library).keys() == before.keys()


@pytest.mark.parametrize("is_said", [True, False], ids=["and it was said", "and nobody said so"])
def test_r35_catalog_that_was_restored_from_a_backup(
    parts: Stack, disk: Disk, library: str, tmp_path: Path, is_said: bool
) -> None:
    file, backup = parts.home / "catalog.sqlite3", tmp_path / "backup.sqlite3"
    with sqlite3.connect(file) as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    before = parts.assets(library=library)
    trip = photos(disk) / "trip 001"
    (trip / "IMG_00060.jpg").unlink()
    (trip / "new.jpg").write_bytes(b"\xff\xd8 a new one")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS, "missing": 1})

    parts.kill_sidecar()
    for left in parts.home.glob("catalog.sqlite3*"):
        left.unlink()
    shutil.copy(backup, file)
    if is_said:
        verb = [sys.executable, "-m", "sidecar.cli", "restored", "--state", str(parts.home)]
        subprocess.run(verb, check=True, capture_output=True)
    parts.start_sidecar()
    parts.feed.restart()
    parts.until_online("family")
    if not is_said:
        parts.scan()  # with the next report it comes out
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS, "missing": 1})
    now = parts.assets(library=library)
    assert now.keys() > before.keys()
    assert {one["file_name"] for one in now.values() if one["status"] == "missing"} == {"IMG_00060.jpg"}
    assert {now[key]["file_name"] for key in now.keys() - before.keys()} == {"new.jpg"}
    parts.feed.until_true(lambda: any(item["kind"] == "scan.finished" for item in parts.feed.items))
    (trip / "after.jpg").write_bytes(b"\xff\xd8 one more")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS + 1, "missing": 1})
