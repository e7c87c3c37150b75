"""The whole product: what is in the photos, and photos that come back elsewhere. Real disks, a real agent."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from tests.linux.disks import Disks, run
from tests.needs import needs
from tests.story.stack import Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

DAY_S = 86400


@pytest.fixture
def reads() -> str:
    return "yes"


def checksum(data: bytes) -> str:
    return "sha1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


def photo(path: Path, data: bytes) -> Path:
    """A photo that nobody has touched since yesterday."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time() - DAY_S
    os.utime(path, (then, then))
    return path


def is_sought(parts: Stack, size: int) -> bool:
    """Whether the agent knows that a file of this size is missed somewhere."""
    registry = json.loads((parts.home / "agent" / "registry.json").read_text())
    return size in registry["assignment"]["sought_sizes"]


def by_name(parts: Stack) -> dict[str, dict[str, object]]:
    return {str(one["path"]): one for one in parts.assets().values()}


def test_r38_a_photo_that_is_put_on_another_disk_is_the_same_photo(running: Stack, disks: Disks, place: Path) -> None:
    one, other = place / "one", place / "other"
    for path, label in ((one, "one"), (other, "other")):
        disks.make("ext4", size_mib=16, label=label).mount(path)
        photo(path / "keeper.jpg", label.encode())
    beach = os.urandom(3_000_000)
    photo(one / "2024" / "beach.jpg", beach)
    library = running.library(one, other)
    running.feed.until_true(lambda: running.by_status(library) == {"present": 3})
    running.feed.until_true(lambda: all(asset["content_checksum"] for asset in running.assets().values()))
    before = by_name(running)[str(one / "2024" / "beach.jpg")]
    assert before["content_checksum"] == checksum(beach)
    (one / "2024" / "beach.jpg").unlink()
    running.feed.until_true(lambda: running.by_status(library) == {"present": 2, "missing": 1})
    running.feed.until_true(lambda: is_sought(running, len(beach)))
    running.feed.drain()
    seen = len(running.feed.items)
    photo(other / "album" / "strand.jpg", beach)
    running.feed.until_true(lambda: running.by_status(library) == {"present": 3})
    after = by_name(running)[str(other / "album" / "strand.jpg")]
    assert after["id"] == before["id"]
    running.feed.drain()
    told = [item["kind"] for item in running.feed.items[seen:] if item["entity"] == "asset"]
    assert told == ["asset.moved"], "nobody hears of a photo that was added or removed"
    # A copy of what is there is another photo, and stays one.
    photo(one / "copy.jpg", beach)
    running.feed.until_true(lambda: running.by_status(library) == {"present": 4})
    assert by_name(running)[str(one / "copy.jpg")]["id"] != before["id"]


@pytest.mark.parametrize("fs_type", ["ntfs-3g", "overlay"])
def test_r38_photos_that_are_moved_where_inodes_do_not_last_stay_the_same(
    running: Stack, disks: Disks, place: Path, tmp_path: Path, fs_type: str
) -> None:
    disk = place / "disk"
    if fs_type == "overlay":
        below = disks.make("ext4", size_mib=16).mount(tmp_path / "below")
        for part in ("lower", "upper", "work"):
            (below / part).mkdir()
        disk.mkdir()
        layers = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(disk))
    else:
        needs(Path("/dev/fuse").exists(), "FUSE")
        disks.make(fs_type, size_mib=16, label="one").mount(disk)
    for number in range(20):
        photo(disk / "trip" / f"IMG_{number}.jpg", os.urandom(1000 + number))
    photo(disk / "keeper.jpg", b"keeper")
    library = running.library(disk)
    running.feed.until_true(lambda: running.by_status(library) == {"present": 21})
    running.feed.until_true(lambda: all(asset["content_checksum"] for asset in running.assets().values()))
    before = {asset["content_checksum"]: key for key, asset in running.assets().items()}
    running.feed.drain()
    seen = len(running.feed.items)
    (disk / "trip").rename(disk / "holiday")
    (disk / "holiday" / "IMG_0.jpg").rename(disk / "best.jpg")
    moved = {str(disk / "best.jpg"), *(str(disk / f"holiday/IMG_{number}.jpg") for number in range(1, 20))}
    running.feed.until_true(lambda: by_name(running).keys() == {*moved, str(disk / "keeper.jpg")})
    assert {asset["content_checksum"]: key for key, asset in running.assets().items()} == before
    running.feed.drain()
    told = {item["kind"] for item in running.feed.items[seen:] if item["entity"] == "asset"}
    assert "asset.added" not in told


def test_reading_does_not_touch_what_it_reads(running: Stack, disks: Disks, place: Path) -> None:
    disk = disks.make("ext4", size_mib=16, label="one").mount(place / "one", "strictatime")
    kept = photo(disk / "a.jpg", os.urandom(2_500_000))
    before = os.stat(kept)
    library = running.library(disk)
    running.feed.until_true(lambda: running.by_status(library) == {"present": 1})
    running.feed.until_true(lambda: all(asset["content_checksum"] for asset in running.assets().values()))
    assert os.stat(kept).st_atime_ns == before.st_atime_ns
