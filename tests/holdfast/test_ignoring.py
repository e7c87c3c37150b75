"""Ignore files mean what git says they mean: shown by asking git."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from holdfast import paths
from holdfast.ignoring import Ignores, swift
from tests.needs import needs

FILES = [
    "a.tif",
    "keep.tif",
    "raw/a.jpg",
    "raw/keep.jpg",
    "trip/raw/a.jpg",
    "trip/a.tif",
    "trip/b.jpg",
    "trip/day 1/b.jpg",
    "trip/day 1/deep/c.jpg",
    "trip/build/x/a.jpg",
    "trip/RAW/a.jpg",
    "trip/#odd.jpg",
    "trip/[x].jpg",
    "trip/tail ",
]
RULES = [
    {"": "*.tif\n!keep.tif\n/raw/\n"},
    {"": "raw\n# a remark\n\n"},
    {"": "*.jpg\n!raw/keep.jpg\n", "trip": "!b.jpg\nday\\ 1/\n"},
    {"": "trip/\n", "trip": "!b.jpg\n"},
    {"trip": "/build\n**/deep/**\n\\#odd.jpg\n"},
    {"": "trip/*/deep\n", "trip/day 1": "b.jpg\n"},
    {"": "*\n!*/\n!*.jpg\n"},
    {"": "day?1/\n[r]aw/\n\\[x\\].jpg\ntail\\ \n"},
    {"": "trip/**/a.jpg\n!trip/raw/a.jpg\n", "trip/raw": "a.jpg"},
]


def ignored(ignores: Ignores, path: str) -> bool:
    directory, name = paths.split(path)
    by_test = ignores.within("", directory)
    is_ignored = by_test is not None and by_test(name)
    assert is_ignored is (ignores.explain("", directory, name) is not None)
    return is_ignored


@pytest.mark.parametrize("rules", RULES)
def test_a_file_is_ignored_when_git_would_ignore_it(rules: dict[str, str], tmp_path: Path) -> None:
    needs(shutil.which("git"), "needs git")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for directory, text in rules.items():
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
        (tmp_path / directory / ".gitignore").write_text(text)
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    asked = "\0".join(FILES).encode()
    done = subprocess.run(
        ["git", "check-ignore", "--stdin", "-z"], cwd=tmp_path, input=asked, capture_output=True, check=False
    )
    expected = {one.decode() for one in done.stdout.split(b"\0") if one}
    found = Ignores(rules)
    assert {path for path in FILES if ignored(found, path)} == expected


def test_an_ignored_folder_is_pruned_and_nothing_in_it_comes_back() -> None:
    found = Ignores({"": "raw/\n*.tif\n", "raw": "!a.jpg\n"})
    assert found.prunes("", "raw")
    assert found.prunes("", "raw/deep")
    assert not found.prunes("", "trip")
    assert ignored(found, "raw/a.jpg")
    assert str(found.explain("", "trip", "a.tif")) == "*.tif (.holdfastignore)"


def test_only_files_at_or_below_an_import_path_count_for_it() -> None:
    found = Ignores({"": "*.jpg\n", "trip": "b.jpg\n"})
    assert found.explain("trip", "trip", "a.jpg") is None
    assert str(found.explain("trip", "trip/x", "b.jpg")) == "b.jpg (trip/.holdfastignore)"
    assert not Ignores({"": "trip/\n"}).prunes("trip", "trip")


@pytest.mark.parametrize("text", ["\\\n*.tif\n", "\0\n*.tif", "[\n*.tif", "*.tif\r\n", "!\n*.tif"])
def test_a_line_that_is_no_rule_says_nothing(text: str) -> None:
    assert ignored(Ignores({"": text}), "a.tif")
    assert not ignored(Ignores({"": text}), "a.jpg")


def test_names_that_are_not_utf8_and_names_with_a_newline() -> None:
    found = Ignores({"": "caf?/\n*.tif\n"})
    assert found.prunes("", "caf\0e9")
    assert ignored(found, "new\nline.tif")


WILD = st.lists(st.sampled_from(["*", "a", "b", "?", "/", "**", "[ab]", "[!b]", "."]), min_size=1, max_size=8).map(
    "".join
)
PATHS = st.lists(st.text("ab.", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join)


@given(line=WILD, path=PATHS)
def test_what_is_matched_swiftly_is_what_pathspec_matches(line: str, path: str) -> None:
    pattern = next(iter(GitIgnoreSpec.from_lines([line]).patterns), None)
    if pattern is not None and pattern.regex is not None:
        found = swift(pattern.regex.pattern)
        assert found is not None or line.count("**") + line.count("[") > 2, "people write nothing like that"
        slow, fast = pattern.regex, re.compile(found or pattern.regex.pattern)
        for whole in (path, f"{path}/"):
            assert [one.span() for one in fast.finditer(whole)] == [one.span() for one in slow.finditer(whole)]


@pytest.mark.parametrize(
    "rule", ["*a*a*a*a*a*a*a*a*b", "*a" * 40 + "b", "**/a/**/a/**/a/**/a/**/a/**/b", "?*" * 60 + "b", "*[a]" * 9 + "b"]
)
def test_no_rule_takes_for_ever(rule: str) -> None:
    """Whoever can write a photo can write such a file beside it, and holds up nobody by it."""
    deep = "/".join(["a"] * 500)
    ignores = Ignores({"": f"{rule}\nkeep.tif\n"})
    for directory, name in (("", "a" * 255), (deep, "a.jpg")):
        assert ignores.explain("", directory, name) is None
    assert ignores.explain("", "", "keep.tif") is not None
