"""Photos that are moved where they are known by their names alone."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from msgspec import structs

from agent.baseline import Baseline
from agent.contents import Contents
from agent.journal import Journal
from agent.ports import FileEntry, Listing, Trouble
from agent.store import Lease
from agent.testing.files import FakeFiles
from holdfast import content, paths
from holdfast.assignments import BelievedDirectory
from holdfast.reports import Absent, FileFacts, Listed
from tests.agent.world import World, known

PHOTOS = ("trip/a.jpg", "trip/b.jpg", "album/c.jpg", "keeper.jpg")
# None of these keeps inode numbers that last.
KINDS = ("vfat", "nfs4", "fuse.sshfs")


def read_through(fs_type: str, *, watch: bool = False) -> World:
    """A disk of which every photo is known and read."""
    world = known(*PHOTOS, fs_type=fs_type, reads=True, watch=watch)
    world.run(60)
    world.told()
    return world


def story(world: World) -> list[str]:
    """What is told of files, in order: ``-path`` is absent, ``+path`` is listed with its content, ``?path`` without."""
    found: list[str] = []
    for one in world.told():
        if isinstance(one, Absent):
            found += [f"-{paths.join(one.directory, name)}" for name in one.names]
        if isinstance(one, Listed):
            found += [f"{'+' if file.content else '?'}{paths.join(one.directory, file.name)}" for file in one.files]
    return found


@pytest.mark.parametrize("watch", [True, False], ids=["watched", "scanned"])
@pytest.mark.parametrize("fs_type", KINDS)
@pytest.mark.parametrize("new", ["z.jpg", "album/a.jpg", "aaa/new/a.jpg"])
def test_r38_a_photo_that_is_moved_is_told_when_it_is_proven_gone_from_its_old_place(
    fs_type: str, new: str, watch: bool
) -> None:
    world = read_through(fs_type, watch=watch)
    world.disk.mkdir("aaa/new")
    world.disk.rename("trip/a.jpg", new)
    world.engine.scan()
    world.run(60)
    assert story(world) == ["-trip/a.jpg", f"+{new}"]


@pytest.mark.parametrize("watch", [True, False], ids=["watched", "scanned"])
@pytest.mark.parametrize("fs_type", KINDS)
def test_r38_a_folder_that_is_renamed_takes_its_photos_along(fs_type: str, watch: bool) -> None:
    world = read_through(fs_type, watch=watch)
    world.disk.rename("trip", "holiday")
    world.engine.scan()
    world.run(60)
    assert story(world) == ["-trip/a.jpg", "-trip/b.jpg", "+holiday/a.jpg", "+holiday/b.jpg"]


@pytest.mark.parametrize("fs_type", KINDS)
def test_r38_a_photo_that_was_moved_while_the_disk_was_away_is_known_again(fs_type: str) -> None:
    world = read_through(fs_type)
    world.engine.detach()
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.attach()
    world.run(60)
    assert story(world) == ["-trip/a.jpg", "+album/a.jpg"]


@pytest.mark.parametrize(
    ("at_last", "told"),
    [("again.jpg", ["-trip/a.jpg", "+again.jpg"]), ("trip/a.jpg", [])],
    ids=["elsewhere", "back, as if it had never been away"],
)
def test_r38_a_photo_that_is_moved_again_before_it_is_told_is_known_again(at_last: str, told: list[str]) -> None:
    world = read_through("vfat", watch=True)
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.run(1)
    world.disk.rename("album/a.jpg", at_last)
    world.run(60)
    assert story(world) == told


def journal_lost(fs_type: str, *, found_at: str, reads: bool = True) -> World:
    """A disk with a photo that the catalog believes to be at ``trip/a.jpg``, and a journal that has seen nothing."""
    world = World(fs_type=fs_type, reads=reads)
    world.photos(found_at, "keeper.jpg")
    photo, kept = (world.disk.look(path) for path in (found_at, "keeper.jpg"))
    read = content.begin()
    read.update(photo.content)
    believed = [
        BelievedDirectory("", [FileFacts("keeper.jpg", kept.size, kept.mtime_ns, None)]),
        BelievedDirectory("trip", [FileFacts("a.jpg", photo.size, photo.mtime_ns, content.digest(read))]),
    ]
    baseline = Baseline(world.store)
    baseline.begin(Lease("cat_1", 1), "jrn_2", keep=False)
    baseline.believe(believed, last=True)
    world.start()
    world.clock.advance(60)
    world.mount()
    world.run(60)
    return world


@pytest.mark.parametrize("fs_type", ["ext4", "vfat"])
def test_r38_a_photo_that_was_moved_while_the_journal_was_lost_is_known_again(fs_type: str) -> None:
    world = journal_lost(fs_type, found_at="album/a.jpg")
    assert [one for one in story(world) if "a.jpg" in one] == ["-trip/a.jpg", "+album/a.jpg"]


def test_r38_what_only_another_mount_can_prove_gone_does_not_keep_a_photo_from_being_told() -> None:
    world = journal_lost("nfs4", found_at="album/a.jpg")
    assert [one for one in story(world) if "a.jpg" in one] == ["+album/a.jpg"]


def test_r39_a_photo_whose_inode_was_seen_is_known_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    world = journal_lost("ext4", found_at="trip/a.jpg", reads=False)
    world.told()
    monkeypatch.setattr(FakeFiles, "read", lambda *_: pytest.fail("it is read"))
    world.disk.rename("trip/a.jpg", "z.jpg")
    world.run(1)
    assert world.news()["moved"] == {"trip/a.jpg > z.jpg"}, "at once"


def test_r39_a_copy_of_a_photo_whose_inode_was_seen_is_told_at_once() -> None:
    world = journal_lost("ext4", found_at="trip/a.jpg", reads=False)
    world.told()
    copy(world, "trip/a.jpg", "z.jpg")
    world.disk.unlink("trip/a.jpg")
    world.run(1)
    assert story(world) == ["?z.jpg"]


def missing_twin(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a photo is missed that only the catalog has told of, and that looks as ``aside/e.jpg`` does.
    Nothing can be read just now."""
    world = World()
    world.photos("best/d.jpg", "aside/e.jpg", "keeper.jpg")
    other = world.disk.look("aside/e.jpg")
    missed = FileFacts("a.jpg", other.size, other.mtime_ns, f"sha1:{'A' * 27}=")
    baseline = Baseline(world.store)
    baseline.begin(Lease("cat_1", 1), "jrn_2", keep=False)
    baseline.believe([BelievedDirectory("trip", [missed])], last=True)
    world.start()
    world.clock.advance(60)
    world.mount()
    world.run(0.5)
    assert Journal(world.store).suspected_in("trip") == {"a.jpg"}
    monkeypatch.setattr(FakeFiles, "read", lambda *_: Trouble(errno.EAGAIN, "best/d.jpg"))
    world.told()
    return world


