"""``/tokens``: who may come in."""

from __future__ import annotations

import os
import secrets
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from holdfast import ids
from holdfast.problems import PlacedError
from sidecar.api import render, shapes
from sidecar.api.auth import PEOPLE, Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.pagination import ById, Page, PageQuery, after_id, by_id, paged
from sidecar.catalog import tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused

resource = Resource("tokens")

OVERLAP_MAX_S = 7 * 86_400
OVERLAP_S = 3600
# An agent gets its new token within seconds of its next heartbeat, but it may be switched off for some days.
_AGENT_OVERLAP_S = OVERLAP_MAX_S
AGENT_OVERLAP_MIN_S = 60


class TokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make. Tokens of agents are made by enrolling, with a token of scope ``enrol``. A reader with an
    ``owner`` sees their libraries, assets and volumes, and nothing else."""

    scope: Literal["enrol", "reader", "operator", "admin"]
    name: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"\S")]
    owner: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")] | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many seconds the secret before stays good as well: as long as it takes to hand the new one over. An hour
    when left out, a week for the token of an agent."""

    overlap_s: Annotated[int, Meta(ge=0, le=OVERLAP_MAX_S)] | None = None


@resource.serves(
    "GET",
    "/tokens",
    scope=Scope.ADMIN,
    query=PageQuery,
    returns=Page[shapes.Token],
    problems=("bad-cursor", "cursor-expired"),
)
def list_tokens(call: Call, query: PageQuery) -> Page[shapes.Token]:
    """List tokens, without their secrets."""
    with snapshot(call.engine) as connection:
        rows, cursor = paged(
            connection,
            query,
            after_id(lambda after, limit: tokens.page(connection, after, limit)),
            by_id,
            ById("tokens"),
        )
    return Page(items=[render.token(row) for row in rows], next_cursor=cursor)


@resource.serves("POST", "/tokens", scope=Scope.ADMIN, body=TokenBody, returns=shapes.NewToken, status=201)
def create_token(call: Call, body: TokenBody) -> Answer:
    """Make a token. Its text is in this answer and nowhere else."""
    if body.owner is not None and body.scope != "reader":
        errors = [PlacedError("/owner", "Only a reader can be limited to an owner.")]
        raise Refused("invalid-body", "The token cannot be like this, see the errors.", errors=errors)
    owner = None if body.owner is None else body.owner.strip()
    now = now_us()
    new_id, secret = ids.new(now // 1000, os.urandom(10)), secrets.token_bytes(tokens.SECRET_BYTES)

    def work(connection: Connection) -> str:
        return tokens.create(
            connection, new_id=new_id, secret=secret, name=body.name, scope=body.scope, now=now, owner=owner
        )

    text = transact(call.engine, work)
    token = ids.to_text("token", new_id)
    made = shapes.NewToken(id=token, name=body.name, scope=body.scope, owner=owner, token=text)
    # No cache on the way may keep it.
    return Answer(made, 201, {"Location": f"/api/v1/tokens/{token}", "Cache-Control": "no-store"})


@resource.serves(
    "POST",
    "/tokens/<token>/rotate",
    scope=Scope.ADMIN,
    body=Rotation,
    returns=shapes.NewToken,
    problems=("not-rotatable",),
)
def rotate_token(call: Call, token: bytes, body: Rotation) -> Answer:
    """Give a token another secret; for a while the one before stays good, so that nobody is locked out meanwhile.

    The new secret of an agent is told to nobody: the agent hears that its own ends, and gets another one by itself.
    """
    secret, now = secrets.token_bytes(tokens.SECRET_BYTES), now_us()

    def work(connection: Connection) -> shapes.NewToken:
        row = tokens.lock(connection, token)
        if row is None:
            raise Refused("not-found", "There is no such token, or it is revoked.")
        overlap_s = overlap(row.scope, body.overlap_s)
        text = tokens.rotate(connection, token, secret, now, overlap_s * 1_000_000)
        return shapes.NewToken(
            id=ids.to_text("token", token),
            name=row.name,
            scope=row.scope,
            owner=row.owner,
            token=text if row.scope in PEOPLE else None,
        )

    return Answer(transact(call.engine, work), headers={"Cache-Control": "no-store"})


def overlap(scope: str, wished_s: int | None) -> int:
    """How long the secret before stays good. Raises :class:`Refused` for what cannot be rotated like this."""
    if scope in PEOPLE:
        return OVERLAP_S if wished_s is None else wished_s
    if scope != Scope.AGENT:
        raise Refused("not-rotatable", "An enrolment token is used once. Revoke it, and make another one.")
    if wished_s is not None and wished_s < AGENT_OVERLAP_MIN_S:
        text = f"An agent needs {AGENT_OVERLAP_MIN_S} s to get its new token. To lock it out, revoke it; then enrol it."
        raise Refused("not-rotatable", text)
    return _AGENT_OVERLAP_S if wished_s is None else wished_s


@resource.serves("GET", "/tokens/<token>", scope=Scope.ADMIN, returns=shapes.Token)
def get_token(call: Call, token: bytes) -> shapes.Token:
    """One token, without its secret."""
    with snapshot(call.engine) as connection:
        row = tokens.get(connection, token)
    if row is None:
        raise Refused("not-found", "There is no such token.")
    return render.token(row)


@resource.serves("DELETE", "/tokens/<token>", scope=Scope.ADMIN, status=204)
def revoke_token(call: Call, token: bytes) -> Answer:
    """Revoke a token. Whoever has it is locked out from the next request on."""

    def work(connection: Connection) -> bool:
        return tokens.revoke(connection, token, now_us())

    if not transact(call.engine, work):
        raise Refused("not-found", "There is no such token, or it is revoked already.")
    return Answer(status=204)
