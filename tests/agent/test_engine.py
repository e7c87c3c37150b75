"""The engine on fake disks: what it tells, and above all what it does not."""

from __future__ import annotations

import errno

import pytest
from msgspec import structs

from agent.journal import Journal
from agent.rests import REST
from agent.scopes import Scope, Scopes
from holdfast.reports import Absent, Gap, IgnoreRules, Listed, Moved, ScanFinished, ScanStarted, Unreadable
from holdfast.volumes import Reason
from tests.agent.world import AT, World, known, slowly


def test_first_scan_tells_every_photo_and_nothing_else() -> None:
    world = World()
    world.photos("a.jpg", "trip/b.heic", "trip/day 2/c.mov", "trip/c.mov.xmp")
    world.disk.write("notes.txt")
    world.clock.advance(60)
    world.mount()
    world.run(10)
    told = world.told()
    assert any(isinstance(one, ScanStarted) for one in told)
    listed = {(one.directory, file.name) for one in told if isinstance(one, Listed) for file in one.files}
    assert listed == {("", "a.jpg"), ("trip", "b.heic"), ("trip/day 2", "c.mov"), ("trip", "c.mov.xmp")}
    assert isinstance(told[-1], ScanFinished)
    assert (told[-1].complete, told[-1].files, told[-1].directories) == (True, 4, 3)


def test_second_run_tells_nothing_of_what_did_not_change() -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.start()
    world.attach()
    world.run(10)
    assert world.news() == {}


def test_new_file_is_told_at_once_when_it_is_closed() -> None:
    world = known("a.jpg")
    world.disk.write("b.jpg")
    world.run(0.2)
    assert world.news() == {"listed": {"b.jpg"}}


def test_file_that_is_not_closed_is_told_when_it_has_rested() -> None:
    world = known("a.jpg", "b.mov")
    world.disk.append("b.mov", 10)
    world.run(3)
    assert world.news() == {}
    world.disk.append("b.mov", 10)
    world.run(3)
    assert world.news() == {}
    world.run(3)
    assert world.news() == {"listed": {"b.mov"}}


def test_large_folder_is_left_alone_although_files_of_it_must_be_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = known("camera/a.jpg", "camera/film.mov")
    looks = slowly(monkeypatch, world, "camera", seconds=0.7)
    began = world.clock.now().boot
    for number in range(200):
        world.photos(f"camera/{number}.jpg")
        if not number % 20:
            world.disk.append("camera/film.mov", 10)  # which is looked at again when it has settled
        world.run(0.4)
    told = world.news()["listed"]
    spent = (len(looks) - 1) * 0.7 / (world.clock.now().boot - began)
    assert 0.15 < spent <= 1.0 / (1.0 + REST)
    assert {"camera/180.jpg", "camera/film.mov"} <= told


def test_file_replaced_by_rename_keeps_its_path_and_is_listed_as_changed() -> None:
    world = known("a.jpg")
    world.disk.write("a.tmp", size=5000)
    world.disk.rename("a.tmp", "a.jpg")
    world.run(10)
    assert world.news() == {"listed": {"a.jpg"}}


def test_change_of_attributes_alone_is_not_told() -> None:
    world = known("a.jpg")
    world.disk.touch("a.jpg", world.disk.look("a.jpg").mtime_ns)
    world.run(10)
    assert world.news() == {}


def test_r1_deletion_is_told_with_two_looks_in_one_epoch() -> None:
    world = known("trip/a.jpg", "trip/b.jpg")
    world.disk.unlink("trip/a.jpg")
    world.run(1)
    assert world.news() == {}
    world.run(5)
    (absent,) = [one for one in world.told() if isinstance(one, Absent)]
    assert (absent.directory, absent.names) == ("trip", ["a.jpg"])
    proof = absent.proof
    assert proof.listed == "trip"
    assert proof.first.entries == proof.second.entries == 1
    assert proof.second.boot_s - proof.first.boot_s >= world.settings.confirm_delay_s
    assert proof.before != (proof.second.mtime_ns, proof.second.ctime_ns)
    assert "mount-id" in proof.gate


def test_r15_no_absence_is_confirmed_while_they_are_held() -> None:
    """As on a union that lacks a branch; what was missed meanwhile is told when it is whole again."""
    world = known("trip/a.jpg", "trip/b.jpg")
    world.engine.guard(guarded=True)
    world.disk.unlink("trip/a.jpg")
    world.run(3600)
    assert world.news() == {}
    world.engine.guard(guarded=False)
    world.run(60)
    assert world.news() == {"absent": {"trip/a.jpg"}}


