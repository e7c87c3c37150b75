"""Scans that somebody has asked for: what each mode looks at, what a scan is of, and when it is done."""

from __future__ import annotations

import errno

import pytest

from agent.baseline import Baseline
from agent.journal import Journal
from agent.missed import Missed
from agent.scopes import Scope, Scopes
from agent.store import Lease, Standing
from holdfast.reports import Absent, Listed, Observation, ScanFinished, ScanStarted
from holdfast.scans import PROBLEMS_MAX, ScanMode, ScanProblem, WantedScan
from tests.agent.test_reading import Watched, digest
from tests.agent.world import AT, World, known

PHOTOS = ("a.jpg", "trip/b.jpg", "trip/day/c.jpg", "other/d.jpg")


def wanted(
    number: int = 1, directory: str = "", name: str | None = None, mode: ScanMode = ScanMode.CHANGED
) -> WantedScan:
    return WantedScan(id=f"scn_{number:032x}", volume="vol_test", directory=directory, name=name, mode=mode)


def ended(told: list[Observation]) -> list[ScanFinished]:
    return [one for one in told if isinstance(one, ScanFinished)]


def done(world: World, scan: WantedScan, seconds: float = 60) -> tuple[list[Observation], ScanFinished]:
    """Have a scan done; what was told, and its end."""
    world.engine.want([scan])
    world.run(seconds)
    told = world.told()
    (end,) = [one for one in ended(told) if one.scan == scan.id]
    return told, end


def unwatched(*photos: str, **options: object) -> World:
    """Nothing is noticed but by scans, and there is none for a while."""
    return known(*photos, watch=False, **options)


