"""What was measured, against its limit, as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Measured(NamedTuple):
    """One measurement: rounds in seconds. With a ``yardstick_s`` the limit is a multiple of that, which ``yardstick``
    names, else milliseconds. Without a limit it is only told; without any rounds, that the program is not installed.
    With ``mib`` the rounds are MiB, and so is the limit."""

    what: str
    rounds_s: Sequence[float]
    limit: float | None = None
    yardstick_s: float | None = None
    yardstick: str = "find"
    mib: bool = False

    @property
    def value(self) -> float:
        """The median, in the unit of the limit."""
        middle = median(self.rounds_s)
        if self.mib:
            return middle
        return middle / self.yardstick_s if self.yardstick_s is not None else middle * 1000

    @property
    def holds(self) -> bool:
        """Whether it is within the limit."""
        return self.limit is None or not self.rounds_s or self.value <= self.limit


COLUMNS = ("what", "median", "slowest", "rounds", "measured", "limit", "verdict")


def row(one: Measured) -> tuple[str, ...]:
    """One line of the table."""
    if not one.rounds_s:
        return (one.what, "not installed", "", "", "", "", "")
    return (
        one.what,
        _mib(median(one.rounds_s)) if one.mib else _time(median(one.rounds_s)),
        _mib(max(one.rounds_s)) if one.mib else _time(max(one.rounds_s)),
        str(len(one.rounds_s)),
        _amount(one, one.value),
        "" if one.limit is None else _amount(one, one.limit, digits=0 if one.limit == int(one.limit) else 1),
        "" if one.limit is None else ("holds" if one.holds else "FAILS"),
    )


def table(measurements: Sequence[Measured]) -> list[str]:
    """All of them, see :func:`grid`."""
    return grid(COLUMNS, [row(one) for one in measurements])


def grid(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, aligned so that it also reads well on a terminal."""
    rows = [columns, *cells]
    widths = [max(len(cells[index]) for cells in rows) for index in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |" for cells in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return [lines[0], rule, *lines[1:]]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def _mib(number: float) -> str:
    return f"{number:,.0f} MiB"


def _amount(one: Measured, number: float, digits: int = 1) -> str:
    if one.mib:
        return _mib(number)
    if one.yardstick_s is not None:
        # Of what is a small part of its yardstick one digit would not tell whether it is within its limit.
        return f"{number:,.{3 if number < 0.5 else digits}f} x {one.yardstick}"
    return f"{number:,.0f} ms"
