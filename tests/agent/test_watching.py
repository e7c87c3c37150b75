"""How the changes of an attached volume are seen, and what that costs the disk: with a whole watch nothing at all."""

from __future__ import annotations

import pytest

from agent.scopes import Scope, Scopes
from agent.testing.host import FakeHost
from agent.testing.watch import FakeWatch
from agent.watching import Watching
from holdfast.reports import Gap
from tests.agent.world import AT, World, known

DAY_S = 86_400.0


def watching(*directories: str, limit: int) -> tuple[FakeHost, FakeWatch, Watching]:
    host = FakeHost()
    disk = host.disk("photos")
    for directory in directories:
        disk.mkdir(directory)
    host.mount(disk, AT)
    host.watch_limit = limit
    watch = FakeWatch(host, AT, host.place(AT).mounted.unique_id)
    return host, watch, Watching(watch)


def scan(one: Watching, *directories: str) -> list[bool]:
    """Whether each directory is the first beyond the limit that is told."""
    one.scan_begins()
    told = [one.add(directory) for directory in directories]
    one.scan_ended()
    return told


def reads(world: World) -> int:
    """How often anything was asked of the disk."""
    return sum(world.host.calls[f"files.{port}"] for port in ("list", "unmoved", "look_for", "gate"))


def test_r41_a_disk_that_is_watched_completely_is_left_alone() -> None:
    world = known("a.jpg", "2024/b.jpg")
    before = reads(world)
    world.run(DAY_S)
    assert reads(world) == before
    assert world.engine.due() is None


def test_r31_a_disk_without_a_watch_is_scanned_again_and_again() -> None:
    world = known("a.jpg", watch=False)
    scans = world.engine.scans_finished
    world.run(DAY_S)
    assert world.engine.scans_finished - scans > 0.9 * DAY_S / world.settings.rescan_s


def test_r31_every_scan_tries_the_limit_anew_and_tells_of_it_once() -> None:
    host, watch, one = watching("a", "b", "c", limit=2)
    assert scan(one, "a", "b", "c") == [False, False, True]
    assert not one.is_complete
    assert scan(one, "a", "b", "c") == [False, False, False], "it was told"
    host.watch_limit = 3
    assert scan(one, "a", "b", "c") == [False, False, False]
    assert one.is_complete
    assert len(watch) == 3
    assert one.reading(lambda: 3) == ("inotify, 3 directories", 3)


def test_r31_the_limit_is_a_gap_in_what_is_told() -> None:
    world = World()
    world.host.watch_limit = 1
    world.photos("a/1.jpg", "b/1.jpg")
    world.clock.advance(60)
    world.mount()
    world.run(10)
    assert len([one for one in world.told() if isinstance(one, Gap)]) == 1


def test_r29_what_is_not_wanted_any_more_is_not_watched() -> None:
    world = known("a/1.jpg", "b/1.jpg")
    one, other = Scope("a", f"{AT}/a", ()), Scope("b", f"{AT}/b", ())
    world.engine.assign(Scopes([one, other]))
    world.run(10)
    assert world.watch is not None
    before = len(world.watch)
    world.engine.assign(Scopes([one]))
    world.run(10)
    assert len(world.watch) == before - 1


def test_r40_an_attachment_that_ends_gives_its_watches_back() -> None:
    world = known("a/1.jpg")
    watch = world.watch
    assert watch is not None
    assert len(watch) == 2
    world.engine.detach()
    assert len(watch) == 0


@pytest.mark.parametrize("fs_type", ["ext4", "exfat"])
def test_r31_a_directory_that_is_made_anew_is_watched_anew(fs_type: str) -> None:
    world = known("keeper.jpg", "trip/a.jpg", fs_type=fs_type)
    world.disk.rmtree("trip")
    world.disk.mkdir("trip")
    world.run(10)
    world.news()
    world.photos("trip/b.jpg")
    world.run(10)
    assert world.news() == {"listed": {"trip/b.jpg"}}


def test_r31_a_directory_in_the_place_of_another_is_entered_though_inodes_mean_nothing() -> None:
    world = known("keeper.jpg", "trip/a.jpg", "other/deep/b.jpg", fs_type="exfat")
    world.disk.rename("trip", "aside")
    world.disk.rename("other", "trip")
    world.run(10)
    assert world.news()["listed"] == {"aside/a.jpg", "trip/deep/b.jpg"}
