"""``/holds``: mass changes that wait for a person, and what people decide about them."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.pagination import ById, Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import deciding, holds
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.holds import DIGEST_BYTES, HoldState

resource = Resource("holds")

# A decision about so many files is carried out before the answer; of more than that the worker sees to the rest.
INLINE_FILES_MAX = 2 * deciding.BATCH
_LAST_ID = b"\xff" * ids.ID_BYTES
_CURSORS = ("bad-cursor", "cursor-expired")
_DECISIONS = ("hold-changed", "hold-closed")


class HoldQuery(PageQuery, frozen=True, kw_only=True):
    """Which holds are wanted."""

    state: HoldState | None = None
    volume: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``digest`` is that of the hold as it was looked at; a hold that is another set by now is not decided about."""

    digest: Annotated[str, Meta(max_length=2 * DIGEST_BYTES)] = ""


class _Filters(msgspec.Struct, frozen=True):
    of: str
    state: HoldState | None
    volume: bytes | None


@resource.serves("GET", "/holds", scope=Scope.READER, query=HoldQuery, returns=Page[shapes.Hold], problems=_CURSORS)
def list_holds(call: Call, query: HoldQuery) -> Page[shapes.Hold]:
    """List holds, the newest first."""
    volume = None if query.volume is None else ids.from_text("volume", query.volume)
    if query.volume is not None and volume is None:
        errors = [PlacedError("/volume", "This is not the id of a volume.")]
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=errors)
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda before, limit: holds.page(connection, query.state, volume, before, limit), _LAST_ID),
            by_id,
            _Filters("holds", query.state, volume),
        )
    return Page(items=[render.hold(row) for row in rows], next_cursor=cursor)


@resource.serves("GET", "/holds/<hold>", scope=Scope.READER, returns=shapes.HoldDetails)
def get_hold(call: Call, hold: bytes) -> shapes.HoldDetails:
    """One hold: what happened, how many files in which directories, and what to do."""
    with snapshot(call.engine) as connection:
        return _details(connection, hold)


@resource.serves(
    "GET",
    "/holds/<hold>/assets",
    scope=Scope.READER,
    query=PageQuery,
    returns=Page[shapes.HeldAsset],
    problems=_CURSORS,
)
def hold_assets(call: Call, hold: bytes, query: PageQuery) -> Page[shapes.HeldAsset]:
    """The assets that wait in a hold, each with its evidence. It is empty once a decision was carried out."""
    with snapshot(call.engine) as connection:
        _row(connection, hold)
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda after, limit: holds.assets_page(connection, hold, after, limit)),
            by_id,
            ById("hold assets", hold),
        )
        return Page(items=[render.held_asset(row) for row in rows], next_cursor=cursor)


@resource.serves(
    "POST",
    "/holds/<hold>/approve",
    scope=Scope.OPERATOR,
    body=Decision,
    returns=shapes.HoldDetails,
    problems=_DECISIONS,
)
def approve_hold(call: Call, hold: bytes, body: Decision) -> shapes.HoldDetails:
    """Let the loss or change of exactly this set show. Large sets are worked off in the background, see ``done``."""
    return _decide(call, hold, body, HoldState.APPROVED)


@resource.serves(
    "POST",
    "/holds/<hold>/dismiss",
    scope=Scope.OPERATOR,
    body=Decision,
    returns=shapes.HoldDetails,
    problems=_DECISIONS,
)
def dismiss_hold(call: Call, hold: bytes, body: Decision) -> shapes.HoldDetails:
    """Keep exactly this set as it was: the files stay present, with the facts that are known of them."""
    return _decide(call, hold, body, HoldState.DISMISSED)


def _decide(call: Call, hold: bytes, body: Decision, state: HoldState) -> shapes.HoldDetails:
    by = call.caller.signature

    def work(connection: Connection) -> int:
        row = _row(connection, hold)
        digest = _digest(body.digest)
        if digest is None:
            errors = [
                PlacedError("/digest", f"This must be the hold's digest, as GET shows it: {2 * DIGEST_BYTES} digits.")
            ]
            raise Refused("invalid-body", "Say which set you decide about, see the errors.", errors=errors)
        return deciding.decide(connection, row.id, digest, state, by, now_us()).files

    files = transact(call.engine, work)
    if files <= INLINE_FILES_MAX:
        while transact(call.engine, lambda connection: deciding.carry_out(connection, hold, now_us(), os.urandom(10))):
            pass
    call.doorbell.ring()
    with snapshot(call.engine) as connection:
        return _details(connection, hold)


def _digest(text: str) -> bytes | None:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if len(found) == DIGEST_BYTES else None


def _details(connection: Connection, hold: bytes) -> shapes.HoldDetails:
    row = _row(connection, hold)
    examples = holds.assets_page(connection, hold, b"", holds.EXAMPLES_SHOWN)
    return render.hold_details(row, holds.tree(connection, hold), examples)


def _row(connection: Connection, hold: bytes) -> AnyRow:
    row = holds.get(connection, hold)
    if row is None:
        raise Refused("not-found", "There is no such hold.")
    return row
