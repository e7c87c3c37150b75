"""Identifiers: UUIDs of version 7, in ascending runs, with a prefix as text."""

from __future__ import annotations

import uuid
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import ids

moments = st.integers(0, (1 << 48) - 1)
entropy = st.binary(min_size=10, max_size=10)
EDGES = [b"\0" * 10, b"\xff" * 10]


@given(moments, entropy)
def test_an_id_is_a_uuid_of_version_7_with_its_moment(now_ms: int, random: bytes) -> None:
    one = uuid.UUID(bytes=ids.new(now_ms, random))
    assert one.version == 7
    assert one.variant == uuid.RFC_4122
    assert one.int >> 80 == now_ms


@given(moments, st.one_of(entropy, st.sampled_from(EDGES)))
def test_a_run_ascends_without_repeating(now_ms: int, random: bytes) -> None:
    run = list(islice(ids.series(now_ms, random), 100))
    assert run == sorted(set(run))
    assert {uuid.UUID(bytes=one).version for one in run} == {7}


@given(st.integers(0, (1 << 48) - 2), entropy, entropy)
def test_a_later_moment_sorts_later_whatever_was_drawn(now_ms: int, one: bytes, other: bytes) -> None:
    assert ids.new(now_ms, one) < ids.new(now_ms + 1, other)


def test_too_little_randomness_is_a_bug_that_shows() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        next(ids.series(0, b"short"))


@given(st.sampled_from(sorted(ids.PREFIXES)), st.binary(min_size=16, max_size=16))
def test_text_and_bytes_are_one_to_one(what: str, raw: bytes) -> None:
    text = ids.to_text(what, raw)
    assert ids.from_text(what, text) == raw
    assert all(ids.from_text(other, text) is None for other in ids.PREFIXES if other != what)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ast",
        "ast_",
        "ast_12",
        "ast_" + "0" * 31,
        "ast_" + "0" * 33,
        "ast_" + "g" * 32,
        "ast_" + "A" * 32,
        "vol_" + "0" * 32,
        "0" * 32,
        "ast_" + " " * 32,
    ],
)
def test_what_is_not_an_id_is_none(text: str) -> None:
    assert ids.from_text("asset", text) is None


def test_prefixes_tell_apart() -> None:
    assert len(set(ids.PREFIXES.values())) == len(ids.PREFIXES)


def test_an_id_tells_when_it_was_made() -> None:
    assert ids.made_ms(ids.new(1_700_000_000_123, bytes(10))) == 1_700_000_000_123
