"""The commit gate and the identity on real disks, where a mount table or a size is not what it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux.files import MountedFiles
from agent.linux.mountinfo import MOUNTINFO, MountTable
from agent.linux.probe import probe
from agent.mounts import resolve
from agent.ports import Probe, Trouble
from agent.recognition import Recognition, recognise
from holdfast.gate import Check
from holdfast.volumes import Identity
from tests.linux.disks import Disks, run

pytestmark = pytest.mark.root


@pytest.fixture
def table() -> Iterator[MountTable]:
    live = MountTable()
    yield live
    live.close()


def identity(table: MountTable, place: Path) -> Identity:
    mount = resolve(table.table(), str(place))
    assert mount is not None
    found = probe(mount)
    assert isinstance(found, Probe), found
    return found.identity


@pytest.mark.parametrize(
    ("option", "code"),
    [("shutdown", errno.ESHUTDOWN), ("emergency_ro", errno.EROFS), ("abort", errno.EROFS)],
)
def test_r30_a_file_system_that_the_mount_table_shows_as_given_up_proves_nothing(
    disks: Disks, tmp_path: Path, table: MountTable, option: str, code: int
) -> None:
    place = disks.make().mount(tmp_path / "disk")
    # The table of this very mount, with what the kernel adds to its line when it gives a file system up.
    shown = tmp_path / "mountinfo"
    shown.write_bytes(Path(MOUNTINFO).read_bytes())
    files = MountedFiles(str(place), table.unique_id(str(place)) or 0, mountinfo=str(shown))
    files.begin()
    assert Check.SUPER_BLOCK in files.gate()
    lines = shown.read_text().splitlines()
    shown.write_text("".join(f"{line},{option}\n" if f" {place} " in line else f"{line}\n" for line in lines))
    assert files.gate() == Trouble(code, Check.SUPER_BLOCK)
    files.close()


def test_r15_storage_that_lost_a_part_of_its_size_proves_nothing(
    disks: Disks, tmp_path: Path, table: MountTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = disks.make().mount(tmp_path / "disk")
    files = MountedFiles(str(place), table.unique_id(str(place)) or 0)
    files.begin()
    assert Check.SIZE in files.gate()
    real = os.fstatvfs

    def halved(descriptor: int) -> os.statvfs_result:
        found = list(real(descriptor))
        found[2] //= 2  # f_blocks: what a union shows that lost one of two equal branches
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "fstatvfs", halved)
    assert files.gate() == Trouble(errno.EAGAIN, Check.SIZE)
    files.close()


def test_r8_a_disk_that_was_formatted_anew_under_its_old_uuid_has_another_identity(
    disks: Disks, tmp_path: Path, table: MountTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = disks.make()
    place = disk.mount(tmp_path / "disk")
    before = identity(table, place)
    disk.umount()
    uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", disk.device)
    # mkfs notes whole seconds, and both of these may well fall into one.
    monkeypatch.setenv("E2FSPROGS_FAKE_TIME", "1000000000")
    run("mkfs.ext4", "-q", "-F", "-U", uuid, disk.device)
    disk.mount(place)
    after = identity(table, place)
    assert after.uuid == before.uuid
    assert recognise(before, after).recognition is Recognition.REFORMATTED
