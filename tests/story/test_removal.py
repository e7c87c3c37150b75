"""What is missing is removed once a real agent has looked for it, and comes back when somebody wants it back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.linux.disks import Disks
from tests.story.stack import Item, Stack
from tests.story.test_story import online

pytestmark = [pytest.mark.root, pytest.mark.story]


def removal(parts: Stack, library: str, **wanted: Any) -> Item:
    """A removal, from the beginning to its end."""
    return ended(parts, parts.post(f"/libraries/{library}/remove-missing", wanted))


def ended(parts: Stack, job: Item) -> Item:
    """A job, when it is over."""
    parts.feed.until_true(lambda: parts.get(f"/jobs/{job['id']}")["finished_at"] is not None)
    found = dict(parts.get(f"/jobs/{job['id']}"))
    assert found["state"] == "done", found
    return found


def test_photos_are_deleted_removed_and_put_back(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    disk = disks.make("ext4", label="family")
    library = online(parts, disk, place, count=150)
    parts.start_worker()
    usb = place / "usb"
    assert removal(parts, library)["result"] == {}

    # Two photos, and a folder with all that is in it.
    kept = usb / "kept.jpg"
    shutil.copy2(usb / "trip 000" / "IMG_00001.jpg", kept)
    parts.feed.until(lambda one: one["kind"] == "asset.added")
    (usb / "trip 000" / "IMG_00000.jpg").unlink()
    (usb / "trip 000" / "IMG_00002.jpg").unlink()
    shutil.rmtree(usb / "trip 001")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 99, "missing": 52})
    assert removal(parts, library, dry_run=True)["result"] == {"would_be_removed": 52}
    assert removal(parts, library, older_than_s=3600)["result"] == {"too_recent": 52}
    assert parts.by_status(library) == {"present": 99, "missing": 52}

    done = removal(parts, library)
    assert done["result"] == {"removed": 52}
    assert parts.by_status(library) == {"present": 99, "removed": 52}
    parts.feed.drain()
    removed = {one["id"]: one for one in parts.assets(library=library, status="removed").values()}

    assert ended(parts, parts.post(f"/jobs/{done['id']}/undo", {}))["result"] == {"restored": 52}
    assert parts.assets(library=library, status="missing").keys() == removed.keys()

    # Put back as it was: the same asset.
    back = next(one for one in removed.values() if one["file_name"] == "IMG_00002.jpg")
    shutil.copy2(kept, usb / "trip 000" / "IMG_00002.jpg")
    item = parts.feed.until(lambda one: one["kind"] in ("asset.restored", "asset.added"))
    assert (item["kind"], item["id"]) == ("asset.restored", back["id"])


def test_nothing_is_removed_from_a_disk_in_a_drawer(running: Stack, disks: Disks, place: Path) -> None:
    parts = running
    here, away = disks.make("ext4", label="here"), disks.make("ext4", label="away")
    for disk in (here, away):
        disk.mount(place / disk.label)
        for name in ("a.jpg", "b.jpg"):
            (place / disk.label / name).write_bytes(b"\xff\xd8" + disk.label.encode() + name.encode())
    library = parts.library(place / "here", place / "away")
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 4})
    for disk in (here, away):
        parts.until_online(disk.label)
        (place / disk.label / "b.jpg").unlink()
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": 2, "missing": 2})
    away.umount()
    parts.feed.until(lambda one: one["kind"] == "volume.offline")
    parts.start_worker()
    assert removal(parts, library)["result"] == {"removed": 1, "unavailable": 1}
    (left,) = parts.assets(library=library, status="missing").values()
    assert left["volume_id"] == parts.volume("away")["id"]

    # Put back while nobody could see it: it is there, and not removed.
    away.mount(place / "elsewhere")
    (place / "elsewhere" / "b.jpg").write_bytes(b"\xff\xd8away b.jpg")
    parts.feed.until(lambda one: one["kind"] == "asset.restored" and one["id"] == left["id"])
    assert removal(parts, library)["result"] == {}
    assert parts.by_status(library) == {"present": 3, "removed": 1}
