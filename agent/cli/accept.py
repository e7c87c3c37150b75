"""``holdfast-agent accept``."""

from __future__ import annotations

import click

from agent import acceptance
from agent.cli.common import USAGE, config_option, configuration, end, no_agent
from agent.local_socket import Request, ask_status, send_request
from holdfast.status import AgentStatus, VolumeReading


@click.command()
@config_option
@click.argument("volume", metavar="VOLUME")
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept(config_path: str, volume: str, yes: bool) -> None:
    """Say that what is on VOLUME now is true (its id, or its label when only one has it).

    For storage that was set back to an earlier state, that lost its marker, or that is emptier than it was. It is
    told what that means before anything is done; photos that are gone are reported as missing only with their proof.
    """
    config = configuration(config_path)
    try:
        reading = _find(ask_status(config.socket_path), volume)
        status = reading.status
        if refusal := acceptance.refusal(status.reason, status.detail):
            end(f"{status.label}: {refusal}", USAGE)
        click.echo(f"{status.label}: {status.detail}\n{acceptance.MEANING[status.reason]}")
        if not yes:
            click.confirm("Is that so?", abort=True)
        send_request(config.socket_path, Request("accept", status.volume))
    except OSError as error:
        no_agent(config, error)
    click.echo("Accepted. 'holdfast-agent status' shows what follows.")


def _find(answer: AgentStatus, volume: str) -> VolumeReading:
    readings = answer.volumes
    by_id = [one for one in readings if one.status.volume == volume]
    named = by_id or [one for one in readings if one.status.label == volume]
    if not named:
        known = ", ".join(one.status.label for one in readings) or "none"
        end(f"there is no volume {volume!r} here, but {known}. See 'holdfast-agent status'.", USAGE)
    if len(named) > 1:
        ids = ", ".join(one.status.volume for one in named)
        end(f"several volumes are called {volume!r}. Name one by its id: {ids}.", USAGE)
    return named[0]
