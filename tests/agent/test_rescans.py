"""How often a volume without a watch is looked over."""

from __future__ import annotations

from itertools import pairwise

from agent.rescans import Rescans
from holdfast.scans import ScanMode
from tests.agent.world import World, known

SCAN_S = 900.0


def times(finds: bool, until: float) -> list[tuple[float, ScanMode]]:
    """When what is due, if each look takes a second, and finds something or does not."""
    rescans, now = Rescans(SCAN_S), 0.0
    found: list[tuple[float, ScanMode]] = []
    rescans.walked(now, found=finds, is_over=True, is_scanned=True)
    while (due := rescans.due()) is not None and due <= until:
        now = due
        mode = rescans.take(now)
        assert mode is not None
        assert rescans.take(now) is None or mode is ScanMode.NEW
        found.append((now, mode))
        now += 1
        rescans.walked(now, found=finds, is_over=True, is_scanned=mode is ScanMode.CHANGED)
    return found


def test_what_is_at_rest_is_scanned_and_not_glanced_at() -> None:
    looks = times(finds=False, until=4_000)
    assert [mode for _, mode in looks] == [ScanMode.CHANGED] * 4


def test_what_changes_is_glanced_at_more_and_more_often_and_scanned_as_ever() -> None:
    looks = times(finds=True, until=4_000)
    glances = [at for at, mode in looks if mode is ScanMode.NEW]
    assert min(later - at for at, later in pairwise(glances)) > 60
    assert len(glances) > 40
    assert sum(mode is ScanMode.CHANGED for _, mode in looks) == 4


def test_a_glance_that_takes_long_is_followed_by_a_longer_rest() -> None:
    rescans = Rescans(SCAN_S)
    rescans.walked(0.0, found=True, is_over=True, is_scanned=True)
    assert rescans.due() == 450
    assert rescans.take(450) is ScanMode.NEW
    rescans.walked(490, found=True, is_over=True, is_scanned=False)
    assert rescans.due() == 490 + 400


def test_on_a_share_that_is_written_to_a_new_photo_is_found_within_minutes() -> None:
    world: World = known("a.jpg", "trip/b.jpg", fs_type="nfs4", watch=False)
    waits = []
    for number in range(20):
        world.photos(f"trip/new-{number}.jpg")
        at = world.clock.now().boot
        while f"trip/new-{number}.jpg" not in world.news().get("listed", ()):
            world.run(10)
        waits.append(world.clock.now().boot - at)
    assert max(waits) <= SCAN_S + 10
    assert max(waits[10:]) <= 130


def test_a_disk_that_is_watched_is_not_glanced_at() -> None:
    world = known("a.jpg", "trip/b.jpg")
    lists = world.host.calls["files.list"]
    world.photos("trip/c.jpg")
    world.run(10)
    assert world.host.calls["files.list"] > lists, "the watch tells"
    lists = world.host.calls["files.list"]
    world.run(10 * SCAN_S)
    assert world.host.calls["files.list"] == lists
