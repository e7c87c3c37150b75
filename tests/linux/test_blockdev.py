"""What sysfs says about disks, on trees of files that look as sysfs does."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.linux.blockdev import device_of, has_heads, read_health
from agent.linux.mountinfo import parse
from agent.ports import Disk, Health, Mount
from tests.linux.disks import Disks, run
from tests.linux.sysfs import Sysfs


@pytest.fixture
def sys(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path / "sys")


def test_a_partition_stands_on_its_disk(sys: Sysfs) -> None:
    sda = sys.disk("sda", "8:0", 25, state="running", errors="0x3")
    sys.partition(sda, "sda1", "8:1")
    assert sys.health("8:1") == Health(frozenset({Disk("8:0", "25")}), frozenset(), 3)


def test_a_replugged_disk_is_another_disk(sys: Sysfs) -> None:
    sda = sys.disk("sda", "8:0", 25)
    sys.partition(sda, "sda1", "8:1")
    before = sys.health("8:1")
    sys.unplug(sda, "8:0", "8:1")
    assert not sys.has("8:1")
    sys.partition(sys.disk("sda", "8:0", 26), "sda1", "8:1")
    assert sys.health("8:1") != before


@pytest.mark.parametrize(("state", "stopped"), [("running", set()), ("live", set()), ("offline", {"sda"})])
def test_a_disk_that_the_kernel_gave_up_is_stopped(sys: Sysfs, state: str, stopped: set[str]) -> None:
    sys.disk("sda", "8:0", 25, state=state)
    assert sys.health("8:0").stopped == stopped


def test_a_mapped_device_stands_on_the_disk_below_it(sys: Sysfs) -> None:
    sda = sys.disk("sda", "8:0", 25)
    sys.partition(sda, "sda1", "8:1")
    crypt = sys.disk("dm-0", "253:0", 30)
    (crypt / "slaves/sda1").symlink_to(sda / "sda1")
    assert sys.health("253:0").disks == {Disk("8:0", "25"), Disk("253:0", "30")}


def test_an_array_outlives_its_members(sys: Sysfs) -> None:
    sda = sys.disk("sda", "8:0", 25)
    array = sys.disk("md0", "9:0", 30)
    (array / "md").mkdir()
    (array / "slaves/sda").symlink_to(sda)
    assert sys.health("9:0").disks == {Disk("9:0", "30")}


def test_errors_of_the_file_system_count(sys: Sysfs) -> None:
    sys.partition(sys.disk("sda", "8:0", 25, errors="0x1"), "sda1", "8:1")
    (sys.top / "fs/ext4/sda1").mkdir(parents=True)
    (sys.top / "fs/ext4/sda1/errors_count").write_text("12\n")
    assert sys.health("8:1").errors == 13


def test_errors_of_each_member_of_a_btrfs_count(sys: Sysfs) -> None:
    sys.disk("sda", "8:0", 25)
    pool = sys.top / "fs/btrfs/1234"
    (pool / "devices/sda").mkdir(parents=True)
    for member, count in (("1", 2), ("2", 3)):
        (pool / "devinfo" / member).mkdir(parents=True)
        text = f"write_errs 0\nread_errs {count}\nflush_errs 0\ncorruption_errs 1\ngeneration_errs 0\n"
        (pool / "devinfo" / member / "error_stats").write_text(text)
    assert sys.health("8:0").errors == 7


def test_which_disks_have_heads(sys: Sysfs) -> None:
    ssd, old, array = sys.disk("sda", "8:0", 1), sys.disk("sdb", "8:16", 2), sys.disk("md0", "9:0", 3)
    sys.disk("sdc", "8:32", 4)
    sys.partition(ssd, "sda1", "8:1")
    for disk, word in ((ssd, "0"), (old, "1"), (array, "0")):
        (disk / "queue").mkdir()
        (disk / "queue/rotational").write_text(f"{word}\n")
    top = str(sys.top)
    assert not has_heads("8:1", top)
    assert has_heads("8:16", top)
    assert has_heads("8:32", top), "what does not say is read as if it had"
    assert has_heads("0:44", top), "as is what stands on no disk"
    (array / "slaves/sda").symlink_to(ssd)
    assert not has_heads("9:0", top)
    (array / "slaves/sdb").symlink_to(old)
    assert has_heads("9:0", top), "one member has"


def test_what_has_no_block_device_has_no_health(sys: Sysfs) -> None:
    assert not sys.has("0:45")


def test_the_device_of_a_mount_is_that_of_the_table_unless_it_is_anonymous() -> None:
    nas = parse((Path(__file__).parent / "tables/nas.mountinfo").read_bytes())
    by_place = {mount.mount_point: mount for mount in nas}
    assert device_of(by_place["/mnt/disk1"]) == "8:33"
    assert device_of(by_place["/mnt/nfs"]) == "0:53"
    null = Mount(1, 0, "0:9", "/", "/mnt", "btrfs", "/dev/null")
    assert device_of(null) == "0:9"


@pytest.mark.root
@pytest.mark.parametrize("fs_type", ["ext4", "btrfs"])
def test_a_real_disk_has_a_sequence_number_of_its_own(disks: Disks, tmp_path: Path, fs_type: str) -> None:
    disk = disks.make(fs_type)
    place = disk.mount(tmp_path / "disk")
    with open("/proc/self/mountinfo", "rb") as file:
        mount = next(m for m in parse(file.read()) if m.mount_point == str(place))
    health = read_health(device_of(mount))
    assert health is not None
    (found,) = health.disks
    assert found.device == run("lsblk", "-dno", "MAJ:MIN", disk.device)
    assert int(found.sequence) > 0
    assert health.errors == 0
