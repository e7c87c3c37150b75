"""``holdfast-sidecar tokens``: make, list, rotate and revoke tokens."""

from __future__ import annotations

import os
import secrets

import click
from sqlalchemy import Connection

from holdfast import console, ids
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.wording import shown
from sidecar.api import render, shapes
from sidecar.api.auth import PEOPLE
from sidecar.api.tokens import overlap
from sidecar.catalog import tokens as catalog_tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.cli.common import audited, catalog_options, opened, refuse, write_secret
from sidecar.config import Config
from sidecar.errors import Refused

_PAGE = 500


@click.group(
    cls=console.Verbs,
    epilog=console.examples(
        (
            "holdfast-sidecar tokens create --scope enrol --name nas --file nas.token",
            "for a new agent; good for one use",
        ),
        ("holdfast-sidecar tokens create --scope reader --name immich", "for a photo server"),
    ),
)
def tokens() -> None:
    """Make, list, rotate and revoke tokens."""


@tokens.command()
@click.option(
    "--scope",
    type=click.Choice(["enrol", "reader", "operator", "admin"]),
    required=True,
    help="What it may do: enrol one agent; read; also change libraries, scan and decide about holds; or everything.",
)
@click.option("--name", required=True, help="What it is for, in your own words.")
@click.option("--owner", help="Limit a reader to what belongs to this owner.")
@click.option(
    "--file", "path", metavar="PATH", type=click.Path(), help="Write it to this new file, for its owner only."
)
@catalog_options
def create(settings: Config, scope: str, name: str, owner: str | None, path: str | None) -> None:
    """Make a token. It is shown this once; the catalog keeps no more than a digest of it."""
    if owner is not None and (scope != "reader" or not owner.strip()):
        refuse("--owner limits a reader to one owner, who has a name.")
    now = now_us()
    new_id, secret = ids.new(now // 1000, os.urandom(10)), secrets.token_bytes(catalog_tokens.SECRET_BYTES)
    _write_down(path, secret)
    token = ids.to_text("token", new_id)
    with opened(settings) as engine, audited(engine, "create_token", token, scope=scope, name=name, owner=owner):
        text = transact(
            engine,
            lambda connection: catalog_tokens.create(
                connection, new_id=new_id, secret=secret, name=name, scope=scope, now=now, owner=owner
            ),
        )
    click.echo(token if path is not None else text)


@tokens.command()
@click.argument("token")
@click.option(
    "--overlap",
    "overlap_s",
    type=click.IntRange(0),
    metavar="SECONDS",
    help="How long the secret before stays good; by default an hour, and a week for an agent.",
)
@click.option(
    "--file", "path", metavar="PATH", type=click.Path(), help="Write it to this new file, for its owner only."
)
@catalog_options
def rotate(settings: Config, token: str, overlap_s: int | None, path: str | None) -> None:
    """Give a token another secret, and print it. TOKEN is its id.

    The new secret of an agent is shown to nobody: the agent gets it by itself, with its next heartbeat.
    """
    raw, secret = ids.from_text("token", token), secrets.token_bytes(catalog_tokens.SECRET_BYTES)

    def work(connection: Connection) -> str | None:
        row = catalog_tokens.lock(connection, raw or b"")
        if row is None:
            return None
        return catalog_tokens.rotate(connection, row.id, secret, now_us(), stays_s * 1_000_000)

    with opened(settings) as engine:
        with snapshot(engine) as connection:
            found = catalog_tokens.get(connection, raw or b"")
        if found is None or found.revoked_at is not None:
            refuse(f"There is no good token {token}.")
        try:
            stays_s = overlap(found.scope, overlap_s)
        except Refused as refused:
            refuse(refused.detail)
        if found.scope not in PEOPLE and path is not None:
            refuse("The new token of an agent is for the agent alone. Leave out --file.")
        _write_down(path, secret)
        with audited(engine, "rotate_token", token, overlap_s=stays_s):
            text = transact(engine, work)
    if found.scope not in PEOPLE:
        click.echo(
            f"{shown(found.name)} gets its new token with its next heartbeat; the old one opens for {stays_s} s more."
        )
    else:
        click.echo(token if path is not None else text)


@tokens.command("list")
@console.json_option(list[shapes.Token])
@catalog_options
def list_tokens(settings: Config, as_json: bool) -> None:
    """List the tokens: id, scope, when it was made, its state, its name. Secrets are in no list."""
    with opened(settings) as engine, snapshot(engine) as connection:
        found = _all(connection)
    if as_json:
        console.print_json(found)
        return
    for one in found:
        state = "revoked" if one.revoked_at else "used" if one.used_at else "good"
        click.echo("\t".join((one.id, one.scope, one.created_at.isoformat(timespec="seconds"), state, shown(one.name))))


def _all(connection: Connection) -> list[shapes.Token]:
    found: list[shapes.Token] = []
    last = b""
    while rows := catalog_tokens.page(connection, last, _PAGE):
        found += map(render.token, rows)
        last = rows[-1].id
    return found


@tokens.command()
@click.argument("token")
@catalog_options
def revoke(settings: Config, token: str) -> None:
    """Revoke a token, at once. TOKEN is its id."""
    raw = ids.from_text("token", token)

    def work(connection: Connection) -> None:
        if not catalog_tokens.revoke(connection, raw or b"", now_us()):
            raise Refused("not-found", f"There is no good token {token}.")

    try:
        with opened(settings) as engine, audited(engine, "revoke_token", token):
            transact(engine, work)
    except Refused as refused:
        refuse(refused.detail)
    click.echo(f"{token} is revoked.")


def _write_down(path: str | None, secret: bytes) -> None:
    """Write a secret to a file, before it is good for anything: one that cannot be written down would be lost."""
    if path is None:
        return
    try:
        write_secret(path, catalog_tokens.spell(secret))
    except OSError as error:
        end(f"{path}: {os.strerror(error.errno or 0)}", Exit.CANNOT_CREATE)
