"""Who is looking at a page: by a session that began with a password, or because a proxy that is trusted says so.

A browser keeps one cookie. Before somebody logs in it is a random text that nobody else knows, and after that another
one, which is the session. The token of every form is made from the cookie, so that a form of another site, which can
send the cookie along but not read it, has none that fits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from flask import Request, Response
from sqlalchemy import Engine

from sidecar import accounts
from sidecar.api.auth import Caller, Scope
from sidecar.api.forwarded import TRUSTED
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog import sessions
from sidecar.catalog.clock import of_database
from sidecar.catalog.engine import snapshot, transact
from sidecar.config import Config
from sidecar.forwarding import UNIX, neighbourhood

CSRF_FIELD = "csrf"
_COOKIE = "holdfast"
# Browsers take a cookie of such a name over https only, for the whole host, and from nobody but the host itself.
_SECURE_COOKIE = "__Host-holdfast"
_TEXT_BYTES = 32
_TEXT_CHARS = 43


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who may see pages. ``account`` and ``session`` are None for one whom a proxy has logged in; ``session``
    is the digest of the session."""

    name: str
    scope: Scope
    account: bytes | None
    session: bytes | None

    @property
    def caller(self) -> Caller:
        """The same, as the API sees them."""
        return Caller(None, f"the web pages, {self.name}", self.scope, None, None)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request, before anybody knows who it is: ``text`` is what its cookie says, ``is_new`` when it had none."""

    address: str
    is_secure: bool
    text: str
    is_new: bool
    user: str | None

    @property
    def neighbourhood(self) -> str:
        """Who shares one count of tries: whoever has an address of IPv6 has very many of them."""
        return neighbourhood(self.address)

    @property
    def csrf(self) -> str:
        """The token that a form of this browser has to bring along."""
        return csrf_of(self.text)


def arrive(request: Request, config: Config) -> Arrival:
    """What can be told of a request without the catalog."""
    given = request.cookies.get(_SECURE_COOKIE if request.is_secure else _COOKIE, "")
    is_new = len(given) != _TEXT_CHARS
    is_vouched_for = config.proxy_user_header and request.environ.get(TRUSTED, False)
    user = request.headers.get(config.proxy_user_header, "") if is_vouched_for else ""
    return Arrival(
        address=request.remote_addr or UNIX,
        is_secure=request.is_secure,
        text=new_text() if is_new else given,
        is_new=is_new,
        user=accounts.spelled(user) or None,
    )


def recognise(engine: Engine, arrival: Arrival, config: Config, *, is_look: bool) -> Visitor | None:
    """Who it is. ``is_look``: the page looks by itself, which is no sign of a person."""
    if arrival.user is None and arrival.is_new:
        return None
    with snapshot(engine) as connection:
        if arrival.user is not None:
            row = catalog_accounts.by_name(connection, arrival.user)
            role = config.proxy_user_role if row is None else row.role
            return Visitor(arrival.user, Scope(role), None, None)
        now = of_database(connection)
        row = sessions.find(connection, arrival.text, now)
    if row is None:
        return None
    if not is_look and row.seen_at < now - sessions.SEEN_EVERY_US:
        transact(engine, lambda connection: sessions.note_seen(connection, row.digest, now))
    return Visitor(row.name, Scope(row.role), row.account_id, row.digest)


def new_text() -> str:
    """What a cookie says: 256 random bits."""
    return secrets.token_urlsafe(_TEXT_BYTES)


def csrf_of(text: str) -> str:
    """The token of forms that goes with a cookie; the one does not tell the other."""
    return hmac.new(text.encode(), b"holdfast form", hashlib.sha256).hexdigest()


def is_our_form(request: Request, arrival: Arrival) -> bool:
    """Whether a form was sent from a page of ours, by the browser that it was shown in."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    given = request.form.get(CSRF_FIELD) or request.headers.get("X-CSRF-Token", "")
    return not arrival.is_new and hmac.compare_digest(given.encode(), arrival.csrf.encode())


def remember(response: Response, text: str, arrival: Arrival, *, life_s: int | None = None) -> None:
    """Have the browser keep this text; ``life_s`` None until it is closed."""
    response.set_cookie(
        _SECURE_COOKIE if arrival.is_secure else _COOKIE,
        text,
        max_age=life_s,
        secure=arrival.is_secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )
