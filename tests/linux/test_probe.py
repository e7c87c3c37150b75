"""What stands at the root of a mount."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.linux import kernel
from agent.linux import probe as port
from agent.linux.mountinfo import MountTable
from agent.linux.probe import format_uuid, is_named, probe
from agent.mounts import resolve
from agent.ports import Mount, Probe, Trouble
from tests.linux.disks import Disks, run


@pytest.fixture
def table() -> Iterator[MountTable]:
    live = MountTable()
    yield live
    live.close()


def mount_at(table: MountTable, place: Path) -> Mount:
    mount = resolve(table.table(), str(place))
    assert mount is not None
    return mount


def probed(table: MountTable, place: Path) -> Probe:
    found = probe(mount_at(table, place))
    assert isinstance(found, Probe), found
    return found


@pytest.mark.root
@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
def test_r6_identity_is_the_file_systems_own(disks: Disks, tmp_path: Path, table: MountTable, fs_type: str) -> None:
    disk = disks.make(fs_type, label="Photos")
    place = disk.mount(tmp_path / "disk")
    found = probed(table, place)
    uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", disk.device).replace("-", "")
    assert found.identity.uuid == uuid
    assert found.identity.fs_type == fs_type
    assert found.identity.root_inode == place.stat().st_ino
    assert found.identity.source is None
    assert found.label == "Photos"
    assert found.mount_id == table.unique_id(str(place))
    size = os.statvfs(place)
    assert found.capacity is not None
    assert found.capacity.total_bytes == size.f_blocks * size.f_frsize


@pytest.mark.root
@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
def test_r6_identity_needs_no_new_kernel(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = disks.make(fs_type).mount(tmp_path / "disk")
    now = probed(table, place).identity.uuid
    monkeypatch.setattr(kernel, "_FS_IOC_GETFSUUID", 0x80111563)  # a number that no kernel knows
    assert now is not None
    assert probed(table, place).identity.uuid == now


@pytest.mark.root
def test_r8_a_disk_that_was_formatted_anew_has_another_identity(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make()
    place = disk.mount(tmp_path / "disk")
    before = probed(table, place).identity
    disk.umount()
    disk.reformat()
    disk.mount(place)
    assert probed(table, place).identity.uuid != before.uuid


@pytest.mark.root
def test_r10_a_clone_has_the_same_identity(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    disk = disks.make()
    twin = disk.clone()
    one, two = disk.mount(tmp_path / "one"), twin.mount(tmp_path / "two")
    assert probed(table, one).identity == probed(table, two).identity
    assert probed(table, one).mount_id != probed(table, two).mount_id


@pytest.mark.root
def test_r12_identity_does_not_depend_on_where_it_is_mounted(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    disk = disks.make()
    before = probed(table, disk.mount(tmp_path / "here"))
    disk.umount()
    after = probed(table, disk.mount(tmp_path / "there"))
    assert (after.identity, after.capacity) == (before.identity, before.capacity)
    assert (before.label, after.label) == ("here", "there")


@pytest.mark.root
def test_r6_all_zero_is_no_identity(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    disk = disks.make()
    run("tune2fs", "-f", "-U", "00000000-0000-0000-0000-000000000000", disk.device)
    assert probed(table, disk.mount(tmp_path / "disk")).identity.uuid is None


@pytest.mark.root
def test_r13_a_bind_mount_is_another_part_of_the_same_file_system(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    place = disks.make().mount(tmp_path / "disk")
    (place / "family").mkdir()
    (tmp_path / "bound").mkdir()
    run("mount", "--bind", str(place / "family"), str(tmp_path / "bound"))
    whole, part = probed(table, place).identity, probed(table, tmp_path / "bound").identity
    run("umount", str(tmp_path / "bound"))
    assert (whole.uuid, whole.root) == (part.uuid, "/")
    assert part.root == "/family"
    assert part.root_inode != whole.root_inode


@pytest.mark.root
def test_r13_a_subvolume_is_told_from_the_whole(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    disk = disks.make("btrfs")
    place = disk.mount(tmp_path / "disk")
    run("btrfs", "subvolume", "create", str(place / "@photos"))
    part = disk.mount(tmp_path / "part", "subvol=@photos")
    assert probed(table, part).identity.root == "/@photos"
    assert probed(table, part).identity.uuid == probed(table, place).identity.uuid


@pytest.mark.root
def test_r14_what_was_mounted_over_it_is_not_taken_for_it(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    place = disks.make().mount(tmp_path / "disk")
    mount = mount_at(table, place)
    run("mount", "-t", "tmpfs", "none", str(place))
    assert probe(mount) == Trouble(errno.EXDEV, str(place))
    run("umount", str(place))
    assert isinstance(probe(mount), Probe)


@pytest.mark.root
def test_an_overlay_has_no_lasting_uuid(tmp_path: Path, table: MountTable) -> None:
    for name in ("low", "up", "work", "all"):
        (tmp_path / name).mkdir()
    run("mount", "-t", "tmpfs", "none", str(tmp_path / "up"))
    (tmp_path / "up/up").mkdir()
    (tmp_path / "up/work").mkdir()
    layers = f"lowerdir={tmp_path}/low,upperdir={tmp_path}/up/up,workdir={tmp_path}/up/work"
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(tmp_path / "all"))
    identity = probed(table, tmp_path / "all").identity
    run("umount", str(tmp_path / "all"))
    run("umount", str(tmp_path / "up"))
    assert (identity.fs_type, identity.uuid) == ("overlay", None)


def test_a_mount_that_is_gone_is_trouble(table: MountTable) -> None:
    root = mount_at(table, Path("/"))
    gone = msgspec.structs.replace(root, mount_point="/no/such/place")
    assert probe(gone) == Trouble(errno.ENOENT, "/no/such/place")


def test_the_serial_of_a_fat_is_written_as_everybody_writes_it() -> None:
    assert format_uuid(bytes.fromhex("3f09af22")) == "22AF-093F"
    assert format_uuid(bytes(range(16))) == "000102030405060708090a0b0c0d0e0f"


@pytest.mark.parametrize(
    ("fs_type", "named"),
    [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("zfs", True), ("fuseblk", False), ("ext4", False)],
)
def test_only_storage_that_is_named_has_its_source_as_identity(fs_type: str, named: bool) -> None:
    assert is_named(fs_type) is named


def test_what_udev_knows_serves_file_systems_that_do_not_answer(
    tmp_path: Path, table: MountTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = mount_at(table, Path("/proc"))
    (tmp_path / f"b{mount.device}").write_text(
        "S:disk/by-uuid/22AF-093F\nE:ID_FS_UUID=22AF-093F\nE:ID_FS_LABEL_ENC=Mutti\\x20\\xc3\\xbc\nE:EMPTY\n"
    )
    monkeypatch.setattr(port, "UDEV", str(tmp_path))
    found = probe(mount)
    assert isinstance(found, Probe)
    assert found.identity.uuid == "22AF-093F"
    assert found.label == "Mutti ü"
