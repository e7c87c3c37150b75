"""``/webhooks``: who is told that something happened, and what became of it."""

from __future__ import annotations

import os
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar import cursor, delivery
from sidecar.api import conditions, render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.pagination import ById, Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import clock, webhooks
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.feed import SHOWN
from sidecar.delivery import Event, Message
from sidecar.errors import Refused

resource = Resource("webhooks")

WEBHOOKS_MAX = 64
_KINDS_MAX = 64
_LAST_ID = b"\xff" * ids.ID_BYTES
_KIND = re.compile(r"([a-z]+)(?:\.(?:\*|[a-z]+))?")
_CURSORS = ("bad-cursor", "cursor-expired")
Description = Annotated[str, Meta(max_length=255)]
Kinds = Annotated[list[str], Meta(max_length=_KINDS_MAX)]


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A web hook to make. ``kinds`` are kinds of the feed, or ``asset.*`` for all of assets; none means all."""

    url: str
    description: Description = ""
    kinds: Kinds = []


class WebhookPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change. ``enabled`` true also takes one up again that was disabled after days of failure."""

    url: str | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


@resource.serves(
    "GET", "/webhooks", scope=Scope.OPERATOR, query=PageQuery, returns=Page[shapes.Webhook], problems=_CURSORS
)
def list_webhooks(call: Call, query: PageQuery) -> Page[shapes.Webhook]:
    """List web hooks, without their secrets."""
    with snapshot(call.engine) as connection:
        rows, text = paged(
            connection,
            query,
            after_id(lambda after, limit: webhooks.page(connection, after, limit)),
            by_id,
            ById("webhooks"),
        )
    return Page(items=[render.webhook(row) for row in rows], next_cursor=text)


