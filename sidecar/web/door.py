"""The door: logging in and out, and making an account with a link that was made at the command line."""

from __future__ import annotations

import math
import os

from flask import Response, request
from sqlalchemy import Connection

from holdfast import ids
from sidecar import accounts, throttle
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog import attempts, audit, sessions
from sidecar.catalog.audit import Deed, Outcome
from sidecar.catalog.clock import now_us, of_database
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.logs import Log
from sidecar.throttle import Rate
from sidecar.web import passwords, visitors
from sidecar.web.pages import Answer, Pages, Visit, local

pages = Pages("door")

_log = Log(__name__)
_WRONG = "This name and password do not belong together."
_LINK_IS_OVER = (
    "This link is not good any more: it was used, or is older than a day. Make a new one at the command line:"
)


@pages.shows("/login", role=None)
def log_in(visit: Visit) -> Answer:
    """The form for name and password."""
    if visit.somebody is not None:
        return visit.go(local(visit.arguments.get("next")) or "/")
    return _form(visit)


@pages.takes("/login", role=None)
def check_in(visit: Visit) -> Answer:
    """Let somebody in who knows their password."""
    name, password = accounts.spelled(visit.form.get("name", "")), visit.form.get("password", "")
    pair = f"pair {name} {visit.arrival.neighbourhood}"

    def begin(connection: Connection) -> tuple[int, AnyRow | None, dict[str, Rate]]:
        row = catalog_accounts.by_name(connection, name)
        keys = {pair: throttle.PAIR, f"address {visit.arrival.neighbourhood}": throttle.ADDRESS}
        if row is None or not sessions.is_known(connection, row.id, visit.arrival.address):
            keys[f"account {name}"] = throttle.ACCOUNT
        return attempts.take(connection, keys, of_database(connection)), row, keys

    wait_us, row, keys = transact(visit.engine, begin)
    if wait_us:
        _log.warning("login.throttled", address=visit.arrival.address)
        return _later(visit, wait_us, name)
    fits = passwords.fits(password, accounts.NOBODY if row is None else row.password)
    if row is None or not fits:
        _log.warning("login.refused", address=visit.arrival.address)
        return Response(_form(visit, name=name, problem=_WRONG), 401, mimetype="text/html")
    transact(visit.engine, lambda connection: attempts.give_back(connection, keys, pair))
    return _let_in(visit, row.id, row.name, row.role, local(visit.form.get("next")) or "/", "log_in")


@pages.takes("/logout", role=None)
def log_out(visit: Visit) -> Answer:
    """End the session."""
    somebody = visit.somebody
    if somebody is not None and somebody.account is not None and somebody.session is not None:
        account, session = somebody.account, somebody.session
        transact(visit.engine, lambda connection: sessions.end(connection, account, session, of_database(connection)))
    response = visit.go("/login", "logged-out")
    visitors.remember(response, visitors.new_text(), visit.arrival)
    return response


@pages.shows("/setup/<code>", role=None)
def set_up(visit: Visit, code: str) -> Answer:
    """The form for an account, for whoever has a link."""
    if not _is_good(visit, code):
        return _over(visit)
    return visit.render("door/setup.html", code=code, name="", errors={}, needed=accounts.PASSWORD_CHARS_MIN)


@pages.takes("/setup/<code>", role=None)
def make_account(visit: Visit, code: str) -> Answer:
    """Make the account, and let its owner in."""
    if not _is_good(visit, code):
        return _over(visit)
    name, password = accounts.spelled(visit.form.get("name", "")), visit.form.get("password", "")
    errors = passwords.wrong(password, visit.form.get("again", ""), name)
    if (wrong := accounts.wrong_with_name(name)) is not None:
        errors["name"] = wrong
    if errors:
        return _set_up_again(visit, code, name, errors)
    now = now_us()
    new_id, kept = ids.new(now // 1000, os.urandom(10)), passwords.kept(password)

    def work(connection: Connection) -> str | None:
        role = catalog_accounts.use_link(connection, code)
        if role is not None:
            catalog_accounts.create(connection, new_id, name, role, kept, now)
        return role

    try:
        role = transact(visit.engine, work)
    except Refused as refused:
        return _set_up_again(visit, code, name, {"name": refused.detail})
    if role is None:
        return _over(visit)
    return _let_in(visit, new_id, name, role, "/overview?notice=welcome", "create_account")


def _let_in(visit: Visit, account: bytes, name: str, role: str, url: str, action: str) -> Response:
    """Begin a session, write that down, and go on."""
    text, now = visitors.new_text(), now_us()
    entry = audit.new_entry(now)
    deed = Deed(None, f"the web pages, {name}", role, action, f"from {visit.arrival.address}")
    browser = request.headers.get("User-Agent", "")

    def work(connection: Connection) -> None:
        here = of_database(connection)
        audit.begin(connection, deed, entry, now, Outcome(303))
        sessions.begin(connection, text, account, visit.arrival.address, browser, here)
        catalog_accounts.note_use(connection, account, now)

    transact(visit.engine, work)
    response = visit.go(url)
    visitors.remember(response, text, visit.arrival, life_s=sessions.LIFE_US // 1_000_000)
    return response


def _form(visit: Visit, *, name: str = "", problem: str | None = None) -> str:
    wanted = local(visit.form.get("next") or visit.arguments.get("next")) or "/"
    with snapshot(visit.engine) as connection:
        is_empty = not catalog_accounts.exist(connection)
    return visit.render("door/login.html", name=name, problem=problem, next=wanted, is_empty=is_empty)


def _later(visit: Visit, wait_us: int, name: str) -> Response:
    wait_s = math.ceil(wait_us / 1_000_000)
    problem = f"Too many tries. The next one may be in {wait_s} seconds."
    response = Response(_form(visit, name=name, problem=problem), 429, mimetype="text/html")
    response.headers["Retry-After"] = str(wait_s)
    return response


def _is_good(visit: Visit, code: str) -> bool:
    def work(connection: Connection) -> tuple[int, bool]:
        keys = {f"link {visit.arrival.neighbourhood}": throttle.LINK}
        wait_us = attempts.take(connection, keys, of_database(connection))
        return wait_us, catalog_accounts.role_of_link(connection, code) is not None

    wait_us, is_good = transact(visit.engine, work)
    if wait_us:
        raise Refused("too-many-attempts", "Too many tries with links like this one. Wait a minute.")
    return is_good


def _over(visit: Visit) -> Response:
    return Response(visit.render("door/over.html", sentence=_LINK_IS_OVER), 410, mimetype="text/html")


def _set_up_again(visit: Visit, code: str, name: str, errors: dict[str, str]) -> Response:
    page = visit.render("door/setup.html", code=code, name=name, errors=errors, needed=accounts.PASSWORD_CHARS_MIN)
    return Response(page, 422, mimetype="text/html")
