"""What the verbs share: the configuration option, and ending with a sentence."""

from __future__ import annotations

import os
from typing import NoReturn

import click

from agent.config import AgentConfig, ConfigInvalid, load
from agent.uplink import BadUrl, check_url
from holdfast.status import AgentStatus, VolumeReading

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
    why = os.strerror(error.errno) if error.errno else "nothing came in time"
    end(f"no agent answers at {config.socket_path} ({why}). Is it running?", UNAVAILABLE)


def find_volume(answer: AgentStatus, volume: str) -> VolumeReading:
    """The volume of this id, or of this label when only one has it; or end with the reason why not."""
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
