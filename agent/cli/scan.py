"""``holdfast-agent scan``."""

from __future__ import annotations

import click

from agent.cli.common import complete_volume, config_option, configuration, find_volume, no_agent
from agent.local_socket import Request, RequestRefused, ask_status, send_request
from holdfast import console
from holdfast.console import end
from holdfast.exits import Exit


@click.command(epilog=console.examples("holdfast-agent scan", "holdfast-agent scan --volume USB"))
@config_option
@click.option(
    "--volume",
    metavar="VOLUME",
    shell_complete=complete_volume,
    help="Only this volume, by its id or label; all of them otherwise.",
)
def scan(config_path: str, volume: str | None) -> None:
    """Ask the running agent to scan again.

    It returns at once; 'holdfast-agent status' shows the progress.
    """
    config = configuration(config_path)
    try:
        wanted = None if volume is None else find_volume(ask_status(config.socket_path), volume).status.volume
        send_request(config.socket_path, Request("scan", wanted))
    except RequestRefused as error:
        end(str(error), Exit.TRY_AGAIN)
    except OSError as error:
        no_agent(config, error)
