"""What the kernel's events mean, without a kernel."""

from __future__ import annotations

from agent.linux import watched as inotify
from agent.linux.watched import RawEvent, Watched
from agent.ports import Hint, Lost


def watching(*directories: str) -> Watched:
    """Watches with the descriptors 1, 2, 3, … for these directories."""
    known = Watched()
    for wd, directory in enumerate(directories, 1):
        known.bind(wd, directory)
    return known


def test_a_file_that_is_written_and_closed() -> None:
    known = watching("", "2024")
    hints, gone = known.understand(
        [
            RawEvent(2, inotify.CREATE, "a.jpg"),
            RawEvent(2, inotify.MODIFY, "a.jpg"),
            RawEvent(2, inotify.MODIFY, "a.jpg"),
            RawEvent(2, inotify.CLOSE_WRITE, "a.jpg"),
        ]
    )
    assert hints == [Hint("2024", "a.jpg", written=True), Hint("2024", "a.jpg", whole=True)]
    assert gone == []


def test_r3_an_unmount_drops_what_was_queued_before_it() -> None:
    known = watching("", "2024")
    hints, gone = known.understand(
        [
            RawEvent(2, inotify.DELETE, "a.jpg"),
            RawEvent(1, inotify.UNMOUNT, ""),
            RawEvent(1, inotify.IGNORED, ""),
        ]
    )
    assert hints == [Lost("", inotify.UNMOUNTED, ended=True)]
    assert (len(known), gone) == (0, [])


def test_r31_an_overflow_is_a_loss_everywhere() -> None:
    hints, _ = watching("2024").understand([RawEvent(-1, inotify.Q_OVERFLOW, "")])
    assert hints == [Lost("", inotify.OVERFLOWED)]


def test_the_watches_below_a_renamed_directory_are_given_back() -> None:
    known = watching("", "a", "a/b", "a/b/c", "ab")
    hints, gone = known.understand(
        [
            RawEvent(1, inotify.MOVED_FROM | inotify.ISDIR, "a"),
            RawEvent(1, inotify.MOVED_TO | inotify.ISDIR, "z"),
            RawEvent(2, inotify.MOVE_SELF, ""),
        ]
    )
    assert hints == [Hint("", "a", replaced=True), Hint("", "z", replaced=True)]
    assert sorted(gone) == [2, 3, 4]
    assert sorted(known) == ["", "ab"]


def test_a_directory_that_was_watched_again_under_its_new_name_is_lost_aloud() -> None:
    # The rename was queued, a scan found the new name first: the same inode, so the same descriptor.
    known = watching("", "a", "a/b")
    assert known.bind(2, "z") == []
    hints, gone = known.understand(
        [
            RawEvent(1, inotify.MOVED_FROM | inotify.ISDIR, "a"),
            RawEvent(1, inotify.MOVED_TO | inotify.ISDIR, "z"),
            RawEvent(2, inotify.MOVE_SELF, ""),
        ]
    )
    assert Lost("z", inotify.MOVED) in hints
    assert sorted(gone) == [2, 3]
    assert list(known) == [""]


def test_another_directory_of_the_same_name_takes_the_place_of_the_old_one() -> None:
    known = watching("", "a")
    assert known.bind(9, "a") == [2]
    hints, _ = known.understand([RawEvent(2, inotify.DELETE_SELF, ""), RawEvent(2, inotify.IGNORED, "")])
    assert hints == []
    hints, _ = known.understand([RawEvent(9, inotify.CREATE, "x.jpg")])
    assert hints == [Hint("a", "x.jpg", written=True)]


def test_a_removed_directory_is_told_by_itself_and_by_its_parent() -> None:
    known = watching("", "a")
    hints, gone = known.understand(
        [
            RawEvent(2, inotify.DELETE_SELF, ""),
            RawEvent(2, inotify.IGNORED, ""),
            RawEvent(1, inotify.DELETE | inotify.ISDIR, "a"),
        ]
    )
    assert hints == [Hint("a", ""), Hint("", "a", replaced=True)]
    assert (list(known), gone) == ([""], [])


def test_r31_a_watch_that_the_kernel_ends_without_a_reason_is_a_loss() -> None:
    hints, _ = watching("a").understand([RawEvent(1, inotify.IGNORED, "")])
    assert hints == [Lost("a", inotify.ENDED)]


def test_events_of_a_watch_that_was_given_back_are_dropped() -> None:
    known = watching("a")
    assert known.unbind("a") == [1]
    assert known.understand([RawEvent(1, inotify.CREATE, "x.jpg"), RawEvent(1, inotify.IGNORED, "")]) == ([], [])


def test_a_subtree_is_forgotten_by_whole_segments_and_through_unwatched_directories() -> None:
    known = watching("a", "a/b/c/d", "ab", "a-b")
    assert sorted(known.unbind("a/b")) == [2]
    assert known.bind(2, "a/b/c/d") == []
    assert sorted(known.unbind("a")) == [1, 2]
    assert sorted(known) == ["a-b", "ab"]
    assert sorted(known.unbind("")) == [3, 4]
    assert len(known) == 0


def test_nothing_is_remembered_of_directories_that_are_not_watched_any_more() -> None:
    known = Watched()
    for number in range(100):
        known.bind(number, f"{number}/deep/er")
        known.unbind(f"{number}/deep/er")
    for number in range(100):
        known.bind(number, f"{number}/deep/er")
        known.understand([RawEvent(number, inotify.DELETE_SELF, ""), RawEvent(number, inotify.IGNORED, "")])
    assert not known._children
    assert not known._directory_of
