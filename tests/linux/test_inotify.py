"""Watching real directories. That all file systems give the same hints is shown in tests/conformance."""

from __future__ import annotations

import errno
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.linux.inotify import InotifyWatch
from agent.linux.mountinfo import MountTable
from agent.linux.watched import OVERFLOWED, UNMOUNTED
from agent.ports import Hint, Lost, Trouble
from tests.linux.disks import Disk, Disks, run
from tests.linux.queues import EVENTS, few_events

pytestmark = pytest.mark.root

Watching = Callable[..., InotifyWatch]


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Disk:
    disk = disks.make()
    (disk.mount(tmp_path / "disk") / "2024").mkdir()
    return disk


@pytest.fixture
def watching() -> Iterator[Watching]:
    made: list[InotifyWatch] = []
    table = MountTable()

    def make(place: Path, *directories: str) -> InotifyWatch:
        mount_id = table.unique_id(str(place))
        assert mount_id is not None
        made.append(InotifyWatch(str(place), mount_id))
        for directory in directories:
            assert made[-1].add(directory) is None
        return made[-1]

    yield make
    for one in made:
        one.close()
    table.close()


def wait_for(watch: InotifyWatch, wanted: Hint | Lost) -> list[Hint | Lost]:
    """All hints up to the wanted one."""
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    found: list[Hint | Lost] = []
    while wanted not in found:
        assert poll.poll(10_000), f"{wanted} never came, only {found}"
        found += watch.read()
    return found


def test_r40_watches_do_not_keep_people_from_unmounting(disk: Disk, watching: Watching) -> None:
    watch = watching(disk.path, "", "2024")
    disk.umount()
    assert wait_for(watch, Lost("", UNMOUNTED, ended=True)) == [Lost("", UNMOUNTED, ended=True)]
    assert len(watch) == 0


def test_r3_a_plain_unmount_is_no_deletion(disk: Disk, watching: Watching) -> None:
    for number in range(20):
        (disk.path / f"2024/{number}.jpg").touch()
    watch = watching(disk.path, "", "2024")
    (disk.path / "2024/0.jpg").unlink()
    disk.umount()
    assert watch.read() == [Lost("", UNMOUNTED, ended=True)]


def test_a_watch_goes_to_no_other_mount(disk: Disk, watching: Watching) -> None:
    watch = watching(disk.path)
    run("mount", "-t", "tmpfs", "none", str(disk.path))
    assert watch.add("") == Trouble(errno.EXDEV, "")
    run("umount", str(disk.path))
    assert watch.add("2025") == Trouble(errno.ENOENT, "2025")
    (disk.path / "file.jpg").touch()
    assert watch.add("file.jpg") == Trouble(errno.ENOTDIR, "file.jpg")
    assert len(watch) == 0


def test_r31_the_limit_of_watches_is_trouble(disk: Disk, watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = watching(disk.path)

    def full(path: str, mask: int) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    # The real limit belongs to everybody on this machine.
    monkeypatch.setattr(watch._inotify, "add_watch", full)
    assert watch.add("2024") == Trouble(errno.ENOSPC, "2024")
    assert len(watch) == 0


def test_r31_a_flood_that_the_queue_cannot_hold_is_a_loss(disk: Disk, watching: Watching) -> None:
    with few_events():
        watch = watching(disk.path, "2024")
    first, second = disk.path / "2024/a.jpg", disk.path / "2024/b.jpg"
    first.touch()
    for _ in range(EVENTS):
        first.rename(second)
        second.rename(first)
    found = wait_for(watch, Lost("", OVERFLOWED))
    assert Hint("2024", "a.jpg", written=True) in found


def test_reading_an_idle_watch_does_not_wait(disk: Disk, watching: Watching) -> None:
    watch = watching(disk.path, "2024")
    assert watch.read() == []


def test_the_watches_below_a_renamed_directory_are_given_back_to_the_kernel(disk: Disk, watching: Watching) -> None:
    (disk.path / "2024/deep").mkdir()
    watch = watching(disk.path, "", "2024", "2024/deep")
    (disk.path / "2024").rename(disk.path / "2025")
    assert set(watch.read()) == {Hint("", "2024", replaced=True), Hint("", "2025", replaced=True)}
    assert len(watch) == 1
    assert watches_of(watch) == 1
    (disk.path / "2025/deep/x.jpg").touch()
    assert watch.read() == []
    assert watch.add("2025/deep") is None
    (disk.path / "2025/deep/y.jpg").touch()
    assert Hint("2025/deep", "y.jpg", whole=True) in watch.read()


def test_a_directory_watched_again_before_its_rename_was_read_is_not_lost_silently(
    disk: Disk, watching: Watching
) -> None:
    watch = watching(disk.path, "", "2024")
    (disk.path / "2024").rename(disk.path / "2025")
    assert watch.add("2025") is None
    hints = watch.read()
    assert any(isinstance(hint, Lost) and hint.directory == "2025" for hint in hints)


def test_r37_names_that_are_not_text(disk: Disk, watching: Watching) -> None:
    watch = watching(disk.path, "2024")
    with open(bytes(disk.path / "2024") + b"/\xff.jpg", "wb"):
        pass
    assert Hint("2024", "\0ff.jpg", whole=True) in watch.read()


def watches_of(watch: InotifyWatch) -> int:
    """How many watches the kernel keeps for it."""
    with open(f"/proc/self/fdinfo/{watch.fileno()}", encoding="ascii") as file:
        return file.read().count("inotify wd:")
