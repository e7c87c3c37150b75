"""``holdfast-sidecar audit``: what people changed or tried to change."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import click
import msgspec
from sqlalchemy import Connection

from holdfast import ids
from sidecar.api import render, shapes
from sidecar.catalog import audit as catalog_audit
from sidecar.catalog.engine import snapshot
from sidecar.cli.common import catalog_options, clean, opened
from sidecar.config import Config

_PAGE = 500
_LAST_ID = b"\xff" * ids.ID_BYTES


@click.command()
@click.option("--token", metavar="ID", help="What was done with this token only.")
@click.option("--action", metavar="NAME", help="This action only, such as create_token.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many entries at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as the REST API has it.")
@catalog_options
def audit(settings: Config, token: str | None, action: str | None, limit: int, as_json: bool) -> None:
    """Show what people changed or tried to change, the newest first: when, who, what, where, and what came of it."""
    raw = None if token is None else ids.from_text("token", token)
    if token is not None and raw is None:
        click.echo(f"{token} is not the id of a token. `holdfast-sidecar tokens list` shows them.", err=True)
        sys.exit(os.EX_USAGE)
    with opened(settings) as engine, snapshot(engine) as connection:
        for one in _entries(connection, raw, action, limit):
            click.echo(msgspec.json.encode(one).decode() if as_json else _line(one))


def _entries(
    connection: Connection, token: bytes | None, action: str | None, limit: int
) -> Iterator[shapes.AuditEntry]:
    before = _LAST_ID
    while limit > 0:
        rows = catalog_audit.page(connection, token, action, before, min(limit, _PAGE))
        yield from map(render.audit_entry, rows)
        if len(rows) < min(limit, _PAGE):
            return
        limit -= len(rows)
        before = rows[-1].id


def _line(one: shapes.AuditEntry) -> str:
    came = "unfinished" if one.status is None else one.problem or "done"
    cells = (one.at.isoformat(timespec="seconds"), one.who, one.action, one.target, came, one.body)
    return "\t".join(clean(cell) for cell in cells).rstrip()
