"""The last days: in which state each volume was, and what happened. Pure.

A strip shows one volume over all of that time, and what happened is told in lines, the newest first. Changes of assets
that belong together, of one kind on one volume within an hour, are one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sidecar.web.words import VOLUMES, Look, plural

HOUR_US = 3600 * 1_000_000
DAY_US = 24 * HOUR_US
LINES_MAX = 40
# The width of a day. A segment that would be narrower than three of these is shown as wide as three.
DAY_UNITS = 288
_SEGMENT_UNITS_MIN = 3
_UNKNOWN = "unknown"


class Step(NamedTuple):
    """A volume changed its state."""

    at: int
    volume: bytes
    before: str | None
    after: str


class Segment(NamedTuple):
    """A part of a strip: from ``x`` on, ``width`` wide; and what it says."""

    x: int
    width: int
    look: Look
    since: int
    until: int


class Strip(NamedTuple):
    """A volume over all of the time. ``online_percent`` is of the time for which its state is known."""

    volume: bytes
    label: str
    segments: list[Segment]
    online_percent: int
    times_away: int


class Line(NamedTuple):
    """What happened: when, its icon and tone, about what, in which words, and where there is more of it."""

    at: int
    icon: str
    tone: str
    subject: str
    text: str
    url: str | None = None


class Changed(NamedTuple):
    """An asset changed."""

    at: int
    kind: str
    label: str


# kind of change -> icon, tone, words after the number of photos
_KINDS: dict[str, tuple[str, str, str]] = {
    "asset.added": ("plus", "good", "added"),
    "asset.updated": ("edit", "quiet", "changed"),
    "asset.moved": ("move", "quiet", "moved"),
    "asset.missing": ("missing", "alarm", "missing"),
    "asset.restored": ("undo", "good", "back"),
    "asset.excluded": ("exclude", "quiet", "excluded"),
    "asset.included": ("plus", "quiet", "included again"),
    "asset.removed": ("cross", "quiet", "removed from the catalog"),
    "asset.unreadable": ("warning", "away", "unreadable"),
}


def days(now: int, count: int) -> list[int]:
    """When each of the last days began, today the last of them."""
    today = now // DAY_US * DAY_US
    return [today - back * DAY_US for back in range(count - 1, -1, -1)]


def strip(volume: bytes, label: str, state: str, since: int, steps: Sequence[Step], start: int, now: int) -> Strip:
    """The strip of a volume that is in ``state`` now, and has been ``since``, after these steps of its own."""
    first = steps[0].before if steps else state if since <= start else None
    marks: list[tuple[int, str | None]] = [(start, first)]
    marks += [(min(max(one.at, start), now), one.after) for one in steps]
    segments = []
    online = known = away = 0
    for (begin, word), (stop, _) in zip(marks, [*marks[1:], (now, None)], strict=True):
        if word is None or stop <= begin:
            continue
        known += stop - begin
        online += stop - begin if word == "online" else 0
        away += word not in ("online", "idle", _UNKNOWN)
        x = (begin - start) * DAY_UNITS // DAY_US
        width = max(_SEGMENT_UNITS_MIN, (stop - start) * DAY_UNITS // DAY_US - x)
        segments.append(Segment(x, width, VOLUMES.get(word, VOLUMES[_UNKNOWN]), begin, stop))
    # Down, so that only what was online all the time is 100.
    return Strip(volume, label, segments, online * 100 // known if known else 0, away)


def step_lines(steps: Iterable[tuple[Step, str, str, str]]) -> list[Line]:
    """Lines for changes of state; each step with its volume's label, the sentence that was said, and where there is
    more of it."""
    found = []
    for step, label, detail, url in steps:
        look = VOLUMES.get(step.after, VOLUMES[_UNKNOWN])
        text = "found for the first time" if step.before is None else look.word.lower()
        if step.after == "online" and step.before is not None:
            text = "online again"
        said = "" if step.after == "online" else f": {detail}"
        found.append(Line(step.at, look.icon, look.tone, label, f"{text}{said}", url))
    return found


def change_lines(changes: Iterable[Changed]) -> list[Line]:
    """Lines for changes of assets, folded by kind, volume and hour."""
    folded: dict[tuple[int, str, str], list[int]] = {}
    for one in changes:
        folded.setdefault((one.at // HOUR_US, one.kind, one.label), []).append(one.at)
    found = []
    for (_, kind, label), times in folded.items():
        icon, tone, words = _KINDS.get(kind, ("edit", "quiet", kind.removeprefix("asset.")))
        found.append(Line(max(times), icon, tone, label, f"{plural(len(times), 'photo')} {words}"))
    return found


def latest(lines: Iterable[Line]) -> list[Line]:
    """What is told: the newest first."""
    return sorted(lines, key=lambda one: one.at, reverse=True)[:LINES_MAX]
