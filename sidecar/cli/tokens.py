"""``holdfast-sidecar tokens``: make, list and revoke tokens."""

from __future__ import annotations

import os
import secrets
import sys

import click

from holdfast import ids
from sidecar.api.shapes import moment
from sidecar.catalog import tokens as catalog_tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.cli.common import catalog_options, opened, write_secret
from sidecar.config import Config

_PAGE = 500


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens."""


@tokens.command()
@click.option("--scope", type=click.Choice(["enrol", "reader", "operator", "admin"]), required=True)
@click.option("--name", required=True, help="What it is for, in your own words.")
@click.option("--file", "path", metavar="PATH", help="Write it to this new file, for its owner only.")
@catalog_options
def create(settings: Config, scope: str, name: str, path: str | None) -> None:
    """Make a token. It is shown this once."""
    now = now_us()
    new_id, secret = ids.new(now // 1000, os.urandom(10)), secrets.token_bytes(catalog_tokens.SECRET_BYTES)
    if path is not None:
        # Before the token is made: one that cannot be written down would be lost.
        try:
            write_secret(path, catalog_tokens.spell(secret))
        except OSError as error:
            click.echo(f"{path}: {os.strerror(error.errno or 0)}", err=True)
            sys.exit(os.EX_CANTCREAT)
    with opened(settings) as engine:
        text = transact(
            engine,
            lambda connection: catalog_tokens.create(
                connection, new_id=new_id, secret=secret, name=name, scope=scope, now=now
            ),
        )
    click.echo(ids.to_text("token", new_id) if path is not None else text)


@tokens.command("list")
@catalog_options
def list_tokens(settings: Config) -> None:
    """List the tokens: id, scope, when it was made, its state, its name."""
    with opened(settings) as engine, snapshot(engine) as connection:
        last = b""
        while rows := catalog_tokens.page(connection, last, _PAGE):
            for row in rows:
                state = "revoked" if row.revoked_at else "used" if row.used_at else "good"
                made = moment(row.created_at).isoformat(timespec="seconds")
                click.echo("\t".join((ids.to_text("token", row.id), row.scope, made, state, row.name)))
            last = rows[-1].id


@tokens.command()
@click.argument("token")
@catalog_options
def revoke(settings: Config, token: str) -> None:
    """Revoke a token, by its id."""
    raw = ids.from_text("token", token)
    with opened(settings) as engine:
        done = raw is not None and transact(
            engine, lambda connection: catalog_tokens.revoke(connection, raw or b"", now_us())
        )
    if not done:
        click.echo(f"There is no good token {token}.", err=True)
        sys.exit(os.EX_USAGE)
    click.echo(f"{token} is revoked.")
