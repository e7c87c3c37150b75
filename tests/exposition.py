"""Reading what Prometheus would read."""

from __future__ import annotations

import re

_LINE = re.compile(r'([a-z_:]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
_PAIR = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

Series = dict[tuple[tuple[str, str], ...], float]


def parsed(text: str) -> dict[str, Series]:
    """The series of every metric. Raises AssertionError for what is not the format."""
    found: dict[str, Series] = {}
    types: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            assert name not in types, f"{name} comes twice"
            types[name] = kind
            continue
        if line.startswith("# HELP "):
            continue
        match = _LINE.fullmatch(line)
        assert match, line
        family = re.sub(r"_(bucket|sum|count)$", "", match[1])
        assert match[1] in types or types.get(family) == "histogram", f"{line} has no type"
        series = found.setdefault(match[1], {})
        labels = tuple((name, value) for name, value in _PAIR.findall(match[2] or ""))
        assert labels not in series, f"{line} comes twice"
        series[labels] = float(match[3])
    return found


def one(found: dict[str, Series], name: str, /, **labels: str) -> float:
    """The value of the only series that has these labels."""
    (value,) = [value for series, value in found[name].items() if labels.items() <= dict(series).items()]
    return value
