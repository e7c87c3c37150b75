"""``holdfast-agent accept``."""

from __future__ import annotations

import click

from agent import acceptance
from agent.cli.common import complete_volume, config_option, configuration, find_volume, no_agent
from agent.local_socket import Request, RequestRefused, ask_status, send_request
from holdfast import console, wording
from holdfast.console import end
from holdfast.exits import Exit


@click.command(
    epilog=console.examples(
        ("holdfast-agent accept USB", "what is on the disk USB now is what should be there"),
    )
)
@config_option
@click.argument("volume", metavar="VOLUME", shell_complete=complete_volume)
@click.option("--yes", is_flag=True, help="Do not ask, for scripts.")
def accept(config_path: str, volume: str, yes: bool) -> None:
    """Say that what is on a volume now is true.

    VOLUME is its id, or its label when only one has it. This is for storage that was set back to an earlier state,
    that lost its marker, or that is emptier than it was. It is told what that means before anything is done; photos
    that are gone are reported as missing only with their proof.
    """
    config = configuration(config_path)
    try:
        status = find_volume(ask_status(config.socket_path), volume).status
        if refusal := acceptance.refusal(status.reason, status.detail):
            end(f"{status.label}: {refusal}", Exit.USAGE)
        click.echo(wording.shown(f"{status.label}: {status.detail}"))
        click.echo(acceptance.MEANING[status.reason])
        if not yes:
            click.confirm("Is that so?", abort=True)
        send_request(config.socket_path, Request("accept", status.volume))
    except RequestRefused as error:
        end(str(error), Exit.TRY_AGAIN)
    except OSError as error:
        no_agent(config, error)
    click.echo("Accepted. 'holdfast-agent status' shows what follows.")
