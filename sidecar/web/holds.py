"""Holds: what is gone or changed at once, how much of it is where, and what a person decides."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, url_for

from holdfast import ids
from sidecar.api import holds as api_holds
from sidecar.api import shapes
from sidecar.errors import Refused
from sidecar.web import hold_tree
from sidecar.web.pages import Answer, Pages, Visit

pages = Pages("holds")

_CLOSED_SHOWN = 50
_ASSETS_SHOWN = 100
_CHANGED = "It is another set of files by now. Look at it again, then decide."


@pages.shows("/holds")
def list_holds(visit: Visit) -> str:
    """Those that wait, and those that were decided about."""
    found: list[shapes.Hold] = visit.ask(api_holds.list_holds, query={"limit": 1000, "state": "open"}).items
    all_of_them: list[shapes.Hold] = visit.ask(api_holds.list_holds, query={"limit": _CLOSED_SHOWN}).items
    return visit.render("holds/list.html", open=found, closed=[one for one in all_of_them if one.state != "open"])


@pages.shows("/holds/<hold>")
def show_hold(visit: Visit, hold: bytes) -> str:
    """One hold: what happened, its folders as a tree, and some of its files."""
    return _page(visit, hold)


@pages.takes("/holds/<hold>/approve")
def approve(visit: Visit, hold: bytes) -> Answer:
    """Let the loss or change of the set that was looked at show."""
    return _decided(visit, hold, api_holds.approve_hold, "hold-approved")


@pages.takes("/holds/<hold>/dismiss")
def dismiss(visit: Visit, hold: bytes) -> Answer:
    """Keep the set that was looked at as it was."""
    return _decided(visit, hold, api_holds.dismiss_hold, "hold-dismissed")


@pages.shows("/holds/<hold>/files")
def list_files(visit: Visit, hold: bytes) -> str:
    """Every file that waits, a page at a time."""
    query = {"limit": _ASSETS_SHOWN} | ({"cursor": cursor} if (cursor := visit.arguments.get("cursor")) else {})
    found = visit.ask(api_holds.hold_assets, hold=hold, query=query)
    one = visit.ask(api_holds.get_hold, hold=hold)
    return visit.render("holds/files.html", hold=one, files=found.items, next_cursor=found.next_cursor)


def _decided(visit: Visit, hold: bytes, endpoint: Callable[..., object], notice: str) -> Answer:
    """What a decision is answered with; where the hold is another set than was looked at, the hold as it is now."""
    try:
        visit.ask(endpoint, hold=hold, body={"digest": visit.form.get("digest", "")})
    except Refused as refused:
        if refused.code != "hold-changed":
            raise
        return Response(_page(visit, hold, _CHANGED), 409, mimetype="text/html")
    return visit.go(url_for("holds_pages.show_hold", hold=ids.to_text("hold", hold)), notice)


def _page(visit: Visit, hold: bytes, problem: str | None = None) -> str:
    one: shapes.HoldDetails = visit.ask(api_holds.get_hold, hold=hold)
    tree = hold_tree.grown([(branch.directory, branch.files) for branch in one.directories])
    return visit.render("holds/show.html", hold=one, tree=tree, problem=problem)
