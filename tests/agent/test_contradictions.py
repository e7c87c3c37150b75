"""The disk is used while it is looked at: what one pass makes of listings that do not fit together."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import pytest

from agent.ports import FileEntry, Hint, Listing, Trouble
from agent.testing.files import FakeFiles
from holdfast.reports import ScanFinished
from tests.agent.world import World, known


def test_r1_a_folder_that_was_listed_and_then_renamed_is_missed_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    world = known("trip/a.jpg", "keeper.jpg", fs_type="vfat", watch=False)
    world.photos("trip/b.jpg")
    listing = FakeFiles.list

    def list_and_rename(files: FakeFiles, directory: str, known: Mapping[str, FileEntry]) -> Listing | Trouble:
        found = listing(files, directory, known)
        if directory == "trip" and "trip" in world.disk:
            world.clock.advance(1)
            world.disk.rename("trip", "holiday")
        return found

    monkeypatch.setattr(FakeFiles, "list", list_and_rename)
    # One pass looks into the folder, and then at the one above it, which does not show it any more.
    world.engine.hint([Hint("trip", "b.jpg", whole=True), Hint("", "other.jpg")])
    world.run(60)
    world.engine.scan()
    world.run(120)
    assert world.news() == {"listed": {"holiday/a.jpg", "holiday/b.jpg"}, "absent": {"trip/a.jpg"}}


def test_r38_a_photo_that_is_moved_between_two_listings_of_a_pass_keeps_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    world = known("a.jpg", "trip/b.jpg", "keeper.jpg")
    listing = FakeFiles.list

    def list_and_move(files: FakeFiles, directory: str, known: Mapping[str, FileEntry]) -> Listing | Trouble:
        found = listing(files, directory, known)
        if directory == "" and "a.jpg" in world.disk:
            world.disk.rename("a.jpg", "trip/a.jpg")
        return found

    monkeypatch.setattr(FakeFiles, "list", list_and_move)
    # The folder that it comes from is listed first, and shows it.
    world.engine.hint([Hint("", "other.jpg"), Hint("trip", "other.jpg")])
    world.run(30)
    assert world.news() == {"moved": {"a.jpg > trip/a.jpg"}}


def test_r38_two_photos_that_get_a_second_name_beside_each_other_are_told_apart_and_not_waited_for() -> None:
    world = known("one/a.jpg", "two/b.jpg", "keeper.jpg")
    world.disk.link("one/a.jpg", "two/a.jpg")
    world.disk.link("two/b.jpg", "one/b.jpg")
    world.run(30)
    assert world.news() == {"listed": {"two/a.jpg", "one/b.jpg"}}


@pytest.mark.parametrize("watch", [False, True])
def test_r38_a_photo_keeps_its_id_though_another_has_its_name_by_the_time_anybody_looks(watch: bool) -> None:
    """It was put into a folder that is new, and the camera has begun to count anew."""
    world = known("inbox/IMG 1.JPG", "inbox/IMG 2.JPG", "keeper.jpg", watch=watch)
    world.disk.mkdir("old")
    world.disk.mkdir("old/2024")
    world.disk.rename("inbox/IMG 1.JPG", "old/2024/IMG 1.JPG")
    world.photos("inbox/IMG 1.JPG")
    world.clock.advance(60)
    world.engine.scan()
    world.run(60)
    assert world.news() == {"moved": {"inbox/IMG 1.JPG > old/2024/IMG 1.JPG"}, "listed": {"inbox/IMG 1.JPG"}}


def test_a_photo_that_is_written_anew_under_its_name_is_the_same_photo() -> None:
    """As programs do that save a file: another file takes its name, and it is gone."""
    world = known("trip/a.jpg", "trip/b.jpg", "keeper.jpg", watch=False)
    world.photos("trip/a.jpg.tmp", "new/c.jpg")
    world.disk.rename("trip/a.jpg.tmp", "trip/a.jpg")
    world.disk.deny("new", errno.EACCES)  # a folder that nobody ever sees the inside of is not waited for
    world.clock.advance(60)
    world.engine.scan()
    world.run(60)
    assert world.news() == {"listed": {"trip/a.jpg"}}
    world.run(600)
    assert world.news() == {}


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EMFILE])
def test_r38_a_photo_is_not_new_as_long_as_nobody_can_look_where_it_may_come_from(code: int) -> None:
    world = known("trip/a.jpg", "best/b.jpg", "keeper.jpg")
    world.disk.faults.path_errnos["trip"] = code  # the machine is short of something
    world.disk.rename("trip/a.jpg", "best/a.jpg")
    world.run(30)
    assert world.news() == {}
    world.disk.faults.clear()
    world.run(30)
    assert world.news() == {"moved": {"trip/a.jpg > best/a.jpg"}}


def test_a_scan_goes_on_where_something_waits_for_a_folder_that_cannot_be_read_just_now() -> None:
    world: World = known("trip/a.jpg", "best/b.jpg", "keeper.jpg")
    world.disk.faults.path_errnos["trip"] = errno.ENOMEM
    world.disk.rename("trip/a.jpg", "best/a.jpg")
    world.photos("new/c.jpg")
    world.engine.scan()
    world.run(30)
    assert world.news() == {"listed": {"new/c.jpg"}}


def test_r38_a_folder_that_is_renamed_keeps_its_photos_though_the_one_above_it_has_to_wait() -> None:
    """In the folder above, a photo has got the name of one that may have been moved to a new folder: its listing is not
    believed before that was looked at, and only this listing shows where the renamed folder comes from."""
    world = known("b.jpg", "c.heic", "best/a.jpg", "keeper.jpg", watch=False)
    world.disk.rename("b.jpg", "c.heic")
    world.disk.rename("best", "trip")
    world.photos("new/d.jpg")
    world.clock.advance(60)
    world.engine.hint([Hint("trip", "a.jpg", whole=True)])
    world.run(60)
    assert world.news() == {"moved": {"b.jpg > c.heic", "best/a.jpg > trip/a.jpg"}, "listed": {"new/d.jpg"}}


def test_r22_a_scan_looks_below_a_folder_whose_listing_has_to_wait() -> None:
    world = known("inbox/IMG 1.JPG", "inbox/trip/a.jpg", "inbox/empty/b.jpg", "keeper.jpg", watch=False)
    world.photos("inbox/trip/new.jpg")
    world.disk.rename("inbox/IMG 1.JPG", "inbox/trip/IMG 1.JPG")
    world.photos("inbox/IMG 1.JPG")
    world.clock.advance(60)
    world.engine.scan()
    world.run(60)
    assert world.news() == {
        "moved": {"inbox/IMG 1.JPG > inbox/trip/IMG 1.JPG"},
        "listed": {"inbox/IMG 1.JPG", "inbox/trip/new.jpg"},
    }
    (*_, end) = [one for report in world.reports for one in report.observations if isinstance(one, ScanFinished)]
    assert (end.complete, end.directories) == (True, 4)
