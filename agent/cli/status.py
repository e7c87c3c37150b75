"""``holdfast-agent status``."""

from __future__ import annotations

import click
import msgspec

from agent.cli.common import config_option, configuration, no_agent
from agent.local_socket import ask_status
from holdfast.status import AgentStatus, VolumeReading


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="The whole status as one JSON document.")
def status(config_path: str, as_json: bool) -> None:
    """Show every volume, its state and why. It answers at once, even when a disk hangs."""
    config = configuration(config_path)
    try:
        answer = ask_status(config.socket_path)
    except OSError as error:
        no_agent(config, error)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
        return
    for line in lines(answer):
        click.echo(line)


def lines(answer: AgentStatus) -> list[str]:
    """The status in words."""
    found = [f"agent {answer.agent or '(not enrolled)'}, pid {answer.pid}; sidecar: {answer.sidecar}"]
    for reading in answer.volumes:
        found.extend(_volume(reading))
    for binding in answer.bindings:
        if binding.message is not None:
            found.append(f"import path {binding.import_path}: {binding.message}")
    return found


def _volume(reading: VolumeReading) -> list[str]:
    status = reading.status
    found = [f"{status.label} ({status.volume}): {status.state}", f"    {status.detail}"]
    if reading.matched:
        found.append(f"    recognised by {', '.join(reading.matched)}")
    if reading.scan is not None:
        scan = reading.scan
        found.append(f"    scanning: {scan.fraction:.0%}, {scan.files} files in {scan.directories} directories")
    if reading.watched_directories:
        found.append(f"    watching {reading.watched_directories} directories by {reading.watching}")
    if status.pending:
        found.append(f"    {status.pending} observations wait to be delivered")
    if reading.spool_full:
        found.append("    too much waits; nothing more is looked at until the sidecar has taken some of it")
    if reading.problem is not None and reading.problem != status.detail:
        found.append(f"    {reading.problem}")
    return found
