"""What is in the files: read in the background, and before a new file is told that may be one which is missed."""

from __future__ import annotations

import errno
import hashlib
import sqlite3
from base64 import b64encode
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from agent import reading
from agent.baseline import Baseline
from agent.journal import Journal
from agent.known import KnownDirectory
from agent.missed import Missed
from agent.ports import Chunk, Trouble
from agent.store import SCHEMA_VERSION, Lease, Store
from agent.testing.files import FakeFiles
from holdfast import paths
from holdfast.assignments import BelievedDirectory
from holdfast.reports import FileFacts, Listed, Moved
from tests.agent.world import World, known


def digest(data: bytes) -> str:
    return "sha1:" + b64encode(hashlib.sha1(data).digest()).decode()


def contents(world: World) -> dict[str, str]:
    """What was told of what is in files, since the last call: path -> digest."""
    return {
        paths.join(one.directory, file.name): file.content
        for one in world.told()
        if isinstance(one, Listed)
        for file in one.files
        if file.content is not None
    }


def in_files(world: World) -> dict[str, str]:
    """What really is in the photos."""
    return {path: digest(world.disk.look(path).content) for path in world.disk.files() if path.endswith(".jpg")}


class Watched:
    """Counts how often files of a world are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[str] = []
        self.trouble: dict[str, int] = {}
        before = FakeFiles.read

        def read(files: FakeFiles, directory: str, name: str, offset: int, count: int) -> Chunk | Trouble:
            path = paths.join(directory, name)
            self.read.append(path)
            if path in self.trouble:
                return Trouble(self.trouble[path], path)
            return before(files, directory, name, offset, count)

        monkeypatch.setattr(FakeFiles, "read", read)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_every_photo_is_read_once_and_told(watched: Watched) -> None:
    world = World(reads=True)
    world.photos("2023/a.jpg", "2024/b.jpg", "2024/c.jpg")
    world.disk.write("2024/c.jpg.xmp", text="<xmp/>")
    world.disk.write("2024/empty.jpg", size=0)
    world.clock.advance(60)
    world.mount()
    world.run(30)
    told = contents(world)
    assert told == {path: found for path, found in in_files(world).items() if path != "2024/empty.jpg"}
    watched.read.clear()
    world.engine.scan()
    world.run(30)
    assert watched.read == [], "nothing changed"
    assert contents(world) == {}


def test_photos_that_have_just_come_are_left_to_whoever_heard_of_them(watched: Watched) -> None:
    world = known("a.jpg", reads=True)
    world.settings = structs.replace(world.settings, read_after_s=10.0)
    world.engine.detach()
    world.start()
    world.attach()
    world.run(20)
    watched.read.clear()
    for number in range(5):
        world.photos(f"{number}.jpg")
        world.run(5)
    assert watched.read == []
    world.run(10)
    assert len(watched.read) == 5


def test_the_newest_photos_are_read_first(watched: Watched) -> None:
    world = World(reads=True)
    world.photos("a/1.jpg", "b/2.jpg", "b/3.jpg", "c/4.jpg")
    for age, path in enumerate(("b/3.jpg", "a/1.jpg", "c/4.jpg", "b/2.jpg")):
        world.disk.touch(path, world.clock.wall_ns - (age + 1) * 10**12)
    world.clock.advance(60)
    world.mount()
    world.run(30)
    assert watched.read == ["b/3.jpg", "b/2.jpg", "a/1.jpg", "c/4.jpg"], "by directory, the one with the newest first"


def test_a_large_file_is_read_in_pieces_that_leave_room_for_others(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_BYTES", 100)
    world = World(reads=True)
    world.photos("film.jpg")
    world.disk.write("film.jpg", size=950)
    world.clock.advance(60)
    world.mount()
    while len(watched.read) < 3:
        world.clock.advance(0.001)
        world.doubt = world.engine.work()
    world.photos("new.jpg")
    world.run(10)
    assert watched.read[:10] == ["film.jpg"] * 10
    assert contents(world) == in_files(world)


def slow_down(world: World, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let it take 5 ms to read a file; when that was done."""
    before = FakeFiles.read
    at: list[float] = []

    def read(files: FakeFiles, directory: str, name: str, offset: int, count: int) -> Chunk | Trouble:
        world.clock.advance(0.005)
        at.append(world.clock.now().boot)
        return before(files, directory, name, offset, count)

    monkeypatch.setattr(FakeFiles, "read", read)
    return at


