"""Sentinels (R9): what vanishes together is not believed, what vanishes alone is, and nothing is stuck for ever."""

from __future__ import annotations

import pytest
from msgspec.msgpack import encode

from agent.filesystems import traits
from agent.journal import Journal
from agent.ports import FileEntry, Sought
from agent.scopes import Scope, Scopes
from agent.sentinels import Group, Verdict, groups, judge, left
from agent.store import Store
from holdfast.gate import Check
from holdfast.reports import Absent
from holdfast.volumes import Reason
from tests.agent.world import AT, World, known

LOCAL, SHARE = "ext4", "nfs4"
HERE, GONE, MISSED, BACK = "here", "gone", "missed", "back"


def group(name: str, kind: str) -> tuple[Group, dict[Sought, bool]]:
    """A group of ten files: as it should be; not at its name any more; missed by the listings; there after all."""
    sample, lost = Sought(name, "a.jpg"), Sought(name, "b.jpg")
    match kind:
        case "here":
            return Group(0, 0, (sample,), ()), {sample: True}
        case "gone":
            return Group(0, 0, (sample,), ()), {sample: False}
        case "missed":
            return Group(0, 10, (), (lost,)), {lost: False}
        case "back":
            return Group(0, 10, (), (lost,)), {lost: True}
        case "one of ten missed":
            return Group(9, 1, (sample,), (lost,)), {sample: True, lost: False}
        case _:
            return Group(4, 6, (sample,), (lost,)), {sample: True, lost: False}


@pytest.mark.parametrize(
    ("fs_type", "kinds", "verdict"),
    [
        (LOCAL, [], Verdict.NONE_LEFT),
        (LOCAL, [MISSED], Verdict.NONE_LEFT),
        (LOCAL, [HERE, MISSED], Verdict.FOUND),
        (LOCAL, [HERE, MISSED, MISSED], Verdict.FOUND),
        (LOCAL, [MISSED, MISSED], Verdict.NONE_LEFT),
        (LOCAL, [MISSED, MISSED, MISSED], Verdict.TOGETHER),
        (LOCAL, [MISSED, GONE, GONE], Verdict.TOGETHER),
        (LOCAL, [MISSED, GONE], Verdict.NOT_FOUND),
        (LOCAL, [HERE, BACK], Verdict.FOUND),
        (LOCAL, [BACK, MISSED, MISSED], Verdict.NONE_LEFT),
        (SHARE, [MISSED], Verdict.NONE_LEFT),
        (SHARE, [HERE, MISSED], Verdict.FOUND),
        (SHARE, [HERE, MISSED, MISSED], Verdict.TOGETHER),
        (SHARE, [HERE, MISSED, GONE], Verdict.TOGETHER),
        (SHARE, [HERE, "most missed", "most missed"], Verdict.TOGETHER),
        (SHARE, ["one of ten missed", "one of ten missed", "one of ten missed"], Verdict.FOUND),
        (SHARE, [GONE], Verdict.NOT_FOUND),
        (SHARE, [HERE, BACK, MISSED], Verdict.FOUND),
    ],
)
def test_r9_what_vanished_together(fs_type: str, kinds: list[str], verdict: Verdict) -> None:
    made = [group(f"top {number}", kind) for number, kind in enumerate(kinds)]
    found = {place: there for _, answers in made for place, there in answers.items()}
    assert judge([one for one, _ in made], found, traits(fs_type)) is verdict


@pytest.mark.parametrize("fs_type", [LOCAL, SHARE])
def test_r9_a_file_that_a_listing_lacks_and_that_is_there_by_its_name_contradicts_it(fs_type: str) -> None:
    one, found = group("top", BACK)
    assert judge([one], found, traits(fs_type), unlisted=one.missed_samples) is Verdict.CONTRADICTED


def test_r9_what_could_not_be_looked_at_is_neither_there_nor_gone() -> None:
    gone = [group(f"top {number}", GONE)[0] for number in range(3)]
    assert judge(gone, {}, traits(SHARE)) is Verdict.NOT_FOUND


def test_r9_files_of_a_disk_may_have_moved_while_it_was_away() -> None:
    made = [group(f"top {number}", GONE) for number in range(3)]
    found = {place: there for _, answers in made for place, there in answers.items()}
    groups = [one for one, _ in made]
    assert judge(groups, found, traits(LOCAL), adopting=True) is Verdict.NOT_FOUND
    assert judge(groups, found, traits(SHARE), adopting=True) is Verdict.TOGETHER


