"""NTFS by ntfs-3g: a disk behind a program. It is recognised by its serial, and its program may die."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux import probe as port
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.mounts import resolve
from agent.ports import Probe
from tests.linux.disks import Disk, Disks, run
from tests.linux.programs import Program
from tests.needs import needs
from tests.story.stack import Stack, stack

pytestmark = pytest.mark.root

PHOTOS = 10
DAY_S = 86400


@pytest.fixture
def disk(disks: Disks) -> Disk:
    """Formatted, with photos on it, not mounted."""
    one = disks.make("ntfs-3g", label="Family")
    fill(one)
    return one


def fill(disk: Disk) -> None:
    """Photos in two folders, which nobody has touched since yesterday."""
    place = disk.mount(disk.image.with_suffix(".filled"))
    then = time.time() - DAY_S
    for number in range(PHOTOS):
        folder = place / "ab"[number % 2] / "2024"
        folder.mkdir(parents=True, exist_ok=True)
        photo = folder / f"IMG_{number:04}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes([number]) * 16)
        os.utime(photo, (then, then))
    disk.umount()


def ntfs_3g(disk: Disk, place: Path) -> Program:
    """Its program in the foreground, to be killed."""
    needs(shutil.which("ntfs-3g"), "needs ntfs-3g")
    return Program(["ntfs-3g", "-o", "no_detach", disk.device, str(place)], place)


def probed(place: Path) -> Probe:
    """What stands at the root of what is mounted here."""
    table = MountTable()
    try:
        mount = resolve(table.table(), str(place))
    finally:
        table.close()
    assert mount is not None
    found = probe(mount)
    assert isinstance(found, Probe), found
    return found


def writes(disk: Disk) -> str:
    """How often the kernel has written to a disk."""
    run("sync")
    return Path("/sys/block", Path(disk.device).name, "stat").read_text().split()[4]


def test_r6_ntfs_is_recognised_by_its_serial_without_udev_and_without_a_write(
    disk: Disk, disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "UDEV", str(tmp_path / "no udev"))
    place = disk.mount(tmp_path / "disk")
    before = writes(disk)
    found = probed(place)
    assert writes(disk) == before
    assert found.identity.fs_type == "fuseblk"
    assert found.identity.uuid == run("blkid", "-p", "-o", "value", "-s", "UUID", disk.device)
    assert found.identity.source is None, "the device may have another name next time"
    disk.umount()
    assert probed(disk.mount(tmp_path / "elsewhere")).identity == found.identity
    other = disks.make("ntfs-3g")
    assert probed(other.mount(tmp_path / "other")).identity.uuid not in (None, found.identity.uuid)


def test_r6_a_file_that_is_called_like_the_boot_sector_is_no_serial(tmp_path: Path, disks: Disks) -> None:
    place = disks.make("ext4").mount(tmp_path / "disk")
    (place / "$Boot").write_bytes(b"...NTFS    ".ljust(0x48, b"\0") + bytes(8))
    descriptor = os.open(place, os.O_RDONLY)
    try:
        assert port.ntfs.read_serial(descriptor) is None
        (place / "$Boot").write_bytes(b"...other   ".ljust(0x48, b"\0") + b"serials!")
        assert port.ntfs.read_serial(descriptor) is None
        (place / "$Boot").unlink()
        (place / "$Boot").symlink_to("/etc/hostname")
        assert port.ntfs.read_serial(descriptor) is None
    finally:
        os.close(descriptor)


@pytest.fixture
def program(disk: Disk, tmp_path: Path) -> Iterator[Program]:
    """Mounted, by its program."""
    mounted = ntfs_3g(disk, tmp_path / "mnt/disk")
    try:
        mounted.mount()
        yield mounted
    finally:
        mounted.close()


@pytest.fixture
def parts(tmp_path: Path, program: Program) -> Iterator[Stack]:
    """The stack, which may expose what is mounted below mnt."""
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.start_agent(tmp_path / "mnt")
        yield running


@pytest.mark.story
def test_r18_an_ntfs_disk_whose_program_dies_is_unavailable_and_comes_back_with_the_same_photos(
    parts: Stack, program: Program, disk: Disk, disks: Disks, tmp_path: Path
) -> None:
    library = parts.library(program.place)
    parts.feed.until_true(lambda: parts.by_status(library) == {"present": PHOTOS})
    parts.feed.until(lambda item: item["kind"] == "scan.finished")
    known = parts.assets(library=library)

    # A photo that is really deleted is missed, by the watch alone.
    (program.place / "a/2024/IMG_0000.jpg").unlink()
    gone = parts.feed.until(lambda item: item["kind"] == "asset.missing")
    assert known[gone["id"]]["host_path"].endswith("IMG_0000.jpg")
    parts.feed.drain()
    seen = len(parts.feed.items)

    program.umount()
    assert parts.feed.until(lambda item: item["kind"] == "volume.offline")["state"]["reason"] == "not-mounted"
    assert {one["availability"] for one in parts.assets(library=library).values()} == {"unavailable"}
    program.mount()
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    parts.scan_to_the_end()

    program.kill()
    parts.scan()
    assert parts.feed.until(lambda item: item["kind"] == "volume.suspect")["state"]["reason"] == "disconnected"
    assert {one["availability"] for one in parts.assets(library=library).values()} == {"unavailable"}
    program.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")

    stranger = disks.make("ntfs-3g")
    stranger.mount(program.place)
    assert parts.feed.until(lambda item: item["kind"] == "volume.conflict")["state"]["reason"] == "wrong-volume"
    stranger.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")

    elsewhere = ntfs_3g(disk, tmp_path / "mnt/elsewhere")
    try:
        elsewhere.mount()
        parts.feed.until(lambda item: item["kind"] == "volume.online")
        parts.scan_to_the_end()
        parts.feed.drain()
        assert [item["kind"] for item in parts.feed.items[seen:] if item["entity"] == "asset"] == []
        assert parts.assets(library=library).keys() == known.keys()
        assert parts.by_status(library) == {"present": PHOTOS - 1, "missing": 1}
        assert len(parts.get("/volumes")["items"]) == 1
    finally:
        elsewhere.close()
