"""What the agent relies on when it watches directories; the same hints from a real kernel and from the fake."""

from __future__ import annotations

import errno
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux.watched import UNMOUNTED
from agent.ports import Hint, Lost, Trouble, Watch
from holdfast import paths
from tests.conformance.conftest import MOUNTABLE, world_of
from tests.conformance.worlds import World, make_world
from tests.linux.disks import Disks

CREATED = {"written": True}
CLOSED = {"whole": True}
REPLACED = {"replaced": True}
CHANGES = {
    "create": ("write", ("d/n.jpg",), [Hint("d", "n.jpg", **CREATED), Hint("d", "n.jpg", **CLOSED)]),
    "overwrite": ("write", ("d/a.jpg",), [Hint("d", "a.jpg", **CREATED), Hint("d", "a.jpg", **CLOSED)]),
    "append without closing": ("append", ("d/a.jpg",), [Hint("d", "a.jpg", **CREATED)]),
    "remove": ("unlink", ("d/a.jpg",), [Hint("d", "a.jpg")]),
    "make a directory": ("mkdir", ("d/n",), [Hint("d", "n")]),
    "remove a directory": ("rmdir", ("d/empty",), [Hint("d/empty", ""), Hint("d", "empty", **REPLACED)]),
    "rename": ("rename", ("d/a.jpg", "d/z.jpg"), [Hint("d", "a.jpg"), Hint("d", "z.jpg", **CLOSED)]),
    "move": ("rename", ("d/a.jpg", "e/a.jpg"), [Hint("d", "a.jpg"), Hint("e", "a.jpg", **CLOSED)]),
    "move over another": ("rename", ("d/a.jpg", "e/b.jpg"), [Hint("d", "a.jpg"), Hint("e", "b.jpg", **CLOSED)]),
    "move out of what is watched": ("rename", ("d/a.jpg", "far/a.jpg"), [Hint("d", "a.jpg")]),
    "move in": ("rename", ("far/f.jpg", "d/f.jpg"), [Hint("d", "f.jpg", **CLOSED)]),
    "rename a directory": (
        "rename",
        ("d/full", "d/other"),
        [Hint("d", "full", **REPLACED), Hint("d", "other", **REPLACED)],
    ),
    "move a directory": (
        "rename",
        ("d/full", "e/full"),
        [Hint("d", "full", **REPLACED), Hint("e", "full", **REPLACED)],
    ),
    "link": ("link", ("d/a.jpg", "e/a.jpg"), [Hint("e", "a.jpg", **CREATED)]),
    "make a symbolic link": ("symlink", ("d/l.jpg",), [Hint("d", "l.jpg", **CREATED)]),
    "set a time": ("touch", ("d/a.jpg", 1), [Hint("d", "a.jpg")]),
    "change permissions": ("deny", ("d/full",), [Hint("d", "full"), Hint("d/full", "")]),
    "change what is not watched": ("write", ("far/n.jpg",), []),
}


def watching(world: World, *directories: str) -> Watch:
    watch = world.watch()
    for directory in directories:
        assert watch.add(directory) is None
    return watch


