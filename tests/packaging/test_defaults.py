"""The configuration that is shipped: every setting, commented, with the default that the code has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from agent.config import AgentConfig
from agent.config import load as load_agent
from sidecar.config import Config
from sidecar.config import load as load_sidecar

ETC = Path(__file__).parents[2] / "etc"
TYPES: dict[str, type[msgspec.Struct]] = {"agent": AgentConfig, "sidecar": Config}


def shown(part: str) -> dict[str, object]:
    """What the comments of a file say, were they none."""
    lines = re.findall(r"^#(\w+ = .*)$", (ETC / f"{part}.toml").read_text(), re.MULTILINE)
    return tomllib.loads("\n".join(lines))


@pytest.mark.parametrize("part", TYPES)
def test_the_file_shows_every_setting_with_its_default(part: str) -> None:
    defaults = msgspec.json.decode(msgspec.json.encode(TYPES[part]()))  # TOML has lists, no tuples
    assert shown(part) == defaults


@pytest.mark.parametrize("part", TYPES)
def test_as_it_is_shipped_nothing_is_set(part: str) -> None:
    assert tomllib.loads((ETC / f"{part}.toml").read_text()) == {}


def test_an_empty_configuration_works(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    assert load_agent(str(empty)) == AgentConfig()
    assert load_sidecar(str(empty), {}, {}).database == "sqlite:////var/lib/holdfast/sidecar/catalog.sqlite3"
