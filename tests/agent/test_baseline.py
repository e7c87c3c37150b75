"""Journals that were lost, set back, or overtaken by another writer: one engine on a fake disk, and a sidecar in
memory that believes what it is told here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from agent.baseline import Baseline
from agent.doubts import Doubt
from agent.journal import Journal
from agent.known import UNSEEN
from agent.outbox import Outbox
from agent.ports import FileEntry, Listing, Refused, Unreachable
from agent.shipping import Delivery, Shipper
from agent.store import Lease, Standing, Store
from agent.testing.clock import FakeClock
from agent.testing.files import FakeFiles
from agent.testing.uplink import FakeSidecar
from holdfast import paths
from holdfast.assignments import Assignment, BelievedDirectory, BelievedPage
from holdfast.reports import FileFacts, Gap, Listed
from holdfast.volumes import Reason
from tests.agent.world import AT, World, known

VOLUME = "vol_test"


def believes(*photos: str, size: int | None = None, world: World | None = None) -> list[BelievedDirectory]:
    """A catalog that believes these files to be there, as they are on the disk of ``world``, where they are."""
    found: dict[str, list[FileFacts]] = {}
    for path in photos:
        directory, name = paths.split(path)
        facts = FileFacts(name, size or 1, 1)
        if world is not None and path in world.disk and size is None:
            entry = next(one for one in listing(world, directory) if one.name == name)
            facts = FileFacts(name, entry.size, entry.mtime_ns)
        found.setdefault(directory, []).append(facts)
    return [BelievedDirectory(directory, files) for directory, files in found.items()]


def listing(world: World, directory: str) -> list[FileEntry]:
    found = FakeFiles(world.host, AT, world.host.place(AT).mounted.unique_id).list(directory)
    assert isinstance(found, Listing)
    return found.files


class Told:
    """The world's journal, shipped to a sidecar in memory that believes these files."""

    def __init__(self, world: World, *pages: list[BelievedDirectory], fence: int = 1, catalog: str = "cat_1") -> None:
        self.world = world
        self.sidecar = FakeSidecar(Assignment(revision=1, catalog=catalog, volumes=[], import_paths=[]))
        self.believes(*pages)
        self.sidecar.fences[VOLUME] = fence
        journals = iter(f"jrn_{number}" for number in range(100))
        self.shipper = Shipper(
            world.store, self.sidecar, world.clock, chance=lambda: 0.5, new_journal=lambda: next(journals)
        )
        self.shipper.lease = Lease(catalog, fence)

    def believes(self, *pages: list[BelievedDirectory]) -> None:
        """Change what it believes."""
        last = max(len(pages) - 1, 0)
        self.sidecar.believed[VOLUME] = [
            BelievedPage(directories=page, next_cursor=None if number == last else str(number + 1))
            for number, page in enumerate(pages or ([],))
        ]

    def ship(self) -> None:
        """Until there is nothing left to do; the engine hears of every change of the standing."""
        while self.shipper.step().delivery is Delivery.SENT:
            self.world.engine.consult()
        self.world.engine.consult()


def lost_journal(world: World) -> None:
    """The agent's host lost the journal; the disk is as it is."""
    world.engine.detach()
    world.store = Store(":memory:", VOLUME, "jrn_fresh")
    world.outbox = Outbox(world.store)
    world.start()


PHOTOS = ("a.jpg", "trip/b.jpg", "trip/c.jpg", "old/deep/d.jpg", "old/deep/e.jpg")


def test_r34_nothing_is_looked_at_before_the_baseline_is_complete() -> None:
    world = known(*PHOTOS)
    lost_journal(world)
    world.attach()
    world.run(600)
    assert world.doubt is None
    assert not world.outbox.has_pending()
    assert world.engine.due() is None


def test_r34_first_scan_after_a_lost_journal_adds_and_confirms() -> None:
    world = known(*PHOTOS)
    lost_journal(world)
    world.disk.unlink("trip/c.jpg")
    world.photos("trip/new.jpg")
    told = Told(world, believes(*PHOTOS, world=world))
    world.attach()
    told.ship()
    # The first scan, and the time of the second look is not come.
    while world.engine.progress() is not None:
        world.engine.work()
    assert world.news() == {"listed": (set(PHOTOS) - {"trip/c.jpg"}) | {"trip/new.jpg"}}
    assert Journal(world.store).candidate_count() == 1


def test_r34_what_went_while_the_journal_was_lost_is_missing_after_its_proof() -> None:
    world = known(*PHOTOS)
    lost_journal(world)
    world.disk.unlink("trip/c.jpg")
    for path in ("old/deep/d.jpg", "old/deep/e.jpg"):
        world.disk.unlink(path)
    world.disk.rmdir("old/deep")
    told = Told(world, believes(*PHOTOS, world=world))
    world.attach()
    told.ship()
    world.run(60)
    assert world.doubt is None
    assert world.news()["absent"] == {"trip/c.jpg", "old/deep/d.jpg", "old/deep/e.jpg"}


