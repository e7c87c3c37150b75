"""Watching whole file systems of the real kernel with one mark."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.linux.fanotify import CANNOT, FanotifyWatch
from agent.linux.kernel import mount_at
from agent.linux.mountinfo import MountTable
from agent.linux.watched import OVERFLOWED
from agent.ports import Hint, Lost
from tests.linux.disks import Disk, Disks, run
from tests.linux.queues import EVENTS, few_events

pytestmark = pytest.mark.root

Watching = Callable[[Path], FanotifyWatch]


@pytest.fixture(params=["ext4", "xfs", "btrfs", "tmpfs"])
def disk(request: pytest.FixtureRequest, disks: Disks, tmp_path: Path) -> Disk:
    disk = disks.make(request.param)
    disk.mount(tmp_path / "disk")
    return disk


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Watches of the mounts at places."""
    made: list[FanotifyWatch] = []
    table = MountTable()

    def make(place: Path) -> FanotifyWatch:
        mount_id = table.unique_id(str(place))
        assert mount_id is not None
        made.append(FanotifyWatch(str(place), mount_id))
        return made[-1]

    yield make
    for one in made:
        one.close()
    table.close()


def hints(watch: FanotifyWatch) -> set[Hint | Lost]:
    """Everything that waits. The kernel queues events before the system call that caused them returns."""
    return set(watch.read())


def test_every_change_in_every_directory_is_seen_with_one_mark(disk: Disk, watching: Watching) -> None:
    top = disk.path
    (top / "old" / "deep").mkdir(parents=True)
    (top / "old/deep/a.jpg").write_bytes(b"a")
    watch = watching(top)
    assert len(watch) == 1
    (top / "new/er").mkdir(parents=True)
    (top / "new/er/b.jpg").write_bytes(b"b")
    found = hints(watch)
    assert {Hint("", "new"), Hint("new", "er"), Hint("new/er", "b.jpg", whole=True)} <= found
    (top / "old/deep/a.jpg").unlink()
    os.chmod(top / "old", 0o700)
    os.utime(top / "new/er/b.jpg", (1, 1))
    found = hints(watch)
    assert {Hint("old/deep", "a.jpg"), Hint("new/er", "b.jpg")} <= found
    assert Hint("old", "") in found or Hint("", "old") in found


def test_a_file_that_is_written_and_not_closed_is_not_whole(disk: Disk, watching: Watching) -> None:
    watch = watching(disk.path)
    with (disk.path / "a.jpg").open("wb", buffering=0) as file:
        file.write(b"first")
        assert hints(watch) == {Hint("", "a.jpg", written=True)}
    assert hints(watch) == {Hint("", "a.jpg", whole=True)}


def test_a_rename_names_both_places_and_nothing_is_at_the_old_one_afterwards(disk: Disk, watching: Watching) -> None:
    top = disk.path
    (top / "a").mkdir()
    (top / "b").mkdir()
    (top / "a/1.jpg").write_bytes(b"1")
    watch = watching(top)
    (top / "a/1.jpg").rename(top / "b/2.jpg")
    assert hints(watch) == {Hint("a", "1.jpg"), Hint("b", "2.jpg", whole=True)}
    (top / "a").rename(top / "b/c")
    (top / "b/c/3.jpg").write_bytes(b"3")
    found = hints(watch)
    assert {Hint("", "a"), Hint("b", "c"), Hint("b/c", "3.jpg", whole=True)} <= found
    (top / "b/c/3.jpg").unlink()
    assert hints(watch) == {Hint("b/c", "3.jpg")}, "the directory is known by its new path"


def test_r40_a_mark_does_not_keep_people_from_unmounting_and_says_nothing_of_it(disk: Disk, watching: Watching) -> None:
    (disk.path / "a").mkdir()
    watch = watching(disk.path)
    (disk.path / "a/1.jpg").write_bytes(b"1")
    assert hints(watch)
    disk.umount()
    assert hints(watch) == set()


