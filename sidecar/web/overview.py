"""The overview: what is there, what is not, since when, why, and what to do."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from flask import Response, url_for
from sqlalchemy import Connection

from holdfast import ids
from holdfast.volumes import STATE_OF, VolumeState
from sidecar.api import holds as api_holds
from sidecar.api import libraries as api_libraries
from sidecar.api import shapes
from sidecar.api import statistics as api_statistics
from sidecar.api import volumes as api_volumes
from sidecar.api.auth import Scope
from sidecar.api.shapes import moment
from sidecar.catalog import recent
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot
from sidecar.web import timeline
from sidecar.web.advice import Advice, of_reasons
from sidecar.web.pages import Pages, Visit
from sidecar.web.timeline import Changed, Line, Step, Strip
from sidecar.web.words import plural

pages = Pages("overview")

DAYS = 7
_ALL = {"limit": 1000}
# Those that need a person come first.
_ORDER = {
    VolumeState.CONFLICT: 0,
    VolumeState.SUSPECT: 1,
    VolumeState.OFFLINE: 2,
    VolumeState.UNKNOWN: 3,
    VolumeState.IDLE: 4,
    VolumeState.ONLINE: 5,
}


class Task(NamedTuple):
    """Something that waits for a person: in a sentence, and where to see to it."""

    icon: str
    text: str
    url: str
    verb: str


class Card(NamedTuple):
    """A volume, with the advice on the reason of its state."""

    volume: shapes.Volume
    advice: Advice | None
    free_percent: int | None


@pages.shows("/", role=None)
def go_to_overview(visit: Visit) -> Response:
    """Where everybody begins."""
    return visit.go("/overview")


@pages.shows("/overview")
def show_overview(visit: Visit) -> str:
    """Every volume as a card, figures, and the last days."""
    volumes: list[shapes.Volume] = visit.ask(api_volumes.list_volumes, query=_ALL).items
    libraries: list[shapes.Library] = visit.ask(api_libraries.list_libraries, query=_ALL).items
    now = now_us()
    days = timeline.days(now, DAYS)
    with snapshot(visit.engine) as connection:
        strips, lines = _last_days(connection, volumes, days[0], now)
    return visit.render(
        "overview.html",
        cards=[_card(one) for one in sorted(volumes, key=lambda one: (_ORDER[one.state], one.label))],
        headline=_headline(volumes),
        tasks=_tasks(visit, libraries),
        figures=visit.ask(api_statistics.get_statistics),
        strips=strips,
        days=[moment(one) for one in days],
        lines=[(one, moment(one.at)) for one in lines],
    )


@pages.takes("/volumes/<volume>/recheck", role=Scope.OPERATOR)
def recheck(visit: Visit, volume: bytes) -> Response:
    """Have all of a volume looked at again."""
    visit.ask(api_volumes.recheck_volume, volume=volume)
    return visit.go(url_for("overview_pages.show_overview"), "volume-rechecked")


@pages.shows("/help", role=None)
def show_help(visit: Visit) -> str:
    """What every reason of a volume means, and what to do about it."""
    return visit.render("help.html", reasons=of_reasons(), states=STATE_OF)


def _card(volume: shapes.Volume) -> Card:
    size = volume.capacity
    free = None if size is None or not size.total_bytes else size.free_bytes * 100 // size.total_bytes
    return Card(volume, of_reasons().get(volume.reason), free)


def _headline(volumes: list[shapes.Volume]) -> str:
    """How it is, in a sentence."""
    away = [one for one in volumes if one.state not in (VolumeState.ONLINE, VolumeState.IDLE)]
    if not volumes:
        return "No storage is known yet."
    if not away:
        return "All storage is there."
    photos = plural(sum(one.assets for one in away), "photo")
    if len(away) > 1:
        of_all = f"{len(away)} of {plural(len(volumes), 'volume')}"
        return f"{of_all} are away or in doubt. Their {photos} are kept as they are."
    is_in_doubt = away[0].state in (VolumeState.SUSPECT, VolumeState.CONFLICT)
    return f"{away[0].label} is {'in doubt' if is_in_doubt else 'away'}. Its {photos} are kept as they are."


def _tasks(visit: Visit, libraries: list[shapes.Library]) -> list[Task]:
    """What waits for a person, besides the volumes themselves."""
    found = []
    holds = visit.ask(api_holds.list_holds, query={"state": "open", "limit": 5})
    for hold in holds.items:
        found.append(Task("hold", hold.summary, f"/holds/{hold.id}", "Decide"))
    if holds.next_cursor is not None:
        found.append(Task("hold", "More holds wait for you.", "/holds", "Look at all"))
    if not libraries and visit.may(Scope.OPERATOR):
        text = "There is no library yet. Say which folders hold photos, and they are found and watched."
        found.append(Task("library", text, "/libraries/new", "Make one"))
    for library in libraries:
        for path in library.import_paths:
            if path.state == "refused":
                text = f"{path.path} in {library.name} cannot be used: {path.message or 'the agent refuses it'}"
                found.append(Task("warning", text, f"/libraries/{library.id}", "Look"))
    return found


def _last_days(
    connection: Connection, volumes: list[shapes.Volume], start: int, now: int
) -> tuple[list[Strip], list[Line]]:
    rows = recent.transitions(connection, start)
    steps = [Step(row.at, row.volume_id, row.from_state, row.to_state) for row in rows]
    by_volume: defaultdict[bytes, list[Step]] = defaultdict(list)
    for step in steps:
        by_volume[step.volume].append(step)
    strips = []
    for one in volumes:
        raw = ids.from_text("volume", one.id) or b""
        since = int(one.since.timestamp() * 1_000_000)
        strips.append(timeline.strip(raw, one.label, one.state, since, by_volume[raw], start, now))
    lines = timeline.step_lines(
        (step, row.label, row.detail, f"#{ids.to_text('volume', row.volume_id)}")
        for step, row in zip(steps, rows, strict=True)
    )
    changes = recent.asset_changes(connection, start)
    lines += timeline.change_lines(Changed(row.changed_at, row.change_kind, row.label or "Uploads") for row in changes)
    for row in recent.holds(connection, start):
        url = f"/holds/{ids.to_text('hold', row.id)}"
        files = plural(row.files, "file")
        if row.opened_at >= start:
            lines.append(Line(row.opened_at, "hold", "away", row.label, f"{files} held: nothing changes yet", url))
        if row.closed_at is not None and row.closed_at >= start:
            lines.append(Line(row.closed_at, "check", "good", row.label, f"hold of {files} {row.state}", url))
    return strips, timeline.latest(lines)
