"""What the verbs share: the configuration option, and ending with a sentence."""

from __future__ import annotations

import os
from typing import NoReturn

import click

from agent.config import AgentConfig, ConfigInvalid, load
from agent.uplink import BadUrl, check_url

USAGE = 64
NO_INPUT = 66
FINDINGS = 1
UNAVAILABLE = 69
TRY_AGAIN = 75
BAD_CONFIG = 78

config_option = click.option(
    "--config",
    "config_path",
    default="/etc/holdfast/agent.toml",
    show_default=True,
    metavar="FILE",
    help="The agent's configuration.",
)


def configuration(path: str) -> AgentConfig:
    """Load the configuration, or end with the reason why not."""
    try:
        return load(path)
    except ConfigInvalid as error:
        end(str(error), BAD_CONFIG)


def usable_configuration(path: str) -> AgentConfig:
    """Likewise, and the sidecar's URL must be one that the agent may talk to."""
    config = configuration(path)
    try:
        check_url(config.sidecar, config.allow_plain_http)
    except BadUrl as error:
        end(f"{path}: sidecar: {error}", BAD_CONFIG)
    return config


def end(sentence: str, code: int) -> NoReturn:
    """Say one sentence on standard error and exit."""
    click.echo(f"holdfast-agent: {sentence}", err=True)
    raise SystemExit(code)


def no_agent(config: AgentConfig, error: OSError) -> NoReturn:
    """End because nobody listens on the status socket."""
    end(f"no agent answers at {config.socket_path} ({os.strerror(error.errno or 0)}). Is it running?", UNAVAILABLE)