def test_r1_name_gone_from_a_directory_that_did_not_change_is_trouble() -> None:
    world = known("trip/a.jpg", "trip/b.jpg", "c.jpg")
    world.disk.faults.hidden = lambda path: path == "trip/a.jpg"
    world.engine.scan()
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None
    assert (world.doubt.reason, world.doubt.directory) == (Reason.PARTIAL, "trip")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EIO, Reason.IO_ERROR),
        (errno.ESTALE, Reason.STALE),
        (errno.ENOTCONN, Reason.DISCONNECTED),
        (errno.ETIMEDOUT, Reason.HUNG),
        (errno.EHOSTDOWN, Reason.HUNG),
        (errno.ENODEV, Reason.NO_DEVICE),
        (errno.ENXIO, Reason.NO_DEVICE),
        (errno.EUCLEAN, Reason.IO_ERROR),
    ],
)
def test_r1_errors_are_never_absences(code: int, reason: Reason) -> None:
    world = known("trip/a.jpg", "c.jpg")
    world.disk.unlink("trip/a.jpg")
    world.disk.faults.path_errnos["trip"] = code
    world.engine.scan()
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None
    assert world.doubt.reason is reason


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_r1_closed_directory_is_unreadable_and_comes_back_whole(code: int) -> None:
    world = known("trip/a.jpg", "trip/day/b.jpg", "c.jpg")
    world.disk.deny("trip", code)
    world.engine.scan()
    world.run(30)
    told = world.told()
    assert [one for one in told if isinstance(one, Unreadable)] == [Unreadable("trip", errno.errorcode[code])]
    assert not [one for one in told if isinstance(one, Absent | Listed)]
    (finished,) = [one for one in told if isinstance(one, ScanFinished)]
    assert (finished.complete, finished.errors) == (False, 1)
    world.engine.scan()
    world.run(30)
    assert not [one for one in world.told() if isinstance(one, Unreadable)]
    world.disk.deny("trip", 0)
    world.engine.scan()
    world.run(30)
    assert world.news() == {"listed": {"trip/a.jpg", "trip/day/b.jpg"}}


def test_r2_root_that_turns_empty_is_suspect() -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.disk.faults.empty = True
    world.engine.scan()
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None
    assert world.doubt.reason is Reason.EMPTY
    world.disk.faults.clear()
    assert world.attach() is None
    world.run(60)
    assert world.news() == {}


def test_r3_unmount_burst_is_not_deletion() -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.disk.unlink("a.jpg")  # an event that is still queued when the unmount comes
    world.host.umount(AT)
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None
    assert not world.engine.attached


def test_r21_file_that_comes_back_before_the_second_look_was_never_gone() -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.disk.rename("a.jpg", "a.jpg.hidden")
    world.run(1)
    world.disk.rename("a.jpg.hidden", "a.jpg")
    world.run(60)
    assert world.news() == {}


def test_r21_candidate_of_an_epoch_that_ended_needs_two_new_looks() -> None:
    world = known("a.jpg", "b.jpg")
    world.disk.unlink("a.jpg")
    world.run(1)
    world.host.umount(AT)
    world.run(1)
    world.clock.advance(3600)
    world.mount()
    world.run(1)
    assert world.news() == {}
    world.run(10)
    assert world.news() == {"absent": {"a.jpg"}}
    assert world.reports[-1].epoch.attach == 2


def test_whole_tree_removed_is_told_by_directory_with_the_listing_that_lacks_it() -> None:
    world = known("trip/a.jpg", "trip/day/b.jpg", "c.jpg")
    world.disk.rmtree("trip")
    world.run(30)
    absences = [one for one in world.told() if isinstance(one, Absent)]
    assert {(one.directory, *one.names) for one in absences} == {("trip", "a.jpg"), ("trip/day", "b.jpg")}
    # The files went one by one before their directories did; what counts is the last look, at what was left.
    assert {one.proof.listed for one in absences} <= {"", "trip", "trip/day"}


def test_r39_rename_and_move_keep_the_file() -> None:
    world = known("a.jpg", "trip/b.jpg", "other/c.jpg")
    world.disk.rename("a.jpg", "a2.jpg")
    world.disk.rename("trip/b.jpg", "other/b2.jpg")
    world.run(30)
    assert world.news() == {"moved": {"a.jpg > a2.jpg", "trip/b.jpg > other/b2.jpg"}}


