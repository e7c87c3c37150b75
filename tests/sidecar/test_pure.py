"""The small decisions: statuses, cursors, companions, silence."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.media import Kind
from holdfast.volumes import VolumeState
from sidecar import companions, cursor, silence
from sidecar.asset import Asset, Availability, Status, availability, change_kind, status


def asset(**facts: Any) -> Asset:
    place = {"id": b"i" * 16, "library": b"l" * 16, "volume": b"v" * 16, "import_path": b"p" * 16}
    return Asset(**{**place, "path": b"a.jpg", "kind": Kind.IMAGE, "size": 1, "mtime_ns": 1, "created_at": 1, **facts})


FACTS: dict[str, Any] = {"removed_at": 1, "excluded_by": "p", "absent_since": 1, "unreadable_error": "EIO"}
STATUSES = [Status.REMOVED, Status.EXCLUDED, Status.MISSING, Status.UNREADABLE, Status.PRESENT]


def test_of_several_facts_the_first_of_the_table_decides() -> None:
    for chosen in itertools.product([False, True], repeat=4):
        facts = {name: value for (name, value), there in zip(FACTS.items(), chosen, strict=True) if there}
        first = next((place for place, there in enumerate(chosen) if there), 4)
        assert status(asset(**facts)) is STATUSES[first]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({}, {"size": 2}, "asset.updated"),
        ({}, {"path": b"b.jpg"}, "asset.moved"),
        ({}, {"absent_since": 1}, "asset.missing"),
        ({}, {"unreadable_error": "EIO"}, "asset.unreadable"),
        ({}, {"excluded_by": "p", "path": b"b.jpg"}, "asset.excluded"),
        ({}, {"removed_at": 1}, "asset.removed"),
        ({"absent_since": 1}, {}, "asset.restored"),
        ({"unreadable_error": "EIO"}, {}, "asset.restored"),
        ({"absent_since": 1}, {"path": b"b.jpg"}, "asset.moved"),
        ({"excluded_by": "p"}, {}, "asset.included"),
        ({"excluded_by": "p"}, {"excluded_by": "p", "path": b"b.jpg"}, "asset.moved"),
    ],
)
def test_the_feed_names_a_change_by_what_matters_most(before: Any, after: Any, kind: str) -> None:
    assert change_kind(asset(**before), asset(**after)) == kind


def test_r36_only_what_is_known_to_be_away_is_unavailable() -> None:
    assert availability(VolumeState.UNKNOWN) is Availability.UNKNOWN
    away = {state for state in VolumeState if availability(state) is Availability.UNAVAILABLE}
    assert away == {VolumeState.OFFLINE, VolumeState.SUSPECT, VolumeState.CONFLICT}


def test_companions_in_their_order() -> None:
    assert companions.chosen(b"d/a.jpg", {b"d/a.xmp", b"d/a.jpg.XMP"}) == b"d/a.jpg.XMP"
    assert companions.chosen(b"d/a.jpg", {b"d/a.xmp"}) == b"d/a.xmp"
    assert companions.chosen(b"d/a.jpg", {b"a.xmp", b"d/b.xmp"}) is None


@given(st.binary(min_size=1, max_size=8).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_the_range_of_an_xmp_holds_every_photo_that_it_describes(stem: bytes) -> None:
    photo = b"d/" + stem + b".jpg"
    for xmp in companions.candidates(photo):
        exact, low, high = companions.described(xmp)
        assert photo == exact or low <= photo < high


def test_cursors_come_back_as_they_went() -> None:
    feed = cursor.FeedCursor(b"c" * 16, 1 << 60)
    assert cursor.feed_cursor(cursor.to_text(feed)) == feed
    listing = cursor.ListCursor(b"c" * 16, b"f" * 8, [5, b"\xff" * 16])
    assert cursor.list_cursor(cursor.to_text(listing)) == listing


@given(st.text(max_size=40))
def test_no_text_but_a_cursor_is_a_cursor(text: str) -> None:
    for read in (cursor.feed_cursor, cursor.list_cursor):
        with pytest.raises(cursor.BadCursor):
            read(text)


def test_a_cursor_of_the_one_sort_is_none_of_the_other() -> None:
    with pytest.raises(cursor.BadCursor):
        cursor.list_cursor(cursor.to_text(cursor.FeedCursor(b"c" * 16, 1)))


def test_digests_tell_filters_apart() -> None:
    class Filters(msgspec.Struct, frozen=True):
        one: str | None = None
        two: str | None = None

    assert cursor.digest(Filters(one="x")) != cursor.digest(Filters(two="x"))


def test_r36_silence_is_a_count_that_stands_still() -> None:
    pulses = silence.observe({}, {b"a": 3, b"b": 9}, 100.0)
    assert silence.silent(pulses, 129.9, 30.0) == []
    pulses = silence.observe(pulses, {b"a": 3, b"b": 10}, 120.0)
    assert silence.silent(pulses, 130.0, 30.0) == [b"a"]
    pulses = silence.observe(pulses, {b"b": 10}, 131.0)
    assert silence.silent(pulses, 149.9, 30.0) == []
