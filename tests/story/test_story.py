"""The story: a disk of photos goes away and comes back, and nothing is lost. On real kernel mounts, with both
databases, through the real command lines."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import turns
from tests.linux.disks import Disk, Disks, umount
from tests.story.stack import Item, Stack, stack

pytestmark = [pytest.mark.root, pytest.mark.story]

PHOTOS = 1000
YEAR_S = 365 * 86400


def fill(directory: Path, count: int, per_directory: int = 50) -> None:
    """Put photos into directories; they are a year old."""
    then = time.time() - YEAR_S
    for number in range(count):
        folder = directory / f"trip {number // per_directory:03}"
        folder.mkdir(exist_ok=True)
        photo = folder / f"IMG_{number:05}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + number.to_bytes(4, "big") * 8)
        os.utime(photo, (then, then))


def online(parts: Stack, disk: Disk, place: Path, count: int = PHOTOS) -> str:
    """A disk of photos, mounted, and every photo in the catalog; returns the library."""
    disk.mount(place / "usb")
    fill(place / "usb", count)
    library = parts.library(place / "usb")
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    parts.until_online(disk.label)
    parts.feed.drain()
    assert parts.by_status(library) == {"present": count}
    return library


def rows(database: str | None, parts: Stack, table: str) -> dict[bytes, tuple[object, ...]]:
    """A table of the catalog, as the database has it."""
    engine = sa.create_engine(database or f"sqlite:///{parts.home}/catalog.sqlite3")
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text(f"SELECT * FROM {table}")).fetchall()
    finally:
        engine.dispose()
    return {bytes(row.id): tuple(row) for row in found}


def test_story(running: Stack, disks: Disks, place: Path, database: str | None) -> None:
    """(a) to (f): mount, unmount, mount elsewhere, delete and put back, move and rename, another disk."""
    parts = running
    disk = disks.make("ext4", label="family")
    library = online(parts, disk, place)
    before = parts.assets(library=library)
    assert len(before) == PHOTOS
    assert {asset["availability"] for asset in before.values()} == {"online"}

    # (b) unplugged: one row, one entry, within a second
    assets, volumes = rows(database, parts, "asset"), rows(database, parts, "volume")
    parts.feed.drain()
    started = time.monotonic()
    disk.umount()
    gone = parts.feed.until(lambda item: item["entity"] == "volume")
    assert time.monotonic() - started < 1.0
    assert gone["kind"] == "volume.offline"
    assert gone["state"]["reason"] == "not-mounted"
    assert parts.feed.drain() == []
    unavailable = parts.assets(library=library)
    assert {asset["availability"] for asset in unavailable.values()} == {"unavailable"}
    assert {asset["status"] for asset in unavailable.values()} == {"present"}
    assert {asset["unavailable"]["reason"] for asset in unavailable.values()} == {"not-mounted"}
    assert rows(database, parts, "asset") == assets
    after = rows(database, parts, "volume")
    assert len([key for key in after if after[key] != volumes[key]]) == 1

    # (c) mounted at another path: the same ids, no asset event
    disk.mount(place / "elsewhere")
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    parts.scan_to_the_end()
    again = parts.assets(library=library)
    assert again.keys() == before.keys()
    assert {asset["availability"] for asset in again.values()} == {"online"}
    assert all(asset["host_path"].startswith(str(place / "elsewhere")) for asset in again.values())
    assert rows(database, parts, "asset") == assets

    moves_and_deletions(parts, place / "elsewhere", library)

    # (f) another disk at the path: conflict, nothing missing, nothing added
    disk.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")
    assets = rows(database, parts, "asset")
    stranger = disks.make("ext4", label="stranger")
    stranger.mount(place / "stranger")
    fill(place / "stranger", 10)
    stranger.umount()
    stranger.mount(place / "elsewhere")
    conflict = parts.feed.until(lambda item: item["entity"] == "volume")
    assert (conflict["kind"], conflict["state"]["reason"]) == ("volume.conflict", "wrong-volume")
    assert rows(database, parts, "asset") == assets
    stranger.umount()
    disk.mount(place / "usb")
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    assert parts.assets(library=library).keys() >= before.keys()


def moves_and_deletions(parts: Stack, mounted: Path, library: str) -> None:
    """(d) and (e), on a disk whose photos are all known."""
    ids = {Path(asset["host_path"]): key for key, asset in parts.assets(library=library).items()}

    photo = mounted / "trip 003" / "IMG_00150.jpg"
    content = photo.read_bytes()
    photo.unlink()
    missing = parts.feed.until(lambda item: item["entity"] == "asset")
    assert (missing["kind"], missing["id"]) == ("asset.missing", ids[photo])
    assert parts.by_status(library) == {"present": PHOTOS - 1, "missing": 1}
    photo.write_bytes(content)
    restored = parts.feed.until(lambda item: item["entity"] == "asset")
    assert (restored["kind"], restored["id"]) == ("asset.restored", ids[photo])
    assert parts.by_status(library) == {"present": PHOTOS}

    expected: dict[str, Path] = {}
    best = mounted / "best of"
    best.mkdir()
    for number in range(20):
        old = mounted / "trip 000" / f"IMG_{number:05}.jpg"
        expected[ids[old]] = old.rename(best / old.name)
    for number in range(60, 65):
        old = mounted / "trip 001" / f"IMG_{number:05}.jpg"
        expected[ids[old]] = old.rename(old.with_name(f"renamed {number}.jpg"))
    (mounted / "trip 010").rename(mounted / "Lisbon")
    for number in range(500, 550):
        expected[ids[mounted / "trip 010" / f"IMG_{number:05}.jpg"]] = mounted / "Lisbon" / f"IMG_{number:05}.jpg"
    seen: dict[str, str] = {}

    def all_moved() -> bool:
        seen.update({item["id"]: item["kind"] for item in parts.feed.items if item["kind"] == "asset.moved"})
        return len(seen) == len(expected)

    parts.feed.until_true(all_moved)
    now = {key: Path(asset["host_path"]) for key, asset in parts.assets(library=library).items()}
    assert {key: now[key] for key in expected} == expected
    assert now.keys() == set(ids.values())
    assert parts.by_status(library) == {"present": PHOTOS}


def no_repetition(items: list[Item]) -> None:
    """The feed shows no change twice, and no asset added twice."""
    changes = Counter(item["change"] for item in items)
    assert max(changes.values(), default=1) == 1
    added = Counter(item["id"] for item in items if item["kind"] == "asset.added")
    assert max(added.values(), default=1) == 1


def catalog_equals_disk(parts: Stack, library: str, mounted: Path) -> None:
    present = parts.assets(library=library, status="present")
    paths = [asset["host_path"] for asset in present.values()]
    on_disk = [str(path) for path in mounted.rglob("*.jpg")]
    assert sorted(paths) == sorted(on_disk)
    assert set(parts.by_status(library)) <= {"present"}


def test_agent_killed_in_the_middle_of_a_scan(running: Stack, disks: Disks, place: Path) -> None:
    """(g) kill -9 of the agent: the next one goes on, and the catalog equals the disk."""
    parts = running
    disk = disks.make("ext4", size_mib=128, label="family")
    disk.mount(place / "usb")
    fill(place / "usb", 6000)
    library = parts.library(place / "usb")
    parts.feed.until(lambda item: item["kind"] == "asset.added")
    parts.kill_agent()
    chance = random.Random(7)
    for _ in range(6):
        parts.start_agent(place)
        threading.Event().wait(chance.uniform(0.2, 0.8))  # the moment is meant to be random
        parts.kill_agent()
    parts.start_agent(place)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 6000})
    catalog_equals_disk(parts, library, place / "usb")
    parts.feed.drain()
    no_repetition(parts.feed.items)


def test_sidecar_killed_in_the_middle_of_a_report(running: Stack, disks: Disks, place: Path) -> None:
    """(g) kill -9 of the sidecar at random moments while reports stream in."""
    parts = running
    disk = disks.make("ext4", size_mib=128, label="family")
    disk.mount(place / "usb")
    fill(place / "usb", 6000, per_directory=10)
    library = parts.library(place / "usb")
    chance = random.Random(7)
    for _ in range(5):
        parts.feed.read(wait_s=1.0)
        threading.Event().wait(chance.uniform(0.0, 0.1))  # the moment is meant to be random
        parts.kill_sidecar()
        parts.start_sidecar()
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 6000})
    catalog_equals_disk(parts, library, place / "usb")
    parts.feed.drain()
    no_repetition(parts.feed.items)


@pytest.mark.mariadb
def test_database_restarted_in_the_middle_of_a_scan(
    tmp_path: Path, disks: Disks, place: Path, request: pytest.FixtureRequest
) -> None:
    """(g) the database is restarted, and killed, while reports stream in."""
    server = request.getfixturevalue("mariadb")
    home = tmp_path / "state"
    home.mkdir()
    with stack(home, server.fresh_database()) as parts:
        parts.start_agent(place)
        disk = disks.make("ext4", size_mib=128, label="family")
        disk.mount(place / "usb")
        fill(place / "usb", 6000, per_directory=10)
        library = parts.library(place / "usb")
        parts.feed.until(lambda item: item["kind"] == "asset.added")
        server.restart()
        parts.feed.read(wait_s=1.0)
        server.kill()
        server.restart()
        parts.feed.until_true(lambda: parts.by_status(library) == {"present": 6000}, timeout_s=120)
        catalog_equals_disk(parts, library, place / "usb")
        parts.feed.drain()
        no_repetition(parts.feed.items)


@pytest.mark.parametrize("how", ["plain", "lazy", "covered"])
def test_unmount_in_the_middle_of_a_scan(running: Stack, disks: Disks, place: Path, how: str) -> None:
    """(h) fifty times, spread over a few commits, at random moments of a running scan: never one false absence."""
    parts = running
    disk = disks.make("ext4", label="family")
    library = online(parts, disk, place)
    before = parts.assets(library=library).keys()
    chance = random.Random(how)
    for _ in range(turns.share(50)):
        parts.scan()
        threading.Event().wait(chance.uniform(0.0, 0.04))  # the moment is meant to be random
        if how == "covered":
            subprocess.run(["mount", "-t", "tmpfs", "none", place / "usb"], check=True)
            parts.feed.until(lambda item: item["entity"] == "volume" and item["kind"] != "volume.online")
            umount(place / "usb")
        else:
            disk.umount(lazy=how == "lazy", within_s=1.0)  # R40
            parts.feed.until(lambda item: item["entity"] == "volume" and item["kind"] != "volume.online")
            disk.mount(place / "usb")
        parts.feed.until(lambda item: item["kind"] == "volume.online")
    parts.scan_to_the_end()
    parts.feed.drain()
    assert {item["kind"] for item in parts.feed.items} & {"asset.missing", "asset.unreadable", "asset.removed"} == set()
    assert parts.assets(library=library).keys() == before
    assert parts.by_status(library) == {"present": PHOTOS}
