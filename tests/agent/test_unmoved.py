"""What looks as it did is not listed again, and nothing is overlooked because of that."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent import store
from agent.outbox import Outbox
from agent.ports import NOTHING_KNOWN, FileEntry, Listing, Trouble
from agent.scopes import Scope, Scopes
from agent.settings import EngineSettings
from agent.store import Standing, Store
from agent.testing.files import FakeFiles
from agent.unmoved import TRUST_S
from holdfast import media
from holdfast.reports import ScanFinished
from holdfast.scans import ScanMode, WantedScan
from tests.agent.world import AT, World, known

_numbers = itertools.count(1)
PHOTOS = ("a.jpg", "trip/b.jpg", "trip/day/c.jpg", "keeper.jpg")


def unwatched(*photos: str, **options: object) -> World:
    """A disk that was scanned twice, so that nothing is left to be remembered of it."""
    world = known(*photos, watch=False, **options)
    scan(world)
    return world


def scan(world: World) -> int:
    """Scan once; how many directories were listed."""
    before = world.host.calls["files.list"]
    world.engine.scan()
    world.run(60)
    return world.host.calls["files.list"] - before


def asked(world: World, mode: ScanMode, name: str | None = None) -> int:
    """The same for a scan that somebody asks for."""
    before = world.host.calls["files.list"]
    world.engine.want(
        [WantedScan(id=f"scn_{next(_numbers):032x}", volume="vol_test", directory="", name=name, mode=mode)]
    )
    world.run(60)
    return world.host.calls["files.list"] - before


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, set[str]]]:
    """The directories that are listed from now on, each with the files that are not taken as they are known."""
    real, looks = FakeFiles.list, []

    def listing(files: FakeFiles, directory: str, known: Mapping[str, FileEntry] = NOTHING_KNOWN) -> Listing | Trouble:
        found = real(files, directory, known)
        assert isinstance(found, Listing)
        looks.append((directory, {file.name for file in found.files} - known.keys()))
        return found

    monkeypatch.setattr(FakeFiles, "list", listing)
    return looks


def test_r41_a_scan_lists_nothing_that_looks_as_it_did_and_counts_it_all() -> None:
    world = unwatched(*PHOTOS)
    world.told()
    assert scan(world) == 0
    (end,) = (one for one in world.told() if isinstance(one, ScanFinished))
    assert (end.complete, end.directories, end.files) == (True, 3, 4)
    assert asked(world, ScanMode.NEW) == 0
    assert asked(world, ScanMode.CHANGED, "a.jpg") == 1, "whoever asks for one file wants to know what there is now"


def test_each_attachment_is_listed_and_so_is_each_day() -> None:
    """Cameras and other systems add files to an exFAT or NTFS disk without moving the times of its folders."""
    world = unwatched(*PHOTOS)
    world.host.umount(AT)
    before = world.host.calls["files.list"]
    assert world.mount() is None
    world.run(60)
    assert world.host.calls["files.list"] - before >= 3
    assert scan(world) == 0
    world.run(TRUST_S)
    world.told()
    lists = world.host.calls["files.list"]
    world.run(2 * world.settings.rescan_s)
    assert world.host.calls["files.list"] == lists, "once a day is enough"


def test_a_person_who_asks_for_a_scan_is_shown_the_disk_itself() -> None:
    world = unwatched(*PHOTOS)
    world.disk.faults.hidden = lambda path: path.startswith("trip/new")  # it lies, and then it does not any more
    world.photos("trip/new/d.jpg")
    world.clock.advance(60)
    scan(world)
    scan(world)
    world.disk.faults.clear()
    world.told()
    assert scan(world) == 0, "nothing shows that it has lied"
    before = world.host.calls["files.list"]
    world.engine.scan(anew=True)
    world.run(60)
    assert world.host.calls["files.list"] - before >= 3
    assert world.news() == {"listed": {"trip/new/d.jpg"}}


def test_whoever_wants_all_to_be_read_again_gets_that() -> None:
    world = unwatched(*PHOTOS, reads=True)
    assert scan(world) == 0
    assert asked(world, ScanMode.FULL) >= 3


def test_what_changes_in_place_is_found_by_its_own_times() -> None:
    world = unwatched(*PHOTOS)
    world.disk.append("trip/b.jpg", 7)
    world.clock.advance(60)
    assert asked(world, ScanMode.NEW) == 0, "new files are wanted, and there is none"
    assert world.news() == {}
    assert scan(world) == 1
    assert world.news() == {"listed": {"trip/b.jpg"}}
    assert scan(world) == 0


def test_only_what_has_changed_is_looked_at_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = unwatched("trip/a.jpg", "trip/b.jpg", "trip/c.jpg", "keeper.jpg")
    looks = looked_at(monkeypatch)
    world.disk.append("trip/b.jpg", 7)
    world.clock.advance(60)
    scan(world)
    assert looks == [("trip", {"b.jpg"})]
    assert world.news() == {"listed": {"trip/b.jpg"}}


def test_a_folder_that_has_moved_is_looked_at_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world = unwatched("trip/a.jpg", "trip/b.jpg", "keeper.jpg")
    looks = looked_at(monkeypatch)
    world.disk.append("trip/b.jpg", 7)
    world.photos("trip/new.jpg")
    world.clock.advance(60)
    scan(world)
    assert looks == [("trip", {"a.jpg", "b.jpg", "new.jpg"})]
    assert world.news() == {"listed": {"trip/b.jpg", "trip/new.jpg"}}


def test_r38_photos_beside_one_that_changes_are_known_as_well_as_before() -> None:
    """Inodes are used again: that it is the same photo is known by when it was born."""
    world = unwatched("trip/a.jpg", "trip/b.jpg", "keeper.jpg")
    world.disk.append("trip/b.jpg", 7)
    world.clock.advance(60)
    scan(world)
    world.told()
    world.disk.rename("trip/a.jpg", "trip/renamed.jpg")
    world.disk.rename("trip/b.jpg", "b.jpg")
    world.clock.advance(60)
    scan(world)
    assert world.news() == {"moved": {"trip/a.jpg > trip/renamed.jpg", "trip/b.jpg > b.jpg"}}


@pytest.mark.parametrize("mode", [ScanMode.NEW, ScanMode.CHANGED])
def test_what_comes_and_goes_is_found(mode: ScanMode) -> None:
    world = unwatched(*PHOTOS)
    world.photos("trip/new.jpg", "trip/day/further/new.jpg")
    world.disk.unlink("a.jpg")
    world.disk.rename("trip/b.jpg", "trip/day/b.jpg")
    world.clock.advance(60)
    asked(world, mode)
    assert world.news() == {
        "listed": {"trip/new.jpg", "trip/day/further/new.jpg"},
        "moved": {"trip/b.jpg > trip/day/b.jpg"},
        "absent": {"a.jpg"},
    }


def test_r31_a_file_that_was_still_being_written_is_not_forgotten_by_an_agent_that_dies() -> None:
    world = unwatched(*PHOTOS)
    world.disk.write("trip/new.jpg")
    world.clock.advance(1)
    world.engine.scan()
    world.run(0)
    world.start()
    world.clock.advance(60)
    assert world.attach() is None
    world.run(60)
    assert world.news() == {"listed": {"trip/new.jpg"}}


def test_what_was_excluded_is_found_as_soon_as_it_is_wanted() -> None:
    world = unwatched(*PHOTOS, "trip/raw.dng", patterns=("**/*.dng",))
    assert scan(world) == 0
    world.engine.assign(Scopes([Scope("", AT, ())]))
    world.run(60)
    assert "trip/raw.dng" in world.news()["listed"]


def test_a_kind_of_photo_that_is_new_to_the_agent_is_found_in_folders_that_do_not_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "journal.sqlite3")
    world = World(watch=False)
    world.store = Store(path, "vol_test", "jrn_test")
    with world.store.transaction():
        world.store.stand(Standing.WRITING)
    world.outbox = Outbox(world.store)
    world.start()
    monkeypatch.delitem(media._KINDS, "jxl")  # an earlier version, which does not know it
    world.photos("trip/a.jpg", "trip/b.jxl")
    world.clock.advance(60)
    world.mount()
    world.run(10)
    assert scan(world) == 0
    assert world.news() == {"listed": {"trip/a.jpg"}}
    monkeypatch.undo()
    monkeypatch.setattr(store, "FINGERPRINT", "another")
    world.store.close()
    world.store = Store(path, "vol_test")
    world.outbox = Outbox(world.store)
    world.start()
    world.attach()
    world.run(10)
    assert world.news() == {"listed": {"trip/b.jxl"}}


def test_an_ignore_file_that_is_written_to_in_place_is_read() -> None:
    world = unwatched(*PHOTOS, "trip/raw.dng")
    world.disk.write("trip/.holdfastignore", text="*.dng\n")
    scan(world)
    scan(world)  # other files may be wanted now, wherever they are
    world.told()
    assert scan(world) == 1, "it leaves no trace in the times of its directory"
    world.disk.look("trip/.holdfastignore").text = "*.tif\n"
    scan(world)
    world.disk.write("trip/new.dng")
    world.clock.advance(60)
    scan(world)
    assert "trip/new.dng" in world.news()["listed"]


def test_r21_what_is_missed_is_proven_by_listings() -> None:
    world = unwatched(*PHOTOS)
    world.disk.unlink("trip/b.jpg")
    world.clock.advance(60)
    world.engine.guard(guarded=True)
    scan(world)
    assert world.news() == {}
    world.engine.guard(guarded=False)
    assert scan(world) > 0
    assert world.news() == {"absent": {"trip/b.jpg"}}


def test_what_was_written_a_moment_ago_proves_nothing_yet() -> None:
    world = known(*PHOTOS, watch=False)
    world.photos("trip/new.jpg")
    scan(world)
    assert world.news() == {"listed": {"trip/new.jpg"}}
    assert scan(world) == 1, "a change in the same tick would have left no trace"
    assert scan(world) == 0


def test_a_folder_that_could_not_be_read_is_listed_again() -> None:
    world = unwatched(*PHOTOS)
    world.disk.deny("trip/day", errno.EACCES)
    scan(world)
    world.disk.deny("trip/day", 0)
    scan(world)
    assert "trip/day/c.jpg" in world.news()["listed"]


@pytest.mark.parametrize("fs_type", ["vfat", "fuse.sshfs", "nfs4"])
def test_where_times_say_nothing_all_is_listed(fs_type: str) -> None:
    world = unwatched(*PHOTOS, fs_type=fs_type)
    assert scan(world) == 3


def test_a_scan_of_what_does_not_move_takes_few_passes() -> None:
    world = unwatched(*(f"{number}/{name}.jpg" for number in range(100) for name in range(50)))
    world.settings = EngineSettings(read_contents=False)
    before = world.host.calls["files.begin"]
    assert asked(world, ScanMode.NEW) == 0
    assert world.host.calls["files.begin"] - before < 15