def test_r2_disk_that_is_empty_after_a_lost_journal_is_suspect() -> None:
    world = known("a.jpg", "b.jpg")
    lost_journal(world)
    for path in ("a.jpg", "b.jpg"):
        world.disk.unlink(path)
    told = Told(world, believes("a.jpg", "b.jpg"))
    world.attach()
    told.ship()
    world.run(60)
    assert isinstance(world.doubt, Doubt)
    assert world.doubt.reason is Reason.EMPTY
    assert "absent" not in world.news()


def test_r34_file_that_was_replaced_meanwhile_is_told_as_it_is() -> None:
    world = known(*PHOTOS)
    lost_journal(world)
    told = Told(world, believes("a.jpg", size=999))
    world.attach()
    told.ship()
    world.run(60)
    news = world.news()
    assert "a.jpg" in news["listed"]
    assert "absent" not in news


def test_r26_moves_are_found_after_a_lost_journal_was_made_anew() -> None:
    world = known(*PHOTOS)
    lost_journal(world)
    told = Told(world, believes(*PHOTOS, world=world))
    world.attach()
    told.ship()
    world.run(60)
    world.told()
    world.disk.rename("trip/b.jpg", "moved.jpg")
    world.run(10)
    assert world.news() == {"moved": {"trip/b.jpg > moved.jpg"}}


def test_r35_what_was_missed_when_the_catalog_was_set_back_is_told_when_it_is_back() -> None:
    world = known("trip/a.jpg", "keeper.jpg", patterns=("**/aside/**",))
    world.disk.mkdir("aside")
    world.disk.rename("trip/a.jpg", "aside/a.jpg")
    world.run(1)
    assert Journal(world.store).candidate_count() == 1
    told = Told(world, believes("keeper.jpg", world=world), catalog="cat_2")
    told.ship()
    world.told()
    world.disk.rename("aside/a.jpg", "trip/a.jpg")
    world.engine.scan()
    world.run(60)
    assert "trip/a.jpg" in world.news()["listed"]


def test_r34_a_file_that_the_catalog_was_told_more_of_is_known_by_its_name() -> None:
    world = known("a.jpg", "keeper.jpg")
    with closing(sqlite3.connect(":memory:")) as backup:
        world.store.db.backup(backup)
        world.disk.rename("a.jpg", "was-a.jpg")
        world.disk.write("a.jpg", 4321)
        world.run(30)
        world.engine.detach()
        backup.backup(world.store.db)
    world.start()
    # That the one at its name is the photo that people know is what the catalog has heard last.
    Told(world, believes("a.jpg", "keeper.jpg", world=world)).ship()
    world.attach()
    world.run(60)
    news = world.news()
    assert "moved" not in news
    assert {"a.jpg", "was-a.jpg"} <= news["listed"]


def in_step(world: World, fence: int = 1) -> Told:
    """All that was told is believed, under this fence."""
    told = Told(world, believes(*PHOTOS, world=world), fence=fence)
    with world.store.transaction():
        world.store.set_lease("cat_1", fence)
    return told


def test_r33_nothing_is_looked_at_while_another_agent_is_the_writer() -> None:
    world = known(*PHOTOS)
    told = in_step(world)
    world.disk.unlink("a.jpg")
    world.run(1)
    told.shipper.lease = Lease("cat_1", None)
    told.ship()
    assert (
        told.shipper.problem
        == "Another agent reports the same storage. Only one may; this one tells availability only."
    )
    world.photos("trip/more.jpg")
    world.run(3600)
    assert world.doubt is None
    assert world.engine.attached
    assert not world.outbox.has_pending()


def test_r33_what_waited_when_the_lease_was_lost_is_never_told() -> None:
    world = known(*PHOTOS)
    told = in_step(world)
    world.disk.unlink("a.jpg")
    world.run(60)
    assert world.outbox.pending()[0] == 1, "its absence is proven, and waits to be told"
    told.shipper.lease = Lease("cat_1", None)
    told.ship()
    assert not world.outbox.has_pending()
    # The other agent's host has the file again, and the catalog knows that.
    world.photos("a.jpg")
    told.shipper.lease = Lease("cat_1", 2)
    told.sidecar.fences[VOLUME] = 2
    told.ship()
    world.run(60)
    assert world.news() == {"listed": set(PHOTOS)}


