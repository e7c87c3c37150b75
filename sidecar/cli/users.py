"""``holdfast-sidecar users``: who may log in to the web pages."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable

import click
from sqlalchemy import Connection, Engine

from holdfast import credentials, ids
from sidecar import accounts
from sidecar.api.shapes import moment_or_none
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog.clock import now_us, of_database
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.cli.common import audited, catalog_options, clean, opened
from sidecar.config import Config
from sidecar.errors import Refused

# Under systemd, or wherever else a service manager hands secrets over.
CREDENTIAL = "sidecar_user_password"

_file = click.option(
    "--password-file", metavar="PATH", help="Read the password from the first line of this file; - is standard input."
)
_role = click.option("--role", type=click.Choice(accounts.ROLES), required=True, help="What they may do.")


@click.group()
def users() -> None:
    """Make, list and remove accounts of people who use the web pages."""


@users.command()
@click.argument("name")
@_role
@_file
@catalog_options
def add(settings: Config, name: str, role: str, password_file: str | None) -> None:
    """Make an account. The password is asked for, or read from a file; it is never an argument."""
    spelled = accounts.spelled(name)
    _refuse(accounts.wrong_with_name(spelled))
    kept = _kept(spelled, password_file)
    now = now_us()
    new_id = ids.new(now // 1000, os.urandom(10))

    def work(connection: Connection) -> None:
        catalog_accounts.create(connection, new_id, spelled, role, kept, now)

    with opened(settings) as engine:
        _do(engine, work, "create_account", spelled, role=role)
    click.echo(f"{clean(spelled)} may log in, as {role}.")


@users.command()
@click.argument("name")
@_file
@catalog_options
def passwd(settings: Config, name: str, password_file: str | None) -> None:
    """Give an account another password. It is logged out everywhere."""
    with opened(settings) as engine:
        row = _account(engine, name)
        kept = _kept(row.name, password_file)

        def work(connection: Connection) -> None:
            catalog_accounts.set_password(connection, row.id, kept, of_database(connection))

        _do(engine, work, "change_password", row.name)
    click.echo(f"{clean(row.name)} has another password.")


@users.command()
@click.argument("name")
@_role
@catalog_options
def role(settings: Config, name: str, role: str) -> None:
    """Give an account another role, from its next request on."""
    with opened(settings) as engine:
        row = _account(engine, name)
        work = lambda connection: catalog_accounts.set_role(connection, row.id, role)  # noqa: E731
        _do(engine, work, "change_role", row.name, role=role)
    click.echo(f"{clean(row.name)} is {role} from now on.")


@users.command("list")
@catalog_options
def list_users(settings: Config) -> None:
    """List the accounts: name, role, when it was last logged in to."""
    with opened(settings) as engine, snapshot(engine) as connection:
        found = catalog_accounts.everybody(connection)
    if not found:
        click.echo("There are no accounts. Make a link for the first one:  holdfast-sidecar users setup-link", err=True)
    for row in found:
        used = moment_or_none(row.used_at)
        click.echo("\t".join((clean(row.name), row.role, "never" if used is None else used.isoformat("T", "seconds"))))


@users.command()
@click.argument("name")
@catalog_options
def remove(settings: Config, name: str) -> None:
    """Remove an account, and log it out everywhere."""
    with opened(settings) as engine:
        row = _account(engine, name)
        _do(engine, lambda connection: catalog_accounts.remove(connection, row.id), "delete_account", row.name)
    click.echo(f"{clean(row.name)} may not log in any more.")


@users.command("setup-link")
@click.option("--role", type=click.Choice(accounts.ROLES), default="admin", show_default=True)
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


def _base(settings: Config) -> str:
    """Where the pages are, as far as that is known here."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    return "http://localhost" if settings.listen.startswith("unix:") else f"http://{settings.listen}"


def _kept(name: str, path: str | None) -> str:
    """What is kept of the password that is asked for, or read. Ends the process when it will not do."""
    password = _password(path)
    _refuse(accounts.wrong_with_password(password, name))
    return accounts.kept(password, os.urandom(accounts.SALT_BYTES))


def _password(path: str | None) -> str:
    if path is None:
        found = credentials.text_of(CREDENTIAL)
        return found or str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return str(file.readline()).rstrip("\r\n")
    except OSError as error:
        click.echo(f"{path}: {os.strerror(error.errno or 0)}", err=True)
        sys.exit(os.EX_NOINPUT)


def _account(engine: Engine, name: str) -> AnyRow:
    with snapshot(engine) as connection:
        row = catalog_accounts.by_name(connection, accounts.spelled(name))
    if row is None:
        click.echo(f"There is no account {clean(name)}.", err=True)
        sys.exit(os.EX_USAGE)
    return row


def _do(engine: Engine, work: Callable[[Connection], None], action: str, target: str, **values: object) -> None:
    try:
        with audited(engine, action, target, **values):
            transact(engine, work)
    except Refused as refused:
        _refuse(refused.detail)


def _refuse(sentence: str | None) -> None:
    if sentence is not None:
        click.echo(sentence, err=True)
        sys.exit(os.EX_USAGE)
