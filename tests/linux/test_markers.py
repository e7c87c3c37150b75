"""The marker file: read and not merely found, written only by an explicit wish, and a witness against rollbacks."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux import marking
from agent.linux.attachment import Attachment
from agent.linux.blockdev import device_of
from agent.linux.files import MountedFiles
from agent.linux.marker import NAME, read_marker
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.mounts import resolve
from agent.ports import Marker, Probe, Trouble
from holdfast.gate import Check
from holdfast.volumes import Reason
from tests.linux.disks import Disks
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.linux.looking import Looker
from tests.needs import needs

TYPES = ["ext4", "xfs", "btrfs"]


@pytest.fixture
def table() -> Iterator[MountTable]:
    live = MountTable()
    yield live
    live.close()


def attachment(table: MountTable, place: Path) -> Attachment:
    mount_id = table.unique_id(str(place))
    assert mount_id is not None
    return Attachment(str(place), mount_id)


def write(table: MountTable, place: Path, marker: Marker) -> None:
    marking.write_marker(attachment(table, place), marker)


def read(place: Path) -> Marker | None:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return read_marker(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.root
@pytest.mark.parametrize("fs_type", TYPES)
def test_r28_one_file_is_written_as_announced_and_nothing_else(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    place = disks.make(fs_type).mount(tmp_path / "disk")
    (place / "2024").mkdir()
    before = {path: path.lstat().st_mtime_ns for path in place.rglob("*")}
    marker = Marker("f" * 32, 1)
    write(table, place, marker)
    assert read(place) == marker
    assert (place / NAME).read_bytes() == marking.content(marker)
    assert (place / NAME).stat().st_mode & 0o777 == 0o644
    after = {path: path.lstat().st_mtime_ns for path in place.rglob("*")}
    assert after.keys() - before.keys() == {place / NAME}
    assert before.items() <= after.items()
    mount = resolve(table.table(), str(place))
    assert mount is not None
    found = probe(mount)
    assert isinstance(found, Probe)
    assert (found.marker, found.identity.marker) == (marker, marker.id)


@pytest.mark.root
def test_each_wish_keeps_the_id_and_raises_the_generation(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    place = disks.make().mount(tmp_path / "disk")
    for generation in (1, 2, 3):
        with attachment(table, place).directory("") as root:
            following = marking.following(root, "a" * 32 if generation == 1 else "b" * 32)
        assert following == Marker("a" * 32, generation)
        write(table, place, following)


@pytest.mark.root
def test_nothing_is_written_when_another_mount_stands_there_by_now(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make()
    at = attachment(table, disk.mount(tmp_path / "disk"))
    disk.umount()
    with pytest.raises(OSError) as failed:
        marking.write_marker(at, Marker("a" * 32, 1))
    assert failed.value.errno == errno.EXDEV
    assert list((tmp_path / "disk").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 5000, b'{"id": 7, "about": "", "generation": 1}', None])
def test_r7_what_does_not_say_what_a_marker_says_is_none(tmp_path: Path, content: bytes | None) -> None:
    assert read(tmp_path) is None
    if content is None:
        os.mkfifo(tmp_path / NAME)
    else:
        (tmp_path / NAME).write_bytes(content)
    assert read(tmp_path) is None


def test_r7_a_marker_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(json.dumps({"about": "", "id": "a", "generation": 1}))
    (tmp_path / NAME).symlink_to("real")
    assert read(tmp_path) is None


def test_r7_a_disk_that_cannot_be_read_has_not_lost_its_marker(tmp_path: Path) -> None:
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / NAME).write_bytes(marking.content(Marker("a" * 32, 2)))
    with FaultyMount(tmp_path / "far", tmp_path / "near") as share:
        assert read(share.place) == Marker("a" * 32, 2)
        share.set(Faults(eio=[f"/{NAME}"]))
        with pytest.raises(OSError) as failed:
            read(share.place)
    assert failed.value.errno == errno.EIO


@pytest.mark.root
@pytest.mark.parametrize("fs_type", TYPES)
def test_r7_the_commit_gate_reads_the_marker(disks: Disks, tmp_path: Path, table: MountTable, fs_type: str) -> None:
    place = disks.make(fs_type).mount(tmp_path / "disk")
    mount = resolve(table.table(), str(place))
    mount_id = table.unique_id(str(place))
    assert mount is not None
    assert mount_id is not None
    (place / "a.jpg").touch()
    write(table, place, Marker("a" * 32, 2))
    files = MountedFiles(str(place), mount_id, device=device_of(mount), marker=Marker("a" * 32, 2))
    files.begin()
    assert Check.MARKER in files.gate()
    write(table, place, Marker("a" * 32, 3))
    assert Check.MARKER in files.gate(), "a person may write it anew at any time"
    for wrong in (Marker("b" * 32, 9), Marker("a" * 32, 1)):
        write(table, place, wrong)
        assert files.gate() == Trouble(errno.ENOENT, Check.MARKER)
    (place / NAME).unlink()
    assert files.gate() == Trouble(errno.ENOENT, Check.MARKER)
    files.close()


@pytest.mark.root
def test_r11_an_ext4_image_that_was_set_back_is_told_by_its_marker(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make()
    place = disk.mount(tmp_path / "disk")
    write(table, place, Marker("a" * 32, 1))
    disk.umount()
    early = disk.clone()
    disk.mount(place)
    write(table, place, Marker("a" * 32, 2))
    looker = Looker(table, place)
    assert looker.volume.marker == Marker("a" * 32, 2)
    disk.umount()
    early.mount(place)
    assert looker.look() is Reason.ROLLED_BACK
    early.umount()
    disk.mount(place)
    assert looker.look() is Reason.VERIFIED


@pytest.mark.root
def test_r7_a_disk_that_lost_its_marker_or_has_anothers_is_told_apart(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make()
    place = disk.mount(tmp_path / "disk")
    write(table, place, Marker("a" * 32, 1))
    looker = Looker(table, place)
    disk.umount()
    assert looker.look() is not Reason.VERIFIED
    disk.mount(place)
    (place / NAME).unlink()
    assert looker.look() is Reason.MARKER_MISSING
    disk.umount()
    assert looker.look() is not Reason.MARKER_MISSING
    disk.mount(place)
    write(table, place, Marker("b" * 32, 1))
    assert looker.look() is Reason.WRONG_VOLUME