@pytest.mark.parametrize("new", [True, False], ids=["a new file", "one that is known by its inode"])
def test_r39_what_takes_the_place_of_a_photo_does_not_make_it_forgotten(
    monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    world = missing_twin(monkeypatch)
    if new:
        copy(world, "aside/e.jpg", "best/spare.jpg")
        world.disk.rename("best/spare.jpg", "best/d.jpg")
    else:
        world.disk.rename("aside/e.jpg", "best/d.jpg")
    world.run(0.5)
    world.disk.unlink("best/d.jpg")
    world.run(60)
    assert "best/d.jpg" in world.news()["absent"]


def test_r39_a_photo_that_is_known_by_its_inode_is_moved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = missing_twin(monkeypatch)
    world.disk.rename("aside/e.jpg", "best/f.jpg")
    world.run(0.5)
    assert world.news()["moved"] == {"aside/e.jpg > best/f.jpg"}


@pytest.mark.parametrize("fs_type", KINDS)
def test_r38_a_copy_is_told_at_once_as_the_other_is_still_there(fs_type: str) -> None:
    world = read_through(fs_type, watch=True)
    copy(world, "trip/a.jpg", "album/a.jpg")
    world.engine.scan()
    world.run(1)
    assert story(world) == ["?album/a.jpg", "+album/a.jpg"]


@pytest.mark.parametrize("fs_type", KINDS)
def test_r38_another_photo_of_the_same_size_and_time_is_told_when_it_was_read(fs_type: str) -> None:
    world = read_through(fs_type)
    mtime_ns = world.disk.look("trip/a.jpg").mtime_ns
    world.disk.unlink("trip/a.jpg")
    world.disk.write("album/other.jpg")
    world.disk.touch("album/other.jpg", mtime_ns)
    world.engine.scan()
    world.run(60)
    assert story(world) == ["+album/other.jpg", "-trip/a.jpg"]


def test_r38_photos_that_all_look_alike_are_not_compared_with_each_other() -> None:
    names = [f"trip/{number:03}.jpg" for number in range(100)]
    world = known(*names, *PHOTOS, fs_type="nfs4", reads=True, watch=False)
    world.run(60)
    world.told()
    world.disk.rename("trip/000.jpg", "album/000.jpg")
    world.engine.scan()
    world.run(60)
    assert [one for one in story(world) if "000.jpg" in one] == ["?album/000.jpg", "+album/000.jpg", "-trip/000.jpg"]


def test_r38_a_large_folder_is_not_looked_at_for_each_of_its_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"trip/{number:03}.jpg" for number in range(300)]
    world = World(fs_type="nfs4", reads=True, watch=False)
    for size, path in enumerate([*names, *PHOTOS], 1000):
        world.photos(path)
        world.disk.write(path, size)
    world.clock.advance(60)
    world.mount()
    world.run(60)
    world.told()
    world.disk.rename("trip", "holiday")
    looks = count(monkeypatch, "holiday")
    world.engine.scan()
    world.run(60)
    assert story(world)[-1] == "+holiday/b.jpg"
    assert len(looks) < 20


