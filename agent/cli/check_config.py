"""``holdfast-agent check-config``."""

from __future__ import annotations

import click

from agent.cli.common import config_option, usable_configuration


@click.command("check-config")
@config_option
def check_config(config_path: str) -> None:
    """Check the configuration, and touch nothing."""
    config = usable_configuration(config_path)
    click.echo(f"{config_path} is fine: agent {config.display_name!r} exposes {', '.join(config.roots) or 'nothing'}.")