@pytest.fixture(params=[*MOUNTABLE, "tmpfs", "ntfs-3g"])
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Whatever inotify watches: what is on a tmpfs and behind a local FUSE program too."""
    yield from world_of(request, tmp_path)


@pytest.fixture
def watch(volume: World) -> Watch:
    """Watches of ``d``, ``d/empty``, ``d/full`` and ``e``, but not of ``far``."""
    populate(volume)
    return watching(volume, "d", "d/empty", "d/full", "e")


def populate(volume: World) -> None:
    """Put something everywhere."""
    for directory in ("d", "e", "far", "d/empty", "d/full"):
        volume.mkdir(directory)
    for file in ("d/a.jpg", "e/b.jpg", "d/full/c.jpg", "far/f.jpg"):
        volume.write(file)


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_gives_its_hints(volume: World, watch: Watch, change: str) -> None:
    verb, arguments, expected = CHANGES[change]
    getattr(volume, verb)(*arguments)
    assert set(watch.read()) == set(expected)
    assert watch.read() == []


@pytest.mark.root
@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs", "tmpfs"])
@pytest.mark.parametrize("change", CHANGES)
def test_one_mark_leads_to_the_same_places(disks: Disks, tmp_path: Path, fs_type: str, change: str) -> None:
    """The kernel merges what happens to one name, tells of no directory twice, and of the unwatched ones too. Where to
    look, and whether a file is whole, comes out the same."""
    volume = make_world(fs_type, disks, tmp_path)
    try:
        populate(volume)
        mark = volume.watch("fanotify")
        verb, arguments, expected = CHANGES[change]
        getattr(volume, verb)(*arguments)
        found = [one for one in mark.read() if isinstance(one, Hint) and one.directory not in ("", "far")]
        assert places(found) == places(expected)
        assert mark.read() == []
    finally:
        volume.close()


def places(hints: list[Hint]) -> dict[str, str]:
    """The paths that these hints are about, and how each file was left."""
    found: dict[str, str] = {}
    for hint in hints:
        path = paths.join(hint.directory, hint.name) if hint.name else hint.directory
        left = "whole" if hint.whole else "written" if hint.written else ""
        found[path] = left or found.get(path, "")
    return found


def test_hints_stand_in_the_order_of_what_happened(volume: World, watch: Watch) -> None:
    volume.unlink("d/a.jpg")
    volume.rmdir("d/empty")
    volume.unlink("e/b.jpg")
    assert watch.read() == [Hint("d", "a.jpg"), Hint("d/empty", ""), Hint("d", "empty", **REPLACED), Hint("e", "b.jpg")]


def test_a_hint_is_given_once_however_often_it_happened(volume: World, watch: Watch) -> None:
    for size in range(50):
        volume.write("d/a.jpg", size + 1)
    assert set(watch.read()) == {Hint("d", "a.jpg", **CREATED), Hint("d", "a.jpg", **CLOSED)}


def test_the_watches_below_a_renamed_directory_end(volume: World, watch: Watch) -> None:
    assert len(watch) == 4
    volume.rename("d", "z")
    assert [hint for hint in watch.read() if isinstance(hint, Lost)] == [Lost("d", "the directory was moved")]
    assert len(watch) == 1
    volume.write("z/full/x.jpg")
    assert watch.read() == []
    assert watch.add("z/full") is None
    volume.write("z/full/y.jpg")
    assert Hint("z/full", "y.jpg", **CLOSED) in watch.read()


def test_a_new_directory_under_an_old_name_is_watched_anew(volume: World, watch: Watch) -> None:
    volume.rmdir("d/empty")
    volume.mkdir("d/empty")
    assert watch.add("d/empty") is None
    watch.read()
    volume.write("d/empty/x.jpg")
    assert Hint("d/empty", "x.jpg", **CLOSED) in watch.read()
    assert len(watch) == 4


def test_adding_twice_is_harmless(volume: World, watch: Watch) -> None:
    assert watch.add("d") is None
    assert len(watch) == 4
    volume.unlink("d/a.jpg")
    assert watch.read() == [Hint("d", "a.jpg")]


def test_removing_takes_all_below_and_nothing_beside(volume: World, watch: Watch) -> None:
    volume.mkdir("d-other")
    assert watch.add("d-other") is None
    watch.remove("d")
    volume.write("d/full/x.jpg")
    volume.unlink("d/a.jpg")
    assert watch.read() == []
    assert len(watch) == 2
    volume.write("d-other/x.jpg")
    assert watch.read()


def test_what_cannot_be_watched_is_trouble(volume: World, watch: Watch) -> None:
    assert watch.add("no") == Trouble(errno.ENOENT, "no")
    assert watch.add("d/a.jpg") == Trouble(errno.ENOTDIR, "d/a.jpg")
    volume.cover()
    assert watch.add("d") == Trouble(errno.EXDEV, "d")
    volume.uncover()
    assert watch.add("d") is None


@pytest.mark.parametrize("lazy", [False, True])
def test_r3_an_unmount_ends_the_watch_and_nothing_else_is_said(volume: World, watch: Watch, lazy: bool) -> None:
    volume.unlink("d/a.jpg")
    volume.umount(lazy=lazy)
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    assert poll.poll(5_000)
    said = watch.read()
    # A lazy unmount lets go of the file system a moment later.
    while Lost("", UNMOUNTED, ended=True) not in said:
        assert said == [Hint("d", "a.jpg")]
        assert poll.poll(5_000)
        said = watch.read()
    assert said == [Lost("", UNMOUNTED, ended=True)]
    assert len(watch) == 0


def test_r5_a_covered_volume_is_watched_on_silently(volume: World, watch: Watch) -> None:
    volume.cover()
    assert watch.read() == []
    assert len(watch) == 4
    volume.uncover()


def test_the_descriptor_is_readable_while_hints_wait(volume: World, watch: Watch) -> None:
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    assert poll.poll(0) == []
    volume.unlink("d/a.jpg")
    assert poll.poll(5_000)
    watch.read()
    assert poll.poll(0) == []


@pytest.mark.parametrize("volume", [*MOUNTABLE, "tmpfs"], indirect=True)  # NTFS has no such names
def test_r37_names_that_are_not_text(volume: World) -> None:
    volume.mkdir("od\0ff")
    watch = watching(volume, "od\0ff")
    volume.write("od\0ff/\0e9.jpg")
    assert Hint("od\0ff", "\0e9.jpg", **CLOSED) in watch.read()


def test_a_closed_watch_gives_everything_back(volume: World, watch: Watch) -> None:
    watch.close()
    assert len(watch) == 0
    volume.unlink("d/a.jpg")
    volume.umount()