def test_r33_refusal_of_the_sidecar_ends_the_lease_without_stopping_for_ever() -> None:
    world = known(*PHOTOS)
    told = in_step(world)
    world.photos("trip/new.jpg")
    world.run(30)
    told.sidecar.fences[VOLUME] = 5
    told.ship()
    assert world.store.standing() is Standing.HELD_BACK
    assert world.engine.due() is None
    told.shipper.lease = Lease("cat_1", 5)
    told.ship()
    assert world.store.standing() is Standing.WRITING
    world.run(60)
    assert "trip/new.jpg" in world.news()["listed"]


def test_r33_move_that_the_other_agent_told_is_confirmed_and_nothing_else() -> None:
    """Here the journal has the old name with its inode, there the catalog has the new one."""
    world = known(*PHOTOS)
    told = in_step(world)
    told.shipper.lease = Lease("cat_1", None)
    told.ship()
    world.disk.rename("a.jpg", "renamed.jpg")
    told.believes(believes("renamed.jpg", *PHOTOS[1:], world=world))
    told.shipper.lease = Lease("cat_1", 2)
    told.sidecar.fences[VOLUME] = 2
    told.ship()
    world.run(60)
    news = world.news()
    assert "moved" not in news
    assert news["listed"] == {"renamed.jpg", *PHOTOS[1:]}
    assert news["absent"] == {"a.jpg"}, "which no asset claims any more"


def test_r26_what_this_journal_saw_keeps_its_inode_through_a_baseline() -> None:
    world = known(*PHOTOS)
    told = in_step(world)
    told.shipper.lease = Lease("cat_1", None)
    told.ship()
    world.disk.rename("a.jpg", "renamed.jpg")
    told.shipper.lease = Lease("cat_1", 2)
    told.sidecar.fences[VOLUME] = 2
    told.ship()
    world.run(60)
    news = world.news()
    assert news["moved"] == {"a.jpg > renamed.jpg"}
    assert "absent" not in news


def test_r33_pass_that_was_under_way_when_the_baseline_came_writes_nothing() -> None:
    """Between its listing and its commit the journal has learned what the catalog believes."""
    world = known(*PHOTOS)
    told = in_step(world)
    world.photos("trip/new.jpg")
    gate: Callable[..., object] = world.engine._at.files.gate  # type: ignore[union-attr]

    def overtaken() -> object:
        told.believes(believes("trip/elsewhere.jpg", *PHOTOS, world=world))
        told.shipper.lease = Lease("cat_2", 2)
        told.sidecar.fences[VOLUME] = 2
        while world.store.lease() != Lease("cat_2", 2) or world.store.standing() is not Standing.WRITING:
            told.shipper.step()
        return gate()

    world.engine._at.files.gate = overtaken  # type: ignore[union-attr,method-assign,assignment]
    world.run(1)
    world.engine._at.files.gate = gate  # type: ignore[union-attr,method-assign,assignment]
    assert not world.outbox.has_pending()
    trip = Journal(world.store).directory("trip")
    assert trip is not None
    assert "elsewhere.jpg" in {file.name for file in trip.files}
    world.engine.consult()
    world.run(60)
    news = world.news()
    assert "trip/new.jpg" in news["listed"]
    assert news["absent"] == {"trip/elsewhere.jpg"}


def test_r35_restored_catalog_is_told_again_what_it_lost() -> None:
    world = known(*PHOTOS)
    told = in_step(world)
    told.believes(believes("a.jpg", "trip/deleted-long-ago.jpg", world=world))
    told.shipper.lease = Lease("cat_2", 1)
    told.ship()
    world.run(60)
    assert world.news() == {"listed": set(PHOTOS), "absent": {"trip/deleted-long-ago.jpg"}}


def test_r35_what_waits_is_told_to_the_restored_catalog_first() -> None:
    world = known(*PHOTOS)
    told = in_step(world)
    world.disk.rename("a.jpg", "renamed.jpg")
    world.run(30)
    told.shipper.lease = Lease("cat_2", 1)
    told.ship()
    first = told.sidecar.streams[VOLUME].reports[0]
    assert [type(one).__name__ for one in first.observations] == ["Moved"]


def test_r34_names_of_a_catalog_are_bytes() -> None:
    names = ("caf\udce9.jpg", "new\nline.jpg", "trip\udcff/x.jpg")
    wire = [paths.from_os(name) for name in names]
    world = World()
    told = Told(world, believes(*wire))
    told.ship()
    journal = Journal(world.store)
    root = journal.directory("")
    assert root is not None
    assert {file.name for file in root.files} == set(wire[:2])
    assert set(root.directories) == {paths.split(wire[2])[0]}


def pages(count: int) -> Iterable[list[BelievedDirectory]]:
    for number in range(count):
        yield [BelievedDirectory(f"d{number % 7}/e{number}", [FileFacts("a.jpg", 1, 1), FileFacts("b.jpg", 1, 1)])]


