"""``holdfast-agent scan``."""

from __future__ import annotations

import click

from agent.cli.common import config_option, configuration, no_agent
from agent.local_socket import Request, send_request


@click.command()
@config_option
@click.option("--volume", metavar="ID", help="Only this volume; all of them otherwise.")
def scan(config_path: str, volume: str | None) -> None:
    """Ask the running agent to scan again. It returns at once; `status` shows the progress."""
    config = configuration(config_path)
    try:
        send_request(config.socket_path, Request("scan", volume))
    except OSError as error:
        no_agent(config, error)
