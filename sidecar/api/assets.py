"""``/assets``: the photos and videos, one by one and in lists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from holdfast import content, ids, paths
from holdfast.problems import PlacedError
from sidecar.api import checksums, conditions, render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.pagination import ById, Page, PageQuery, after_id, behind, by_id, cursor_at, paged
from sidecar.asset import Availability, Status
from sidecar.catalog import asset_lists, assets, path_checksums
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused

resource = Resource("assets")

LOOKUPS_MAX = 1000
# How long a request may compute checksums of paths before it answers. About half a million of them.
CATCH_UP_S = 5.0
_LAST_ID = b"\xff" * ids.ID_BYTES


class AssetQuery(PageQuery, frozen=True, kw_only=True):
    """Which assets are wanted. ``path_prefix`` is a directory as the photo server sees it, ``content`` a content
    checksum; with ``updated_since``
    the list is in the order of changes, otherwise in that of ids."""

    library: str | None = None
    owner: str | None = None
    status: Status | None = None
    availability: Availability | None = None
    volume: str | None = None
    path_prefix: str | None = None
    kind: Literal["image", "video"] | None = None
    trashed: bool | None = None
    content: str | None = None
    updated_since: Annotated[datetime, Meta(tz=True)] | None = None


class AssetPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of an asset: whether its user put it into the bin, and the photo server's own id of it."""

    trashed: bool | UnsetType = UNSET
    foreign_id: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET


class Lookup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Assets to look up: by id; by absolute path, the photo server's or the host's; by the checksum of the path as the
    photo server has it; by content checksum."""

    ids: Annotated[list[str], Meta(max_length=LOOKUPS_MAX)] = []
    paths: Annotated[list[str], Meta(max_length=LOOKUPS_MAX)] = []
    path_checksums: Annotated[list[str], Meta(max_length=LOOKUPS_MAX)] = []
    content_checksums: Annotated[list[str], Meta(max_length=LOOKUPS_MAX)] = []


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for one id, path, path checksum or content checksum. A path in two libraries is two assets. Of a
    content there may be any number; where it is more than a hundred, the list of assets with ``content`` has the
    rest."""

    id: str | None = None
    path: str | None = None
    path_checksum: str | None = None
    content_checksum: str | None = None
    assets: list[shapes.Asset]


class LookupResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: for the ids, the paths, the path checksums and the contents, each in the order of the
    request."""

    items: list[Found]


@resource.serves(
    "GET",
    "/assets",
    scope=Scope.READER,
    limited=True,
    query=AssetQuery,
    returns=Page[shapes.Asset],
    problems=("bad-cursor", "cursor-expired"),
)
def list_assets(call: Call, query: AssetQuery) -> Page[shapes.Asset]:
    """List assets.

    The time that a page takes is bounded, however many assets there are: where few of them fit, a page may have fewer
    items than asked for, or none, and yet have a ``next_cursor``. Go on until that is null.
    """
    filters = _filters(query, call.narrowed(query.owner))
    with snapshot(call.engine) as connection:
        sorts = (bytes,) if filters.updated_since is None else (int, bytes)
        found = asset_lists.page(connection, filters, behind(connection, query.cursor, filters, sorts), query.limit)
        cursor = None if found.behind is None else cursor_at(connection, filters, found.behind)
    return Page(items=[render.asset(row) for row in found.rows], next_cursor=cursor)


@resource.serves(
    "GET", "/assets/<asset>", scope=Scope.READER, limited=True, returns=shapes.Asset, headers=("If-None-Match",)
)
def get_asset(call: Call, asset: bytes) -> Answer:
    """One asset."""
    with snapshot(call.engine) as connection:
        row = _row(call, connection, asset)
    tag = render.asset_tag(row)
    headers = {"ETag": conditions.quote(tag)}
    if conditions.is_current(call.header("If-None-Match"), tag):
        return Answer(status=304, headers=headers)
    return Answer(render.asset(row), headers=headers)


@resource.serves(
    "PATCH",
    "/assets/<asset>",
    scope=Scope.OPERATOR,
    body=AssetPatch,
    returns=shapes.Asset,
    problems=("precondition-failed",),
    headers=("If-Match",),
)
def change_asset(call: Call, asset: bytes, body: AssetPatch) -> Answer:
    """Put an asset into the bin or take it out, or note the photo server's own id. Files are never touched."""

    def work(connection: Connection) -> AnyRow:
        if not assets.lock(connection, asset):
            raise _not_found()
        row = _row(call, connection, asset)
        conditions.check_match(call.header("If-Match"), render.asset_tag(row))
        now = now_us()
        values: dict[str, Any] = {}
        if body.trashed is not UNSET and body.trashed != (row.trashed_at is not None):
            values["trashed_at"] = now if body.trashed else None
        if body.foreign_id is not UNSET and body.foreign_id != row.foreign_id:
            values["foreign_id"] = body.foreign_id
        if values:
            assets.mark(connection, asset, values, now)
        return _row(call, connection, asset)

    row = transact(call.engine, work)
    call.doorbell.ring()
    return Answer(render.asset(row), headers={"ETag": conditions.quote(render.asset_tag(row))})


