"""Where one can go from every page. What is not there yet is not shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flask import current_app, request, url_for

from sidecar.api.auth import Scope
from sidecar.catalog import holds
from sidecar.catalog.engine import snapshot
from sidecar.web.pages import Visit


class Entry(NamedTuple):
    """A page that everybody should find: its endpoint, what it is called, its icon, and who may see it. ``waiting``
    tells how many things wait there for a person."""

    endpoint: str
    label: str
    icon: str
    role: Scope = Scope.READER
    waiting: Callable[[Visit], int] | None = None


class Shown(NamedTuple):
    """An entry, as this visit sees it. ``is_here``: it is the page, or one below it."""

    url: str
    label: str
    icon: str
    is_here: bool
    waiting: int


def _open_holds(visit: Visit) -> int:
    with snapshot(visit.engine) as connection:
        return holds.count_open(connection)


GROUPS: dict[str, tuple[Entry, ...]] = {
    "Photos": (
        Entry("overview_pages.show_overview", "Overview", "home"),
        Entry("libraries_pages.list_libraries", "Libraries", "library"),
        Entry("assets_pages.list_assets", "Assets", "photo"),
        Entry("missing_pages.list_missing", "Missing", "missing"),
        Entry("holds_pages.list_holds", "Holds", "hold", waiting=_open_holds),
    ),
    "System": (
        Entry("agents_pages.list_agents", "Agents and tokens", "agent"),
        Entry("webhooks_pages.list_webhooks", "Web hooks", "webhook", Scope.OPERATOR),
        Entry("jobs_pages.list_jobs", "Jobs", "job"),
        Entry("settings_pages.show_settings", "Settings", "settings"),
        Entry("audit_pages.list_audit", "Audit log", "audit", Scope.ADMIN),
    ),
}


def shown_to(visit: Visit) -> dict[str, list[Shown]]:
    """The entries of each group that whoever is there may see."""
    found = {name: [_shown(one, visit) for one in entries if _is_for(one, visit)] for name, entries in GROUPS.items()}
    return {name: entries for name, entries in found.items() if entries}


def _is_for(entry: Entry, visit: Visit) -> bool:
    return entry.endpoint in current_app.view_functions and visit.may(entry.role)


def _shown(entry: Entry, visit: Visit) -> Shown:
    url = url_for(entry.endpoint)
    is_here = request.blueprint == entry.endpoint.partition(".")[0]
    return Shown(url, entry.label, entry.icon, is_here, 0 if entry.waiting is None else entry.waiting(visit))
