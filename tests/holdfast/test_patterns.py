"""Exclusion patterns: one dialect, and a pruned directory never hides what would be included."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.patterns import DEFAULTS, PATTERN_CHARS_MAX, PATTERNS_MAX, Exclusions, problem, problems


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**/@eaDir/**", "/photos/@eaDir/a.jpg", True),
        ("**/@eaDir/**", "/photos/trip/@eaDir/deep/down/a.jpg", True),
        ("**/@eaDir/**", "/photos/@eaDir", False),  # a file of that name is not below it
        ("**/@eaDir/**", "/photos/my@eaDir/a.jpg", False),
        ("**/@eaDir/**", "/photos/@EADIR/a.jpg", True),
        ("**/._*", "/photos/trip/._a.jpg", True),
        ("**/._*", "/photos/trip/a._b.jpg", False),
        ("**/*.tif", "/photos/a/b.tif", True),
        ("**/*.tif", "/photos/a/b.TIF", True),
        ("**/*.tif", "/photos/a/b.tiff", False),
        ("/photos/*.jpg", "/photos/a.jpg", True),
        ("/photos/*.jpg", "/photos/sub/a.jpg", False),  # * stays within a segment
        ("/photos/**/*.jpg", "/photos/x/y/a.jpg", True),
        ("**/Raw/**", "/photos/2020/raw/a.nef", True),
        ("**/*.{cr2,nef}", "/photos/a.nef", True),
        ("**/[0-9]*.jpg", "/photos/1.jpg", True),
        ("**/[0-9]*.jpg", "/photos/a1.jpg", False),
        (r"**/photo \(1).jpg", "/photos/photo (1).jpg", True),
        ("**/?.jpg", "/photos/a.jpg", True),
        ("**/?.jpg", "/photos/ab.jpg", False),
        ("**/.hidden/**", "/photos/.hidden/a.jpg", True),
        ("/photos/*/a.jpg", "/photos/.hidden/a.jpg", True),  # a leading dot is nothing special
    ],
)
def test_the_dialect(pattern: str, path: str, expected: bool) -> None:
    assert Exclusions([pattern]).excludes(path) is expected


@pytest.mark.parametrize(
    "path",
    [
        "/p/@eaDir/a.jpg",
        "/p/._a.jpg",
        "/p/#recycle/a.jpg",
        "/p/#snapshot/x/a.jpg",
        "/p/.stversions/a.jpg",
        "/p/.stfolder/a.jpg",
    ],
)
def test_the_defaults_exclude_what_nas_systems_leave_around(path: str) -> None:
    assert Exclusions(DEFAULTS).excludes(path)


def test_the_defaults_exclude_no_ordinary_photo() -> None:
    assert not Exclusions(DEFAULTS).excludes("/photos/2024/eaDir/#1 recycle/.trip/a.jpg")


def test_no_patterns_exclude_nothing() -> None:
    assert not Exclusions([]).excludes("/photos/a.jpg")
    assert not Exclusions([]).prunes("/photos")


@given(
    st.sampled_from(["._", ".", "#", "~$", "2024-", "\ufffd", "._a", "K"]),
    st.lists(st.sampled_from(["._", ".", "#", "~$", "2024-", "\0ff", "\n", "a", "A", "k", "\u212a"]), min_size=1),
)
def test_how_a_name_begins_is_seen_as_any_pattern_sees_it(beginning: str, parts: list[str]) -> None:
    path = f"/photos/._trip/{''.join(parts)}"
    in_braces = Exclusions([f"**/{{{beginning},{beginning}}}*"])
    assert Exclusions([f"**/{beginning}*"]).excludes(path) == in_braces.excludes(path)
    assert Exclusions([f"**/{beginning}*", "**/*.tif"]).excludes(path) == in_braces.excludes(path)


segments = st.sampled_from(["@eaDir", "raw", "RAW", "trip", "a.jpg", "b.tif", "é"])
# Patterns put together from pieces, so that directories and patterns often meet.
pieces = st.sampled_from(["**", "*", "?", "raw", "trip", "@eaDir", "*.jpg", "{raw,trip}", "[r]aw", "é"])
composed = st.lists(pieces, min_size=1, max_size=3).map(lambda parts: "/".join(["", "photos", *parts]))
lists = st.lists(composed | st.sampled_from([*DEFAULTS, "**/raw/**", "**/*.tif", "**/*", "**"]), max_size=3)


@settings(max_examples=500)
@given(lists, st.lists(segments, max_size=2), st.lists(segments, min_size=1, max_size=3))
def test_r29_nothing_that_is_included_lies_below_a_pruned_directory(
    patterns: list[str], directory: list[str], rest: list[str]
) -> None:
    exclusions = Exclusions(patterns)
    above = "/".join(["/photos", *directory])
    if exclusions.prunes(above):
        assert exclusions.excludes("/".join([above, *rest]))


@pytest.mark.parametrize("pattern", ["/photos/trip/*", "/photos/*/*", "**/?????*", "**/*.jpg"])
def test_a_pattern_about_files_prunes_no_directory(pattern: str) -> None:
    assert not Exclusions([pattern]).prunes("/photos/trip")


@pytest.mark.parametrize("pattern", ["**/trip/**", "/photos/**", "/photos/t*/**", "**/{trip,raw}/**"])
def test_a_pattern_about_everything_below_prunes(pattern: str) -> None:
    assert Exclusions([pattern]).prunes("/photos/trip")
    assert Exclusions([pattern]).prunes("/photos/trip/deeper")


@given(lists, st.lists(segments, min_size=1, max_size=5))
def test_an_explanation_is_there_exactly_when_a_path_is_excluded(patterns: list[str], path: list[str]) -> None:
    exclusions = Exclusions(patterns)
    full = "/".join(["/photos", *path])
    explanation = exclusions.explain(full)
    assert (explanation is not None) == exclusions.excludes(full)
    if explanation is not None:
        assert explanation in patterns


@pytest.mark.parametrize(
    "pattern",
    ["", "  ", "a\0b", "!keep", "a/../b", "!(a|b)", "(a|b).jpg", "x" * (PATTERN_CHARS_MAX + 1)],
)
def test_a_pattern_that_would_not_mean_what_it_says_is_refused_with_a_sentence(pattern: str) -> None:
    told = problem(pattern)
    assert told is not None
    assert told.endswith(".")


@pytest.mark.parametrize("pattern", [*DEFAULTS, "**/a..b/**", r"**/photo \(1).jpg", "x" * PATTERN_CHARS_MAX])
def test_a_proper_pattern_has_no_problem(pattern: str) -> None:
    assert problem(pattern) is None


def test_all_problems_of_a_list_are_told_at_once_and_in_order() -> None:
    told = problems(["**/a/**", "", "**/a/**", "!x"])
    assert [index for index, _ in told] == [1, 2, 3]
    assert "twice" in told[1][1]


def test_the_length_of_a_list_is_bounded() -> None:
    patterns = [f"**/{number}/**" for number in range(PATTERNS_MAX + 1)]
    assert problems(patterns[:-1]) == []
    assert [index for index, _ in problems(patterns)] == [PATTERNS_MAX]


@pytest.mark.parametrize("pattern", ["{a,b}" * 20, "**/{1..1000000}.jpg", "{{a,b},{c,d}}" * 9])
def test_braces_that_multiply_are_refused_before_they_do(pattern: str) -> None:
    assert "braces" in (problem(pattern) or "")


def test_many_patterns_with_braces_are_as_good_as_each_of_them() -> None:
    many = [f"**/{{{','.join(f'{kind}{number}' for kind in range(20))}}}/**" for number in range(100)]
    assert problems(many) == []
    assert Exclusions(many).excludes("/data/1999/a.jpg")
    assert not Exclusions(many).excludes("/data/200/a.jpg")


@pytest.mark.parametrize("pattern", ["**/*a*a*a*a*a*a*a*b", "/data/**/*a*a*a*a*a*a*b/**", "**/+(*a|a)*(a|aa)b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    path = f"/data/{'a' * 255}/{'a' * 255}"
    assert not Exclusions([pattern]).excludes(path)
    assert not Exclusions([pattern]).prunes(path)