@resource.serves("POST", "/webhooks", scope=Scope.OPERATOR, body=WebhookBody, returns=shapes.NewWebhook, status=201)
def create_webhook(call: Call, body: WebhookBody) -> Answer:
    """Make a web hook. It is told what happens from now on. Its secret is in this answer and nowhere else."""
    _check(body.url, body.kinds)
    now = now_us()
    new_id, secret = ids.new(now // 1000, os.urandom(10)), secrets.token_bytes(delivery.SECRET_BYTES)

    def work(connection: Connection) -> AnyRow | None:
        if webhooks.count(connection) >= WEBHOOKS_MAX:
            return None
        webhooks.create(
            connection,
            new_id=new_id,
            url=body.url,
            description=body.description,
            kinds=body.kinds,
            secret=secret,
            now=now,
            cursor=clock.read(connection),
        )
        return webhooks.get(connection, new_id)

    row = transact(call.engine, work)
    if row is None:
        text = f"There are {WEBHOOKS_MAX} web hooks already; delete one that nobody needs."
        raise Refused("invalid-body", text, errors=[PlacedError("", text)])
    return _with_secret(row, secret, 201)


@resource.serves("GET", "/webhooks/<webhook>", scope=Scope.OPERATOR, returns=shapes.Webhook, headers=("If-None-Match",))
def get_webhook(call: Call, webhook: bytes) -> Answer:
    """One web hook, without its secret."""
    with snapshot(call.engine) as connection:
        row = _found(webhooks.get(connection, webhook))
    headers = {"ETag": conditions.quote(row.revision)}
    if conditions.is_current(call.header("If-None-Match"), row.revision):
        return Answer(status=304, headers=headers)
    return Answer(render.webhook(row), headers=headers)


@resource.serves(
    "PATCH",
    "/webhooks/<webhook>",
    scope=Scope.OPERATOR,
    body=WebhookPatch,
    returns=shapes.Webhook,
    problems=("precondition-failed",),
    headers=("If-Match",),
)
def change_webhook(call: Call, webhook: bytes, body: WebhookPatch) -> Answer:
    """Change a web hook, disable it, or take it up again: then it is told what happened meanwhile."""
    _check(None if body.url is UNSET else body.url, () if body.kinds is UNSET else body.kinds)

    def work(connection: Connection) -> AnyRow:
        row = _found(webhooks.lock(connection, webhook))
        conditions.check_match(call.header("If-Match"), row.revision)
        if values := _values(row, body):
            webhooks.change(connection, webhook, **values)
        return _found(webhooks.get(connection, webhook))

    row = transact(call.engine, work)
    return Answer(render.webhook(row), headers={"ETag": conditions.quote(row.revision)})


@resource.serves("DELETE", "/webhooks/<webhook>", scope=Scope.OPERATOR, status=204)
def delete_webhook(call: Call, webhook: bytes) -> Answer:
    """Delete a web hook with its deliveries."""
    if not transact(call.engine, lambda connection: webhooks.remove(connection, webhook)):
        raise _not_found()
    return Answer(status=204)


@resource.serves("POST", "/webhooks/<webhook>/rotate", scope=Scope.OPERATOR, returns=shapes.NewWebhook)
def rotate_secret(call: Call, webhook: bytes) -> Answer:
    """Give a web hook another secret. For a day messages are signed with the one before as well."""
    secret = secrets.token_bytes(delivery.SECRET_BYTES)

    def work(connection: Connection) -> AnyRow:
        webhooks.rotate(connection, _found(webhooks.lock(connection, webhook)), secret, now_us())
        return _found(webhooks.get(connection, webhook))

    return _with_secret(transact(call.engine, work), secret, 200)


@resource.serves("POST", "/webhooks/<webhook>/test", scope=Scope.OPERATOR, returns=shapes.Delivery, status=202)
def send_test(call: Call, webhook: bytes) -> Answer:
    """Send a message of the kind ``webhook.test``, to see whether it arrives."""
    now = now_us()
    new_id = ids.new(now // 1000, os.urandom(10))

    def work(connection: Connection) -> AnyRow:
        row = _found(webhooks.lock(connection, webhook))
        since = cursor.to_text(cursor.FeedCursor(clock.incarnation(connection), row.cursor))
        at = datetime.now(UTC).replace(microsecond=0)
        said = Message("webhook.test", at, Event([ids.to_text("webhook", webhook)], 1, since))
        webhooks.new_message(connection, webhook, new_id, said, now)
        return webhooks.deliveries(connection, webhook, _LAST_ID, 1)[0]

    return Answer(render.delivery(transact(call.engine, work)), 202)


@resource.serves(
    "GET",
    "/webhooks/<webhook>/deliveries",
    scope=Scope.OPERATOR,
    query=PageQuery,
    returns=Page[shapes.Delivery],
    problems=_CURSORS,
)
def list_deliveries(call: Call, webhook: bytes, query: PageQuery) -> Page[shapes.Delivery]:
    """What a web hook was told in the last month, the newest first, and what became of it."""
    with snapshot(call.engine) as connection:
        _found(webhooks.get(connection, webhook))
        rows, text = paged(
            connection,
            query,
            after_id(lambda before, limit: webhooks.deliveries(connection, webhook, before, limit), _LAST_ID),
            by_id,
            ById("deliveries", webhook),
        )
    return Page(items=[render.delivery(row) for row in rows], next_cursor=text)


@resource.serves("POST", "/webhooks/<webhook>/deliveries/<delivery>/replay", scope=Scope.OPERATOR, status=202)
def replay_delivery(call: Call, webhook: bytes, delivery: bytes) -> Answer:
    """Send a message again, under its old id, so that a receiver that has it knows it."""
    if not transact(call.engine, lambda connection: webhooks.replay(connection, webhook, delivery, now_us())):
        raise Refused("not-found", "There is no such delivery of this web hook.")
    return Answer(status=202)


def _check(url: str | None, kinds: Any) -> None:
    errors = []
    if url is not None and (problem := delivery.problem_of_url(url)):
        errors.append(PlacedError("/url", problem))
    for at, kind in enumerate(kinds):
        found = _KIND.fullmatch(kind)
        if found is None or found[1] not in SHOWN:
            known = ", ".join(sorted(SHOWN))
            errors.append(PlacedError(f"/kinds/{at}", f"Name a kind of the feed, or such as asset.*; of: {known}."))
    if errors:
        raise Refused("invalid-body", "The web hook cannot be like this, see the errors.", errors=errors)


def _values(row: AnyRow, body: WebhookPatch) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if body.url is not UNSET and body.url != row.url:
        values["url"] = body.url
    if body.description is not UNSET and body.description != row.description:
        values["description"] = body.description
    if body.kinds is not UNSET and body.kinds != webhooks.kinds_of(row):
        values["kinds"] = webhooks.pack_kinds(body.kinds)
    if body.enabled is not UNSET and body.enabled != (row.state == webhooks.ACTIVE):
        state = webhooks.ACTIVE if body.enabled else webhooks.DISABLED
        reason = "" if body.enabled else "It was disabled by hand."
        values |= {"state": state, "reason": reason, "failing_since": None}
    return values


def _with_secret(row: AnyRow, secret: bytes, status: int) -> Answer:
    shown = render.webhook(row)
    made = shapes.NewWebhook(**msgspec.structs.asdict(shown), secret=delivery.spell(secret))
    headers = {"Location": f"/api/v1/webhooks/{shown.id}", "Cache-Control": "no-store"}
    return Answer(made, status, headers | {"ETag": conditions.quote(row.revision)})


def _found(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise _not_found()
    return row


def _not_found() -> Refused:
    return Refused("not-found", "There is no such web hook.")
