"""Files that were missed once: what becomes of the suspicion when things come back, move on, or end meanwhile."""

from __future__ import annotations

import errno

import pytest

from agent.absences import Grounds, second_looks
from agent.filesystems import traits
from agent.identity import Arrival, resolve
from agent.journal import Candidate, Journal
from agent.ports import FileEntry, Listing, Moment
from agent.store import Store
from agent.survey import Departure, Survey
from holdfast.gate import REQUIRED
from holdfast.reports import Look
from holdfast.volumes import Epoch
from tests.agent.world import World, known, slowly

EPOCH, BEFORE = Epoch("boot", 7, 2), Epoch("boot", 6, 1)
FILE = FileEntry("a.jpg", 12, 10, 20, 30)
GROUNDS = Grounds(EPOCH, traits("ext4"), 2.0)
FIRST = Look(at=1000.0, boot_s=100.0, mount_id=7, mtime_ns=5, ctime_ns=5, entries=1)


def survey(at: Moment, directories: dict[str, int] | None = None) -> Survey:
    listing = Listing("trip", 7, 5, 5, 0, [], directories or {}, [])
    return Survey(listing, at, {}, None, [], [], [], [], [], {}, [], frozenset(), unchanged=False)


def confirmed(epoch: Epoch, at: Moment) -> list[str]:
    """What an empty listing of the directory at this moment proves of a file that was missed in ``epoch``."""
    store = Store(":memory:", "vol_1", "jrn_1")
    journal = Journal(store)
    with store.transaction():
        journal.suspect([Candidate("trip", FILE, 1, "trip", (4, 4), FIRST, epoch, epoch)])
        found = second_looks(journal, {"trip": survey(at)}, GROUNDS, sorted(REQUIRED))
    store.close()
    return [name for one in found.absent for name in one.names]


def test_r21_look_of_another_epoch_is_no_first_look() -> None:
    later = Moment(2000.0, 1100.0)
    assert confirmed(BEFORE, later) == []
    assert confirmed(EPOCH, later) == ["a.jpg"]


def test_r23_clock_that_was_set_forward_puts_no_time_between_two_looks() -> None:
    assert confirmed(EPOCH, Moment(wall=FIRST.at + 3600.0, boot=FIRST.boot_s + 0.1)) == []
    assert confirmed(EPOCH, Moment(wall=FIRST.at - 3600.0, boot=FIRST.boot_s + 5.0)) == ["a.jpg"]


def test_r21_directory_that_comes_back_before_the_second_look_was_never_gone() -> None:
    store = Store(":memory:", "vol_1", "jrn_1")
    journal = Journal(store)
    shown = survey(Moment(2000.0, 1100.0), {"day": 9})
    with store.transaction():
        journal.suspect([Candidate("trip/day", FILE, 1, "trip", (4, 4), FIRST, EPOCH, EPOCH)])
        found = second_looks(journal, {"trip": shown}, GROUNDS, sorted(REQUIRED))
    assert (found.absent, found.look_at) == ([], {"trip/day"})
    assert journal.suspected_listings() == ["trip/day"], "only its own listing can tell now"
    store.close()


def test_r38_of_two_links_the_one_that_is_back_at_its_name_is_no_move() -> None:
    suspected = Candidate("", FILE, 1, "", (1, 1), FIRST, EPOCH, EPOCH)
    newer = Arrival("", FILE._replace(name="Z.jpg"), 1)
    back = Arrival("", FILE, 1)
    found = resolve([newer, back], [], [suspected])
    assert found.moves == []
    assert [one.file.name for one in found.listed] == ["Z.jpg"]
    assert found.returned == [suspected]


def test_r38_replaced_at_its_name_and_listed_by_another_pass_is_not_gone() -> None:
    # The file that took the name is still being written, and so is no arrival yet.
    found = resolve([], [Departure("", FILE, 1, "", (1, 1), replaced=True)], [])
    assert found.gone == []


def test_r21_what_waits_for_another_mount_in_a_directory_that_is_gone_is_proven_by_the_one_above() -> None:
    # A share whose times prove nothing for the directory, since it was changed within the tick of its listing.
    world = known("raw/x/a.jpg", "raw/x/b.jpg", "keeper.jpg", fs_type="fuse.sshfs", watch=False)
    world.photos("raw/x/c.jpg")
    world.engine.scan()
    world.run()
    world.disk.unlink("raw/x/a.jpg")
    world.engine.scan()
    world.run(60)
    assert "absent" not in world.news(), "only another mount can prove it"
    world.disk.rename("raw/x", "holiday")
    world.engine.scan()
    world.run(60)
    assert world.news()["absent"] == {"raw/x/a.jpg", "raw/x/b.jpg", "raw/x/c.jpg"}


