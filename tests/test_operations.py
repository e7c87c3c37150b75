"""docs/operations.md says what is: every metric, every event of the logs, every setting of retention."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from agent.gauges import METRICS as AGENT
from holdfast.exposition import Kind, table
from sidecar.api.metrics import METRICS as SIDECAR
from sidecar.policy import Policy

TOP = Path(__file__).parents[1]
TEXT = (TOP / "docs" / "operations.md").read_text(encoding="utf-8")
LEVELS = {"info", "warning", "error"}


@pytest.mark.parametrize("metrics", [SIDECAR, AGENT], ids=["sidecar", "agent"])
def test_the_metrics_are_documented_as_they_are(metrics: tuple[object, ...]) -> None:
    assert table(metrics) in TEXT, f"put this there:\n{table(metrics)}"  # type: ignore[arg-type]


def test_metrics_are_named_as_prometheus_wants_it() -> None:
    """https://prometheus.io/docs/practices/naming/"""
    names = [one.name for one in (*AGENT, *SIDECAR)]
    assert len(names) == len(set(names))
    for one in (*AGENT, *SIDECAR):
        assert re.fullmatch(r"holdfast_[a-z_]+", one.name)
        assert (one.kind is Kind.COUNTER) == one.name.endswith("_total"), one.name
        assert one.text.endswith("."), one.name
        assert not one.name.endswith(("_bucket", "_sum", "_count", "_ms", "_millis", "_s")), one.name
        assert "le" not in one.labels


def test_the_events_are_documented_as_they_are() -> None:
    documented = re.findall(r"^\| (agent|sidecar) \| `([a-z_.]+)` \| (\w+) \| .+ \|$", TEXT, re.MULTILINE)
    assert sorted(documented) == documented
    assert set(documented) == {found for part in ("agent", "sidecar") for found in events_of(part)}


def events_of(part: str) -> set[tuple[str, str, str]]:
    """The events that the code of a part logs, with their levels."""
    found = set()
    for file in sorted((TOP / part).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func.value) != "_log":
                continue
            assert node.func.attr in LEVELS, f"{file}:{node.lineno}"
            (first, *_) = node.args
            assert isinstance(first, ast.Constant), f"{file}:{node.lineno}: an event has a fixed name"
            assert re.fullmatch(r"[a-z_]+\.[a-z_]+", str(first.value)), f"{file}:{node.lineno}: {first.value}"
            found.add((part, str(first.value), node.func.attr))
    return found


def test_nothing_logs_by_other_ways() -> None:
    """All lines go through what keeps secrets out and repeats back."""
    allowed = {"agent/logs.py", "sidecar/logs.py", "sidecar/promote/mover.py"}  # the last silences a library
    for part in ("agent", "sidecar"):
        for file in sorted((TOP / part).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if str(file.relative_to(TOP)) not in allowed:
                assert "logging.getLogger" not in text, file
                assert not re.search(r"^import logging$", text, re.MULTILINE), file


def test_the_settings_of_retention_are_documented_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+_kept_s)` \| (\d+) \((\d+) days\)", TEXT, re.MULTILINE)
    defaults = Policy()
    kept = [name for name in Policy.__struct_fields__ if name.endswith("_kept_s")]
    assert [(name, int(seconds), int(days) * 86_400) for name, seconds, days in rows] == [
        (name, getattr(defaults, name), getattr(defaults, name)) for name in kept
    ]