@pytest.mark.parametrize("crash_after", range(6))
def test_r34_baseline_that_was_interrupted_begins_again(tmp_path: Path, crash_after: int) -> None:
    """After a crash at any page, and an outage at each, the journal knows everything once."""
    path = str(tmp_path / "journal.sqlite3")
    sidecar = FakeSidecar(Assignment(revision=1, catalog="cat_1", volumes=[], import_paths=[]))
    sidecar.believed[VOLUME] = [
        BelievedPage(directories=page, next_cursor=None if number == 4 else str(number + 1))
        for number, page in enumerate(pages(5))
    ]
    served = sidecar.known
    outages: list[str | None] = []

    def unsteady(volume: str, fence: int, cursor: str | None) -> BelievedPage:
        if cursor not in outages:
            outages.append(cursor)
            raise Unreachable("down")
        if cursor == "3" and len(outages) == 4:
            outages.append("expired")
            raise Refused(410, "cursor-expired", "the catalog is another one")
        return served(volume, fence, cursor)

    sidecar.known = unsteady  # type: ignore[method-assign]
    for crashing in (True, False):
        store = Store(path, VOLUME, durable=True)
        shipper = Shipper(store, sidecar, FakeClock(), chance=lambda: 0.5, new_journal=lambda: "jrn_1")
        shipper.lease = Lease("cat_1", 1)
        for _ in range(crash_after if crashing else 100):
            if shipper.step().delivery is Delivery.NOTHING:
                break
            assert store.standing() in (Standing.BASELINE, Standing.WRITING)
        if crashing:
            store.close()
    journal = Journal(store)
    found = dict(journal.below(""))
    files = {f"{directory}/{file.name}" for directory, one in found.items() for file in one.files}
    assert files == {f"d{n % 7}/e{n}/{name}.jpg" for n in range(5) for name in "ab"}
    assert set(found[""].directories) == {f"d{n}" for n in range(5)}
    assert not any(one.told for one in found.values())
    assert {file.inode for one in found.values() for file in one.files} == {UNSEEN}
    assert store.standing() is Standing.WRITING
    store.close()


def test_r34_a_million_names_are_believed_page_by_page() -> None:
    """The work of a page does not grow with what was learned before it, in directories of ordinary size."""
    store = Store(":memory:", VOLUME)
    baseline = Baseline(store)
    baseline.begin(Lease("cat_1", 1), "jrn_1", keep=False)
    for start in range(0, 50_000, 5_000):
        page = [
            BelievedDirectory(f"{number // 50_000}/{number // 250}", [FileFacts(f"{n}.jpg", 1, 1) for n in range(250)])
            for number in range(start, start + 5_000, 250)
        ]
        baseline.believe(page, last=False)
    count = store.db.execute("SELECT COUNT(*) FROM directory").fetchone()[0]
    assert count == 200 + 2


def test_r31_full_spool_bounds_what_waits_and_recovers_with_a_recorded_gap() -> None:
    world = World()
    world.settings = structs.replace(world.settings, spool_bytes_max=20_000)
    world.start()
    world.photos(*(f"d{number // 50}/{number}.jpg" for number in range(6_000)))
    world.clock.advance(60)
    world.mount()

    def look() -> None:
        """A minute, with every step taking as long as it may on a real disk."""
        for _ in range(60):
            world.clock.advance(1)
            if world.watch is not None:
                world.doubt = world.engine.hint(world.watch.read())
            assert world.doubt is None
            world.engine.work()

    look()
    assert world.engine.spool_is_full
    waits = world.outbox.pending()
    # What one pass may add is the most by which the bound is passed.
    assert 20_000 < waits[1] < 20_000 + 200_000
    assert world.engine.progress() is not None, "the scan waits where it was"
    for number in range(9_000):
        world.disk.write(f"d0/more{number}.jpg")
        if number % 100 == 0:
            world.engine.hint(world.watch.read() if world.watch else ())
    look()
    assert world.outbox.pending() == waits
    found: list[object] = []
    for _ in range(60):
        found += world.told()
        look()
    assert not world.engine.spool_is_full
    told = {paths.join(one.directory, file.name) for one in found if isinstance(one, Listed) for file in one.files}
    assert len(told) == 15_000
    assert [one.directory for one in found if isinstance(one, Gap)], "hints were lost while nothing was looked at"


def test_r20_another_look_proves_anew_what_a_person_dismissed() -> None:
    """The sidecar ends the grant and gives another, and believes what this journal has long told otherwise."""
    world = known(*PHOTOS)
    told = in_step(world)
    world.disk.unlink("a.jpg")
    world.run(60)
    told.ship()
    assert not world.outbox.has_pending()
    told.sidecar.fences[VOLUME] = 2
    told.shipper.lease = Lease("cat_1", 2)
    told.ship()
    world.run(60)
    news = world.news()
    assert news["absent"] == {"a.jpg"}
    assert news["listed"] == set(PHOTOS) - {"a.jpg"}
