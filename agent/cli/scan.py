"""``holdfast-agent scan``."""

from __future__ import annotations

import click

from agent.cli.common import TRY_AGAIN, config_option, configuration, end, find_volume, no_agent
from agent.local_socket import Request, RequestRefused, ask_status, send_request


@click.command()
@config_option
@click.option("--volume", metavar="VOLUME", help="Only this volume, by its id or label; all of them otherwise.")
def scan(config_path: str, volume: str | None) -> None:
    """Ask the running agent to scan again. It returns at once; `status` shows the progress."""
    config = configuration(config_path)
    try:
        wanted = None if volume is None else find_volume(ask_status(config.socket_path), volume).status.volume
        send_request(config.socket_path, Request("scan", wanted))
    except RequestRefused as error:
        end(str(error), TRY_AGAIN)
    except OSError as error:
        no_agent(config, error)
