"""``holdfast-sidecar check-config``: whether the configuration can work."""

from __future__ import annotations

import click

from sidecar.cli.common import catalog_options
from sidecar.config import Config


@click.command("check-config")
@catalog_options
def check_config(settings: Config) -> None:
    """Check the configuration without touching anything; exit status 78 when it cannot work."""
    click.echo(f"The configuration is good: the API would listen on {settings.listen}.")
