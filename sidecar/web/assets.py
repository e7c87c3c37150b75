"""Assets: looking for them by path and state, and one of them with all that is known of it and how that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from flask import Response, url_for

from holdfast import ids
from sidecar import cursor
from sidecar.api import assets as api_assets
from sidecar.api import libraries as api_libraries
from sidecar.api import pagination, render, shapes
from sidecar.api import removal as api_removal
from sidecar.api import scans as api_scans
from sidecar.api import volumes as api_volumes
from sidecar.api.auth import Scope
from sidecar.asset import Availability, Status
from sidecar.catalog import assets, clock, libraries, searching, volumes
from sidecar.catalog.engine import snapshot
from sidecar.catalog.searching import Position, Wanted
from sidecar.errors import Refused
from sidecar.web import addresses, histories, words
from sidecar.web.pages import Answer, Pages, Visit

pages = Pages("assets")

_LIST = "assets_pages.list_assets"
_SHOWN = 50
_STEPS_SHOWN = 25
_ALL = {"limit": 1000}
_ALIKE_SHOWN = 5
_SORTS = (int, bytes, bytes)
_FILTERS = ("path", "library", "volume", "status", "availability", "kind")
# How long a person waits for an agent that goes and looks.
_LOOK_S = 8.0


class Result(NamedTuple):
    """What a look has found, for a template. ``next_url`` is where it goes on."""

    items: list[shapes.Asset]
    total: int | None
    read: int
    is_cut: bool
    next_url: str | None


@pages.shows("/assets")
def list_assets(visit: Visit) -> str:
    """The form to look with, and what was found."""
    wanted = _wanted(visit.arguments)
    given = {name: visit.arguments.get(name, "") for name in _FILTERS}
    labels = {one.id: one.label for one in visit.ask(api_volumes.list_volumes, query=_ALL).items}
    return visit.render(
        "assets/list.html",
        result=_found(visit, wanted, given),
        given=given,
        first_url=addresses.of_list(_LIST, given) if "cursor" in visit.arguments else None,
        volumes=labels,
        choices=_choices(visit, labels),
    )


@pages.shows("/assets/<asset>")
def show_asset(visit: Visit, asset: bytes) -> str:
    """One asset: its facts, and its history with the evidence."""
    return _page(visit, asset)


@pages.takes("/assets/<asset>/check")
def check_asset(visit: Visit, asset: bytes) -> str:
    """Have the agent look at the file now."""
    checked: shapes.CheckedAsset = visit.ask(api_scans.check_asset, asset=asset, query={"wait": _LOOK_S})
    return _page(visit, asset, checked)


@pages.takes("/assets/<asset>/restore")
def restore_asset(visit: Visit, asset: bytes) -> Answer:
    """Bring back what was removed."""
    try:
        visit.ask(api_removal.restore_asset, asset=asset)
    except Refused as refused:
        if refused.code not in ("path-taken", "not-restorable"):
            raise
        return Response(_page(visit, asset, problem=refused.detail), 409, mimetype="text/html")
    return visit.go(url_for("assets_pages.show_asset", asset=ids.to_text("asset", asset)), "asset-restored")


def _wanted(given: Mapping[str, str]) -> Wanted:
    """What an address asks for. Raises :class:`Refused` for what no form of ours sends."""
    try:
        return msgspec.convert(
            {
                "text": given.get("path", "").strip()[:4096],
                "library": _id("library", given.get("library")),
                "volume": _id("volume", given.get("volume")),
                "status": given.get("status") or None,
                "availability": given.get("availability") or None,
                "kind": given.get("kind") or None,
            },
            Wanted,
        )
    except msgspec.ValidationError as error:
        raise Refused("bad-query", f"This cannot be looked for: {error}") from error


def _id(kind: str, text: str | None) -> bytes | None:
    if not text:
        return None
    raw = ids.from_text(kind, text)
    if raw is None:
        raise Refused("bad-query", f"{text!r} is not the id of a {kind}.")
    return raw


def _choices(visit: Visit, labels: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """What each filter can be set to: values and labels."""
    named = [(one.id, one.name) for one in visit.ask(api_libraries.list_libraries, query=_ALL).items]
    return {
        "library": [("", "All"), *sorted(named, key=lambda one: one[1].casefold())],
        "volume": [("", "All"), *sorted(labels.items(), key=lambda one: one[1].casefold())],
        "status": [("", "All but removed"), *((one, words.STATUSES[one].word) for one in Status)],
        "availability": [("", "Any"), *((one, words.AVAILABILITIES[one].word) for one in Availability)],
        "kind": [("", "Photos and videos"), ("image", "Photos"), ("video", "Videos")],
    }


def _found(visit: Visit, wanted: Wanted, given: Mapping[str, str]) -> Result:
    with snapshot(visit.engine) as connection:
        catalog, digest = clock.incarnation(connection), cursor.digest(wanted)
        text = visit.arguments.get("cursor")
        behind = Position(*pagination.after(text, catalog, digest, _SORTS)) if text else None
        found = searching.find(connection, wanted, behind, _SHOWN)
        rows = {row.id: row for row in assets.with_ids(connection, found.ids)}
    next_url = None
    if found.position is not None:
        following = cursor.to_text(cursor.ListCursor(catalog, digest, list(found.position)))
        next_url = addresses.of_list(_LIST, given, following)
    return Result([render.asset(rows[one]) for one in found.ids], found.total, found.read, found.is_cut, next_url)


def _page(visit: Visit, asset: bytes, checked: shapes.CheckedAsset | None = None, problem: str | None = None) -> str:
    one: shapes.Asset = visit.ask(api_assets.get_asset, asset=asset)
    query: dict[str, Any] = {"limit": _STEPS_SHOWN}
    if text := visit.arguments.get("cursor"):
        query["cursor"] = text
    steps = visit.ask(api_assets.asset_history, asset=asset, query=query)
    with snapshot(visit.engine) as connection:
        library = libraries.get(connection, _id("library", one.library_id) or b"")
        on = {two: volumes.get(connection, _id("volume", two) or b"") for two in _volumes_of(one, steps.items)}
    return visit.render(
        "assets/show.html",
        asset=one,
        library=library,
        volumes={two: row.label for two, row in on.items() if row is not None},
        steps=[histories.told(step) for step in steps.items],
        alike=_alike(visit, one),
        next_cursor=steps.next_cursor,
        is_first=not text,
        checked=checked,
        problem=problem,
        can_restore=one.status is Status.REMOVED and visit.may(Scope.OPERATOR),
    )


def _alike(visit: Visit, one: shapes.Asset) -> list[shapes.Asset]:
    """Other files of its owner that have the same in them: a copy, perhaps on another disk. Empty files all have."""
    if one.content_checksum is None or not one.size:
        return []
    query = {"content": one.content_checksum, "owner": one.owner, "limit": _ALIKE_SHOWN + 1}
    found = visit.ask(api_assets.list_assets, query=query)
    return [two for two in found.items if two.id != one.id][:_ALIKE_SHOWN]


def _volumes_of(one: shapes.Asset, steps: list[shapes.AssetTransition]) -> set[str]:
    found = {one.volume_id, one.via_volume_id, *(step.from_volume_id for step in steps)}
    if one.unavailable is not None:
        found.add(one.unavailable.volume_id)
    return {two for two in found if two is not None}
