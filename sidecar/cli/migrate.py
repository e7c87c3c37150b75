"""``holdfast-sidecar migrate``: bring the catalog's schema up to date."""

from __future__ import annotations

import click

from sidecar import catalog
from sidecar.cli.common import catalog_options, opened
from sidecar.config import Config


@click.command()
@catalog_options
def migrate(settings: Config) -> None:
    """Bring the catalog's schema up to date; an empty database gets all of it."""
    with opened(settings) as engine:
        catalog.migrate(engine)
    click.echo("The catalog is up to date.")