def test_r38_a_photo_that_nobody_has_read_is_new_elsewhere() -> None:
    world = known(*PHOTOS, fs_type="vfat")
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.run(60)
    assert story(world) == ["?album/a.jpg", "-trip/a.jpg"]


def test_r38_a_photo_that_cannot_be_read_at_its_new_place_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    world = read_through("vfat", watch=True)
    monkeypatch.setattr(FakeFiles, "read", lambda *_: Trouble(errno.EACCES, "album/a.jpg"))
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.run(60)
    assert story(world) == ["?album/a.jpg", "-trip/a.jpg"]


def test_r38_what_is_never_proven_gone_does_not_keep_a_photo_from_being_told() -> None:
    world = known(*PHOTOS, fs_type="vfat", reads=True)
    world.run(60)
    world.engine.detach()
    world.settings = structs.replace(world.settings, confirm_delay_s=1e6)
    world.start()
    world.attach()
    world.run(60)
    world.told()
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.run(300)
    assert story(world) == []
    world.run(400)
    assert story(world) == ["+album/a.jpg"]


def test_r38_what_is_there_is_told_while_nothing_can_be_proven_gone() -> None:
    world = read_through("vfat")
    world.engine.guard(guarded=True)
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.engine.scan()
    world.run(1)
    assert story(world) == ["?album/a.jpg"]


def test_r38_a_photo_that_is_moved_between_two_listings_of_a_look_is_known_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = read_through("vfat", watch=True)
    world.photos("album/y.jpg", "trip/z.jpg")
    when_listing(monkeypatch, "trip", lambda: world.disk.rename("album/c.jpg", "trip/c.jpg"))
    world.run(60)
    assert [one for one in story(world) if "c.jpg" in one] == ["-album/c.jpg", "+trip/c.jpg"]


def test_folders_that_are_gone_are_not_waiting_to_be_read() -> None:
    world = known(*PHOTOS)
    assert Contents(world.store, by_inode=True).unread_count() == 3
    world.disk.rename("trip", "holiday")
    world.disk.rmtree("album")
    world.run(60)
    assert Contents(world.store, by_inode=True).unread_count() == 2


def copy(world: World, old: str, new: str) -> None:
    """Copy a file as ``cp -p`` does."""
    original = world.disk.look(old)
    world.disk.write(new, original.size, seed=original.seed)
    world.disk.touch(new, original.mtime_ns)


def count(monkeypatch: pytest.MonkeyPatch, directory: str) -> list[str]:
    """The looks at a directory from now on."""
    looks: list[str] = []
    before = FakeFiles.list

    def listed(files: FakeFiles, path: str, *rest: dict[str, FileEntry]) -> Listing | Trouble:
        looks.extend([path] if path == directory else [])
        return before(files, path, *rest)

    monkeypatch.setattr(FakeFiles, "list", listed)
    return looks


def when_listing(monkeypatch: pytest.MonkeyPatch, directory: str, act: Callable[[], None]) -> None:
    """Do something just before a directory is listed for the first time."""
    actions = [act]
    before = FakeFiles.list

    def listed(files: FakeFiles, path: str, *rest: dict[str, FileEntry]) -> Listing | Trouble:
        if path == directory and actions:
            actions.pop()()
        return before(files, path, *rest)

    monkeypatch.setattr(FakeFiles, "list", listed)
