"""Spans of time as people give them: a number and a unit. Pure."""

from __future__ import annotations

from typing import NamedTuple

from holdfast import wording

_DAY_S = 86_400
# unit -> seconds, the largest first
UNITS: dict[str, int] = {"days": _DAY_S, "hours": 3600, "minutes": 60, "seconds": 1}
# How long something must be missing to be removed, to choose from.
OLDER_THAN: tuple[tuple[str, str], ...] = (
    ("", "everything that is missing"),
    (str(_DAY_S), "what is missing for a day and longer"),
    (str(7 * _DAY_S), "what is missing for a week and longer"),
    (str(30 * _DAY_S), "what is missing for 30 days and longer"),
    (str(365 * _DAY_S), "what is missing for a year and longer"),
)


class Span(NamedTuple):
    """A number of units."""

    number: int
    unit: str


def of_seconds(seconds: int) -> Span:
    """Seconds in the largest unit that leaves no rest."""
    for unit, size in UNITS.items():
        if seconds % size == 0 and (seconds or unit == "seconds"):
            return Span(seconds // size, unit)
    raise AssertionError("bug: every whole number is one of seconds")


def to_seconds(number: str, unit: str) -> int | None:
    """What was filled in, in seconds; None when it is no whole number of a unit."""
    text = number.strip()
    if unit not in UNITS or not (text.isascii() and text.isdecimal()) or len(text) > 12:
        return None
    return int(text) * UNITS[unit]


def told(seconds: int) -> str:
    """``90 days``, ``1 hour``."""
    span = of_seconds(seconds)
    return wording.count(span.number, span.unit.removesuffix("s"))
