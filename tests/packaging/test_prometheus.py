"""The examples for Prometheus and Grafana: every metric that they name is one that is served."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.gauges import METRICS as AGENT
from holdfast.exposition import Kind, Metric
from sidecar.api.metrics import METRICS as SIDECAR
from tests.packaging.test_units import EXPOSURE_MAX, analyze

EXAMPLES = Path(__file__).parents[2] / "packaging" / "prometheus"
TOP = Path(__file__).parents[2]
METRICS: dict[str, Metric] = {one.name: one for one in (*AGENT, *SIDECAR)}
_SUFFIXES = ("_bucket", "_sum", "_count")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((EXAMPLES / "holdfast-alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return list(json.loads((EXAMPLES / "holdfast-dashboard.json").read_text())["panels"])


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def metric_of(name: str) -> Metric | None:
    stem = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
    found = METRICS.get(stem)
    return found if found is not None and (stem == name or found.kind is Kind.HISTOGRAM) else METRICS.get(name)


@pytest.mark.parametrize(("where", "text"), list(expressions()))
def test_every_metric_and_label_that_is_named_exists(where: str, text: str) -> None:
    named = re.findall(r"(holdfast_[a-z_]+)(?:\{([^}]*)\})?(\[)?", text)
    assert named, text
    grouped = {label for found in re.findall(r"by \(([^)]*)\)", text) for label in re.split(r",\s*", found)}
    labels: set[str] = {"instance", "job"}
    for name, selector, ranged in named:
        metric = metric_of(name)
        assert metric is not None, f"{where}: there is no metric {name}"
        own = {*metric.labels, *(["le"] if metric.kind is Kind.HISTOGRAM else [])}
        assert set(re.findall(r"(\w+)=~?\"", selector)) <= own, f"{where}: {selector}"
        # A range is taken of what grows, and of nothing else but by delta().
        assert bool(ranged) == (metric.kind is not Kind.GAUGE) or "delta(" in text, f"{where}: {name}"
        labels |= own
    assert grouped <= labels, f"{where}: {grouped - labels}"


def test_every_alert_says_what_to_do_and_names_documents_that_are_there() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert label in rule["expr"] or re.search(r"^holdfast_", rule["expr"]) or "[" in rule["expr"], rule["alert"]
        for document, anchor in re.findall(r"(docs/[\w-]+\.md)(?:#([\w-]+))?", rule["annotations"]["description"]):
            text = (TOP / document).read_text(encoding="utf-8")
            assert not anchor or f'id="{anchor}"' in text or f"# {anchor}" in text.lower(), f"{document}#{anchor}"


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_textfile_is_written_with_few_rights() -> None:
    done = analyze("security", "--offline=true", EXAMPLES / "holdfast-agent-metrics.service")
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) < EXPOSURE_MAX
