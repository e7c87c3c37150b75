"""Who is asking, and what they may do."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum

from flask import Request
from sqlalchemy import Engine

from holdfast import ids
from sidecar.catalog import tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot
from sidecar.errors import Refused
from sidecar.forwarding import neighbourhood
from sidecar.logs import Log
from sidecar.throttling import Throttle

_log = Log(__name__)


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
    """The token that a request came with; None for a person at the web pages. ``agent`` is the agent it belongs to, if
    its scope is ``AGENT``; ``owner`` is whose things alone it may see, if it is limited. ``digest`` is that of the
    secret that was shown, and ``is_outdated`` says that it is one that ends soon, since the token was rotated."""

    token: bytes | None
    name: str
    scope: Scope
    agent: bytes | None
    owner: str | None
    digest: bytes = b""
    is_outdated: bool = False

    @property
    def signature(self) -> str:
        """Who it was, as it is written down."""
        return self.name if self.token is None else f"{self.name} ({ids.to_text('token', self.token)})"


def authenticate(request: Request, engine: Engine, throttle: Throttle) -> Caller:
    """The caller of a request. Raises :class:`Refused` when there is no good token.

    A good one passes whatever else came from the same place: many may share an address, behind a router or a proxy.
    """
    text = _token(request)
    if text is None:
        raise Refused("unauthorized", "Send a token: 'Authorization: Bearer hf_…', or in the header x-api-key.")
    row = None
    if tokens.is_spelled(text):
        with snapshot(engine) as connection:
            row = tokens.find(connection, text, now_us())
    if row is None:
        raise _wrong(request.remote_addr or "", throttle)
    shown = tokens.digest(text)
    return Caller(row.id, row.name, Scope(row.scope), row.agent_id, row.owner, shown, shown != row.digest)


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


def _wrong(address: str, throttle: Throttle) -> Refused:
    """What a wrong token from this address is answered with: too many are told to wait."""
    who, now = neighbourhood(address), time.monotonic()
    if throttle.is_first(who, now):
        _log.warning("token.refused", address=address or "unix")
    wait_s = throttle.wrong(who, now)
    if wait_s is None:
        return Refused("unauthorized", "This token is not known here, or was revoked.")
    after_s = math.ceil(wait_s)
    text = f"This token is not known here, or was revoked; nor were others from your address. Wait {after_s} s."
    return Refused("too-many-tries", text, retry_after_s=after_s)


def _token(request: Request) -> str | None:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    return request.headers.get("x-api-key") or None
