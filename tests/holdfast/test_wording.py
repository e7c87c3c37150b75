"""Numbers, times and names in words."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import wording


@pytest.mark.parametrize(
    ("photos", "videos", "expected"),
    [
        (0, 0, "no photos"),
        (1, 0, "1 photo"),
        (0, 1, "1 video"),
        (1000, 2, "1,000 photos and 2 videos"),
    ],
)
def test_photos_and_videos(photos: int, videos: int, expected: str) -> None:
    assert wording.photos_and_videos(photos, videos) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (245_100_000_000, "245.1 GB"),
        (1_500_000_000_000_000, "1,500.0 TB"),
    ],
)
def test_sizes_use_the_units_disks_are_sold_in(number: int, expected: str) -> None:
    assert wording.size(number) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.0 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert wording.duration(seconds) == expected


def test_the_time_of_day() -> None:
    assert wording.clock(14 * 3600 + 3 * 60 + 22.9, UTC) == "14:03:22"


@given(st.text())
def test_a_shown_name_can_do_nothing_to_a_terminal(name: str) -> None:
    assert wording.shown(name).isprintable()


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_an_ordinary_name_is_shown_as_it_is(name: str) -> None:
    assert wording.shown(name) == name


def test_control_characters_are_spelled_out() -> None:
    assert wording.shown("a\nb\x1b[2J\u202e.jpg") == "a\\x0ab\\x1b[2J\\u202e.jpg"
