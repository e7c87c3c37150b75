"""Wire text and paths inside a volume: nothing is lost, and nothing escapes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import paths

# Any name Linux allows: bytes without "/" and NUL; often broken UTF-8, sometimes proper.
names = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text(min_size=1, max_size=20).map(lambda text: text.encode("utf-8", "replace")),
).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
good_names = names.filter(lambda raw: raw not in (b".", b".."))


@given(names)
def test_r37_every_name_survives_the_wire(raw: bytes) -> None:
    wire = paths.to_wire(raw)
    assert paths.to_bytes(json.loads(json.dumps(wire))) == raw
    assert wire.encode("utf-8")  # JSON can carry it: no surrogate is left


@given(names, names)
def test_r37_different_names_have_different_wire_text(one: bytes, other: bytes) -> None:
    assert (paths.to_wire(one) == paths.to_wire(other)) == (one == other)


@given(names)
def test_wire_text_agrees_with_the_spelling_of_os(raw: bytes) -> None:
    spelled = raw.decode("utf-8", "surrogateescape")
    assert paths.from_os(spelled) == paths.to_wire(raw)
    assert paths.to_os(paths.to_wire(raw)) == spelled


def test_valid_utf8_is_written_as_it_is() -> None:
    assert paths.to_wire("Grüße/夏.jpg".encode()) == "Grüße/夏.jpg"


def test_a_byte_that_is_not_utf8_becomes_nul_and_two_digits() -> None:
    assert paths.to_wire(b"caf\xe9.jpg") == "caf\0e9.jpg"


@pytest.mark.parametrize("wire", ["\0", "a\0", "a\0e", "a\0xy", "a\0E9", "a\x0041", "\0\0e9"])
def test_text_that_is_not_wire_text_is_refused(wire: str) -> None:
    for spell in (paths.to_bytes, paths.to_os):
        with pytest.raises(paths.BadPath):
            spell(wire)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(paths.BadPath):
        paths.to_bytes("a\ud800b")


def test_wire_text_is_the_only_spelling_of_its_bytes() -> None:
    # The escape of a byte that would have been valid UTF-8 together with its neighbour: é is c3 a9.
    spelled_out = "\0c3\0a9"
    assert paths.to_wire(paths.to_bytes(spelled_out)) == "é"


def test_r37_a_case_only_or_normalisation_only_difference_is_a_different_name() -> None:
    assert paths.to_bytes("A.jpg") != paths.to_bytes("a.jpg")
    assert paths.to_bytes("\u00e9.jpg") != paths.to_bytes("e\u0301.jpg")


@given(st.lists(good_names, max_size=5), good_names)
def test_split_undoes_join(segments: list[bytes], name: bytes) -> None:
    directory = "/".join(paths.to_wire(segment) for segment in segments)
    joined = paths.join(directory, paths.to_wire(name))
    assert paths.split(joined) == (directory, paths.to_wire(name))


@given(st.lists(good_names, min_size=1, max_size=5), st.lists(good_names, min_size=1, max_size=3))
def test_below_undoes_joining_an_ancestor(above: list[bytes], rest: list[bytes]) -> None:
    ancestor = "/".join(map(paths.to_wire, above))
    path = paths.join(ancestor, "/".join(map(paths.to_wire, rest)))
    assert paths.contains(ancestor, path)
    assert paths.join(ancestor, paths.below(ancestor, path)) == path
    assert paths.below("", path) == path


@pytest.mark.parametrize(
    ("ancestor", "path", "expected"),
    [
        ("", "", True),
        ("", "a/b", True),
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "ab", False),
        ("a/b", "a", False),
        ("a", "A/b", False),
    ],
)
def test_containment_goes_by_whole_segments(ancestor: str, path: str, expected: bool) -> None:
    assert paths.contains(ancestor, path) is expected


@pytest.mark.parametrize(
    "path", ["/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\0", "a" * 256, "a/" * 2100 + "a"]
)
def test_a_path_that_cannot_be_inside_a_volume_is_refused(path: str) -> None:
    with pytest.raises(paths.BadPath):
        paths.check_relative(path)


@pytest.mark.parametrize("path", ["", "a", "a/b.jpg", "...", "a b", "-rf", "new\nline", "caf\0e9", "ü" * 127])
def test_a_path_that_linux_allows_is_accepted(path: str) -> None:
    assert paths.check_relative(path) == path


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", "\0", "é" * 128])
def test_what_is_not_one_segment_is_not_a_name(name: str) -> None:
    with pytest.raises(paths.BadPath):
        paths.check_name(name)


def test_lengths_are_counted_in_bytes_on_the_disk() -> None:
    assert paths.check_name("\0e9" * 255)  # 255 bytes on the disk, three times as many characters
    with pytest.raises(paths.BadPath):
        paths.check_name("\0e9" * 256)


@pytest.mark.parametrize(("given", "kept"), [("/", "/"), ("/a/", "/a"), ("/a/b", "/a/b"), ("/a b//", "/a b")])
def test_an_absolute_path_loses_its_trailing_slash(given: str, kept: str) -> None:
    assert paths.check_absolute(given) == kept


@pytest.mark.parametrize("path", ["", "a", "a/b", "/a/../b", "/a//b", "/./a", "/a\0"])
def test_an_absolute_path_must_be_absolute_and_plain(path: str) -> None:
    with pytest.raises(paths.BadPath):
        paths.check_absolute(path)


@given(st.binary(max_size=60))
def test_text_for_people_never_fails_and_can_be_printed(raw: bytes) -> None:
    assert paths.to_display(raw).encode("utf-8") is not None


def _is_name(wire: str) -> bool:
    try:
        paths.check_name(wire)
    except paths.BadPath:
        return False
    return True


def _are_names(wire: list[str]) -> bool:
    try:
        paths.check_names(wire)
    except paths.BadPath:
        return False
    return True


_hostile = st.sampled_from(
    ["", ".", "..", "a/b", "/", "//", "/.", "./", "../", "a\0", "\0e9", "\ud800", "x" * 256, "é" * 128]
)


@given(st.lists(st.one_of(names.map(paths.to_wire), st.text(max_size=4), _hostile), max_size=6))
def test_names_are_checked_alike_one_by_one_and_all_at_once(wire: list[str]) -> None:
    assert _are_names(wire) == all(map(_is_name, wire))
