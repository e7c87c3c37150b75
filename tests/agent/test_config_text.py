"""Settings that a program puts into a person's configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config_text import NotEditable, Value, with_settings

SHIPPED = (Path(__file__).parents[2] / "etc" / "agent.toml").read_text()


def test_a_setting_takes_the_place_of_its_default_in_the_comments() -> None:
    text = with_settings(SHIPPED, {"sidecar": "https://photos.example", "roots": ["/srv/photos"]})
    before, after = SHIPPED.splitlines(), text.splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        ("#roots = []", 'roots = ["/srv/photos"]'),
        ('#sidecar = "http://127.0.0.1:8765"', 'sidecar = "https://photos.example"'),
    ]


def test_a_setting_takes_the_place_of_the_one_that_is_there() -> None:
    text = with_settings("# mine\nroots = ['/a'] # first\nname = 'nas'\n", {"roots": ["/a", "/b"]})
    assert text == '# mine\nroots = ["/a", "/b"]\nname = \'nas\'\n'


def test_a_setting_without_a_place_comes_first() -> None:
    assert with_settings("[table]\nx = 1\n", {"name": "nas"}) == 'name = "nas"\n[table]\nx = 1\n'


@pytest.mark.parametrize(
    "text",
    [
        'roots = [\n  "/a",\n]\n',
        'name = """\nroots = 1\n"""\n',
        "[table]\nroots = 1\n",
    ],
)
def test_what_is_laid_out_otherwise_is_left_to_a_person(text: str) -> None:
    with pytest.raises(NotEditable, match=r'^roots = \["/b"\]$'):
        with_settings(text, {"roots": ["/b"]})


def test_a_text_that_was_wrong_before_is_called_so() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        with_settings("roots = \n", {"name": "nas"})


@given(st.text(), st.lists(st.text()), st.booleans())
def test_whatever_is_put_in_is_read_back_or_refused(name: str, roots: list[str], allow: bool) -> None:
    wanted: dict[str, Value] = {"name": name, "roots": roots, "allow_plain_http": allow}
    try:
        text = with_settings(SHIPPED, wanted)
    except NotEditable:
        return
    assert tomllib.loads(text) == wanted
