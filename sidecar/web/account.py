"""One's own account: another password, and where one is logged in."""

from __future__ import annotations

import math

from flask import Response, url_for
from sqlalchemy import Connection

from sidecar import accounts, throttle
from sidecar.api.auth import Scope
from sidecar.api.shapes import moment
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog import attempts, sessions
from sidecar.catalog.clock import of_database
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.web import passwords
from sidecar.web.pages import Answer, Pages, Visit

pages = Pages("account")


@pages.shows("/account")
def show_account(visit: Visit) -> str:
    """The form for another password, and the places where one is logged in."""
    return _page(visit, {})


@pages.takes("/account/password", role=Scope.READER)
def change_password(visit: Visit) -> Answer:
    """Change one's password. Everywhere else one is logged out."""
    account, session = _mine(visit)
    key = f"pair {visit.visitor.name} {visit.arrival.neighbourhood}"

    def take(connection: Connection) -> int:
        return attempts.take(connection, {key: throttle.PAIR}, of_database(connection))

    if wait_us := transact(visit.engine, take):
        return _again(
            visit, {"now": f"Too many tries. The next one may be in {math.ceil(wait_us / 1_000_000)} seconds."}
        )
    with snapshot(visit.engine) as connection:
        row = catalog_accounts.get(connection, account)
    password = visit.form.get("password", "")
    errors = passwords.wrong(password, visit.form.get("again", ""), visit.visitor.name)
    if row is None or not passwords.fits(visit.form.get("now", ""), row.password):
        errors["now"] = "This is not your password."
    if errors:
        return _again(visit, errors)
    kept = passwords.kept(password)

    def work(connection: Connection) -> None:
        attempts.give_back(connection, {}, key)
        catalog_accounts.set_password(connection, account, kept, of_database(connection), but=session)

    visit.does("change_password", visit.visitor.name, work)
    return visit.go(url_for("account_pages.show_account"), "password-changed")


@pages.takes("/account/end", role=Scope.READER)
def end_session(visit: Visit) -> Response:
    """Log oneself out in another place."""
    account, _ = _mine(visit)
    try:
        key = bytes.fromhex(visit.form.get("session", ""))
    except ValueError:
        key = b""
    if not transact(visit.engine, lambda connection: sessions.end(connection, account, key, of_database(connection))):
        raise Refused("not-found", "You are not logged in there any more.")
    return visit.go(url_for("account_pages.show_account"), "session-ended")


def _mine(visit: Visit) -> tuple[bytes, bytes]:
    """The account and the session of whoever is there, by a password of their own."""
    if visit.visitor.account is None or visit.visitor.session is None:
        raise Refused("not-found", "You are logged in by a proxy, and have no password here.")
    return visit.visitor.account, visit.visitor.session


def _again(visit: Visit, errors: dict[str, str]) -> Response:
    return Response(_page(visit, errors), 422, mimetype="text/html")


def _page(visit: Visit, errors: dict[str, str]) -> str:
    account, session = _mine(visit)
    with snapshot(visit.engine) as connection:
        rows = sessions.of_account(connection, account, of_database(connection))
    return visit.render(
        "account.html",
        errors=errors,
        needed=accounts.PASSWORD_CHARS_MIN,
        sessions=[(row, moment(row.made_at), moment(row.seen_at), row.digest == session) for row in rows],
    )
