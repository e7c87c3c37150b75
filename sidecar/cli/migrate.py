"""``holdfast-sidecar migrate``: bring the catalog's schema up to date."""

from __future__ import annotations

import click

from holdfast import console
from sidecar import catalog
from sidecar.cli.common import catalog_options, opened
from sidecar.config import Config


@click.command(epilog=console.examples("holdfast-sidecar migrate --config /etc/holdfast/sidecar.toml"))
@catalog_options
def migrate(settings: Config) -> None:
    """Bring the catalog's schema up to date; an empty database gets all of it.

    The verb serve does it too, at its start. Make a backup before you go to a newer version: there is no way back.
    """
    with opened(settings) as engine:
        catalog.migrate(engine)
    click.echo("The catalog is up to date.")
