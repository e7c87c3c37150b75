"""Watching on every kind of file system, with the watch that the agent picks there, and with inotify where that could
be another one: whatever people do, what is told is what is there.

Where no watch sees what others change, that is said, and the looks that come by themselves find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux.watched import OVERFLOWED, UNMOUNTED
from agent.settings import WatchChoice
from holdfast.reports import Absent, Gap, Moved
from tests.linux.disks import Disks
from tests.linux.queues import EVENTS, few_events
from tests.linux.watching import AT_ONCE_S, IMPORT_PATH, SETTLED_S, Ground, Watcher

MARK = "fanotify, one mark"
WISHED = 'inotify, 3 directories (watch = "inotify" in agent.toml)'
# How each is watched, as `status` says it.
KINDS: dict[tuple[str, WatchChoice], str] = {
    ("ext4", "auto"): MARK,
    ("ext4", "inotify"): WISHED,
    ("xfs", "auto"): MARK,
    ("xfs", "inotify"): WISHED,
    ("btrfs", "auto"): MARK,
    ("btrfs", "inotify"): WISHED,
    ("tmpfs", "auto"): MARK,
    ("tmpfs", "inotify"): WISHED,
    ("ntfs-3g", "auto"): "inotify, 3 directories (fanotify needs handles that last, which fuseblk lacks)",
    ("bindfs", "auto"): "scans only (a watch does not see what others change on fuse)",
}
# Where an inode number with its birth names a file for good.
STABLE = ("ext4", "xfs", "btrfs", "tmpfs")

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize(
        ("ground", "watch"), KINDS, ids=[f"{kind}-{watch}" for kind, watch in KINDS], indirect=["ground"]
    ),
]


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Mounted once for all tests, which clear it."""
    drawer = Disks(tmp_path_factory.mktemp("disks"))
    made = Ground(request.param, drawer, tmp_path_factory.mktemp(request.param))
    made.mount()
    yield made
    made.close()
    drawer.close()


@pytest.fixture
def watcher(ground: Ground, watch: WatchChoice, tmp_path: Path) -> Iterator[Watcher]:
    """With two photos, found and told by the first scan. One stays: a volume that turns empty is another story (R2)."""
    ground.clear()
    photo(ground, "stays/one.jpg")
    photo(ground, "trip/old.jpg")
    one = Watcher(ground, tmp_path / "journal.sqlite3", watch)
    try:
        one.begin()
        yield one
    finally:
        one.close()


def photo(ground: Ground, path: str) -> None:
    """A new photo, written and closed."""
    place = ground.at(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"\xff\xd8\xff\xe0")


def sees_all(watcher: Watcher, ground: Ground) -> None:
    """What is told by now is what is there."""
    watcher.see()
    assert watcher.believed == ground.photos()


def test_how_changes_are_seen_is_said(watcher: Watcher, ground: Ground, watch: WatchChoice) -> None:
    assert watcher.watching() == KINDS[ground.kind, watch]


def test_a_file_is_told_when_it_was_written_and_closed(watcher: Watcher, ground: Ground) -> None:
    before = watcher.believed
    with ground.at("trip/new.jpg").open("wb", buffering=0) as file:
        file.write(b"\xff\xd8")
        watcher.run(AT_ONCE_S)
        file.write(b"\xff\xe0")
        watcher.run(AT_ONCE_S)
        assert watcher.believed == before
    watcher.run(AT_ONCE_S)
    assert watcher.believed == (ground.photos() if watcher.is_watched else before)
    sees_all(watcher, ground)


def test_a_file_that_is_not_closed_is_told_when_it_rests(watcher: Watcher, ground: Ground) -> None:
    with ground.at("trip/new.jpg").open("wb", buffering=0) as file:
        file.write(b"\xff\xd8")
        sees_all(watcher, ground)


def test_a_rename_is_told_within_a_directory_and_to_another_one(watcher: Watcher, ground: Ground) -> None:
    photo(ground, "other/one.jpg")
    sees_all(watcher, ground)
    watcher.news()
    for old, new in (("trip/old.jpg", "trip/new.jpg"), ("trip/new.jpg", "other/two.jpg"), ("other", "trip/within")):
        ground.at(old).rename(ground.at(new))
        watcher.run(AT_ONCE_S)
        if ground.kind not in STABLE:
            watcher.see()
        assert watcher.believed == ground.photos(), (old, new)
    are_moves = {isinstance(one, Moved) for one in watcher.news() if isinstance(one, Moved | Absent)}
    assert are_moves == {ground.kind in STABLE}