@resource.serves(
    "GET",
    "/assets/<asset>/history",
    scope=Scope.READER,
    limited=True,
    query=PageQuery,
    returns=Page[shapes.AssetTransition],
    problems=("bad-cursor", "cursor-expired"),
)
def asset_history(call: Call, asset: bytes, query: PageQuery) -> Page[shapes.AssetTransition]:
    """Every change of status, every move, and what became of its .xmp file, with the evidence, the newest first."""
    with snapshot(call.engine) as connection:
        _row(call, connection, asset)
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda before, limit: assets.history(connection, asset, before, limit), _LAST_ID),
            by_id,
            ById("asset history", asset),
        )
    return Page(items=[render.asset_transition(row) for row in rows], next_cursor=cursor)


@resource.serves(
    "POST",
    "/assets/lookup",
    scope=Scope.READER,
    limited=True,
    reads=True,
    body=Lookup,
    returns=LookupResult,
    problems=("not-ready",),
)
def look_up_assets(call: Call, body: Lookup) -> LookupResult:
    """Many assets at once. What is not found has an empty list. The checksums of paths are computed when somebody asks
    for one the first time, and whenever import paths are mapped otherwise: while that takes, the answer is the problem
    `not-ready`, and each request goes on with it."""
    wanted = {text: checksums.of_path(text) for text in body.path_checksums}
    errors = _bad_paths(body.paths) + checksums.bad_contents(body.content_checksums)
    errors += checksums.bad_paths(body.path_checksums)
    if errors:
        raise Refused("invalid-body", "Some of these cannot be looked up, see the errors.", errors=errors)
    if wanted:
        share = path_checksums.catch_up(call.engine, CATCH_UP_S)
        if share < 1.0:
            text = f"The checksums of paths are being computed; {share:.0%} are done. Ask again to go on with it."
            raise Refused("not-ready", text)
    asked = {text: ids.from_text("asset", text) for text in body.ids}
    with snapshot(call.engine) as connection:
        rows = assets.with_ids(connection, {raw for raw in asked.values() if raw is not None})
        places = assets.places(connection, body.paths)
        uploaded = assets.uploaded_at(connection, set(body.paths))
        at = assets.at_places(connection, {place for found in places.values() for place in found})
        summed = path_checksums.find(connection, {raw for raw in wanted.values() if raw is not None})
        alike = assets.with_contents(connection, set(body.content_checksums), call.owner)
    by_key = {row.id: row for row in rows if call.may_see(row.owner)}
    items = []
    for text in body.ids:
        row = by_key.get(asked[text] or b"")
        items.append(Found(id=text, assets=[] if row is None else [render.asset(row)]))
    for path in body.paths:
        there = (*(found for place in places[path] for found in at[place]), *uploaded.get(path, ()))
        here = {found.id: found for found in there if call.may_see(found.owner)}
        items.append(Found(path=path, assets=[render.asset(found) for found in here.values()]))
    for text in body.path_checksums:
        here = {found.id: found for found in summed.get(wanted[text] or b"", ()) if call.may_see(found.owner)}
        items.append(Found(path_checksum=text, assets=[render.asset(found) for found in here.values()]))
    for text in body.content_checksums:
        items.append(Found(content_checksum=text, assets=[render.asset(found) for found in alike.get(text, ())]))
    return LookupResult(items=items)


def _filters(query: AssetQuery, owner: str | None) -> asset_lists.Filters:
    errors: list[PlacedError] = []
    library = None if query.library is None else ids.from_text("library", query.library)
    volume = None if query.volume is None else ids.from_text("volume", query.volume)
    for name, text, raw in (("library", query.library, library), ("volume", query.volume, volume)):
        if text is not None and raw is None:
            errors.append(PlacedError(f"/{name}", f"This is not the id of a {name}."))
    if query.content is not None and not content.is_digest(query.content):
        errors.append(PlacedError("/content", checksums.NO_CONTENT))
    prefix = query.path_prefix
    if prefix is not None:
        try:
            prefix = paths.check_absolute(prefix)
        except paths.BadPath as error:
            errors.append(PlacedError("/path_prefix", f"{error}."))
    if errors:
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=errors)
    return asset_lists.Filters(
        library=library,
        owner=owner,
        status=query.status,
        availability=query.availability,
        volume=volume,
        path_prefix=prefix,
        kind=query.kind,
        trashed=query.trashed,
        content=query.content,
        updated_since=None if query.updated_since is None else int(query.updated_since.timestamp() * 1_000_000),
    )


def _bad_paths(given: list[str]) -> list[PlacedError]:
    errors = []
    for index, path in enumerate(given):
        try:
            paths.check_absolute(path)
        except paths.BadPath as error:
            errors.append(PlacedError(f"/paths/{index}", f"{error}."))
    return errors


def _row(call: Call, connection: Connection, asset: bytes) -> AnyRow:
    row = assets.get(connection, asset)
    if row is None or not call.may_see(row.owner):
        raise _not_found()
    return row


def _not_found() -> Refused:
    return Refused("not-found", "There is no such asset.")