def test_r21_nothing_is_gone_while_a_large_folder_is_left_alone_that_it_may_be_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = known("trip/a.jpg", "trip/b.jpg", "camera/c.jpg", "other/d.jpg")
    slowly(monkeypatch, world, "camera", seconds=2.0)
    slowly(monkeypatch, world, "trip", seconds=1.0)
    world.photos("camera/d.jpg")
    world.run(2.5)
    world.disk.rename("trip/a.jpg", "camera/a.jpg")
    world.run(2.1)
    # Where a photo came from is looked at with it, long before it is time for others.
    world.disk.rename("trip/b.jpg", "other/b.jpg")
    world.run(30)
    news = world.news()
    assert (news["moved"], news.get("absent")) == ({"trip/a.jpg > camera/a.jpg", "trip/b.jpg > other/b.jpg"}, None)


def test_r21_absences_do_not_wait_for_an_import_into_a_large_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    world = known("trip/a.jpg", "trip/b.jpg", "camera/c.jpg")
    slowly(monkeypatch, world, "camera", seconds=2.0)
    world.disk.unlink("trip/a.jpg")
    began = world.clock.now().boot
    for number in range(40):
        world.photos(f"camera/{number}.jpg")
        world.run(0.4)
        if "absent" in world.news():
            break
    assert world.clock.now().boot - began < 10


def test_r21_the_time_between_two_looks_is_that_between_two_readings_of_the_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes back while the photos of a large folder are looked at is not seen by that look."""
    world = known("camera/a.jpg", "camera/b.jpg", "keeper.jpg")
    world.disk.unlink("camera/a.jpg")
    world.run(0.5)
    slowly(monkeypatch, world, "camera", seconds=1.9)
    world.disk.touch("camera/b.jpg", 10**9)
    world.run(1.0)
    world.photos("camera/a.jpg")
    world.run(20)
    assert "absent" not in world.news()


def writing(world: World, path: str, seconds: float) -> None:
    """Write to a file all the time, without closing it."""
    until = world.clock.now().boot + seconds
    while world.clock.now().boot < until:
        world.disk.append(path, 10)
        world.run(0.7)


def test_r21_absences_do_not_wait_for_files_that_are_being_written_and_are_no_new_names_of_them() -> None:
    world = known("trip/a.jpg", "keeper.jpg")
    world.disk.write("video.mov")
    writing(world, "video.mov", 5)
    world.disk.unlink("trip/a.jpg")
    writing(world, "video.mov", 10)
    assert world.news()["absent"] == {"trip/a.jpg"}


@pytest.mark.parametrize("new", ["video.mov", "trip/video.mov"])
def test_r21_an_absence_waits_for_a_file_that_is_the_same_and_still_written_to(new: str) -> None:
    world = known("trip/a.mov", "keeper.jpg")
    world.disk.rename("trip/a.mov", new)
    writing(world, new, 45)
    assert world.news() == {}
    world.run(60)
    assert world.news() == {"moved": {f"trip/a.mov > {new}"}}


def test_r21_nobody_writes_for_ever() -> None:
    world = known("trip/a.mov", "keeper.jpg")
    world.disk.rename("trip/a.mov", "video.mov")
    writing(world, "video.mov", 90)
    assert world.news()["absent"] == {"trip/a.mov"}


def test_r21_absences_wait_for_directories_that_cannot_be_looked_at_just_now() -> None:
    world = known("trip/a.jpg", "album/b.jpg", "keeper.jpg")
    world.disk.rename("trip/a.jpg", "album/a.jpg")
    world.disk.faults.path_errnos["album"] = errno.EMFILE
    world.run(45)
    assert world.news() == {}
    world.disk.faults.clear()
    world.run(45)
    assert world.news() == {"moved": {"trip/a.jpg > album/a.jpg"}}


def test_r21_a_look_that_finds_a_file_being_written_waits_for_it_too() -> None:
    candidate = Candidate("trip", FILE, 1, "trip", (4, 4), FIRST, EPOCH, EPOCH)
    assert GROUNDS.delay_s(candidate) == 2.0
    assert GROUNDS.finding({"": {"b.jpg": (FILE.inode, 1)}}, unlooked=False).delay_s(candidate) == 60.0
    assert GROUNDS.finding({"": {"b.jpg": (FILE.inode, 2), "c.jpg": None}}, unlooked=False).delay_s(candidate) == 2.0
