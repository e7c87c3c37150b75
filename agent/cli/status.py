"""``holdfast-agent status``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import click
import msgspec

from agent.cli.common import config_option, configuration, no_agent
from agent.local_socket import ask_status
from holdfast import wording
from holdfast.scans import ScanProgress
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import VolumeState, help_of

_GUESS_S, _GUESS_FRACTION = 2.0, 0.02
_COLOURS = {VolumeState.ONLINE: "green", VolumeState.SUSPECT: "red", VolumeState.CONFLICT: "red"}


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
    for line in lines(answer, time.time()):
        click.echo(line)


def lines(answer: AgentStatus, now: float) -> Iterator[str]:
    """The status in words. ``now`` is Unix time."""
    yield f"agent {answer.agent or '(not enrolled)'}, pid {answer.pid}; sidecar: {answer.sidecar}"
    for reading in answer.volumes:
        yield ""
        yield from _volume(reading, now)
    refused = [binding.message for binding in answer.bindings if binding.message is not None]
    if refused:
        yield ""
    yield from (f"import path refused: {wording.shown(message)}" for message in refused)


def _volume(reading: VolumeReading, now: float) -> Iterator[str]:
    status = reading.status
    state = click.style(status.state, fg=_COLOURS.get(status.state, "yellow"), bold=True)
    yield f"{wording.shown(status.label)}: {state} {_since(status.since, now)}"
    yield f"    {wording.shown(status.detail)}"
    if status.state is not VolumeState.ONLINE:
        yield f"    what to do: {help_of(status.reason)}"
    if status.mounted_at is not None:
        yield f"    mounted at {wording.shown(status.mounted_at)} ({status.identity.fs_type})"
    elif status.last_mounted_at is not None:
        yield f"    last mounted at {wording.shown(status.last_mounted_at)} ({status.identity.fs_type})"
    if reading.matched:
        yield f"    recognised by {', '.join(reading.matched)}"
    if status.state is VolumeState.ONLINE:
        yield f"    changes are seen by {reading.watching}"
    if (scan := reading.scan) is not None:
        found = f"{wording.count(scan.files, 'file')} in {scan.directories:,} directories"
        wrong = f", {wording.count(scan.errors, 'error')}" if scan.errors else ""
        yield f"    scanning: {scan.fraction:.0%}, {found}{wrong}, for {wording.duration(scan.elapsed_s)}{_pace(scan)}"
    if status.pending:
        yield f"    {wording.count(status.pending, 'observation')} to be delivered"
    if reading.spool_full:
        yield "    too much waits: nothing more is looked at until the sidecar has taken some of it"
    if reading.problem is not None and reading.problem != status.detail:
        yield f"    not delivered: {reading.problem}"
    yield f"    {status.volume}"


def _pace(scan: ScanProgress) -> str:
    """How fast a scan is, and how long it may take, as soon as that is more than a guess."""
    if scan.elapsed_s < _GUESS_S or scan.fraction < _GUESS_FRACTION:
        return ""
    left_s = scan.elapsed_s * (1 - scan.fraction) / scan.fraction
    return f" ({scan.files / scan.elapsed_s:,.0f} files a second), about {wording.duration(left_s)} to go"


def _since(since: float, now: float) -> str:
    at = datetime.fromtimestamp(since).astimezone()
    return f"since {at:%Y-%m-%d %H:%M} ({wording.duration(max(0.0, now - since))})"