def announced(world: World, photos: int) -> list[float]:
    """Let so many photos be read. When it was said that there is something to be told, and what is in them was told
    then, until it is told of all."""
    at: list[float] = []
    found: dict[str, str] = {}
    while len(found) < photos:
        due = world.engine.due()
        assert due is not None
        now = world.clock.now().boot
        if due > now:
            world.clock.advance(due - now + 0.000_001)
        world.doubt = world.engine.work()
        if world.engine.take_spooled() and (some := contents(world)):
            found |= some
            at.append(world.clock.now().boot)
    assert found == in_files(world)
    return at


def read_some(world: World, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some of twenty photos be read, a moment ago, so that nothing was said of them yet."""
    slow_down(world, monkeypatch)
    world.photos(*(f"{number}.jpg" for number in range(20)))
    world.clock.advance(60)
    world.mount()
    while len(watched.read) < 5:
        world.run(0.01)
    world.engine.take_spooled()


def test_what_is_read_in_the_background_is_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(reads=True)
    read = slow_down(world, monkeypatch)
    world.photos(*(f"{number % 7}/{number}.jpg" for number in range(250)))
    world.clock.advance(60)
    world.mount()
    at = announced(world, 250)
    waits = [later - before for before, later in pairwise(at)]
    assert len(at) == 3, "it takes two seconds and a half to read them"
    assert all(1.0 <= wait < 1.1 for wait in waits[:-1])
    assert at[-1] - read[-1] < 0.1, "all is told when the last one is read"


def test_what_was_read_is_told_though_nothing_more_may_be_read(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(reads=True)
    read_some(world, watched, monkeypatch)
    world.engine.guard(guarded=True)
    world.run(0.5)
    assert not world.engine.take_spooled()
    world.run(0.6)
    assert world.engine.take_spooled()
    assert len(contents(world)) == len(watched.read) < 10


def test_what_was_read_is_told_before_the_rest_is_read_another_time(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(reads=True)
    world.settings = structs.replace(world.settings, read_after_s=10.0)
    world.start()
    read_some(world, watched, monkeypatch)
    world.disk.mkdir("2025")  # which is nothing to be told, and a reason to wait with the rest
    world.run(0.1)
    assert not world.engine.take_spooled()
    world.run(1.0)
    assert world.engine.take_spooled()
    assert len(contents(world)) == len(watched.read) < 20


def test_what_was_read_outlives_the_agent(watched: Watched) -> None:
    world = World(reads=True)
    world.photos(*(f"{number}.jpg" for number in range(5)))
    world.clock.advance(60)
    world.mount()
    while len(watched.read) < 2:
        world.doubt = world.engine.work()
    world.engine.detach()
    world.start()
    world.attach()
    world.run(30)
    assert sorted(watched.read) == sorted(in_files(world)), "none is read twice"
    assert contents(world) == in_files(world)


def test_a_photo_that_is_renamed_is_not_read_again_and_one_that_is_written_to_is(watched: Watched) -> None:
    world = known("a/1.jpg", "a/2.jpg", "a/3.jpg", reads=True)
    watched.read.clear()
    world.disk.rename("a/1.jpg", "1.jpg")
    world.disk.rename("a", "b")
    world.run(30)
    assert watched.read == []
    world.told()
    world.photos("b/2.jpg")
    world.run(30)
    assert watched.read == ["b/2.jpg"]
    assert contents(world) == {"b/2.jpg": digest(world.disk.look("b/2.jpg").content)}


def test_a_photo_with_two_names_is_read_once_and_told_for_each(watched: Watched) -> None:
    world = World(reads=True)
    world.photos("a/1.jpg")
    world.disk.mkdir("b")
    world.disk.link("a/1.jpg", "a/2.jpg")
    world.disk.link("a/1.jpg", "b/3.jpg")
    world.clock.advance(60)
    world.mount()
    world.run(30)
    assert len(watched.read) == 1
    assert contents(world) == in_files(world)


def test_a_large_folder_is_not_unpacked_for_each_of_its_files(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[str] = []
    real = Journal.known

    def known_(journal: Journal, directories: Sequence[str]) -> dict[str, KnownDirectory]:
        unpacked.extend(directories)
        return real(journal, directories)

    world = World(reads=True)
    world.photos(*(f"a/{number}.jpg" for number in range(60)))
    world.clock.advance(60)
    world.mount()
    monkeypatch.setattr(Journal, "known", known_)
    world.run(60)
    assert len(watched.read) == 60
    assert unpacked.count("a") < 10


def test_a_file_that_was_written_to_in_secret_is_read_again(watched: Watched) -> None:
    world = known("a/1.jpg", reads=True)
    then = world.disk.look("a/1.jpg").mtime_ns
    watched.read.clear()
    world.clock.advance(1)
    world.disk.write("a/1.jpg")
    world.disk.touch("a/1.jpg", then)
    world.run(30)
    assert watched.read == ["a/1.jpg"], "its change time tells"
    assert contents(world) == in_files(world)


def test_a_file_that_cannot_be_read_is_left_alone_until_the_disk_is_mounted_again(watched: Watched) -> None:
    watched.trouble["a/1.jpg"] = errno.EIO
    world = known("a/1.jpg", "a/2.jpg", "b/3.jpg", reads=True)
    assert world.doubt is None, "one bad sector is no reason to doubt a disk"
    assert watched.read.count("a/1.jpg") == 1
    world.engine.scan()
    world.run(30)
    assert watched.read.count("a/1.jpg") == 1
    watched.trouble.clear()
    world.engine.detach()
    world.attach()
    world.run(30)
    assert contents(world) == {"a/1.jpg": digest(world.disk.look("a/1.jpg").content)}


def test_a_disk_that_fails_file_after_file_is_not_read_to_its_end(watched: Watched) -> None:
    world = World(reads=True)
    photos = [f"{number:03}.jpg" for number in range(60)]
    world.photos(*photos)
    watched.trouble = dict.fromkeys(photos, errno.EIO)
    world.clock.advance(60)
    world.mount()
    world.run(60)
    assert 0 < len(watched.read) < 20


def test_nothing_is_read_of_a_volume_under_suspicion(watched: Watched) -> None:
    world = World(reads=True)
    world.photos("a.jpg")
    world.clock.advance(60)
    world.host.mount(world.disk, "/mnt/photos")
    world.attach(guarded=True)
    world.run(30)
    assert watched.read == []
    world.engine.guard(guarded=False)
    world.run(30)
    assert watched.read == ["a.jpg"]


@pytest.mark.parametrize("fs_type", ["ext4", "fuse.sshfs"])
def test_r38_a_new_photo_of_a_missed_size_is_not_told_before_it_was_read(watched: Watched, fs_type: str) -> None:
    world = known("a.jpg", fs_type=fs_type)
    world.engine.seek(Missed([777]))
    world.disk.write("b.jpg", size=777)
    world.disk.write("c.jpg", size=778)
    world.engine.scan()
    world.run(30)
    told = [(file.name, file.content) for one in world.told() if isinstance(one, Listed) for file in one.files]
    assert sorted(told) == [("b.jpg", digest(world.disk.look("b.jpg").content)), ("c.jpg", None)]
    assert watched.read == ["b.jpg"]


def test_r38_where_too_much_is_missed_every_new_photo_is_read_first(watched: Watched) -> None:
    world = known("a.jpg")
    world.engine.seek(Missed(None))
    world.disk.write("b.jpg", size=778)
    world.run(30)
    assert contents(world) == {"b.jpg": digest(world.disk.look("b.jpg").content)}


def test_r38_what_was_told_absent_a_moment_ago_is_missed_without_asking(watched: Watched) -> None:
    world = known("trip/a.jpg", "keeper.jpg")
    world.disk.write("trip/a.jpg", size=777)
    world.run(10)
    world.disk.unlink("trip/a.jpg")
    world.run(10)
    assert "trip/a.jpg" in world.news()["absent"]
    world.disk.write("album.jpg", size=777)
    world.run(10)
    assert contents(world) == {"album.jpg": digest(world.disk.look("album.jpg").content)}


def test_r38_a_photo_that_the_catalog_told_of_is_not_new(watched: Watched) -> None:
    world = World()
    world.photos("trip/a.jpg")
    baseline = Baseline(world.store)
    baseline.begin(Lease("cat_1", 1), "jrn_2", keep=False)
    facts = FileFacts("a.jpg", world.disk.look("trip/a.jpg").size, world.disk.look("trip/a.jpg").mtime_ns, digest(b"x"))
    baseline.believe([BelievedDirectory("trip", [facts])], last=True)
    world.start()
    world.engine.seek(Missed(None))
    world.clock.advance(60)
    world.mount()
    world.run(30)
    assert contents(world) == {"trip/a.jpg": digest(b"x")}, "told again, as the catalog had it"
    assert watched.read == []


def test_r38_a_photo_that_was_renamed_needs_no_reading(watched: Watched) -> None:
    world = known("a.jpg", "keeper.jpg")
    world.engine.seek(Missed(None))
    world.disk.rename("a.jpg", "b.jpg")
    world.run(10)
    assert watched.read == []
    assert any(isinstance(one, Moved) for one in world.told())


def test_r38_a_new_photo_that_cannot_be_read_is_told_all_the_same(watched: Watched) -> None:
    world = known("a.jpg")
    watched.trouble["b.jpg"] = errno.EACCES
    world.engine.seek(Missed(None))
    world.disk.write("b.jpg")
    world.run(30)
    assert world.news()["listed"] == {"b.jpg"}
    assert watched.read == ["b.jpg"]


def test_r41_what_cannot_be_believed_is_not_read_over_and_over(watched: Watched) -> None:
    world = known("a.jpg")
    world.engine.seek(Missed(None))
    world.disk.write("b.jpg")
    world.disk.faults.super_options = frozenset({"emergency_ro"})  # the kernel met an error, and all can be read
    world.engine.guard(guarded=True)
    world.run(600)
    assert 5 < len(watched.read) < 15
    assert world.told() == []
    world.disk.faults.clear()
    world.engine.guard(guarded=False)
    world.run(600)
    assert contents(world) == {"b.jpg": digest(world.disk.look("b.jpg").content)}


@pytest.mark.parametrize("size", [500, 1000], ids=["shorter", "as long"])
def test_a_file_that_changes_while_it_is_read_is_read_as_it_is_at_last(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(reading, "CHUNK_BYTES", 100)
    world = World(reads=True, watch=False)  # nobody tells of the change
    world.photos("a.jpg")
    world.clock.advance(60)
    world.mount()
    while len(watched.read) < 3:
        world.doubt = world.engine.work()
    world.clock.advance(1)
    world.disk.write("a.jpg", size=size)
    world.run(30)
    assert list(contents(world).values()) == [digest(world.disk.look("a.jpg").content)]


def test_a_journal_of_an_earlier_version_reads_what_it_knows(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.sqlite3")
    Store(path, "vol_1").close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE content")
        db.execute("DROP TABLE unread")
        db.execute("DROP INDEX directory_outline")
        db.execute("ALTER TABLE directory DROP COLUMN whole")
        db.execute("INSERT INTO directory VALUES (1, x'61', 5, 5, x'90', x'90', x'80', 1)")
        db.execute("PRAGMA user_version = 1")
    db.close()
    store = Store(path, "vol_1")
    assert store.db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert store.db.execute("SELECT * FROM unread").fetchall() == [(b"a", 5)]
    known = Journal(store).directory("a")
    assert known is not None
    assert not known.whole
    store.close()
