"""What the verbs share: the configuration option, and ending with a sentence."""

from __future__ import annotations

import fcntl
import os
from typing import NoReturn

import click

from agent.config import AgentConfig, ConfigInvalid, load
from agent.local_socket import ask_status
from agent.uplink import BadUrl, check_url
from holdfast import settings_file, wording
from holdfast.console import end
from holdfast.exits import Exit
from holdfast.settings_file import ConfigProblem
from holdfast.status import AgentStatus, VolumeReading

# Whoever presses the tab key waits no longer.
_COMPLETION_WAIT_S = 1.0
# What the package installs, and the unit runs the agent with.
INSTALLED_CONFIG = "/etc/holdfast/agent.toml"

config_option = click.option(
    "--config",
    "config_path",
    default=INSTALLED_CONFIG,
    type=click.Path(),
    show_default=True,
    metavar="FILE",
    help="The agent's configuration, agent.toml.",
)


def complete_volume(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For shells: the labels of the volumes that a running agent has; none where there is none."""
    try:
        config = load(context.params.get("config_path") or INSTALLED_CONFIG)
        known = ask_status(config.socket_path, _COMPLETION_WAIT_S).volumes
    except (ConfigInvalid, ConnectionError, FileNotFoundError, PermissionError, TimeoutError):
        return []
    labels = sorted({one.status.label for one in known})
    return [label for label in labels if label.isprintable() and label.startswith(incomplete)]


def configuration(path: str) -> AgentConfig:
    """Load the configuration, or end with the reasons why not."""
    try:
        return load(path)
    except ConfigInvalid as error:
        end_because_of(error.problems)


def usable_configuration(path: str) -> AgentConfig:
    """Likewise, and the sidecar's URL must be one that the agent may talk to."""
    config = configuration(path)
    if wrong := unusable_url(config, path):
        end_because_of([wrong])
    return config


def lock_state(config: AgentConfig) -> int:
    """Only one agent may use a state directory, as long as this descriptor is open."""
    descriptor = os.open(os.path.join(config.state_dir, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        end(f"Another agent uses {config.state_dir}. Stop it, or give this one a state_dir of its own.", Exit.TRY_AGAIN)
    return descriptor


def unusable_url(config: AgentConfig, path: str) -> ConfigProblem | None:
    """Why the agent may not talk to this sidecar."""
    try:
        check_url(config.sidecar, config.allow_plain_http)
    except BadUrl as error:
        _, origins = settings_file.read(path)
        line = origins["sidecar"].line if "sidecar" in origins else None
        return ConfigProblem(source=path, line=line, key="sidecar", reason=str(error))
    return None


def end_because_of(problems: list[ConfigProblem]) -> NoReturn:
    """Say what is wrong with the configuration, one line each, and end."""
    for problem in problems[:-1]:
        click.echo(wording.shown(problem.sentence), err=True)
    end(problems[-1].sentence, Exit.CONFIG)


def no_agent(config: AgentConfig, error: OSError) -> NoReturn:
    """End because nobody listens on the status socket."""
    if isinstance(error, PermissionError):
        end(f"You may not ask the agent at {config.socket_path}. Ask as root, or as its user.", Exit.UNAVAILABLE)
    why = os.strerror(error.errno) if error.errno else "nothing came in time"
    end(
        f"No agent answers at {config.socket_path} ({why}). Is it running? 'holdfast-agent doctor' finds out.",
        Exit.UNAVAILABLE,
    )


def find_volume(answer: AgentStatus, volume: str) -> VolumeReading:
    """The volume of this id, or of this label when only one has it; or end with the reason why not."""
    readings = answer.volumes
    by_id = [one for one in readings if one.status.volume == volume]
    named = by_id or [one for one in readings if one.status.label == volume]
    if not named:
        known = ", ".join(one.status.label for one in readings) or "none"
        end(f"There is no volume {volume!r} here, but {known}. See 'holdfast-agent status'.", Exit.USAGE)
    if len(named) > 1:
        ids = ", ".join(one.status.volume for one in named)
        end(f"Several volumes are called {volume!r}. Name one by its id: {ids}.", Exit.USAGE)
    return named[0]
