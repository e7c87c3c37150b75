"""``holdfast-agent rotate-token``."""

from __future__ import annotations

import time

import click

from agent.cli.common import config_option, configuration, no_agent
from agent.local_socket import Request, RequestRefused, ask_status, send_request
from holdfast import console
from holdfast.console import end
from holdfast.exits import Exit

# A heartbeat and a small request. Where the sidecar is away it takes as long as that.
_PATIENCE_S = 15.0


@click.command("rotate-token", epilog=console.examples("holdfast-agent rotate-token"))
@config_option
def rotate_token(config_path: str) -> None:
    """Have the running agent get another token from its sidecar.

    Nothing stands still meanwhile: the old token opens for another day. For a token that somebody else has, this is not
    enough; revoke the agent at the sidecar, and enrol it again.
    """
    config = configuration(config_path)
    try:
        before = ask_status(config.socket_path)
        send_request(config.socket_path, Request("rotate-token"))
        asked_at = time.monotonic()
        while (now := ask_status(config.socket_path)).token_renewals == before.token_renewals:
            if time.monotonic() - asked_at > _PATIENCE_S:
                end(f"not yet; it is tried again with every heartbeat. The sidecar: {now.sidecar}.", Exit.TRY_AGAIN)
            time.sleep(0.05)  # the status socket is asked; it does not call
    except RequestRefused as error:
        end(str(error), Exit.TRY_AGAIN)
    except OSError as error:
        no_agent(config, error)
    click.echo(f"The agent has a new token, kept in {config.token_path}.")
