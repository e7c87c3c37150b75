"""A disk with the photos of a family on it, for stories that begin with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linux.disks import Disk, Disks
from tests.story.test_story import fill

PHOTOS = 200


@pytest.fixture
def disk(disks: Disks, place: Path) -> Disk:
    disk = disks.make("ext4", label="family")
    disk.mount(place / "usb")
    fill(place / "usb", PHOTOS)
    return disk
