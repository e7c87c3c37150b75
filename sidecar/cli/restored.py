"""``holdfast-sidecar restored``: the database was restored from a backup."""

from __future__ import annotations

import os

import click

from holdfast import console, ids
from sidecar import catalog
from sidecar.catalog import clock
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.cli.common import audited, catalog_options, opened
from sidecar.config import Config


@click.command(epilog=console.examples("holdfast-sidecar restored --config /etc/holdfast/sidecar.toml"))
@catalog_options
def restored(settings: Config) -> None:
    """Say that the database was restored from a backup by hand.

    It is to be run before the sidecar is started again. Agents then tell again what the catalog has lost, and photo
    servers read the feed from its beginning; nothing is removed because of it.
    """
    incarnation = ids.new(now_us() // 1000, os.urandom(10))
    with opened(settings) as engine:
        catalog.migrate(engine)
        with audited(engine, "restored", ids.to_text("catalog", incarnation)):
            transact(engine, lambda connection: clock.renew(connection, incarnation))
    click.echo(f"The catalog is {ids.to_text('catalog', incarnation)} from now on. Start the sidecar again.")
