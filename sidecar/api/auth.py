"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flask import Request
from sqlalchemy import Engine

from holdfast import ids
from sidecar.catalog import tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot
from sidecar.errors import Refused


class Scope(StrEnum):
    """What a token is for. ``ADMIN`` may all that ``OPERATOR`` may, and that all that ``READER`` may; ``AGENT`` is
    bound to one agent, ``ENROL`` makes one and is used up by it. A reader may be limited to an owner."""

    ENROL = "enrol"
    AGENT = "agent"
    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"


PEOPLE = (Scope.READER, Scope.OPERATOR, Scope.ADMIN)


@dataclass(frozen=True, slots=True)
class Caller:
    """The token that a request came with. ``agent`` is the agent it belongs to, if its scope is ``AGENT``; ``owner``
    is whose things alone it may see, if it is limited."""

    token: bytes
    name: str
    scope: Scope
    agent: bytes | None
    owner: str | None

    @property
    def signature(self) -> str:
        """Who it was, as it is written down."""
        return f"{self.name} ({ids.to_text('token', self.token)})"


def authenticate(request: Request, engine: Engine) -> Caller:
    """The caller of a request. Raises :class:`Refused` when there is no good token."""
    text = _token(request)
    if text is None:
        raise Refused("unauthorized", "Send a token: 'Authorization: Bearer hf_…', or in the header x-api-key.")
    with snapshot(engine) as connection:
        row = tokens.find(connection, text, now_us())
    if row is None:
        raise Refused("unauthorized", "This token is not known here, or was revoked.")
    return Caller(row.id, row.name, Scope(row.scope), row.agent_id, row.owner)


def allows(held: Scope, needed: Scope) -> bool:
    """Whether a token of scope ``held`` may do what needs ``needed``."""
    if held in PEOPLE and needed in PEOPLE:
        return PEOPLE.index(held) >= PEOPLE.index(needed)
    return held is needed


def check(caller: Caller, needed: Scope, limited: bool) -> None:
    """Raise :class:`Refused` unless the caller may. ``limited``: so may readers that are limited to an owner."""
    if not allows(caller.scope, needed):
        raise Refused("forbidden", f"This needs a token of scope {needed}; yours has scope {caller.scope}.")
    if caller.owner is not None and not limited:
        raise Refused("forbidden", "This shows more than one owner's things; your token is limited to one owner's.")


def _token(request: Request) -> str | None:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    return request.headers.get("x-api-key") or None
