"""``/volumes``: the storage that assets are on, and what it has been through."""

from __future__ import annotations

from holdfast import ids
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.pagination import ById, Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import volumes
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused

resource = Resource("volumes")

_LAST_ID = b"\xff" * ids.ID_BYTES
_CURSORS = ("bad-cursor", "cursor-expired")


@resource.serves(
    "GET",
    "/volumes",
    scope=Scope.READER,
    limited=True,
    query=PageQuery,
    returns=Page[shapes.Volume],
    problems=_CURSORS,
)
def list_volumes(call: Call, query: PageQuery) -> Page[shapes.Volume]:
    """List volumes.

    A reader that is limited to an owner sees those that the owner's libraries are on, with the owner's count of assets.
    """
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda after, limit: volumes.page(connection, after, limit, call.owner)),
            by_id,
            ById("volumes"),
        )
        return Page(items=render.volume_page(connection, rows, call.owner), next_cursor=cursor)


@resource.serves("GET", "/volumes/<volume>", scope=Scope.READER, limited=True, returns=shapes.Volume)
def get_volume(call: Call, volume: bytes) -> shapes.Volume:
    """One volume."""
    with snapshot(call.engine) as connection:
        row = volumes.get(connection, volume, call.owner)
        if row is None:
            raise Refused("not-found", "There is no such volume.")
        return render.volume_page(connection, [row], call.owner)[0]


@resource.serves("POST", "/volumes/<volume>/recheck", scope=Scope.OPERATOR, returns=shapes.Volume, status=202)
def recheck_volume(call: Call, volume: bytes) -> shapes.Volume:
    """Have the agent look at all of a volume again, as soon as it is there. What the catalog believes and is not there
    is proven absent anew, and judged anew: also what was dismissed in a hold. Nothing changes by this alone."""
    if not transact(call.engine, lambda connection: volumes.look_again(connection, volume, now_us())):
        raise Refused("not-found", "There is no such volume.")
    return get_volume(call, volume)


@resource.serves(
    "GET",
    "/volumes/<volume>/history",
    scope=Scope.READER,
    limited=True,
    query=PageQuery,
    returns=Page[shapes.VolumeTransition],
    problems=_CURSORS,
)
def volume_history(call: Call, volume: bytes, query: PageQuery) -> Page[shapes.VolumeTransition]:
    """Every change of state, the newest first."""
    with snapshot(call.engine) as connection:
        if volumes.get(connection, volume, call.owner) is None:
            raise Refused("not-found", "There is no such volume.")
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda before, limit: volumes.history(connection, volume, before, limit), _LAST_ID),
            by_id,
            ById("volume history", volume),
        )
    return Page(items=[render.volume_transition(row) for row in rows], next_cursor=cursor)
