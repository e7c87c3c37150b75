"""The .xmp files beside photos: whatever becomes of them is told of their photos, which nobody touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.linux.disks import Disks
from tests.story.stack import Item, Stack
from tests.story.test_story import online

pytestmark = [pytest.mark.root, pytest.mark.story]


def test_an_xmp_appears_changes_moves_and_goes(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    disk = disks.make("ext4", label="family")
    library = online(parts, disk, place, count=3)
    folder = place / "usb" / "trip 000"
    photo, exact, short = folder / "IMG_00001.jpg", folder / "IMG_00001.jpg.xmp", folder / "IMG_00001.xmp"
    before = photo.stat()
    (known,) = [one for one in parts.assets(library=library).values() if one["file_name"] == photo.name]

    def told(sidecar: Path | None) -> Item:
        """The next that the feed tells, which is of this photo and nothing else."""
        item = parts.feed.until(lambda one: one["entity"] == "asset")
        assert (item["kind"], item["id"]) == ("asset.sidecar", known["id"])
        assert item["state"]["sidecar_path"] == (None if sidecar is None else str(sidecar))
        return item

    short.write_text("<x:xmpmeta/>")
    told(short)
    exact.write_text("<x:xmpmeta rating='5'/>")
    told(exact)
    exact.write_text("<x:xmpmeta rating='3'/><!-- longer -->")
    told(exact)
    exact.unlink()
    told(short)
    disk.umount()
    parts.feed.until(lambda one: one["kind"] == "volume.offline")
    disk.mount(place / "usb")
    parts.until_online(disk.label)
    parts.scan_to_the_end()
    assert [one for one in parts.feed.drain() if one["entity"] == "asset"] == []
    os.rename(short, folder / "IMG_00001.xmp.bak")
    told(None)
    assert photo.stat().st_mtime_ns == before.st_mtime_ns
    history = parts.get(f"/assets/{known['id']}/history")["items"]
    assert [one["reason"] for one in history] == [
        "sidecar gone",
        "sidecar changed",
        "sidecar changed",
        "sidecar changed",
        "sidecar appeared",
    ]
    assert {one["evidence"]["observation"]["type"] for one in history} == {"listed", "absent"}