def test_a_deletion_is_told_after_a_second_look(watcher: Watcher, ground: Ground) -> None:
    photo(ground, "trip/other.jpg")
    sees_all(watcher, ground)
    ground.at("trip/old.jpg").unlink()
    sees_all(watcher, ground)
    ground.remove("trip")
    sees_all(watcher, ground)
    assert watcher.believed == {f"{IMPORT_PATH}/stays/one.jpg"}


def test_files_that_were_in_a_new_directory_before_anybody_could_watch_it_are_told(
    watcher: Watcher, ground: Ground
) -> None:
    photo(ground, "new/1.jpg")
    photo(ground, "new/er/still/2.jpg")
    sees_all(watcher, ground)
    photo(ground, "new/er/still/3.jpg")
    photo(ground, "new/er/4.jpg")
    sees_all(watcher, ground)


def test_a_directory_that_goes_and_comes_back_is_followed(watcher: Watcher, ground: Ground) -> None:
    photo(ground, "trip/day/1.jpg")
    sees_all(watcher, ground)
    aside = ground.hands / "elsewhere/trip"
    ground.at("trip").rename(aside)
    sees_all(watcher, ground)
    assert watcher.believed == {f"{IMPORT_PATH}/stays/one.jpg"}
    (aside / "day/2.jpg").write_bytes(b"\xff\xd8")
    watcher.see()
    assert len(watcher.believed) == 1, "what is outside concerns nobody"
    aside.rename(ground.at("back"))
    sees_all(watcher, ground)
    photo(ground, "back/day/3.jpg")
    ground.at("back/day/1.jpg").unlink()
    sees_all(watcher, ground)


def test_r31_more_events_than_the_kernel_keeps_end_in_a_scan_that_finds_all(watcher: Watcher, ground: Ground) -> None:
    with few_events():
        watcher.adopt()
    watcher.see()
    watcher.news()
    for number in range(EVENTS):
        photo(ground, f"card/{number % 2}/{number}.jpg")
        photo(ground, f"trip/{number}.jpg")
    sees_all(watcher, ground)
    gaps = [one for one in watcher.news() if isinstance(one, Gap)]
    assert gaps == ([Gap("", OVERFLOWED)] if watcher.is_watched else [])
    photo(ground, "card/0/later.jpg")
    sees_all(watcher, ground)


def test_r3_an_unmount_ends_it_and_nothing_is_gone(watcher: Watcher, ground: Ground) -> None:
    before = watcher.believed
    photo(ground, "trip/unseen.jpg")
    ground.umount()
    try:
        watcher.see()
        if watcher.watching().startswith("inotify"):
            assert [one.detail for one in watcher.doubts()] == [UNMOUNTED]
        watcher.scan()  # others hear of it from the mount table, and would not look again
        assert len(watcher.doubts()) == 1
        watcher.run(SETTLED_S)
        assert watcher.believed == before
    finally:
        ground.mount()
    if ground.kind == "tmpfs":
        return  # which has lost everything, and is another one now
    watcher.begin()
    assert watcher.believed == ground.photos()
    photo(ground, "trip/new.jpg")
    sees_all(watcher, ground)


def test_a_directory_that_takes_the_place_of_another_is_entered_and_followed(watcher: Watcher, ground: Ground) -> None:
    photo(ground, "other/deep/1.jpg")
    sees_all(watcher, ground)
    ground.at("trip").rename(ground.at("aside"))
    ground.at("other").rename(ground.at("trip"))
    sees_all(watcher, ground)
    for path in ("trip/2.jpg", "trip/deep/3.jpg", "aside/4.jpg"):
        photo(ground, path)
    sees_all(watcher, ground)


def test_a_directory_that_is_removed_and_made_anew_is_entered_and_followed(watcher: Watcher, ground: Ground) -> None:
    photo(ground, "trip/deep/1.jpg")
    sees_all(watcher, ground)
    ground.remove("trip")
    photo(ground, "trip/deep/2.jpg")
    sees_all(watcher, ground)
    photo(ground, "trip/3.jpg")
    photo(ground, "trip/deep/4.jpg")
    sees_all(watcher, ground)


def test_a_directory_that_takes_the_place_of_an_empty_one_is_entered_and_followed(
    watcher: Watcher, ground: Ground
) -> None:
    ground.at("empty").mkdir()
    photo(ground, "trip/empty/1.jpg")
    sees_all(watcher, ground)
    ground.at("trip/empty").rename(ground.at("empty"))
    sees_all(watcher, ground)
    photo(ground, "empty/2.jpg")
    sees_all(watcher, ground)
