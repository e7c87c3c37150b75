"""Looking for known photos by their names, on a real disk: what is found, what is gone, and what cannot be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.linux.attachment import Attachment
from agent.linux.kernel import mount_at
from agent.linux.sentinels import look_for
from agent.ports import Sought
from tests.linux.disks import Disk, Disks

pytestmark = pytest.mark.root


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Disk:
    one = disks.make()
    place = one.mount(tmp_path / "disk", "strictatime")
    (place / "2024").mkdir()
    (place / "2024/a.jpg").write_bytes(b"photo" * 4096)
    return one


def look(disk: Disk, *names: str, remote: bool = False) -> dict[str, bool]:
    """Look for photos of the folder 2024."""
    at = Attachment(str(disk.path), mount_at(os.fsencode(disk.path)).mount_id)
    found = look_for(at, [Sought("2024", name) for name in names], remote=remote)
    return {sought.name: there for sought, there in found.items()}


@pytest.mark.parametrize("remote", [False, True])
def test_r9_what_is_there_is_found_and_what_is_gone_is_not(disk: Disk, remote: bool) -> None:
    assert look(disk, "a.jpg", "b.jpg", remote=remote) == {"a.jpg": True, "b.jpg": False}
    (disk.path / "2024").rename(disk.path / "2023")
    assert look(disk, "a.jpg", remote=remote) == {"a.jpg": False}


def test_r9_what_stands_in_the_place_of_a_photo_is_none(disk: Disk) -> None:
    photo = disk.path / "2024/a.jpg"
    photo.rename(disk.path / "elsewhere.jpg")
    photo.symlink_to(disk.path / "elsewhere.jpg")
    assert look(disk, "a.jpg") == {"a.jpg": False}


def test_r13_what_another_mount_covers_cannot_be_told(disk: Disk, disks: Disks) -> None:
    other = disks.make()
    other.mount(disk.path / "2024")
    assert look(disk, "a.jpg") == {}
    other.umount()
    assert look(disk, "a.jpg") == {"a.jpg": True}


@pytest.mark.parametrize("remote", [False, True])
def test_r28_looking_leaves_no_access_time(disk: Disk, remote: bool) -> None:
    photo = disk.path / "2024/a.jpg"
    os.utime(photo, (1, 1))
    assert look(disk, "a.jpg", remote=remote) == {"a.jpg": True}
    assert photo.stat().st_atime == 1
