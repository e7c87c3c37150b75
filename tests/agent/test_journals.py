"""The journal across passes, attachments, crashes and losses, with the real engine on a fake disk."""

from __future__ import annotations

import errno
import sqlite3

import pytest
from msgspec import structs

from agent import bindings
from agent.outbox import Outbox
from agent.ports import Hint, Lost
from agent.registry import Registry
from agent.store import Store
from holdfast.assignments import AssignedPath, Assignment, KnownVolume
from holdfast.reports import Unreadable
from holdfast.volumes import Identity
from tests.agent.world import World, known


def test_r3_hints_of_one_attachment_mean_nothing_in_the_next() -> None:
    def looks(world: World) -> int:
        """How many listings it takes to be attached anew."""
        before = world.host.calls["files.list"]
        assert world.attach() is None
        world.run(1)
        return world.host.calls["files.list"] - before

    hinted = known("a.jpg")
    assert hinted.engine.hint([Hint("", "a.jpg", whole=True)]) is None
    assert looks(hinted) == looks(known("a.jpg"))


def test_r26_file_that_is_back_under_another_name_is_not_suspected_any_more() -> None:
    world = known("a.jpg", "b.jpg")
    world.disk.rename("a.jpg", "a.hidden")
    world.run(1)
    world.disk.rename("a.hidden", "c.jpg")
    world.run(60)
    assert world.news() == {"moved": {"a.jpg > c.jpg"}}


def test_r26_directory_that_opens_and_closes_is_told_each_time() -> None:
    world = known("trip/a.jpg", "b.jpg")
    for code in (errno.EACCES, 0, errno.EACCES):
        world.disk.deny("trip", code)
        world.engine.scan()
        world.run(30)
        told = [one for one in world.told() if isinstance(one, Unreadable)]
        assert told == ([Unreadable("trip", "EACCES")] if code else [])


def test_r26_a_missed_photo_that_is_back_in_a_directory_that_was_closed_meanwhile_is_told() -> None:
    world = known("trip/a.jpg", "b.jpg")
    world.disk.rename("trip/a.jpg", "trip/a.hidden")
    world.run(1)
    world.disk.deny("trip")
    world.engine.scan()
    world.run(0.1)
    assert [one for one in world.told() if isinstance(one, Unreadable)] == [Unreadable("trip", "EACCES")]
    world.disk.rename("trip/a.hidden", "trip/a.jpg")
    world.disk.deny("trip", 0)
    world.engine.scan()
    world.run(60)
    assert world.news() == {"listed": {"trip/a.jpg"}}


def test_r21_nothing_is_confirmed_while_a_new_directory_waits_to_be_entered() -> None:
    world = known("a.jpg", "b.jpg", watch=False)
    world.disk.rename("a.jpg", "a.hidden")
    world.engine.scan()
    world.run(1)
    assert world.news() == {}
    world.disk.mkdir("new")
    world.disk.rename("a.hidden", "new/a.jpg")
    world.run(60)
    assert world.news() == {"moved": {"a.jpg > new/a.jpg"}}


def test_r22_nothing_is_confirmed_before_the_scan_has_been_everywhere() -> None:
    world = known("a/a.jpg", "a/b.jpg", "m/c.jpg", watch=False)
    world.disk.rename("a/a.jpg", "a/a.hidden")
    world.engine.scan()
    world.run(1)
    world.disk.rename("a/a.hidden", "m/a.jpg")
    world.clock.advance(10)
    world.engine.scan()
    assert world.engine.hint([Hint("a", "b.jpg", whole=True)]) is None
    world.clock.advance(0.1)
    world.run(60)
    assert world.news() == {"moved": {"a/a.jpg > m/a.jpg"}}


def test_r31_lost_events_are_made_good_by_a_look_at_everything_below() -> None:
    world = known("trip/day/a.jpg", "other/b.jpg", watch=False)
    world.photos("trip/day/c.jpg", "other/d.jpg")
    assert world.engine.hint([Lost("trip", "the kernel's queue overflowed")]) is None
    world.run(1)
    assert world.news() == {"listed": {"trip/day/c.jpg"}}


def test_r31_full_spool_makes_looking_wait() -> None:
    world = World()
    world.settings = structs.replace(world.settings, spool_bytes_max=100)
    world.start()
    for number in range(3):
        world.photos(f"{number}/a.jpg")
    world.clock.advance(60)
    world.mount()
    for _ in range(6):
        world.run(2)
        world.told()
    for number in range(3):  # one report's worth at a time, however much there is to see
        world.disk.write(f"{number}/b.jpg")
        world.disk.write(f"{number}/c.jpg")
        world.run(5)
    assert world.outbox.pending()[0] < 6
    found: set[str] = set()
    for _ in range(6):
        found |= world.news().get("listed", set())
        world.run(2)
    assert found == {f"{number}/{name}.jpg" for number in range(3) for name in "bc"}


def test_r34_crash_in_a_commit_leaves_neither_half(monkeypatch: pytest.MonkeyPatch) -> None:
    world = known("a.jpg")

    def full(*_arguments: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    world.disk.write("b.jpg")
    monkeypatch.setattr(Outbox, "spool", full)
    with pytest.raises(sqlite3.OperationalError):
        world.run(1)
    monkeypatch.undo()
    world.start()
    world.attach()
    world.run(10)
    assert world.news() == {"listed": {"b.jpg"}}


def test_r34_journal_made_again_is_another_incarnation() -> None:
    first, second = Store(":memory:", "vol_1"), Store(":memory:", "vol_1")
    assert first.id != second.id
    first.close()
    second.close()


def test_r34_versions_of_an_agent_without_memory_begin_above_its_old_ones() -> None:
    def first_version(now: float) -> int:
        identity = Identity(fs_type="ext4", uuid="aa" * 16, root_inode=2)
        path = AssignedPath(
            id="imp_1",
            library="lib_1",
            path="/mnt",
            server_path="/mnt",
            exclusion_patterns=[],
            volume="vol_1",
            directory="",
        )
        assignment = Assignment(
            revision=1,
            catalog="cat_1",
            volumes=[KnownVolume(id="vol_1", label="usb", identity=identity)],
            import_paths=[path],
        )
        registry = Registry()
        bindings.adopt_assignment(registry, assignment, now)
        return registry.volumes["vol_1"].version

    # Nobody counts up a version more than a thousand times a second.
    assert first_version(1_700_000_010.0) >= first_version(1_700_000_000.0) + 10_000


def test_a_folder_that_is_renamed_or_deleted_costs_what_was_in_it_however_large_the_library() -> None:
    def steps(folders: int) -> list[int]:
        """About how many of its instructions SQLite takes for each."""
        world = known(*(f"{number % 10}/{number}/{photo}.jpg" for number in range(folders) for photo in range(5)))
        taken: list[int] = []
        world.store.db.set_progress_handler(lambda: taken.append(1), 10)
        world.disk.rename("5/15", "6/renamed")
        world.run(30)
        renamed = len(taken)
        world.disk.rmtree("8/18")
        world.run(30)
        assert world.news()["absent"] == {f"8/18/{photo}.jpg" for photo in range(5)}
        return [renamed, len(taken) - renamed]

    few, many = steps(30), steps(600)
    assert all(later < 2 * before for before, later in zip(few, many, strict=True)), (few, many)