def test_r39_directory_rename_moves_everything_in_it() -> None:
    world = known("trip/a.jpg", "trip/day/b.jpg", "c.jpg")
    world.disk.rename("trip", "holiday")
    world.run(30)
    assert world.news() == {"moved": {"trip/a.jpg > holiday/a.jpg", "trip/day/b.jpg > holiday/day/b.jpg"}}


def test_move_made_while_the_agent_was_away_is_found_by_the_scan() -> None:
    world = known("z/a.jpg", "a/b.jpg")
    world.disk.rename("z/a.jpg", "a/a.jpg")  # the arrival is listed before the departure
    world.disk.rename("a/b.jpg", "z/b.jpg")  # and the other way round
    world.start()
    world.attach()
    world.run(30)
    assert world.news() == {"moved": {"z/a.jpg > a/a.jpg", "a/b.jpg > z/b.jpg"}}


def test_two_files_that_trade_places_are_moves_told_at_once() -> None:
    world = known("a.jpg", "b.jpg")
    world.disk.rename("a.jpg", "x")
    world.disk.rename("b.jpg", "a.jpg")
    world.disk.rename("x", "b.jpg")
    world.run(30)
    (moved,) = [one for one in world.told() if isinstance(one, Moved)]
    renamed = {(file.old_name, file.file.name) for move in moved.moves for file in move.files}
    assert renamed == {("a.jpg", "b.jpg"), ("b.jpg", "a.jpg")}


def test_r38_hard_link_is_a_new_file_and_never_a_move() -> None:
    world = known("a.jpg")
    world.disk.link("a.jpg", "b.jpg")
    world.run(30)
    assert world.news() == {"listed": {"b.jpg"}}
    world.disk.unlink("a.jpg")
    world.run(30)
    assert world.news() == {"absent": {"a.jpg"}}


def test_r39_inode_used_again_by_another_file_is_not_a_move() -> None:
    world = known("a.jpg", "b.jpg")
    world.disk.unlink("a.jpg")
    world.clock.advance(1)
    world.disk.write("c.jpg")  # gets the inode number of a.jpg, and a birth of its own
    world.run(30)
    assert world.news() == {"listed": {"c.jpg"}, "absent": {"a.jpg"}}


def test_r39_a_file_that_has_taken_name_and_inode_of_another_is_known_by_its_own_birth() -> None:
    world = known("trip/a.jpg", "keeper.jpg")
    inode = world.disk.look("trip/a.jpg").inode
    world.disk.unlink("trip/a.jpg")
    world.clock.advance(1)
    world.disk.write("trip/a.jpg")
    assert world.disk.look("trip/a.jpg").inode == inode
    world.run(30)
    assert world.news() == {"listed": {"trip/a.jpg"}}
    world.disk.rename("trip/a.jpg", "moved.jpg")
    world.run(30)
    assert world.news() == {"moved": {"trip/a.jpg > moved.jpg"}}


def test_r39_inodes_that_do_not_last_are_not_trusted() -> None:
    world = known("trip/a.jpg", fs_type="fuse.sshfs", watch=False)
    world.disk.rename("trip/a.jpg", "trip/b.jpg")
    world.engine.scan()
    world.run(30)
    assert world.news() == {"listed": {"trip/b.jpg"}, "absent": {"trip/a.jpg"}}


def test_r13_mount_below_an_import_path_is_neither_entered_nor_taken_for_a_deletion() -> None:
    world = known("trip/a.jpg", "b.jpg")
    other = world.host.disk("other")
    other.write("foreign.jpg")
    world.host.mount(other, f"{AT}/trip")
    world.engine.scan()
    world.run(60)
    assert world.news() == {}
    assert world.doubt is None


def test_r31_overflow_is_a_gap_and_a_scan_of_everything() -> None:
    world = known("a.jpg")
    world.watch._queue_limit = 4  # type: ignore[union-attr]
    for number in range(20):
        world.disk.write(f"{number}.jpg")
    world.run(10)
    told = world.told()
    assert any(isinstance(one, Gap) for one in told)
    listed = {file.name for one in told if isinstance(one, Listed) for file in one.files}
    assert listed == {f"{number}.jpg" for number in range(20)}


def test_r31_watch_limit_is_said_and_scans_take_over() -> None:
    world = World()
    world.host.watch_limit = 2
    world.photos("a/1.jpg", "b/1.jpg", "c/1.jpg")
    world.clock.advance(60)
    world.mount()
    world.run(10)
    world.told()
    assert "limit" in world.engine.watching()[0]
    for directory in "abc":
        world.disk.write(f"{directory}/2.jpg")
    world.run(world.settings.rescan_s + 10)
    assert world.news() == {"listed": {"a/2.jpg", "b/2.jpg", "c/2.jpg"}}


