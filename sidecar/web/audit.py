"""The audit log: who did what, when, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from holdfast import ids
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.catalog import audit
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot
from sidecar.errors import Refused
from sidecar.web import addresses, deeds
from sidecar.web.pages import Pages, Visit
from sidecar.web.words import Look

pages = Pages("audit")

_SHOWN = 50
_LAST_ID = b"\xff" * ids.ID_BYTES
_DONE = Look("Done", "check", "good")
_REFUSED = Look("Refused", "cross", "away")
_FAILED = Look("Failed", "warning", "alarm")
_OPEN = Look("Not known", "question", "quiet")
# What an entry is about, where there is a page for it: the part of its target that names a thing.
_PLACES = {
    "library": "/libraries/",
    "asset": "/assets/",
    "hold": "/holds/",
    "job": "/jobs/",
    "webhook": "/webhooks/",
}
_OUTCOMES = {"done": (_DONE,), "refused": (_REFUSED, _FAILED), "open": (_OPEN,)}
_FILTERS = ("who", "action", "outcome")


class Line(NamedTuple):
    """An entry, in words. ``url`` leads to the thing that it is about, ``sent`` is what was sent, to be read."""

    entry: shapes.AuditEntry
    deed: str
    look: Look
    url: str | None
    sent: str


@pages.shows("/audit", role=Scope.ADMIN)
def list_audit(visit: Visit) -> str:
    """The log, the newest first."""
    given = {name: visit.arguments.get(name, "").strip() for name in _FILTERS}
    cursor = visit.arguments.get("cursor")
    before = _LAST_ID if not cursor else ids.from_text("audit", cursor)
    if before is None:
        raise Refused("bad-cursor", "This address does not lead on. Begin again at the newest.")
    with snapshot(visit.engine) as connection:
        found = audit.look(connection, lambda row: _fits(row, given), before, _SHOWN)
    following = None if found.position is None else ids.to_text("audit", found.position)
    return visit.render(
        "audit/list.html",
        lines=[_line(render.audit_entry(row)) for row in found.rows],
        is_cut=found.is_cut,
        read_max=audit.READ_MAX,
        given=given,
        actions=[
            ("", "Everything"),
            *sorted(((name, text) for name, text in deeds.DEEDS.items()), key=lambda one: one[1]),
        ],
        next_url=addresses.of_list("audit_pages.list_audit", given, following) if following else None,
        first_url=addresses.of_list("audit_pages.list_audit", given) if cursor else None,
    )


def _fits(row: AnyRow, given: Mapping[str, str]) -> bool:
    if given["action"] not in ("", row.action) or given["who"].casefold() not in row.who.casefold():
        return False
    return not given["outcome"] or _look(row.status, row.problem) in _OUTCOMES.get(given["outcome"], ())


def _look(status: int | None, problem: str | None) -> Look:
    if status is None:
        return _OPEN
    if status >= 500:
        return _FAILED
    return _DONE if problem is None and status < 400 else _REFUSED


def _line(entry: shapes.AuditEntry) -> Line:
    return Line(
        entry, deeds.told(entry.action, entry.body), _look(entry.status, entry.problem), _url(entry), _sent(entry.body)
    )


def _url(entry: shapes.AuditEntry) -> str | None:
    """The page of the thing that was made, or that it is about."""
    for target in (entry.made or "", entry.target):
        for kind, place in _PLACES.items():
            named = re.search(rf"\b{re.escape(ids.PREFIXES[kind])}_[0-9a-f]{{32}}\b", target)
            if named is not None:
                return place + named[0]
    return None


def _sent(body: str) -> str:
    """What was sent, laid out; what was cut is shown as it is."""
    try:
        return msgspec.json.format(body, indent=2) if body else ""
    except msgspec.DecodeError:
        return body
