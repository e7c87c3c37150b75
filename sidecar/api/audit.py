"""``/audit``: what people changed or tried to change, for those who administer them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Call, Resource
from sidecar.api.pagination import Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import audit
from sidecar.catalog.engine import snapshot
from sidecar.errors import Refused

resource = Resource("audit")

_LAST_ID = b"\xff" * ids.ID_BYTES


class AuditQuery(PageQuery, frozen=True, kw_only=True):
    """Which entries are wanted: those of a token, or of an action, which is the operationId of an endpoint."""

    token: str | None = None
    action: Annotated[str, Meta(max_length=64)] | None = None


class _Filters(msgspec.Struct, frozen=True):
    of: str
    token: bytes | None
    action: str | None


@resource.serves(
    "GET",
    "/audit",
    scope=Scope.ADMIN,
    query=AuditQuery,
    returns=Page[shapes.AuditEntry],
    problems=("bad-cursor", "cursor-expired"),
)
def list_audit(call: Call, query: AuditQuery) -> Page[shapes.AuditEntry]:
    """What people changed, or were refused, in the last two years, the newest first."""
    token = None if query.token is None else ids.from_text("token", query.token)
    if query.token is not None and token is None:
        errors = [PlacedError("/token", "This is not the id of a token.")]
        raise Refused("bad-query", "The query is not understood, see the errors.", errors=errors)
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda before, limit: audit.page(connection, token, query.action, before, limit), _LAST_ID),
            by_id,
            _Filters("audit", token, query.action),
        )
    return Page(items=[render.audit_entry(row) for row in rows], next_cursor=cursor)