# The whole engine

LIBRARY = [f"{year}/{name}.jpg" for year in ("2021", "2022", "2023", "2024") for name in "abc"]


def scan(world: World, seconds: float = 60) -> None:
    world.engine.scan()
    world.run(seconds)


def absent(world: World) -> set[str]:
    return world.news().get("absent", set())


@pytest.mark.parametrize("fs_type", ["ext4", "vfat", "nfs4", "fuse.mergerfs"])
def test_r9_one_top_directory_that_was_deleted_is_told_with_the_sentinels_in_its_proof(fs_type: str) -> None:
    world = known(*LIBRARY, fs_type=fs_type, watch=fs_type in ("ext4", "vfat"))
    world.disk.rmtree("2022")
    scan(world)
    assert world.doubt is None
    absences = [one for one in world.told() if isinstance(one, Absent)]
    assert {one.directory for one in absences} == {"2022"}
    assert all(Check.SENTINELS in one.proof.gate for one in absences)


def test_r9_a_proof_does_not_claim_photos_that_nobody_found() -> None:
    world = known("trip/a.jpg")
    world.disk.unlink("trip/a.jpg")
    scan(world)
    (one,) = [one for one in world.told() if isinstance(one, Absent)]
    assert Check.SENTINELS not in one.proof.gate


@pytest.mark.parametrize("fs_type", ["nfs4", "cifs", "fuse.rclone", "fuse.mergerfs"])
def test_r9_a_share_that_lists_short_in_several_places_is_suspect_until_it_is_well(fs_type: str) -> None:
    world = known(*LIBRARY, fs_type=fs_type, watch=False)
    world.disk.write("new")  # the times of the root move, as those of a union do that lost a branch
    world.disk.faults.hidden = lambda path: path.startswith(("2021", "2022"))
    scan(world)
    assert absent(world) == set()
    assert world.doubt is not None
    assert world.doubt.reason is Reason.PARTIAL
    for _ in range(3):  # it is tried again and again, and does not go online in between
        assert world.attach() is not None
        assert world.doubt.reason is Reason.PARTIAL
    world.disk.faults.clear()
    assert world.attach() is None
    world.run(60)
    assert world.news().get("absent", set()) == set()


def test_r9_a_disk_that_lost_everything_but_a_stray_file_is_suspect() -> None:
    world = known(*LIBRARY)
    world.disk.write("notes.txt")
    for year in ("2021", "2022", "2023", "2024"):
        world.disk.rmtree(year)
    scan(world)
    assert absent(world) == set()
    assert world.doubt is not None
    assert world.doubt.reason is Reason.PARTIAL
    assert world.attach() is not None


def test_r9_a_disk_that_was_put_in_order_while_it_was_away_has_moved_and_lost_nothing() -> None:
    world = known(*LIBRARY)
    world.host.umount(AT)
    world.run(1)
    world.disk.mkdir("Photos")
    for year in ("2021", "2022", "2023", "2024"):
        world.disk.rename(year, f"Photos/{year}")
    world.mount()
    world.run(60)
    assert world.doubt is None
    assert world.news() == {"moved": {f"{path} > Photos/{path}" for path in LIBRARY}}


@pytest.mark.parametrize("fs_type", ["ext4", "nfs4"])
def test_r9_a_volume_with_one_top_directory_is_not_stuck(fs_type: str) -> None:
    world = known("trip/a.jpg", "trip/b.jpg", fs_type=fs_type, watch=False)
    world.disk.write("notes.txt")
    world.disk.rmtree("trip")
    scan(world)
    assert world.doubt is None
    assert absent(world) == {"trip/a.jpg", "trip/b.jpg"}


def test_r9_a_listing_that_lacks_what_is_there_by_name_is_contradicted() -> None:
    world = known(*LIBRARY, fs_type="fuse.rclone", watch=False)
    world.disk.write("2021/new.txt")
    world.disk.faults.hidden = lambda path: path == "2021/a.jpg"
    world.disk.faults.still_found = True
    scan(world)
    assert absent(world) == set()
    assert world.doubt is not None
    assert world.doubt.reason is Reason.PARTIAL
    assert world.doubt.directory == "2021"


