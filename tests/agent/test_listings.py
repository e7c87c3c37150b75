"""What a listing says against what was known, at the edges where it must not say too much."""

from __future__ import annotations

import errno

import pytest

from agent.filesystems import traits
from agent.known import KnownDirectory, pack_births, pack_directories, pack_files
from agent.looks import Attachment
from agent.ports import FileEntry, Listing, Moment
from agent.scopes import Scope, Scopes
from agent.survey import Refused, Survey, compare, stamp, unsettled
from agent.testing.files import FakeFiles
from agent.times import Stamp
from holdfast.reports import ScanFinished
from holdfast.volumes import Epoch, Reason
from tests.agent.world import AT, World, known

EXT4, FAT = traits("ext4"), traits("vfat")
SECOND_NS = 1_000_000_000
NOW = Moment(wall=1_700_000_000.0, boot=500.0)
OLD_NS = int(NOW.wall * SECOND_NS) - 3600 * SECOND_NS


def entry(name: str, inode: int = 12, mtime_ns: int = OLD_NS) -> FileEntry:
    return FileEntry(name, inode, 10, mtime_ns, mtime_ns)


def listing(*names: str, times: Stamp = (OLD_NS, OLD_NS), unclear: tuple[str, ...] = ()) -> Listing:
    return Listing("trip", 7, *times, len(names) + len(unclear), [entry(name) for name in names], {}, list(unclear))


def remembered(
    *names: str, times: Stamp | None = (OLD_NS, OLD_NS), directories: tuple[str, ...] = ()
) -> KnownDirectory:
    births = pack_births([1] * len(names))
    return KnownDirectory(
        times, pack_files([entry(name) for name in names]), births, pack_directories(dict.fromkeys(directories, 9))
    )


def compared(found: Listing, before: KnownDirectory, **options: object) -> Survey | Refused:
    settings = {"excluded": None, "held": frozenset(), "traits": EXT4, "is_root": False, **options}
    return compare(found, NOW, before, **settings)  # type: ignore[arg-type]


def departed(survey: Survey | Refused) -> list[str]:
    assert isinstance(survey, Survey), survey
    return [one.file.name for one in survey.departures]


def test_r1_directory_gone_from_one_that_did_not_change_is_trouble() -> None:
    before = remembered("a.jpg", directories=("day",))
    assert compared(listing("a.jpg"), before) == Refused("trip", empty=False)
    survey = compared(listing("a.jpg", times=(OLD_NS + 1, OLD_NS + 1)), before)
    assert isinstance(survey, Survey)
    assert survey.gone_directories == ["day"]


def test_r1_name_that_cannot_be_looked_at_is_not_gone() -> None:
    survey = compared(listing(unclear=("a.jpg",), times=(OLD_NS + 1, OLD_NS + 1)), remembered("a.jpg", "b.jpg"))
    assert departed(survey) == ["b.jpg"]
    assert isinstance(survey, Survey)
    assert [file.name for file in survey.files] == ["a.jpg"], "and is remembered as it was"


def test_r1_directory_that_cannot_be_looked_at_is_not_gone() -> None:
    survey = compared(listing(unclear=("day",), times=(OLD_NS + 1, OLD_NS + 1)), remembered(directories=("day",)))
    assert isinstance(survey, Survey)
    assert survey.gone_directories == []


def test_r1_the_root_of_a_fat_has_no_times_to_prove_anything() -> None:
    assert stamp(listing("a.jpg", times=(0, 0)), NOW, FAT) is None
    assert departed(compared(listing(times=(0, 0)), remembered("a.jpg", times=None), traits=FAT)) == ["a.jpg"]


def test_r2_root_of_an_import_path_that_lists_nothing_at_all_is_trouble_even_when_its_times_moved() -> None:
    found = listing(times=(OLD_NS + 1, OLD_NS + 1))
    assert compared(found, remembered("a.jpg"), is_root=True) == Refused("trip", empty=True)
    assert departed(compared(found, remembered("a.jpg"))) == ["a.jpg"]


def test_r23_times_as_fresh_as_the_listing_prove_nothing_later() -> None:
    now_ns = int(NOW.wall * SECOND_NS)
    assert stamp(listing("a.jpg", times=(now_ns, now_ns)), NOW, EXT4) is None
    assert stamp(listing("a.jpg"), NOW, EXT4) == (OLD_NS, OLD_NS)


def test_r23_a_directory_from_the_future_was_stamped_by_another_clock() -> None:
    future_ns = int(NOW.wall * SECOND_NS) + 3600 * SECOND_NS
    assert stamp(listing("a.jpg", times=(future_ns, future_ns)), NOW, EXT4) == (future_ns, future_ns)


def test_r23_a_photo_from_the_future_is_not_one_that_is_being_written() -> None:
    now_ns = int(NOW.wall * SECOND_NS)
    files = [
        entry("now.jpg", mtime_ns=now_ns),
        entry("future.jpg", mtime_ns=now_ns + 3600 * SECOND_NS),
        entry("old.jpg"),
    ]
    assert unsettled(files, None, NOW, 5.0, ()) == {"now.jpg"}


@pytest.mark.parametrize("shift_s", [-3600, 3600, 2])
def test_r23_a_clock_or_time_zone_that_jumped_is_a_change_and_no_departure(shift_s: int) -> None:
    shifted = entry("a.jpg", mtime_ns=OLD_NS + shift_s * SECOND_NS)
    survey = compared(listing()._replace(files=[shifted], entries=1), remembered("a.jpg"))
    assert isinstance(survey, Survey)
    assert (survey.departures, survey.arrivals, survey.changes) == ([], [], [shifted])