def test_new_directories_are_entered_and_watched() -> None:
    world = known("a.jpg")
    world.disk.mkdir("new/deep")
    world.run(0.2)
    world.disk.write("new/deep/b.jpg")
    world.run(0.2)
    assert world.news() == {"listed": {"new/deep/b.jpg"}}


def test_excluded_files_and_trees_are_not_told_and_not_watched() -> None:
    world = World(patterns=("**/@eaDir/**", "**/._*"))
    world.photos("a.jpg", "._a.jpg", "@eaDir/thumb.jpg", "trip/@eaDir/x/thumb.jpg", "trip/b.jpg")
    world.clock.advance(60)
    world.mount()
    world.run(10)
    assert world.news() == {"listed": {"a.jpg", "trip/b.jpg"}}
    assert world.engine.watching()[1] == 2


def test_r29_new_exclusion_pattern_makes_no_absence() -> None:
    world = known("raw/a.jpg", "b.jpg")
    world.engine.assign(Scopes([Scope("", AT, ("**/raw/**",))]))
    world.run(60)
    assert not world.news().get("absent")


def test_import_path_added_later_is_told_from_the_beginning() -> None:
    world = known("trip/a.jpg", "b.jpg")
    world.engine.assign(Scopes([Scope("", AT, ()), Scope("trip", "/media/trip", ())]))
    world.run(10)
    assert world.news() == {"listed": {"trip/a.jpg"}}


def scoped(*patterns: str, directory: str = "", at: str = AT, import_path: str = "imp_1") -> Scope:
    return Scope(directory, at, patterns, import_path)


def test_r29_what_comes_back_is_told_and_nothing_else_is() -> None:
    world = known("raw/a.jpg", "raw/x/c.jpg", "b.jpg", "trip/d.jpg", "._e.jpg")
    world.engine.assign(Scopes([scoped()]))
    world.run(10)
    world.told()
    world.engine.assign(Scopes([scoped("**/raw/**", "**/._*", "**/nothing/**")]))
    world.run(10)
    assert world.news() == {}
    assert world.engine.watching()[1] == 2, "excluded folders are not watched"
    world.engine.assign(Scopes([scoped("**/._*")]))
    world.run(10)
    assert world.news() == {"listed": {"raw/a.jpg", "raw/x/c.jpg"}}
    assert world.engine.watching()[1] == 4
    world.engine.assign(Scopes([scoped()]))
    world.run(10)
    assert world.news() == {"listed": {"b.jpg", "._e.jpg"}}


def test_r29_what_was_deleted_while_it_was_excluded_is_gone_when_it_is_wanted_again() -> None:
    world = known("raw/a.jpg", "raw/b.jpg", "c.jpg")
    world.engine.assign(Scopes([scoped("**/raw/**")]))
    world.run(10)
    world.told()
    world.disk.unlink("raw/a.jpg")
    world.run(60)
    assert world.news() == {}, "nobody looks there"
    world.engine.assign(Scopes([scoped()]))
    world.run(60)
    assert world.news() == {"listed": {"raw/b.jpg"}, "absent": {"raw/a.jpg"}}


def test_an_excluded_file_that_changes_beside_wanted_ones_is_known_when_it_is_wanted_again() -> None:
    world = known("._a.jpg", "b.jpg")
    world.engine.assign(Scopes([scoped("**/._*")]))
    world.run(10)
    world.told()
    world.disk.write("._new.jpg")
    world.disk.unlink("._a.jpg")
    world.run(60)
    assert world.news() == {"absent": {"._a.jpg"}}
    world.engine.assign(Scopes([scoped()]))
    world.run(60)
    assert world.news() == {"listed": {"._new.jpg"}}


def test_a_second_library_with_the_same_folder_is_told_of_it_too() -> None:
    world = known("a.jpg")
    world.engine.assign(Scopes([scoped(import_path="imp_1")]))
    world.run(10)
    world.told()
    world.engine.assign(Scopes([scoped(import_path="imp_1"), scoped(import_path="imp_2")]))
    world.run(10)
    assert world.news() == {"listed": {"a.jpg"}}