@pytest.mark.parametrize("lie", [f"2021/{name}.jpg" for name in "bc"])
def test_r9_of_a_share_each_photo_is_asked_for_that_is_to_be_called_gone(lie: str) -> None:
    world = known(*LIBRARY, fs_type="fuse.rclone", watch=False)
    world.disk.unlink("2021/a.jpg")
    world.disk.faults.hidden = lambda path: path == lie
    world.disk.faults.still_found = True
    scan(world)
    assert absent(world) == set()
    assert world.doubt is not None
    assert (world.doubt.reason, world.doubt.directory) == (Reason.PARTIAL, "2021")


@pytest.mark.parametrize("fs_type", ["ext4", "vfat", "nfs4"])
def test_r1_a_disk_that_only_its_caches_answer_for_proves_nothing(fs_type: str) -> None:
    world = known(*LIBRARY, fs_type=fs_type, watch=False)
    world.disk.unlink("2021/a.jpg")
    world.engine.scan()
    world.run(0.5)
    world.disk.faults.dead_below_caches = True
    world.run(60)
    assert absent(world) == set()
    assert world.doubt is not None
    assert world.doubt.reason is Reason.IO_ERROR


def test_r41_sentinels_are_looked_for_only_when_adopting_and_before_an_absence() -> None:
    world = known(*LIBRARY)
    before = world.host.calls["files.look_for"]
    world.disk.write("2021/new.jpg")
    world.disk.rename("2021/a.jpg", "2022/moved.jpg")
    scan(world)
    assert world.host.calls["files.look_for"] == before
    world.disk.unlink("2021/new.jpg")
    scan(world)
    assert world.host.calls["files.look_for"] == before + 1


# A person said: what is there now is true


@pytest.mark.parametrize("fs_type", ["ext4", "nfs4"])
def test_a_person_accepts_what_vanished_together(fs_type: str) -> None:
    world = known(*LIBRARY, fs_type=fs_type, watch=False)
    world.disk.write("notes.txt")
    for year in ("2021", "2022", "2023", "2024"):
        world.disk.rmtree(year)
    scan(world)
    assert world.doubt is not None
    assert world.attach(accepted=True) is None
    world.run(60)
    assert absent(world) == set(LIBRARY)


def test_a_person_accepts_an_empty_root_and_what_did_not_move_its_directory() -> None:
    world = known("a.jpg", "trip/b.jpg")
    world.disk.unlink("a.jpg")
    world.disk.rmtree("trip")
    world.disk.root.mtime_ns, world.disk.root.ctime_ns = world.disk.root.birth_ns, world.disk.root.birth_ns
    scan(world)
    assert world.doubt is not None
    assert world.doubt.reason is Reason.EMPTY
    assert world.attach() is not None
    assert world.attach(accepted=True) is None
    world.run(60)
    assert absent(world) == {"a.jpg", "trip/b.jpg"}


def test_what_a_person_accepted_ends_with_the_first_scan() -> None:
    world = known(*LIBRARY)
    assert world.attach(accepted=True) is None
    world.run(60)
    world.disk.faults.empty = True
    scan(world)
    assert absent(world) == set()
    assert world.doubt is not None
    assert world.doubt.reason is Reason.EMPTY


def test_choosing_whom_to_look_for_reads_no_more_of_a_large_library() -> None:
    """A disk that is plugged in is available when they are found, however many folders it has."""
    assert steps(folders=2_000) < 1.5 * steps(folders=20)


def steps(folders: int) -> int:
    """How many instructions SQLite executes to say which files are to be looked for."""
    store = Store(":memory:", "vol_1", "jrn_1")
    journal = Journal(store)
    file = encode([FileEntry("a.jpg", 7, 1, 1, 1)])
    with store.transaction():
        journal.believe("", encode([]), encode([]), encode({"photos": 1}))
        journal.believe("photos", encode([]), encode([]), encode({f"{one:04d}": one + 2 for one in range(folders)}))
        for one in range(folders):
            journal.believe(f"photos/{one:04d}", file, encode([None]), encode({}))
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    store.db.set_progress_handler(tick, 1)
    chosen = left(groups(journal, Scopes([Scope("", "/srv/photos", ())])))
    store.close()
    assert {place.directory for place in chosen} == {"photos/0000", f"photos/{folders - 1:04d}"}
    return ticks
