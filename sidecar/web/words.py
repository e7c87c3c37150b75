"""How templates put numbers, times and states into words and icons. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from markupsafe import Markup

from holdfast import paths, wording
from holdfast.volumes import VolumeState
from sidecar.asset import Availability, Status
from sidecar.web import spans


class Look(NamedTuple):
    """How a state is shown: its word, its icon, and its tone, never by the tone alone."""

    word: str
    icon: str
    tone: str


VOLUMES: dict[str, Look] = {
    VolumeState.ONLINE: Look("Online", "check", "good"),
    VolumeState.IDLE: Look("Idle", "moon", "quiet"),
    VolumeState.OFFLINE: Look("Offline", "unplugged", "away"),
    VolumeState.SUSPECT: Look("Suspect", "warning", "alarm"),
    VolumeState.CONFLICT: Look("Conflict", "conflict", "alarm"),
    VolumeState.UNKNOWN: Look("Unknown", "question", "quiet"),
}
HOLDS: dict[str, Look] = {
    "open": Look("Open", "hold", "away"),
    "approved": Look("Approved", "check", "good"),
    "dismissed": Look("Dismissed", "undo", "quiet"),
    "resolved": Look("Resolved", "check", "good"),
}
JOBS: dict[str, Look] = {
    "pending": Look("Waiting", "clock", "quiet"),
    "running": Look("Running", "job", "busy"),
    "done": Look("Done", "check", "good"),
    "failed": Look("Failed", "warning", "alarm"),
    "cancelled": Look("Cancelled", "cross", "quiet"),
}
BINDINGS: dict[str, Look] = {
    "bound": Look("Found", "check", "good"),
    "pending": Look("Not looked at yet", "clock", "quiet"),
    "refused": Look("Refused", "warning", "alarm"),
}

STATUSES: dict[str, Look] = {
    Status.PRESENT: Look("Present", "check", "good"),
    Status.MISSING: Look("Missing", "missing", "away"),
    Status.EXCLUDED: Look("Excluded", "exclude", "quiet"),
    Status.UNREADABLE: Look("Unreadable", "warning", "alarm"),
    Status.REMOVED: Look("Removed", "cross", "quiet"),
}
AVAILABILITIES: dict[str, Look] = {
    Availability.ONLINE: Look("Storage is there", "check", "good"),
    Availability.UNAVAILABLE: Look("Storage is away", "unplugged", "away"),
    Availability.UNKNOWN: Look("Nobody knows", "question", "quiet"),
}
DELIVERIES: dict[str, Look] = {
    "pending": Look("On its way", "clock", "quiet"),
    "delivered": Look("Delivered", "check", "good"),
    "failed": Look("Given up", "warning", "alarm"),
}

_JOB_KINDS = {
    "apply-rules": "Judging by changed rules",
    "delete-library": "Deletion",
    "scan": "Scan",
    "nightly": "Nightly work",
    "remove-missing": "Removal of what is missing",
    "restore": "Bringing back",
}
# The first that fits: most of them claim to be several.
_BROWSERS = (("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)
_STEPS = ((60, "second", 1), (3600, "minute", 60), (86_400, "hour", 3600), (30 * 86_400, "day", 86_400))


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was, as people say it: ``3 minutes ago``. What is longer ago than a month has a date."""
    seconds = (now - then).total_seconds()
    if seconds < 0 or seconds >= 30 * 86_400:
        return then.strftime("%-d %B %Y")
    if seconds < 10:
        return "just now"
    for below, noun, unit in _STEPS:
        if seconds < below:
            return f"{wording.count(math.floor(seconds / unit), noun)} ago"
    raise AssertionError("bug: a time within a month has no unit")


def when(then: datetime | None, now: datetime) -> Markup:
    """A time as an element that says how long ago it was and has the exact time for programs, and on hovering."""
    if then is None:
        return Markup("never")
    at = then.astimezone(UTC)
    element = Markup('<time datetime="{}" title="{}" data-ago>{}</time>')
    return element.format(at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC"), ago(at, now))


def clock(then: datetime) -> Markup:
    """A time of day as an element; in UTC, until the page's script shows the visitor's own."""
    at = then.astimezone(UTC)
    element = Markup('<time datetime="{}" title="{}" data-clock>{}</time>')
    told = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return element.format(at.isoformat(timespec="seconds"), told, at.strftime("%H:%M UTC"))


def plural(number: int, noun: str, many: str | None = None) -> str:
    """``1 library``, ``2 libraries``."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def job_kind(kind: str) -> str:
    """What a job does, in words."""
    return _JOB_KINDS.get(kind, kind.replace("-", " ").capitalize())


def path(wire: str) -> str:
    """A path from the API as people see it."""
    return paths.to_display(paths.to_bytes(wire))


def browser(agent: str) -> str:
    """What a browser calls itself, in two words: ``Firefox on Linux``."""
    name = next((word for mark, word in _BROWSERS if mark in agent), "Another program")
    system = next((word for mark, word in _SYSTEMS if mark in agent), None)
    return name if system is None else f"{name} on {system}"


def person(signature: str) -> str:
    """Who it was, without the id of a token, or where they sat."""
    return signature.partition(" (tok_")[0].removeprefix("the web pages, ")


def folder(path: str) -> str:
    """The folder of a file, with a slash at its end."""
    return path.rpartition("/")[0] + "/"


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


FILTERS: dict[str, Callable[..., Any]] = {
    "size": wording.size,
    "plural": plural,
    "times": times,
    "path": path,
    "browser": browser,
    "folder": folder,
    "person": person,
    "span": spans.told,
    "job_kind": job_kind,
    "clock": clock,
    "duration": wording.duration,
}
LOOKS = {
    "volume": VOLUMES,
    "hold": HOLDS,
    "job": JOBS,
    "binding": BINDINGS,
    "status": STATUSES,
    "availability": AVAILABILITIES,
    "delivery": DELIVERIES,
}
