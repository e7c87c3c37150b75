"""What happened, told in few and truthful lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.up.narrate import (
    FOLD_ABOVE,
    LINES_MAX,
    FileEvent,
    Note,
    Tone,
    VolumeEvent,
    common_directory,
    fold,
    tell,
)


def added(path: str, at: float = 1.0) -> FileEvent:
    return FileEvent(at=at, kind="added", path=path)


def told(*events: FileEvent) -> list[str]:
    return [f"{line.sign} {line.text}" for line in fold(events)]


def test_a_few_files_are_named() -> None:
    assert told(added("trip/a.jpg"), added("b.jpg")) == ["+ trip/a.jpg", "+ b.jpg"]


def test_many_in_one_folder_are_folded() -> None:
    assert told(*(added(f"trip/{n}.jpg") for n in range(312))) == ["+ 312 photos in trip/"]


def test_videos_are_counted_apart() -> None:
    clips = [FileEvent(at=1, kind="added", path=f"trip/{n}.mp4", is_video=True) for n in range(2)]
    assert told(*clips, *(added(f"trip/{n}.jpg") for n in range(3))) == ["+ 3 photos and 2 videos in trip/"]


def test_the_top_folder_has_a_name() -> None:
    assert told(*(added(f"{n}.jpg") for n in range(5))) == ["+ 5 photos in the top folder"]


def test_many_folders_are_folded_to_what_they_share() -> None:
    events = [added(f"trip/day{n}/{m}.jpg") for n in range(LINES_MAX + 1) for m in range(5)]
    assert told(*events) == [f"+ {len(events)} photos in {LINES_MAX + 1} folders under trip/"]


def test_kinds_are_never_folded_together() -> None:
    gone = [FileEvent(at=1, kind="missing", path=f"a/{n}.jpg") for n in range(5)]
    assert told(*gone, *(added(f"a/{n}.jpg") for n in range(4))) == ["- 5 photos in a/ missing", "+ 4 photos in a/"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("added", "+ a.jpg"),
        ("updated", "~ a.jpg changed"),
        ("moved", "> a.jpg moved"),
        ("missing", "- a.jpg missing"),
        ("restored", "+ a.jpg back"),
        ("excluded", "x a.jpg excluded by a rule"),
        ("included", "+ a.jpg included again"),
        ("unreadable", "! a.jpg unreadable"),
        ("removed", "- a.jpg removed from the catalog"),
        ("reborn", "* a.jpg reborn"),
    ],
)
def test_every_kind_is_told_in_words(kind: str, expected: str) -> None:
    assert told(FileEvent(at=1, kind=kind, path="a.jpg")) == [expected]


def test_a_brace_in_a_name_is_only_a_brace() -> None:
    assert told(FileEvent(at=1, kind="missing", path="{}{0}.jpg")) == ["- {}{0}.jpg missing"]


def moved(old: str | None, new: str) -> FileEvent:
    return FileEvent(at=1, kind="moved", path=new, origin=old)


def test_a_move_shows_both_places() -> None:
    assert told(moved("a/x.jpg", "b/y.jpg")) == ["> a/x.jpg -> b/y.jpg"]


def test_many_moves_from_one_folder_to_another_are_folded() -> None:
    assert told(*(moved(f"a/{n}.jpg", f"b/{n}.jpg") for n in range(20))) == ["> 20 photos a/ -> b/"]
    assert told(*(moved(f"a/{n}.jpg", f"a/x{n}.jpg") for n in range(5))) == ["> 5 photos renamed in a/"]
    assert told(*(moved(None, f"b/{n}.jpg") for n in range(60))) == ["> 60 photos in b/ moved"]


def test_names_cannot_reach_the_terminal_as_commands() -> None:
    (line,) = fold([added("\x1b[2Jtrip/a\n.jpg")])
    assert line.text.isprintable()
    (line,) = tell([VolumeEvent(at=1, label="\x1b[2J", state="offline", detail="\a")])
    assert line.text.isprintable()


def volume_line(state: str, was: str | None) -> str:
    event = VolumeEvent(at=1, label="USB", state=state, detail="Why and what to do.", was=was, assets=1000)
    (line,) = tell([event])
    return f"{line.sign} {line.text}"


def test_volumes_come_and_go() -> None:
    assert volume_line("offline", "online") == "! volume USB went away: Why and what to do."
    assert volume_line("online", "offline") == "* volume USB is back: 1,000 photos"
    assert volume_line("online", None) == "* volume USB is online: 1,000 photos"
    assert volume_line("conflict", "online") == "! volume USB is conflict: Why and what to do."


def test_order_is_kept_between_volumes_and_files() -> None:
    away = VolumeEvent(at=2, label="USB", state="offline", detail="Gone.")
    lines = tell([added("a.jpg", 1), away, Note(at=3, text="scanned again"), added("b.jpg", 4)])
    assert [line.at for line in lines] == [1, 2, 3, 4]


def test_trouble_is_told_as_trouble() -> None:
    (line,) = tell([Note(at=1, text="the agent has not been heard from", is_trouble=True)])
    assert line.tone is Tone.BAD


file_events = st.builds(
    FileEvent,
    at=st.floats(0, 1e9),
    kind=st.sampled_from(["added", "missing", "moved", "updated"]),
    path=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4).map("/".join),
    is_video=st.booleans(),
    origin=st.sampled_from([None, "a/x", "b/x"]),
)


@given(st.lists(file_events, max_size=120))
def test_folding_bounds_the_lines_and_loses_no_file(events: list[FileEvent]) -> None:
    lines = fold(events)
    kinds = {event.kind for event in events}
    assert len(lines) <= max(LINES_MAX, len(kinds))
    counted = 0
    for line in lines:
        numbers = [int(found.replace(",", "")) for found in re.findall(r"([\d,]+) (?:photo|video)", line.text)]
        counted += sum(numbers) or 1
    assert counted == len(events)


def test_a_folder_is_folded_only_above_the_limit() -> None:
    assert len(told(*(added(f"a/{n}.jpg") for n in range(FOLD_ABOVE)))) == FOLD_ABOVE
    assert len(told(*(added(f"a/{n}.jpg") for n in range(FOLD_ABOVE + 1)))) == 1


@pytest.mark.parametrize(
    ("directories", "expected"),
    [
        (["a/b/c", "a/b/d"], "a/b"),
        (["a/b", "a/b/c"], "a/b"),
        (["ab", "a"], ""),
        (["", "a"], ""),
        (["a"], "a"),
        ([], ""),
    ],
)
def test_what_directories_share(directories: list[str], expected: str) -> None:
    assert common_directory(directories) == expected
