"""Metrics as Prometheus reads them: its text format, version 0.0.4.

Each part describes its metrics once, as :class:`Metric`; what is served and what the documentation says are made of
that. The format is a few lines, so neither part needs a library for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    """What may be done with a metric's values."""

    GAUGE = "gauge"  # how it is now
    COUNTER = "counter"  # it only grows, and begins at 0 when the process does
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric. ``text`` is a sentence for people."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One value, with the values of the metric's labels. ``suffix`` and ``more``: a series of a histogram."""

    value: float
    labels: Sequence[str] = ()
    suffix: str = ""
    more: tuple[str, str] | None = None


Family = tuple[Metric, Iterable[Sample]]


def render(families: Iterable[Family]) -> str:
    """The whole text. A metric without samples is left out."""
    lines: list[str] = []
    for metric, samples in families:
        rendered = [_sample(metric, one) for one in samples]
        if rendered:
            lines += [f"# HELP {metric.name} {_escaped(metric.text)}", f"# TYPE {metric.name} {metric.kind}", *rendered]
    return "\n".join([*lines, ""])


def table(metrics: Iterable[Metric]) -> str:
    """The metrics as a table of Markdown."""
    rows = ["| metric | type | labels | |", "| --- | --- | --- | --- |"]
    for one in sorted(metrics):
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {one.text} |")
    return "\n".join(rows)


def _sample(metric: Metric, one: Sample) -> str:
    pairs = [*zip(metric.labels, one.labels, strict=True), *([one.more] if one.more else [])]
    labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in pairs)
    return f"{metric.name}{one.suffix}{'{' + labels + '}' if labels else ''} {_number(one.value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