def test_r3_what_was_queued_before_an_unmount_is_about_no_file_of_what_comes_after(
    disk: Disk, disks: Disks, watching: Watching
) -> None:
    place = disk.path
    (place / "a").mkdir()
    watch = watching(place)
    (place / "a/1.jpg").write_bytes(b"1")
    disk.umount()
    other = disks.make(disk.fs_type)
    other.mount(place)
    assert hints(watch) == set()
    (place / "2.jpg").write_bytes(b"2")
    assert hints(watch) == set(), "the mark is of a file system, and this is another"


def test_r31_a_queue_that_overflows_says_so(disk: Disk, watching: Watching) -> None:
    with few_events():
        watch = watching(disk.path)
    flood(disk)
    assert Lost("", OVERFLOWED) in hints(watch)
    assert hints(watch) == set()


def test_r31_where_a_directory_is_is_asked_anew_when_events_were_lost(disk: Disk, watching: Watching) -> None:
    (disk.path / "a").mkdir()
    with few_events():
        watch = watching(disk.path)
    (disk.path / "a/1.jpg").touch()
    assert hints(watch) == {Hint("a", "1.jpg", whole=True)}
    flood(disk)
    (disk.path / "a").rename(disk.path / "b")  # which nobody hears of
    assert Lost("", OVERFLOWED) in hints(watch)
    (disk.path / "b/1.jpg").unlink()
    assert hints(watch) == {Hint("b", "1.jpg")}


def flood(disk: Disk) -> None:
    """More events than the queue holds. Names that differ are not merged."""
    for number in range(2 * EVENTS):
        (disk.path / f"{number}.jpg").touch()


def test_r17_storage_is_asked_only_for_directories_that_are_not_known_yet(disk: Disk) -> None:
    """And whoever is going to wait for the answer is told before."""
    (disk.path / "a").mkdir()
    asked: list[str] = []
    watch = FanotifyWatch(str(disk.path), mount_at(bytes(disk.path)).mount_id, lambda: asked.append("now"))
    try:
        for number in range(3):
            (disk.path / f"a/{number}.jpg").touch()
            watch.read()
        assert asked == ["now"]
        (disk.path / "a").rename(disk.path / "b")
        watch.read()
        assert asked == ["now", "now"]
    finally:
        watch.close()


def test_what_happens_outside_of_what_is_mounted_here_is_no_hint(
    disk: Disk, watching: Watching, tmp_path: Path
) -> None:
    (disk.path / "photos/2024").mkdir(parents=True)
    (disk.path / "private").mkdir()
    place = tmp_path / "bound"
    place.mkdir()
    run("mount", "--bind", str(disk.path / "photos"), str(place))
    try:
        watch = watching(place)
        (disk.path / "private/diary.jpg").write_bytes(b"no")
        (disk.path / "photos/2024/a.jpg").write_bytes(b"yes")
        assert {hint.directory for hint in hints(watch)} == {"2024"}
    finally:
        run("umount", str(place))


def test_r37_names_are_bytes(disk: Disk, watching: Watching) -> None:
    folder = os.fsencode(disk.path) + b"/od\xff\n"
    os.mkdir(folder)
    watch = watching(disk.path)
    with open(folder + b"/\xe9 (deleted).jpg", "wb"):
        pass
    assert Hint("od\0ff\n", "\0e9 (deleted).jpg", whole=True) in hints(watch)
    os.mkdir(folder + b"/trip (deleted)")
    with open(folder + b"/trip (deleted)/a.jpg", "wb"):
        pass
    assert Hint("od\0ff\n/trip (deleted)", "a.jpg", whole=True) in hints(watch)


def test_hints_wake_whoever_waits(disk: Disk, watching: Watching) -> None:
    watch = watching(disk.path)
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    assert poll.poll(0) == []
    (disk.path / "a.jpg").touch()
    assert poll.poll(5_000)
    watch.read()
    assert poll.poll(0) == []


def test_where_it_cannot_be_done_it_says_so_at_once(watching: Watching, tmp_path: Path) -> None:
    lower, upper, work, place = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for one in (lower, upper, work, place):
        one.mkdir()
    run("mount", "-t", "overlay", "none", str(place), "-o", f"lowerdir={lower},upperdir={upper},workdir={work}")
    try:
        with pytest.raises(OSError) as refused:
            watching(place)
        assert refused.value.errno in CANNOT
    finally:
        run("umount", str(place))
