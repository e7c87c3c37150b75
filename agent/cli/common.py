"""What the verbs share: the configuration option, and ending with a sentence."""

from __future__ import annotations

import os
from typing import NoReturn

import click

from agent.config import AgentConfig, ConfigInvalid, load

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


def end(sentence: str, code: int) -> NoReturn:
    """Say one sentence on standard error and exit."""
    click.echo(f"holdfast-agent: {sentence}", err=True)
    raise SystemExit(code)


def no_agent(config: AgentConfig, error: OSError) -> NoReturn:
    """End because nobody listens on the status socket."""
    end(f"no agent answers at {config.socket_path} ({os.strerror(error.errno or 0)}). Is it running?", UNAVAILABLE)
