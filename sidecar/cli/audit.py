"""``holdfast-sidecar audit``: what people changed or tried to change."""

from __future__ import annotations

from collections.abc import Iterator

import click
from sqlalchemy import Connection

from holdfast import console, ids
from holdfast.wording import shown
from sidecar.api import render, shapes
from sidecar.catalog import audit as catalog_audit
from sidecar.catalog.engine import snapshot
from sidecar.cli.common import catalog_options, opened, refuse
from sidecar.config import Config

_PAGE = 500
_LAST_ID = b"\xff" * ids.ID_BYTES


@click.command(
    epilog=console.examples(
        "holdfast-sidecar audit --limit 20",
        ("holdfast-sidecar audit --action approve_hold", "who approved what"),
    )
)
@click.option("--token", metavar="ID", help="What was done with this token only.")
@click.option("--action", metavar="NAME", help="This action only, such as create_token.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many entries at most.")
@console.json_option(list[shapes.AuditEntry])
@catalog_options
def audit(settings: Config, token: str | None, action: str | None, limit: int, as_json: bool) -> None:
    """Show what people changed or tried to change, the newest first.

    Each line says when, who, what, where, and what came of it.
    """
    raw = None if token is None else ids.from_text("token", token)
    if token is not None and raw is None:
        refuse(f"{token} is not the id of a token. 'holdfast-sidecar tokens list' shows them.")
    with opened(settings) as engine, snapshot(engine) as connection:
        found = _entries(connection, raw, action, limit)
        if as_json:
            console.print_json(list(found))
            return
        for one in found:
            click.echo(_line(one))


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
    return "\t".join(shown(cell) for cell in cells).rstrip()
