"""What people can set about the catalog's judgement, with the defaults and their reasons."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sidecar import schedule

_DAY_S = 24 * 3600

Value = int | str | None  # of a setting; None stands for its default


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a catalog.

    ``guard_files``, ``guard_percent`` and ``guard_window_s`` bound how much may go, or change its time, in one place
    before a person is asked: the larger of so many files and so many percent of those that are there, within so many
    seconds. ``missing_grace_s`` is how long a proven absence waits before it shows, and ``retention_s`` how long a file
    is missing until it is removed from the catalog; None: for ever. All three count verified-online time of the volume.

    The rest is forgotten after so long, on the calendar: ``history_kept_s`` finished jobs, scans, gaps and what
    happened to volumes; ``tombstones_kept_s`` removed assets with their history, and deleted libraries;
    ``audit_kept_s`` entries of the audit log; ``deliveries_kept_s`` messages to web hooks that are over.

    ``scan_schedule`` says when the nightly work is done, a cron expression in ``scan_time_zone``, or "off".
    """

    # A person who tidies up deletes dozens; a hundred at once is already worth a question.
    guard_files: int = 100
    guard_percent: int = 10
    # What happens in small steps over days is life, and over hours may be a storage that falls apart.
    guard_window_s: int = _DAY_S
    # A proof needs two looks already; whoever deletes a photo wants to see it gone.
    missing_grace_s: int = 0
    # Removal takes albums and faces with it in most photo servers: nobody should find that out by a default.
    retention_s: int | None = None
    # When people sleep, wherever they live; watched volumes need it only for what watches cannot see.
    scan_schedule: str = "0 0 * * *"
    scan_time_zone: str = "UTC"
    # What somebody looks up who wonders since when a disk has been failing.
    history_kept_s: int = 180 * _DAY_S
    # A reader of the feed, or a photo server in a drawer, that comes back within a year hears what was removed.
    tombstones_kept_s: int = 366 * _DAY_S
    # A question about the last change of a season still finds its answer.
    audit_kept_s: int = 2 * 366 * _DAY_S
    deliveries_kept_s: int = 30 * _DAY_S


# name -> lowest, highest, sentence for what lies outside
_BOUNDS: dict[str, tuple[int, int, str]] = {
    "guard_files": (0, 1_000_000_000, "This is a number of files: 0 holds every single absence, 100 is the default."),
    "guard_percent": (
        0,
        100,
        "This is a percentage, from 0 to 100. With 100 nothing is ever held for its number; 10 is the default.",
    ),
    "guard_window_s": (
        60,
        366 * _DAY_S,
        "This is a time in seconds, from a minute to a year; 86400, one day, is the default.",
    ),
    "missing_grace_s": (
        0,
        366 * _DAY_S,
        "This is a time in seconds, up to a year; with 0, the default, a proven absence shows at once.",
    ),
    "retention_s": (
        _DAY_S,
        100 * 366 * _DAY_S,
        "This is a time in seconds, from a day to a hundred years; by default missing assets stay for ever.",
    ),
}
_KEPT = "This is a time in seconds, from a day to a hundred years; {default}, {days} days, is the default."
for _name in ("history_kept_s", "tombstones_kept_s", "audit_kept_s", "deliveries_kept_s"):
    _default = int(getattr(Policy(), _name))
    _BOUNDS[_name] = (_DAY_S, 100 * 366 * _DAY_S, _KEPT.format(default=_default, days=_default // _DAY_S))
_TEXTS = {"scan_schedule": schedule.problem, "scan_time_zone": schedule.zone_problem}


def is_text(name: str) -> bool:
    """Whether a setting is a text, and not a whole number."""
    return name in _TEXTS


def bounds(name: str) -> tuple[int, int] | None:
    """The lowest and the highest value of a setting that is a whole number; None for one that is a text."""
    known = _BOUNDS.get(name)
    return None if known is None else known[:2]


def problems(values: Mapping[str, Value]) -> list[tuple[str, str]]:
    """What is wrong with values to be set: (name, sentence). None stands for the default, which is never wrong."""
    found = []
    for name, value in values.items():
        sentence = None
        if isinstance(value, str):
            sentence = _TEXTS[name](value)
        elif value is not None:
            lowest, highest, outside = _BOUNDS[name]
            sentence = None if lowest <= value <= highest else outside
        if sentence is not None:
            found.append((name, sentence))
    return found