class TestModes:
    def test_a_new_scan_finds_what_came_and_what_is_gone(self) -> None:
        world = unwatched(*PHOTOS)
        world.photos("trip/new.jpg", "fresh/e.jpg")
        world.disk.unlink("other/d.jpg")
        told, end = done(world, wanted(mode=ScanMode.NEW))
        listed = {(one.directory, file.name) for one in told if isinstance(one, Listed) for file in one.files}
        assert listed == {("trip", "new.jpg"), ("fresh", "e.jpg")}
        assert [one.names for one in told if isinstance(one, Absent)] == [["d.jpg"]]
        assert (end.complete, end.files, end.directories) == (True, 5, 5)

    def test_a_new_scan_does_not_look_at_known_files(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.append("trip/b.jpg", 10)
        world.disk.faults.path_errnos["a.jpg"] = errno.EIO  # whoever looks at it finds that the disk is sick
        world.clock.advance(60)
        told, end = done(world, wanted(mode=ScanMode.NEW))
        assert not [one for one in told if isinstance(one, Listed)]
        assert end.complete
        assert world.doubt is None

    def test_a_new_scan_notices_a_file_that_was_put_in_the_place_of_another(self) -> None:
        world = unwatched(*PHOTOS)
        world.photos("trip/draft.tmp")
        world.disk.rename("trip/draft.tmp", "trip/b.jpg")
        told, _ = done(world, wanted(mode=ScanMode.NEW))
        assert [one.directory for one in told if isinstance(one, Listed)] == ["trip"]

    def test_a_new_scan_looks_at_all_that_is_to_be_told_again(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.append("trip/b.jpg", 10)
        world.clock.advance(60)
        with world.store.transaction():
            Journal(world.store).retell("trip")
        told, _ = done(world, wanted(mode=ScanMode.NEW))
        assert {file.name: file.size for one in told if isinstance(one, Listed) for file in one.files}["b.jpg"] > 10

    @pytest.mark.parametrize("mode", [ScanMode.CHANGED, ScanMode.FULL])
    def test_the_others_tell_what_changed(self, mode: ScanMode) -> None:
        world = unwatched(*PHOTOS)
        world.disk.append("trip/b.jpg", 10)
        world.clock.advance(60)
        told, end = done(world, wanted(mode=mode))
        assert [one.directory for one in told if isinstance(one, Listed)] == ["trip"]
        assert end.complete

    def test_a_nanosecond_is_a_change(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.touch("a.jpg", world.disk.look("a.jpg").mtime_ns + 1)
        assert [one.files[0].name for one in done(world, wanted())[0] if isinstance(one, Listed)] == ["a.jpg"]

    @pytest.mark.parametrize("mode", ScanMode)
    def test_what_did_not_change_is_not_told_again(self, mode: ScanMode) -> None:
        world = unwatched(*PHOTOS)
        told, end = done(world, wanted(mode=mode))
        assert [type(one) for one in told] == [ScanStarted, ScanFinished]
        # Nothing is read on this disk, so that nothing is read again either.
        done_as = ScanMode.CHANGED if mode is ScanMode.FULL else mode
        assert told[0] == ScanStarted(end.scan, "", done_as)

    def test_only_a_full_scan_has_everything_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = unwatched(*PHOTOS, reads=True)
        watched = Watched(monkeypatch)
        done(world, wanted(1, mode=ScanMode.NEW))
        done(world, wanted(2, mode=ScanMode.CHANGED))
        assert watched.read == []
        done(world, wanted(3, mode=ScanMode.FULL))
        assert sorted(watched.read) == sorted(PHOTOS)

    def test_a_full_scan_of_one_file_has_that_alone_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = unwatched(*PHOTOS, "trip/c.jpg", reads=True)
        watched = Watched(monkeypatch)
        done(world, wanted(directory="trip", name="b.jpg", mode=ScanMode.FULL))
        assert watched.read == ["trip/b.jpg"]

    def test_a_full_scan_finds_what_no_time_shows(self) -> None:
        """As a disk that rots does, or somebody who writes to it elsewhere and is careful about all times."""
        world = unwatched(*PHOTOS, reads=True)
        world.disk.look("trip/b.jpg").seed = "rotten"
        done(world, wanted(1))
        told, _ = done(world, wanted(2, mode=ScanMode.FULL))
        found = {file.name: file.content for one in told if isinstance(one, Listed) for file in one.files}
        assert found["b.jpg"] == digest(world.disk.look("trip/b.jpg").content)

    def test_a_file_whose_time_was_set_back_is_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As ``touch -r`` and ``cp -p`` do: same size, same modification time, and perhaps other content."""
        world = unwatched(*PHOTOS, reads=True)
        watched = Watched(monkeypatch)
        world.disk.touch("trip/b.jpg", world.disk.look("trip/b.jpg").mtime_ns)
        done(world, wanted(1, mode=ScanMode.NEW))
        assert watched.read == []
        done(world, wanted(2))
        assert watched.read == ["trip/b.jpg"]


class TestExtent:
    def test_of_a_folder_only_that_is_looked_at(self) -> None:
        world = unwatched(*PHOTOS)
        world.photos("trip/new.jpg", "other/new.jpg")
        told, end = done(world, wanted(directory="trip"))
        assert [one.directory for one in told if isinstance(one, Listed)] == ["trip"]
        assert (end.directory, end.name, end.directories, end.files) == ("trip", None, 2, 3)

    def test_of_a_file_its_folder_is_looked_at_and_nothing_below(self) -> None:
        world = unwatched(*PHOTOS)
        world.photos("trip/day/new.jpg")
        told, end = done(world, wanted(directory="trip", name="b.jpg"))
        assert not [one for one in told if isinstance(one, Listed)]
        assert (end.directory, end.name, end.directories, end.files, end.complete) == ("trip", "b.jpg", 1, 1, True)
        assert told[0] == ScanStarted(end.scan, "trip", ScanMode.CHANGED, "b.jpg")

    def test_new_folders_beside_a_file_are_entered_all_the_same(self) -> None:
        world = unwatched(*PHOTOS)
        world.photos("trip/fresh/e.jpg")
        told, end = done(world, wanted(directory="trip", name="b.jpg"))
        assert end.directories == 1
        assert [one.directory for one in told if isinstance(one, Listed)] == ["trip/fresh"]

    def test_a_folder_with_the_name_of_a_photo_is_entered(self) -> None:
        world = unwatched("album.jpg/a.jpg", "album.jpg/deep/b.jpg", "trip/c.jpg")
        world.photos("album.jpg/deep/new.jpg")
        told, end = done(world, wanted(directory="", name="album.jpg"))
        assert [one.directory for one in told if isinstance(one, Listed)] == ["album.jpg/deep"]
        assert (end.directories, end.files, end.complete) == (3, 3, True)

    def test_a_folder_that_is_gone_is_found_gone(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.rmtree("trip")
        told, end = done(world, wanted(directory="trip"))
        assert {(one.directory, *one.names) for one in told if isinstance(one, Absent)} == {
            ("trip", "b.jpg"),
            ("trip/day", "c.jpg"),
        }
        assert end.complete
        assert isinstance(told[-1], ScanFinished)

    @pytest.mark.parametrize("guarded", [False, True])
    def test_a_file_whose_folder_is_gone_is_not_found(self, guarded: bool) -> None:
        world = unwatched(*PHOTOS)
        world.engine.guard(guarded=guarded)
        world.disk.rmtree("trip")
        _, end = done(world, wanted(directory="trip", name="b.jpg"))
        assert end.files == 0

    def test_what_lies_in_no_import_path_is_not_looked_at(self) -> None:
        world = unwatched(*PHOTOS)
        world.engine.assign(Scopes([Scope("trip", f"{AT}/trip", ())]))
        world.run(60)
        world.told()
        _, end = done(world, wanted(directory="other"))
        assert (end.complete, end.directories, end.files) == (False, 0, 0)

    def test_directories_that_cannot_be_read_are_named(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.deny("trip")
        _, end = done(world, wanted())
        assert (end.complete, end.errors, end.problems) == (False, 1, [ScanProblem("trip", "EACCES")])

    def test_so_many_of_them_and_no_more(self) -> None:
        many = [f"{number:03}/a.jpg" for number in range(PROBLEMS_MAX + 5)]
        world = unwatched(*many)
        for path in many:
            world.disk.deny(path[:3])
        _, end = done(world, wanted())
        assert (end.errors, len(end.problems)) == (PROBLEMS_MAX + 5, PROBLEMS_MAX)


class TestEnd:
    def test_absences_are_told_before_it(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.unlink("trip/b.jpg")
        world.engine.want([wanted()])
        world.run(1)
        assert ended(world.told()) == []
        world.run(10)
        told = world.told()
        assert [type(one) for one in told] == [Absent, ScanFinished]

    def test_files_that_were_being_written_are_told_before_it(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.write("trip/new.jpg")
        told, _ = done(world, wanted(directory="trip"))
        assert [type(one) for one in told] == [ScanStarted, Listed, ScanFinished]

    def test_the_one_file_that_it_is_about_is_told_before_it(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.write("trip/new.jpg")
        told, end = done(world, wanted(directory="trip", name="new.jpg"))
        assert [type(one) for one in told] == [ScanStarted, Listed, ScanFinished]
        assert end.files == 1

    def test_so_it_is_if_it_has_to_be_read_first(self) -> None:
        world = unwatched(*PHOTOS, reads=True)
        world.photos("trip/new.jpg")
        world.engine.seek(Missed([world.disk.look("trip/new.jpg").size]))
        told, _ = done(world, wanted(directory="trip", name="new.jpg"))
        assert [type(one) for one in told] == [ScanStarted, Listed, ScanFinished]

    def test_what_is_written_beside_that_file_is_not_waited_for(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.write("trip/new.jpg")
        world.engine.want([wanted(directory="trip", name="b.jpg")])
        world.engine.work()
        assert [type(one) for one in world.told()] == [ScanStarted, ScanFinished]

    def test_nor_is_that_file_if_it_never_settles(self) -> None:
        world = unwatched(*PHOTOS)
        world.engine.want([wanted(directory="trip", name="b.jpg")])
        for _ in range(15):
            world.disk.append("trip/b.jpg", 10)
            world.run(1)
        assert [type(one) for one in world.told()] == [ScanStarted, ScanFinished]

    def test_what_never_settles_is_not_waited_for(self) -> None:
        world = unwatched(*PHOTOS)
        world.engine.want([wanted()])
        for _ in range(60):
            world.disk.append("trip/b.jpg", 10)
            world.run(1)
        assert len(ended(world.told())) == 1

    def test_absences_that_may_not_be_proven_are_not_waited_for(self) -> None:
        world = unwatched(*PHOTOS)
        world.engine.guard(guarded=True)
        world.disk.unlink("trip/b.jpg")
        world.engine.want([wanted()])
        world.run(1)
        assert [type(one) for one in world.told()] == [ScanStarted, ScanFinished]

    def test_a_concern_that_comes_up_meanwhile_ends_the_wait(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.unlink("trip/b.jpg")
        world.engine.want([wanted()])
        world.run(1)
        world.engine.guard(guarded=True)
        assert [type(one) for one in world.told()] == [ScanStarted, ScanFinished]

    def test_a_look_at_one_file_waits_for_no_scan_of_everything(self) -> None:
        many = tuple(f"{number:03}/a.jpg" for number in range(50))
        world = unwatched(*PHOTOS, *many)
        world.disk.unlink("trip/b.jpg")
        world.engine.scan()
        world.engine.want([wanted(directory="trip", name="b.jpg")])
        world.engine.work()
        told = world.told()
        assert [one.files for one in ended(told)] == [0]
        world.run(60)
        assert world.news() == {"absent": {"trip/b.jpg"}}


class TestOnce:
    def test_a_scan_is_done_once(self) -> None:
        world = unwatched(*PHOTOS)
        scan = wanted()
        done(world, scan)
        world.engine.want([scan])
        world.run(60)
        assert world.told() == []

    def test_not_even_by_an_agent_that_was_started_again(self) -> None:
        world = unwatched(*PHOTOS)
        scan = wanted()
        done(world, scan)
        world.start()
        world.engine.want([scan])
        world.attach()
        world.run(60)
        assert [one for one in ended(world.told()) if one.scan == scan.id] == []

    def test_one_that_was_interrupted_begins_anew(self) -> None:
        world = unwatched(*PHOTOS)
        scan = wanted()
        world.engine.want([scan])
        world.engine.work()
        world.start()
        world.engine.want([scan])
        world.attach()
        world.run(60)
        (end,) = [one for one in ended(world.told()) if one.scan == scan.id]
        assert end.complete

    def test_one_of_a_disk_that_is_away_is_done_when_it_is_back(self) -> None:
        world = unwatched(*PHOTOS)
        world.engine.detach()
        scan = wanted()
        world.engine.want([scan])
        world.run(60)
        assert world.told() == []
        world.attach()
        world.run(60)
        (end,) = [one for one in ended(world.told()) if one.scan == scan.id]
        assert end.complete

    def test_one_that_is_wanted_no_more_is_dropped(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.unlink("trip/b.jpg")
        world.engine.want([wanted()])
        world.engine.work()
        world.engine.want([])
        world.run(60)
        assert ended(world.told()) == []

    def test_so_is_one_that_waits_for_its_end(self) -> None:
        world = unwatched(*PHOTOS)
        world.disk.unlink("trip/b.jpg")
        world.engine.want([wanted()])
        world.run(1)
        world.engine.want([])
        world.run(60)
        told = world.told()
        assert ended(told) == []
        assert [one for one in told if isinstance(one, Absent)], "what it has found is found"

    def test_a_scan_of_everything_does_not_overtake_it(self) -> None:
        world = unwatched(*PHOTOS)
        world.engine.want([wanted()])
        world.engine.work()
        world.engine.scan()
        world.run(60)
        assert len(ended(world.told())) == 2

    def test_r34_what_the_catalog_has_forgotten_is_done_again(self) -> None:
        world = unwatched(*PHOTOS)
        scan = wanted()
        done(world, scan)
        Baseline(world.store).begin(Lease("cat_1", 2), "jrn_other", keep=False)
        with world.store.transaction():
            world.store.stand(Standing.WRITING)
        world.engine.consult()
        world.run(60)
        assert [one for one in ended(world.told()) if one.scan == scan.id]