def test_r39_nothing_is_relied_on_where_the_file_system_is_not_known() -> None:
    unknown = traits("fuse.somebodys")
    assert not (unknown.stable_inodes or unknown.directory_times or unknown.local)
    assert departed(compared(listing(), remembered("a.jpg"), traits=unknown)) == ["a.jpg"], "no doubt, and no proof yet"


def test_r38_a_birth_that_was_not_known_is_remembered_as_soon_as_it_is() -> None:
    """A kernel or a server may begin to tell of births, of files that have not changed as well."""
    before = remembered("a.jpg", "b.jpg", "c.jpg")._replace(births_packed=pack_births([None, 1, None]))
    found = listing("a.jpg", "b.jpg", "c.jpg", "new.jpg")._replace(births={"a.jpg": 5, "b.jpg": 1, "new.jpg": 6})
    survey = compared(found, before)
    assert isinstance(survey, Survey)
    assert survey.kept_births == {"a.jpg": 5, "b.jpg": 1, "c.jpg": None}


def test_r29_what_a_pattern_takes_away_has_not_departed() -> None:
    there = listing(times=(OLD_NS + 1, OLD_NS + 1))._replace(files=[entry("._a.jpg"), entry("._new.jpg")], entries=2)
    survey = compared(there, remembered("._a.jpg"), excluded=lambda name: name[0] == ".")
    assert isinstance(survey, Survey)
    assert (survey.departures, survey.arrivals) == ([], [])
    assert survey.unchanged


def test_r29_what_is_gone_is_gone_although_a_pattern_excludes_it() -> None:
    gone = listing(times=(OLD_NS + 1, OLD_NS + 1))
    assert departed(compared(gone, remembered("._a.jpg"), excluded=lambda name: name[0] == ".")) == ["._a.jpg"]


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR])
def test_r1_a_machine_that_is_short_of_something_looks_again_later(code: int) -> None:
    world = known("trip/a.jpg", "trip/day/b.jpg", "c.jpg")
    world.disk.faults.path_errnos["trip"] = code
    world.engine.scan()
    world.run(2)
    assert world.news() == {}
    assert world.doubt is None
    world.disk.faults.clear()
    world.run(60)
    assert world.news() == {}
    assert world.engine.scans_finished == 2
    world.engine.assign(Scopes([Scope("trip", AT, ())]))
    world.disk.faults.path_errnos["trip"] = code
    world.engine.scan()
    world.run(2)
    assert world.doubt is None, "nor is the folder of an import path gone"


def test_r1_gate_that_does_not_open_keeps_everything_as_it_was() -> None:
    world = known("trip/a.jpg", "trip/b.jpg")
    world.disk.faults.super_options = frozenset({"shutdown"})
    world.disk.unlink("trip/a.jpg")
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None
    assert not world.engine.attached
    world.disk.faults.clear()
    assert world.attach() is None
    world.run(60)
    assert world.news() == {"absent": {"trip/a.jpg"}}, "it is found missing by looks of the new attachment alone"


def test_r1_pass_in_doubt_leaves_nothing() -> None:
    world = known("one/a.jpg", "two/b.jpg")
    # Hints that come together are looked at in one pass.
    world.photos("one/c.jpg")
    world.disk.touch("two/b.jpg", 1)
    world.disk.faults.hidden = lambda path: path == "two/b.jpg"
    world.run(60)
    assert world.doubt is not None
    assert world.news() == {}


def test_r18_doubt_ends_the_attachment_and_all_that_was_planned() -> None:
    world = known("trip/a.jpg", "c.jpg")
    world.disk.faults.path_errnos["trip"] = errno.EIO
    world.engine.scan()
    world.run(60)
    assert world.doubt is not None
    assert world.doubt.reason is Reason.IO_ERROR
    assert not world.engine.attached
    assert world.engine.due() is None


def test_r18_directory_that_cast_doubt_must_be_in_order_before_the_volume_is_adopted_again() -> None:
    world = known("trip/a.jpg", "c.jpg")
    world.disk.mkdir("trip/empty")
    world.disk.faults.path_errnos["trip/empty"] = errno.EIO
    assert world.attach() is None, "the root is in order, and so are the files that are looked for at once"
    mounted = world.host.place(AT).mounted.unique_id
    files = FakeFiles(world.host, AT, mounted)
    again = Attachment(Epoch("boot", mounted, 9), files, EXT4, AT)
    assert world.engine.attach(again, None, look_first=["trip/empty"]) is not None
    assert not world.engine.attached


def test_r22_scan_that_could_not_read_a_directory_is_not_complete() -> None:
    world = known("trip/a.jpg", "other/b.jpg")
    world.disk.deny("trip", errno.EACCES)
    world.engine.scan()
    world.run(30)
    assert _complete(world) is False
    world.disk.deny("trip", 0)
    world.engine.scan()
    world.run(30)
    assert _complete(world) is True


def test_r22_scan_during_which_events_were_lost_is_not_complete() -> None:
    world = known(*(f"{number}/a.jpg" for number in range(300)))
    world.watch._queue_limit = 2  # type: ignore[union-attr]
    world.engine.scan()
    assert world.engine.work() is None
    for number in range(9):
        world.disk.write(f"new {number}.jpg")
    world.run(30)
    assert _complete(world) is False


def _complete(world: World) -> bool:
    (finished,) = [one for one in world.told() if isinstance(one, ScanFinished)]
    return finished.complete