def test_what_was_told_before_the_sidecar_knew_the_import_path_is_told_again() -> None:
    world = known("a.jpg")
    world.engine.assign(Scopes([scoped()]))
    world.run(10)
    world.told()
    world.engine.assign(Scopes([scoped()._replace(is_known=True)]))
    world.run(10)
    assert world.news() == {"listed": {"a.jpg"}}


def test_another_server_path_alone_tells_nothing_again() -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.engine.assign(Scopes([scoped("**/._*")]))
    world.run(10)
    world.told()
    world.engine.assign(Scopes([scoped("**/._*", at="/media/elsewhere")]))
    world.run(10)
    assert world.news() == {}


def test_an_import_path_that_leaves_is_not_watched_and_told_when_it_is_back() -> None:
    world = known("trip/a.jpg", "trip/day/b.jpg", "old/c.jpg")
    two = [scoped(directory="trip", import_path="imp_1"), scoped(directory="old", import_path="imp_2")]
    world.engine.assign(Scopes(two))
    world.run(10)
    world.told()
    watched = world.engine.watching()[1]
    world.engine.assign(Scopes(two[1:]))
    world.run(10)
    assert (world.news(), world.engine.watching()[1]) == ({}, watched - 2)
    world.engine.assign(Scopes(two))
    world.run(10)
    assert world.news() == {"listed": {"trip/a.jpg", "trip/day/b.jpg"}}


def rules_told(world: World) -> list[dict[str, str]]:
    return [one.files for one in world.told() if isinstance(one, IgnoreRules)]


def test_an_ignore_file_counts_from_the_first_look() -> None:
    world = World()
    world.photos("a.jpg", "raw/b.jpg", "trip/c.jpg", "trip/d.tif", "trip/deep/raw/e.jpg")
    world.disk.write(".holdfastignore", text="raw/\n")
    world.disk.write("trip/.holdfastignore", text="*.tif\n")
    world.clock.advance(60)
    world.mount()
    world.run(10)
    told = world.told()
    assert {file.name for one in told if isinstance(one, Listed) for file in one.files} == {"a.jpg", "c.jpg"}
    (*_, last) = [one.files for one in told if isinstance(one, IgnoreRules)]
    assert last == {"": "raw/\n", "trip": "*.tif\n"}
    assert world.engine.watching()[1] == 3, "ignored folders are not watched"


def test_r29_an_ignore_file_that_comes_and_goes_makes_no_absence() -> None:
    world = known("a.jpg", "raw/b.jpg", "raw/x/c.jpg")
    world.disk.write(".holdfastignore", text="raw/\n")
    world.run(60)
    assert rules_told(world) == [{"": "raw/\n"}]
    assert world.engine.watching()[1] == 1
    world.disk.unlink("raw/x/c.jpg")
    world.disk.write("raw/new.jpg")
    world.run(60)
    assert world.news() == {}, "nobody looks there"
    world.disk.unlink(".holdfastignore")
    world.run(60)
    told = world.told()
    assert [one.files for one in told if isinstance(one, IgnoreRules)] == [{}]
    assert {file.name for one in told if isinstance(one, Listed) for file in one.files} == {"b.jpg", "new.jpg"}
    assert [one.names for one in told if isinstance(one, Absent)] == [["c.jpg"]]
    assert world.engine.watching()[1] == 3


def test_an_ignore_file_that_cannot_be_read_stays_what_it_was() -> None:
    world = known("a.jpg", "raw/b.jpg")
    world.disk.write(".holdfastignore", text="raw/\n")
    world.run(60)
    world.told()
    world.disk.faults.path_errnos[".holdfastignore"] = errno.EACCES
    world.engine.scan()
    world.run(60)
    assert rules_told(world) == []
    assert world.engine.watching()[1] == 1


def test_ignore_files_survive_a_restart_and_are_not_told_again() -> None:
    world = known("a.jpg", "raw/b.jpg")
    world.disk.write(".holdfastignore", text="raw/\n")
    world.run(60)
    world.told()
    world.start()
    world.attach()
    world.run(60)
    assert world.news() == {}
    assert world.engine.watching()[1] == 1


def test_r34_ignore_files_are_told_whole_when_nobody_knows_what_was_told() -> None:
    world = known("a.jpg", "raw/b.jpg", "trip/c.jpg")
    with world.store.transaction():
        Journal(world.store).retell_rules()
    world.disk.write("trip/.holdfastignore", text="*.tif\n")
    world.disk.write(".holdfastignore", text="raw/\n")
    world.engine.scan()
    world.run(60)
    assert rules_told(world) == [{"": "raw/\n", "trip": "*.tif\n"}]


