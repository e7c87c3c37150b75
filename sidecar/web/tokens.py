"""Tokens of programs: which there are, and making, rotating and revoking them. Secrets are shown once."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Response, url_for

from holdfast import ids
from sidecar.api import shapes
from sidecar.api import tokens as api_tokens
from sidecar.api.auth import PEOPLE, Scope
from sidecar.api.tokens import AGENT_OVERLAP_MIN_S
from sidecar.errors import Refused
from sidecar.web import addresses
from sidecar.web.agents import pages
from sidecar.web.pages import Answer, Visit, errors_by_field
from sidecar.web.words import Look

# Its pages are those of ``agents``, and registered with them.
__all__ = ["pages"]

_LIST = "agents_pages.list_tokens"
_SHOWN = 50
_GOOD = Look("Good", "check", "good")
_REVOKED = Look("Revoked", "cross", "quiet")
_USED_UP = Look("Used up", "check", "quiet")
SCOPES: tuple[tuple[str, str], ...] = (
    (Scope.READER, "Reader: sees everything, changes nothing"),
    (Scope.OPERATOR, "Operator: acts on libraries, holds and web hooks"),
    (Scope.ADMIN, "Administrator: also agents, tokens and settings"),
)
# For how long the secret before stays good: seconds and what that is for.
OVERLAPS: tuple[tuple[str, str], ...] = (
    ("0", "not at all: it leaked"),
    ("3600", "an hour"),
    ("86400", "a day"),
    ("604800", "a week"),
)


class Item(NamedTuple):
    """A token in the list."""

    token: shapes.Token
    look: Look
    can_rotate: bool
    can_revoke: bool


@pages.shows("/tokens", role=Scope.ADMIN)
def list_tokens(visit: Visit) -> str:
    """Tokens, a page at a time."""
    cursor = visit.arguments.get("cursor")
    found = visit.ask(api_tokens.list_tokens, query={"limit": _SHOWN} | ({"cursor": cursor} if cursor else {}))
    return visit.render(
        "tokens/list.html",
        items=[_item(one) for one in found.items],
        next_url=addresses.of_list(_LIST, cursor=found.next_cursor) if found.next_cursor else None,
        first_url=addresses.of_list(_LIST) if cursor else None,
    )


@pages.shows("/tokens/new", role=Scope.ADMIN)
def ask_for_token(visit: Visit) -> str:
    """The form for a token."""
    return _form(visit, {"name": "", "scope": Scope.READER, "owner": ""}, {})


@pages.takes("/tokens/new", role=Scope.ADMIN)
def make_token(visit: Visit) -> Answer:
    """Make a token, and show its secret this once."""
    given = {name: visit.form.get(name, "").strip() for name in ("name", "scope", "owner")}
    body = {name: one for name, one in given.items() if one or name == "name"}
    if given["scope"] not in PEOPLE:
        raise Refused("invalid-body", "Choose what the token may do.")
    try:
        made = visit.ask(api_tokens.create_token, body=body)
    except Refused as refused:
        if refused.code != "invalid-body":
            raise
        return Response(_form(visit, given, errors_by_field(refused)), 422, mimetype="text/html")
    return visit.render("tokens/made.html", token=made, overlap_s=None)


@pages.shows("/tokens/<token>/rotate", role=Scope.ADMIN)
def ask_rotation(visit: Visit, token: bytes) -> str:
    """For how long the secret before is to stay good."""
    one = _living(visit, token)
    least_s = AGENT_OVERLAP_MIN_S if one.scope == Scope.AGENT else 0
    overlaps = [(seconds, text) for seconds, text in OVERLAPS if int(seconds) >= least_s]
    return visit.render("tokens/rotate.html", token=one, overlaps=overlaps)


@pages.takes("/tokens/<token>/rotate", role=Scope.ADMIN)
def rotate(visit: Visit, token: bytes) -> str:
    """Give a token another secret, and show it this once."""
    chosen = visit.form.get("overlap_s", "")
    if chosen not in dict(OVERLAPS):
        raise Refused("invalid-body", "Choose one of the times that the form offers.")
    overlap_s = int(chosen)
    made: shapes.NewToken = visit.ask(api_tokens.rotate_token, token=token, body={"overlap_s": overlap_s})
    return visit.render("tokens/made.html", token=made, overlap_s=overlap_s)


@pages.shows("/tokens/<token>/revoke", role=Scope.ADMIN)
def ask_token_revocation(visit: Visit, token: bytes) -> str:
    """What a revocation would do, and whether it is meant."""
    return visit.render("tokens/revoke.html", token=_living(visit, token))


@pages.takes("/tokens/<token>/revoke", role=Scope.ADMIN)
def revoke_token(visit: Visit, token: bytes) -> Answer:
    """Revoke a token."""
    visit.ask(api_tokens.revoke_token, token=token)
    return visit.go(url_for(_LIST), "token-revoked")


def _item(token: shapes.Token) -> Item:
    if token.revoked_at is not None:
        return Item(token, _REVOKED, False, False)
    if token.scope == Scope.ENROL and token.used_at is not None:
        return Item(token, _USED_UP, False, False)
    return Item(token, _GOOD, token.scope != Scope.ENROL, token.scope != Scope.AGENT)


def _form(visit: Visit, given: dict[str, Any], errors: dict[str, str]) -> str:
    return visit.render("tokens/new.html", given=given, errors=errors, scopes=SCOPES)


def _living(visit: Visit, token: bytes) -> shapes.Token:
    one: shapes.Token = visit.ask(api_tokens.get_token, token=token)
    if one.revoked_at is not None:
        raise Refused("not-found", f"The token {ids.to_text('token', token)} is revoked already.")
    return one
