"""Times of files: which differences are a change, and what clocks that jump do to the engine (R23)."""

from __future__ import annotations

import pytest

from agent.filesystems import traits
from agent.times import is_same_stamp, is_same_time
from tests.agent.world import World, known

HOUR_NS = 3_600_000_000_000
NOON_NS = 1_700_000_000_000_000_000
FAT_LIKE = ["vfat", "exfat", "ntfs3", "fuseblk"]


@pytest.mark.parametrize("fs_type", FAT_LIKE)
@pytest.mark.parametrize("hours", [-12, -1, 1, 2, 26])
def test_r23_whole_hours_apart_is_the_same_time_where_local_time_is_kept(fs_type: str, hours: int) -> None:
    assert is_same_time(NOON_NS, NOON_NS + hours * HOUR_NS, traits(fs_type))
    assert is_same_stamp((NOON_NS, 5), (NOON_NS + hours * HOUR_NS, 5), traits(fs_type))


@pytest.mark.parametrize("fs_type", FAT_LIKE)
@pytest.mark.parametrize("apart_ns", [27 * HOUR_NS, HOUR_NS + 4_000_000_000, 61_000_000_000, -HOUR_NS // 2])
def test_r23_anything_else_is_another_time(fs_type: str, apart_ns: int) -> None:
    assert not is_same_time(NOON_NS, NOON_NS + apart_ns, traits(fs_type))


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs", "nfs4", "fuse.sshfs"])
def test_r23_where_time_is_utc_every_difference_is_one(fs_type: str) -> None:
    assert not is_same_time(NOON_NS, NOON_NS + HOUR_NS, traits(fs_type))
    assert not is_same_time(NOON_NS, NOON_NS + 1, traits(fs_type))


def test_r23_a_fat_rounds_to_two_seconds_when_it_is_mounted_again() -> None:
    assert is_same_time(NOON_NS + 1_234_567_890, NOON_NS, traits("vfat"))
    assert not is_same_time(NOON_NS + 2_000_000_000, NOON_NS, traits("vfat"))


def test_r1_a_directory_has_stood_still_when_both_its_times_have() -> None:
    assert is_same_stamp((5, 6), (5, 6), traits("ext4"))
    for moved in ((5, 7), (7, 6), (7, 8)):
        assert not is_same_stamp((5, 6), moved, traits("ext4"))


def test_r23_unknown_times_are_never_the_same() -> None:
    assert not is_same_stamp(None, None, traits("vfat"))
    assert not is_same_stamp((1, 1), None, traits("ext4"))


def shift(world: World, hours: int) -> None:
    """What a change to summer time, or another zone option, does to a disk that keeps local time."""
    for _, node in world.disk.walk():
        node.mtime_ns += hours * HOUR_NS
        node.ctime_ns += hours * HOUR_NS


@pytest.mark.parametrize("fs_type", FAT_LIKE)
@pytest.mark.parametrize("hours", [-1, 1, 12])
def test_r23_a_disk_that_comes_back_in_another_zone_has_not_changed(fs_type: str, hours: int) -> None:
    world = known("a.jpg", "trip/b.jpg", fs_type=fs_type)
    world.host.umount("/mnt/photos")
    world.run(1)
    shift(world, hours)
    world.mount()
    world.run(30)
    assert world.doubt is None
    assert world.news() == {}
    # It has learned the new times: the next real change is one.
    world.disk.write("a.jpg", size=7)
    world.run(30)
    assert world.news() == {"listed": {"a.jpg"}}


def test_r23_another_size_is_a_change_whatever_the_time() -> None:
    world = known("a.jpg", "b.jpg", fs_type="exfat")
    world.host.umount("/mnt/photos")
    world.run(1)
    shift(world, 1)
    world.disk.look("a.jpg").size += 1
    world.mount()
    world.run(30)
    assert world.news() == {"listed": {"a.jpg"}}


def test_r23_a_shifted_directory_time_is_no_sign_that_a_name_left_it() -> None:
    world = known("trip/a.jpg", "trip/b.jpg", "c.jpg", fs_type="exfat")
    world.host.umount("/mnt/photos")
    world.run(1)
    shift(world, 1)
    world.disk.faults.hidden = lambda path: path == "trip/a.jpg"
    world.mount()
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None


@pytest.mark.parametrize("seconds", [-90_000, -3600, -1, 1, 3600, 90_000])
def test_r23_a_clock_that_is_set_changes_no_file_and_takes_none(seconds: float) -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.clock.jump(seconds)
    world.engine.scan()
    world.run(120)
    assert world.news() == {}
    assert world.doubt is None
    world.disk.unlink("a.jpg")
    world.clock.jump(-seconds)
    world.run(30)
    assert world.news() == {"absent": {"a.jpg"}}


@pytest.mark.parametrize("seconds", [-90_000, -3600, -1, 0, 1, 3600, 90_000])
def test_r23_a_clock_that_is_set_does_not_keep_a_new_file_waiting(seconds: float) -> None:
    world = known("a.jpg")
    world.disk.append("a.jpg", 10)
    world.run(1)
    world.clock.jump(seconds)
    world.run(3 * world.settings.settle_s)
    assert world.news() == {"listed": {"a.jpg"}}


def test_r23_files_from_the_future_are_told_and_kept() -> None:
    world = World()
    world.photos("a.jpg")
    world.disk.touch("a.jpg", world.clock.wall_ns + 1000 * 86400 * 10**9)
    world.clock.advance(60)
    world.mount()
    world.run(10)
    assert world.news() == {"listed": {"a.jpg"}}
    world.engine.scan()
    world.run(60)
    assert world.news() == {}
