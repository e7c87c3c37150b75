"""``/changes``: the change feed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sidecar import cursor
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.pagination import CursorText, Limit
from sidecar.catalog import clock, feed
from sidecar.catalog.engine import snapshot
from sidecar.errors import Refused

resource = Resource("changes")

WAIT_MAX_S = 60
_RESTORED = (
    "The catalog was made anew or restored from a backup since this cursor was given. Read the feed again from its"
    " beginning, without a cursor."
)
_FORGOTTEN = (
    "This cursor is so old that the catalog has forgotten things that are gone since. Read the feed again from its"
    " beginning, without a cursor; what does not come then is there no more."
)


class ChangesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which piece of the feed is wanted: what comes after ``since``, from the beginning without it. When there is
    nothing, ``wait`` is how many seconds to wait for something."""

    since: CursorText | None = None
    limit: Limit = 100
    wait: Annotated[float, Meta(ge=0, le=WAIT_MAX_S)] = 0


@resource.serves(
    "GET",
    "/changes",
    scope=Scope.READER,
    limited=True,
    query=ChangesQuery,
    returns=shapes.Changes,
    problems=("bad-cursor", "cursor-expired"),
)
def read_changes(call: Call, query: ChangesQuery) -> shapes.Changes:
    """The change feed: everything that changed since, as it is now, in the order of changes.

    A reader that follows ``next`` misses nothing. What changes twice between two reads is told once. A reader that is
    limited to an owner is told of the owner's libraries, assets and volumes; a page of theirs may be empty while
    ``has_more`` is true.
    """
    found: list[shapes.Changes] = []

    def look() -> bool:
        since = found[0].next if found else query.since
        found[:] = [_read(call, since, query.limit)]
        return bool(found[0].items) or found[0].has_more

    call.doorbell.wait_until(look, query.wait)
    return found[0]


def _read(call: Call, text: str | None, limit: int) -> shapes.Changes:
    with snapshot(call.engine) as connection:
        catalog = clock.incarnation(connection)
        forgotten = clock.forgotten_until(connection)
        known = cursor.FeedCursor(catalog, 0, forgotten) if text is None else _known(text)
        if known.catalog != catalog or known.change > clock.read(connection):
            raise Refused("cursor-expired", _RESTORED)
        if known.change < forgotten and known.forgotten != forgotten:
            raise Refused("cursor-expired", _FORGOTTEN)
        since = known.change
        page = feed.read(connection, since, limit, call.owner)
        items = render.changes(connection, page.changes, call.owner)
    return shapes.Changes(
        items=items, next=cursor.to_text(cursor.FeedCursor(catalog, page.upto, forgotten)), has_more=page.has_more
    )


def _known(text: str) -> cursor.FeedCursor:
    try:
        return cursor.feed_cursor(text)
    except cursor.BadCursor as error:
        raise Refused("bad-cursor", f"The cursor cannot be read: {error}.") from error
