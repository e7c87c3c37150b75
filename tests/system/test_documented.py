"""What the documentation lists is all there is: settings with their defaults, and every problem of the API."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest

from agent.config import AgentConfig
from sidecar import config
from sidecar.api.problems import TYPES
from sidecar.policy import Policy

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its rank."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {heading}"
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a text: the code in the first column -> the other columns."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and (name := re.search(r"`([a-z0-9_-]+)`", cells[0])):
            found[name[1]] = cells[1:]
    return found


@pytest.mark.parametrize(
    ("heading", "struct"),
    [("`agent.toml`", AgentConfig), ("`sidecar.toml`", config.Config), ("While it runs", Policy)],
)
def test_every_setting_is_there_with_its_default(heading: str, struct: type[msgspec.Struct]) -> None:
    told = rows(section((DOCS / "settings.md").read_text(), heading))
    defaults = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    assert told.keys() == defaults.keys()
    for name, field in defaults.items():
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        assert told[name][1], f"{name} is not explained"
        assert written(told[name][0]) == (list(default) if isinstance(default, tuple) else default), name


def written(cell: str) -> object:
    """The value in a cell, as TOML writes it."""
    text = cell.strip("`")
    return {"true": True, "false": False, "none": None}[text] if text.isalpha() else ast.literal_eval(text)


def test_every_problem_of_the_api_has_its_row_with_what_to_do() -> None:
    told = rows(section((DOCS / "troubleshooting.md").read_text(), "What the API answers"))
    assert told.keys() == TYPES.keys()
    for code, (status, meaning, remedy) in told.items():
        assert int(status) == TYPES[code].status, code
        assert meaning.endswith(".") and remedy.endswith("."), code
        assert f'<a id="{code}"></a>' in (DOCS / "troubleshooting.md").read_text(), code


def test_every_test_that_the_threat_model_names_is_there() -> None:
    text = (DOCS / "threat-model.md").read_text()
    named = re.findall(r"`([a-z_]+/test_[a-z_]+\.py)::([A-Za-z_0-9:*]+)`", text)
    assert len(named) > 40
    for file, test in named:
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        # One of a class is named with it; all of a file, or of a class, by a star.
        for one in test.split("::"):
            known = one == "*" or re.search(rf"^ *(?:def|class) {one}\b", source, re.MULTILINE)
            assert known, f"{file} has no {one}"


def test_every_attack_in_the_threat_model_has_something_against_it_and_a_test() -> None:
    tables = re.findall(r"^\| attack \|.*?\n\n", (DOCS / "threat-model.md").read_text(), re.MULTILINE | re.DOTALL)
    attacks = [line for table in tables for line in table.strip().splitlines()[2:]]
    assert len(attacks) > 30
    for line in attacks:
        _, against, tried = (cell.strip() for cell in line.strip("|").split(" | "))
        assert against, line
        assert ".py::" in tried, line
