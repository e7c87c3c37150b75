"""Which storage is this, and why is it not there? Real disks and mounts, looked at as the supervisor does."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux.mountinfo import MountTable
from agent.volume import Attach, Detach, Guard
from holdfast.volumes import Factor, Reason, VolumeState
from tests.linux.disks import Disk, Disks, run
from tests.linux.looking import Looker, device_number
from tests.linux.sysfs import Sysfs
from tests.needs import needs

pytestmark = pytest.mark.root

TYPES = ["ext4", "xfs", "btrfs"]
# XFS alone refuses to mount a second file system of the same UUID, unless told otherwise.
CLONE_OPTIONS = {"ext4": (), "xfs": ("nouuid",)}


@pytest.fixture
def table() -> Iterator[MountTable]:
    live = MountTable()
    yield live
    live.close()


def kinds(looker: Looker) -> list[type]:
    return [type(effect) for effect in looker.effects]


@pytest.mark.parametrize("fs_type", TYPES)
def test_r6_a_disk_is_recognised_by_what_it_has_wherever_it_is_mounted(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    disk = disks.make(fs_type)
    looker = Looker(table, disk.mount(tmp_path / "disk"))
    assert looker.volume.state is VolumeState.ONLINE
    matched = {Factor.UUID, Factor.ROOT} | ({Factor.SUBVOLUME} if fs_type == "btrfs" else set())
    assert set(looker.volume.matched) == matched
    disk.umount()
    disk.mount(tmp_path / "elsewhere")
    assert looker.look() is Reason.VERIFIED
    assert looker.volume.mounted_at == str(tmp_path / "elsewhere")


@pytest.mark.parametrize("fs_type", TYPES)
def test_r12_two_disks_that_take_turns_at_one_place_are_never_taken_for_each_other(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    one, two = disks.make(fs_type), disks.make(fs_type)
    place = tmp_path / "disk"
    first = Looker(table, one.mount(place))
    one.umount()
    second = Looker(table, two.mount(place))
    assert first.volume.identity != second.volume.identity
    for _ in range(3):
        assert (first.look(), second.look()) == (Reason.WRONG_VOLUME, Reason.VERIFIED)
        two.umount()
        one.mount(place)
        assert (first.look(), second.look()) == (Reason.VERIFIED, Reason.WRONG_VOLUME)
        one.umount()
        two.mount(place)


@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
def test_r10_a_clone_that_is_mounted_beside_the_original_is_seen_and_guards_it(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    original = disks.make(fs_type)
    clone = original.clone()
    looker = Looker(table, original.mount(tmp_path / "disk"))
    epoch = looker.volume.epoch
    clone.mount(tmp_path / "clone", *CLONE_OPTIONS[fs_type])
    assert looker.look() is Reason.CLONE
    assert (looker.volume.state, looker.volume.epoch, kinds(looker)) == (VolumeState.CONFLICT, epoch, [Guard])
    assert str(tmp_path / "clone") in looker.volume.detail
    clone.umount()
    assert looker.look() is Reason.VERIFIED
    assert kinds(looker) == [Detach, Attach], "what was seen under guard proves nothing later"


def test_r10_an_original_that_comes_after_its_clone_is_a_conflict_too(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    original = disks.make()
    clone = original.clone()
    looker = Looker(table, original.mount(tmp_path / "disk"))
    original.umount()
    assert looker.look() is not Reason.VERIFIED
    clone.mount(tmp_path / "clone")
    assert looker.look() is Reason.VERIFIED, "nobody can tell, as long as there is only one"
    original.mount(tmp_path / "disk")
    assert looker.look() is Reason.CLONE


REFORMATS = {
    # The births that mkfs gives have no fractions of a second.
    "ext4": ("env", "E2FSPROGS_FAKE_TIME=1500000000", "mkfs.ext4", "-q", "-F", "-U"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-m"),
    "btrfs": ("mkfs.btrfs", "-q", "-f", "-U"),
}


@pytest.mark.parametrize("fs_type", TYPES)
def test_r8_a_disk_formatted_anew_with_its_old_uuid_is_a_conflict_and_not_compared(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    disk = disks.make(fs_type)
    looker = Looker(table, disk.mount(tmp_path / "disk"))
    known = str(uuid.UUID(looker.volume.identity.uuid))
    disk.umount()
    born_s = (looker.volume.identity.root_birth_ns or 0) // 1_000_000_000
    while time.time() < born_s + 1:
        time.sleep(0.01)  # people take longer than that
    run("wipefs", "-q", "-a", disk.device)
    run(*REFORMATS[fs_type], f"uuid={known}" if fs_type == "xfs" else known, disk.device)
    disk.mount(tmp_path / "disk")
    assert looker.look() is Reason.REFORMATTED
    assert (looker.volume.state, looker.volume.epoch) == (VolumeState.CONFLICT, None)


def test_r11_a_snapshot_in_the_place_of_a_subvolume_is_a_rollback(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make("btrfs")
    top = disk.mount(tmp_path / "top")
    run("btrfs", "subvolume", "create", str(top / "@photos"))
    run("btrfs", "subvolume", "snapshot", str(top / "@photos"), str(top / "@before"))
    place = disk.mount(tmp_path / "photos", "subvol=@photos")
    looker = Looker(table, place)
    assert looker.volume.identity.root == "/@photos"
    disk.umount()
    assert looker.look() is not Reason.VERIFIED
    (top / "@photos").rename(top / "@broken")
    (top / "@before").rename(top / "@photos")
    disk.mount(place, "subvol=@photos")
    assert looker.look() is Reason.ROLLED_BACK
    assert looker.volume.state is VolumeState.CONFLICT
    assert looker.volume.epoch is not None, "what is there may be told"
    disk.umount()
    assert looker.look() is not Reason.ROLLED_BACK
    (top / "@photos").rename(top / "@before")
    (top / "@broken").rename(top / "@photos")
    disk.mount(place, "subvol=@photos")
    assert looker.look() is Reason.VERIFIED


def test_r11_an_image_that_was_set_back_is_a_rollback(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    disk = disks.make("btrfs")
    early = disk.clone()
    place = disk.mount(tmp_path / "disk")
    looker = Looker(table, place)
    for number in range(6):
        (place / f"{number}.jpg").touch()
        run("btrfs", "filesystem", "sync", str(place))
    assert looker.look() is Reason.VERIFIED
    disk.umount()
    early.mount(place)
    assert looker.look() is Reason.ROLLED_BACK
    early.umount()
    disk.mount(place)
    assert looker.look() is Reason.VERIFIED, "the newer state is back"


def test_r11_a_disk_that_was_pulled_while_it_was_written_to_is_no_rollback(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    """What was not written yet is lost with the cable, and the generation that was open with it."""
    disk = disks.make("btrfs")
    place = disk.mount(tmp_path / "disk")
    looker = Looker(table, place)
    run("btrfs", "filesystem", "sync", str(place))
    written = looker.volume.generation
    (place / "new.jpg").touch()
    assert looker.look() is Reason.VERIFIED
    assert looker.volume.generation != written, "there must be something to be lost"
    pulled = disk.clone()  # while it is mounted: what is on the disk at this moment
    disk.umount()
    assert looker.look() is Reason.NOT_MOUNTED
    run("btrfs", "device", "scan", "--forget")
    pulled.mount(place, "ro")  # no transaction of the mount's own catches up with what is lost
    assert looker.look() is Reason.VERIFIED


@pytest.mark.parametrize("fs_type", TYPES)
def test_r4_nothing_is_concluded_from_a_bare_mount_point_and_stray_files_on_it(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    disk = disks.make(fs_type)
    place = disk.mount(tmp_path / "disk")
    (place / "a.jpg").touch()
    looker = Looker(table, place)
    disk.umount()
    (place / "stray.jpg").touch()
    for _ in range(2):
        assert looker.look() is not Reason.VERIFIED
        assert (looker.volume.state, looker.volume.epoch) == (VolumeState.OFFLINE, None)
    disk.mount(place)
    assert looker.look() is Reason.VERIFIED
    assert [one.name for one in place.iterdir() if one.is_file()] == ["a.jpg"]


@pytest.mark.parametrize("fs_type", TYPES)
def test_r14_an_over_mount_and_a_lazy_unmount_are_told_apart(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    disk = disks.make(fs_type)
    place = disk.mount(tmp_path / "disk")
    looker = Looker(table, place)
    run("mount", "-t", "tmpfs", "none", str(place))
    assert looker.look() is Reason.COVERED
    run("umount", str(place))
    assert looker.look() is Reason.VERIFIED
    with (place / "held.jpg").open("wb"):
        disk.umount(lazy=True)
        assert looker.look() is not Reason.VERIFIED
        assert looker.volume.state is VolumeState.OFFLINE


def test_r13_a_bind_mount_of_the_root_is_an_alias_and_no_clone(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    place = disks.make().mount(tmp_path / "disk")
    (tmp_path / "alias").mkdir()
    looker = Looker(table, place)
    run("mount", "--bind", str(place), str(tmp_path / "alias"))
    assert looker.look() is Reason.VERIFIED
    assert looker.volume.mounted_at == str(place)
    run("umount", str(place))
    assert looker.look() is Reason.VERIFIED
    assert looker.volume.mounted_at == str(tmp_path / "alias")
    run("umount", str(tmp_path / "alias"))
    assert looker.look() is not Reason.VERIFIED


def test_r13_an_overlay_is_recognised_when_it_is_mounted_anew(tmp_path: Path, table: MountTable) -> None:
    base = tmp_path / "layers"
    base.mkdir()
    run("mount", "-t", "tmpfs", "none", str(base))
    for name in ("low", "up", "work"):
        (base / name).mkdir()
    place = tmp_path / "all"
    place.mkdir()
    layers = f"lowerdir={base}/low,upperdir={base}/up,workdir={base}/work"
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(place))
    looker = Looker(table, place)
    assert looker.volume.state is VolumeState.ONLINE
    run("umount", str(place))
    assert looker.look() is Reason.NOT_MOUNTED
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(place))
    assert looker.look() is Reason.VERIFIED
    run("umount", str(place))
    run("umount", str(base))


def shut_down(disk: Disk) -> None:
    needs(shutil.which("xfs_io", path="/usr/sbin:/sbin:/usr/bin"), "needs xfs_io")
    run("xfs_io", "-x", "-c", "shutdown", str(disk.path))


def test_r16_a_shut_down_ext4_is_named_without_being_read(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    disk = disks.make("ext4")
    looker = Looker(table, disk.mount(tmp_path / "disk"))
    shut_down(disk)
    assert looker.look() is Reason.SHUT_DOWN
    assert looker.volume.state is VolumeState.SUSPECT
    looker.doubt()
    assert looker.look() is Reason.SHUT_DOWN, "although its root still answers"
    disk.umount()
    disk.mount(tmp_path / "disk")
    assert looker.look() is Reason.VERIFIED


def test_r16_a_shut_down_xfs_says_nothing_in_the_table_and_is_told_by_its_silent_root(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make("xfs")
    looker = Looker(table, disk.mount(tmp_path / "disk"))
    disk.umount()
    assert looker.look() is not Reason.VERIFIED
    disk.mount(tmp_path / "disk")
    shut_down(disk)
    assert looker.look() is Reason.SHUT_DOWN
    assert looker.volume.epoch is None


@pytest.mark.parametrize("fs_type", TYPES)
def test_r30_what_a_person_remounts_read_only_stays_online(
    disks: Disks, tmp_path: Path, table: MountTable, fs_type: str
) -> None:
    disk = disks.make(fs_type)
    place = disk.mount(tmp_path / "disk")
    looker = Looker(table, place)
    epoch = looker.volume.epoch
    run("mount", "-o", "remount,ro", str(place))
    assert looker.look() is Reason.VERIFIED
    run("mount", "-o", "remount,rw", str(place))
    assert looker.look() is Reason.VERIFIED
    assert looker.volume.epoch == epoch


def test_r16_a_disk_that_is_pulled_is_noticed_although_its_mount_still_answers(
    disks: Disks, tmp_path: Path, table: MountTable
) -> None:
    disk = disks.make("ext4")
    place = disk.mount(tmp_path / "disk")
    number = device_number(disk.device)
    sys = Sysfs(tmp_path / "sys")
    loop = sys.disk("loop0", number, 25)
    looker = Looker(table, place, str(sys.top))
    assert looker.volume.state is VolumeState.ONLINE
    sys.unplug(loop, number)
    assert looker.look() is Reason.NO_DEVICE
    assert looker.volume.state is VolumeState.OFFLINE
    assert list(place.iterdir()), "the mount itself tells nothing"
    sys.disk("loop0", number, 26)
    assert looker.look() is Reason.NO_DEVICE, "the same number, another disk: the old mount stays dead"
    disk.umount()
    disk.mount(place)
    assert looker.look() is Reason.VERIFIED


def test_r41_the_slow_beat_reads_no_disk(disks: Disks, tmp_path: Path, table: MountTable) -> None:
    drawer = [disks.make(fs_type) for fs_type in TYPES]
    # Mounted read-only, so that what the kernel itself still has to write is not counted.
    lookers = [Looker(table, disk.mount(tmp_path / disk.fs_type, "ro")) for disk in drawer]
    assert {looker.volume.state for looker in lookers} == {VolumeState.ONLINE}

    def counters() -> list[str]:
        return [Path(f"/sys/block/{Path(disk.device).name}/stat").read_text() for disk in drawer]

    before = counters()
    for _ in range(20):
        for looker in lookers:
            assert looker.look() is Reason.VERIFIED
            assert looker.effects == []
    assert counters() == before
