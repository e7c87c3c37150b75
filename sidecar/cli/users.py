"""``holdfast-sidecar users``: who may log in to the web pages."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import datetime

import click
import msgspec
from sqlalchemy import Connection, Engine

from holdfast import console, credentials, ids
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.wording import shown
from sidecar import accounts
from sidecar.api.shapes import moment, moment_or_none
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog.clock import now_us, of_database
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.cli.common import audited, catalog_options, opened, refuse
from sidecar.config import Config
from sidecar.errors import Refused

# Under systemd, or wherever else a service manager hands secrets over.
CREDENTIAL = "sidecar_user_password"

_file = click.option(
    "--password-file",
    metavar="PATH",
    type=click.Path(allow_dash=True),
    help="Read the password from the first line of this file; - is standard input.",
)
_ROLES = "What they may do: look; also change libraries, scan and decide about holds; or everything."
_role = click.option("--role", type=click.Choice(accounts.ROLES), required=True, help=_ROLES)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """An account of a person. ``used_at`` is when somebody last logged in to it."""

    name: str
    role: str
    created_at: datetime
    used_at: datetime | None


@click.group(
    cls=console.Verbs,
    epilog=console.examples(
        ("holdfast-sidecar users setup-link", "a link for the first administrator"),
        ("holdfast-sidecar users add anna --role operator", "asks for the password"),
    ),
)
def users() -> None:
    """Make, list and remove accounts of people who use the web pages."""


@users.command()
@click.argument("name")
@_role
@_file
@catalog_options
def add(settings: Config, name: str, role: str, password_file: str | None) -> None:
    """Make an account. NAME is what its owner logs in with. The password is asked for, or read from a file; it is never
    an argument, which everybody on the machine could read."""
    spelled = accounts.spelled(name)
    _check(accounts.wrong_with_name(spelled))
    kept = _kept(spelled, password_file)
    now = now_us()
    new_id = ids.new(now // 1000, os.urandom(10))

    def work(connection: Connection) -> None:
        catalog_accounts.create(connection, new_id, spelled, role, kept, now)

    with opened(settings) as engine:
        _do(engine, work, "create_account", spelled, role=role)
    click.echo(f"{shown(spelled)} may log in, as {role}.")


@users.command()
@click.argument("name")
@_file
@catalog_options
def passwd(settings: Config, name: str, password_file: str | None) -> None:
    """Give the account NAME another password. It is logged out everywhere."""
    with opened(settings) as engine:
        row = _account(engine, name)
        kept = _kept(row.name, password_file)

        def work(connection: Connection) -> None:
            catalog_accounts.set_password(connection, row.id, kept, of_database(connection))

        _do(engine, work, "change_password", row.name)
    click.echo(f"{shown(row.name)} has another password.")


@users.command()
@click.argument("name")
@_role
@catalog_options
def role(settings: Config, name: str, role: str) -> None:
    """Give the account NAME another role, from its next request on."""
    with opened(settings) as engine:
        row = _account(engine, name)
        work = lambda connection: catalog_accounts.set_role(connection, row.id, role)  # noqa: E731
        _do(engine, work, "change_role", row.name, role=role)
    click.echo(f"{shown(row.name)} is {role} from now on.")


@users.command("list")
@console.json_option(list[User])
@catalog_options
def list_users(settings: Config, as_json: bool) -> None:
    """List the accounts: name, role, when it was last logged in to."""
    with opened(settings) as engine, snapshot(engine) as connection:
        found = [_user(row) for row in catalog_accounts.everybody(connection)]
    if as_json:
        console.print_json(found)
        return
    if not found:
        click.echo("There are no accounts. Make a link for the first one:  holdfast-sidecar users setup-link", err=True)
    for one in found:
        used = "never" if one.used_at is None else one.used_at.isoformat(timespec="seconds")
        click.echo("\t".join((shown(one.name), one.role, used)))


@users.command()
@click.argument("name")
@catalog_options
def remove(settings: Config, name: str) -> None:
    """Remove the account NAME, and log it out everywhere."""
    with opened(settings) as engine:
        row = _account(engine, name)
        _do(engine, lambda connection: catalog_accounts.remove(connection, row.id), "delete_account", row.name)
    click.echo(f"{shown(row.name)} may not log in any more.")


@users.command("setup-link")
@click.option("--role", type=click.Choice(accounts.ROLES), default="admin", show_default=True, help=_ROLES)
@click.option("--if-none", is_flag=True, help="Only if there is no account yet; else nothing is printed.")
@catalog_options
def setup_link(settings: Config, role: str, if_none: bool) -> None:
    """Print a link by which one account can be made in the browser. It works once, for a day."""
    text = secrets.token_urlsafe(32)
    with opened(settings) as engine:
        with snapshot(engine) as connection:
            if if_none and catalog_accounts.exist(connection):
                return
        _do(engine, lambda connection: catalog_accounts.make_link(connection, text, role), "create_setup_link", role)
    click.echo(f"{_base(settings)}/setup/{text}")


def _user(row: AnyRow) -> User:
    return User(name=row.name, role=row.role, created_at=moment(row.created_at), used_at=moment_or_none(row.used_at))


def _base(settings: Config) -> str:
    """Where the pages are, as far as that is known here."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    return "http://localhost" if settings.listen.startswith("unix:") else f"http://{settings.listen}"


def _kept(name: str, path: str | None) -> str:
    """What is kept of the password that is asked for, or read. Ends the process when it will not do."""
    password = _password(path)
    _check(accounts.wrong_with_password(password, name))
    return accounts.kept(password, os.urandom(accounts.SALT_BYTES))


def _password(path: str | None) -> str:
    if path is None:
        found = credentials.text_of(CREDENTIAL)
        return found or str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return str(file.readline()).rstrip("\r\n")
    except OSError as error:
        end(f"{path}: {os.strerror(error.errno or 0)}", Exit.NO_INPUT)


def _account(engine: Engine, name: str) -> AnyRow:
    with snapshot(engine) as connection:
        row = catalog_accounts.by_name(connection, accounts.spelled(name))
    if row is None:
        refuse(f"There is no account {shown(name)}.")
    return row


def _do(engine: Engine, work: Callable[[Connection], None], action: str, target: str, **values: object) -> None:
    try:
        with audited(engine, action, target, **values):
            transact(engine, work)
    except Refused as refused:
        refuse(refused.detail)


def _check(sentence: str | None) -> None:
    if sentence is not None:
        refuse(sentence)