def test_root_of_an_import_path_that_vanishes_is_a_doubt() -> None:
    world = known("trip/a.jpg", "b.jpg")
    world.engine.assign(Scopes([Scope("trip", "/media/trip", ())]))
    world.run(10)
    world.told()
    world.disk.rename("trip", "elsewhere")
    world.engine.scan()
    world.run(60)
    assert world.news() == {}
    assert world.doubt is not None
    assert world.doubt.reason is Reason.ROOT_MISSING


def test_names_that_are_not_utf8_and_newlines_survive() -> None:
    name = "tr\0fcip\n/\0ff.jpg"
    world = known(name)
    world.disk.rename(name, "ok.jpg")
    world.run(30)
    assert world.news() == {"moved": {f"{name} > ok.jpg"}}


def test_full_spool_makes_looking_wait_and_loses_nothing() -> None:
    world = World()
    world.settings = structs.replace(world.settings, spool_bytes_max=100)
    world.start()
    world.photos(*(f"{directory}/{number}.jpg" for directory in range(300) for number in range(10)))
    world.clock.advance(60)
    world.mount()
    found: set[str] = set()
    for _ in range(40):
        world.run(1)
        assert world.outbox.pending()[0] <= 3000
        found |= world.news().get("listed", set())
    assert len(found) == 3000


def test_directories_that_trade_names_are_entered_again() -> None:
    world = known("one/a.jpg", "two/b.jpg")
    world.disk.rename("one", "x")
    world.disk.rename("two", "one")
    world.disk.rename("x", "two")
    world.run(30)
    assert world.news() == {"moved": {"one/a.jpg > two/a.jpg", "two/b.jpg > one/b.jpg"}}
    world.disk.write("one/c.jpg")
    world.run(0.2)
    assert world.news() == {"listed": {"one/c.jpg"}}


def test_file_deleted_while_it_was_being_written_is_missed() -> None:
    world = known("trip/a.mov", "b.jpg")
    world.disk.append("trip/a.mov", 10)
    world.disk.unlink("trip/a.mov")
    world.run(30)
    assert world.news() == {"absent": {"trip/a.mov"}}


def test_r21_two_looks_at_once_prove_nothing() -> None:
    world = known("trip/a.jpg", "trip/b.jpg")
    world.disk.unlink("trip/a.jpg")
    world.run(0.2)
    for number in range(4):  # every new file makes the directory be listed again
        world.disk.write(f"trip/new {number}.jpg")
        world.run(0.2)
    assert "absent" not in world.news()
    world.run(3)
    assert world.news() == {"absent": {"trip/a.jpg"}}


def test_r3_end_of_the_watch_ends_the_attachment_before_anything_is_looked_at() -> None:
    world = known("trip/a.jpg")
    world.disk.unlink("trip/a.jpg")
    world.host.umount(AT)
    calls = world.host.calls.total()
    assert world.watch is not None
    doubt = world.engine.hint(world.watch.read())
    assert doubt is not None
    assert doubt.reason is Reason.NOT_MOUNTED
    assert world.host.calls.total() == calls + 1  # reading the queue
    assert world.engine.due() is None


@pytest.mark.parametrize(("watch", "minutes"), [(True, [0, 10, 20, 30]), (False, [10, 25])])
def test_a_file_that_never_rests_is_told_as_it_is_by_then(watch: bool, minutes: list[int]) -> None:
    """A recording that goes on for hours, straight to the disk."""
    world = known("keeper.jpg", "films/a.mov", watch=watch)
    world.disk.write("films/long.mov")
    told = []
    for second in range(0, 1_900, 2):
        world.disk.append("films/long.mov", 1_000)
        if not watch and second == 0:
            world.engine.scan()
        world.run(2)
        told += [second] if "films/long.mov" in world.news().get("listed", ()) else []
    assert [round(at / 60) for at in told] == minutes
    world.run(10)
    assert world.news() == {"listed": {"films/long.mov"}}


def test_a_folder_that_comes_back_is_not_taken_for_one_that_has_never_rested() -> None:
    world = known("keeper.jpg", watch=False)

    def record(seconds: int) -> None:
        world.disk.mkdir("films")
        world.disk.write("films/long.mov")
        world.engine.scan()
        for _ in range(0, seconds, 2):
            world.disk.append("films/long.mov", 1_000)
            world.run(2)

    record(60)
    world.disk.unlink("films/long.mov")
    world.disk.rmdir("films")
    world.run(900)
    world.news()
    record(60)
    assert "listed" not in world.news()
