"""``holdfast-agent status``."""

from __future__ import annotations

import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from agent.cli.common import config_option, configuration, no_agent
from agent.local_socket import ask_status
from holdfast import console, wording
from holdfast.scans import ScanProgress
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import Capacity, VolumeState, help_of

_GUESS_S, _GUESS_FRACTION = 2.0, 0.02
# What needs somebody comes first.
_URGENCY = [
    VolumeState.CONFLICT,
    VolumeState.SUSPECT,
    VolumeState.OFFLINE,
    VolumeState.UNKNOWN,
    VolumeState.IDLE,
    VolumeState.ONLINE,
]
_COLOURS = {VolumeState.ONLINE: "green", VolumeState.SUSPECT: "red", VolumeState.CONFLICT: "red"}


@click.command(
    epilog=console.examples(
        "holdfast-agent status",
        (
            "holdfast-agent status --json | jq -r '.volumes[].status | .label + \" \" + .state'",
            "a line for each volume",
        ),
    )
)
@console.json_option(AgentStatus)
@config_option
def status(config_path: str, as_json: bool) -> None:
    """Show every volume, its state and why.

    It answers at once, even when a disk hangs: the agent is asked, and no disk is touched. Volumes that need somebody
    come first.
    """
    config = configuration(config_path)
    try:
        answer = ask_status(config.socket_path)
    except OSError as error:
        no_agent(config, error)
    if as_json:
        console.print_json(answer)
        return
    width = console.columns() if sys.stdout.isatty() else None
    for line in lines(answer, time.time(), width):
        click.echo(line)


def lines(answer: AgentStatus, now: float, columns: int | None = None) -> Iterator[str]:
    """The status in words. ``now`` is Unix time; without ``columns`` no line is broken, so that each can be searched
    for."""
    who = f"agent {answer.agent or '(not enrolled)'}, version {answer.version}, pid {answer.pid}"
    yield wording.shown(f"{who}; sidecar: {answer.sidecar}")
    if len(answer.volumes) > 1:
        yield _counted(answer.volumes)
    for reading in sorted(answer.volumes, key=_order):
        yield ""
        yield _headline(reading, now)
        for fact in _facts(reading):
            yield from _indented(fact, columns)
    if not answer.volumes:
        yield "It looks after no volume yet: no library has a path on this machine."
    refused = [binding.message for binding in answer.bindings if binding.message is not None]
    if refused:
        yield ""
    yield from (f"import path refused: {wording.shown(message)}" for message in refused)


def _order(reading: VolumeReading) -> tuple[int, str]:
    return _URGENCY.index(reading.status.state), reading.status.label


def _counted(readings: Sequence[VolumeReading]) -> str:
    number = Counter(reading.status.state for reading in readings)
    parts = [f"{number[state]} {state}" for state in reversed(_URGENCY) if number[state]]
    return f"{wording.count(len(readings), 'volume')}: {', '.join(parts)}"


def _headline(reading: VolumeReading, now: float) -> str:
    status = reading.status
    state = click.style(status.state, fg=_COLOURS.get(status.state, "yellow"), bold=True)
    return f"{wording.shown(status.label)}: {state} {_since(status.since, now)}"


def _indented(text: str, columns: int | None) -> list[str]:
    """A fact below its volume. Paths and commands stay whole, so that they can be copied."""
    if columns is None:
        return [f"    {wording.shown(text)}"]
    width = max(columns, 40)
    return textwrap.wrap(
        wording.shown(text),
        width,
        initial_indent=" " * 4,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _facts(reading: VolumeReading) -> Iterator[str]:
    status = reading.status
    yield status.detail
    if status.state is not VolumeState.ONLINE:
        yield f"what to do: {help_of(status.reason)}"
    if status.mounted_at is not None:
        yield f"mounted at {status.mounted_at} ({status.identity.fs_type}{_room(status.capacity)})"
    elif status.last_mounted_at is not None:
        yield f"last mounted at {status.last_mounted_at} ({status.identity.fs_type})"
    if reading.matched:
        yield f"recognised by {', '.join(reading.matched)}"
    if status.state is VolumeState.ONLINE:
        yield f"changes are seen by {reading.watching}"
    if (scan := reading.scan) is not None:
        found = f"{wording.count(scan.files, 'file')} in {scan.directories:,} directories"
        wrong = f", {wording.count(scan.errors, 'error')}" if scan.errors else ""
        yield f"scanning: {scan.fraction:.0%}, {found}{wrong}, for {wording.duration(scan.elapsed_s)}{_pace(scan)}"
    if status.pending:
        yield f"{wording.count(status.pending, 'observation')} to be delivered"
    if reading.spool_full:
        yield "too much waits: nothing more is looked at until the sidecar has taken some of it"
    if reading.problem is not None and reading.problem != status.detail:
        yield f"not delivered: {reading.problem}"
    yield status.volume


def _room(capacity: Capacity | None) -> str:
    if capacity is None:
        return ""
    return f", {wording.size(capacity.free_bytes)} of {wording.size(capacity.total_bytes)} free"


def _pace(scan: ScanProgress) -> str:
    """How fast a scan is, and how long it may take, as soon as that is more than a guess."""
    if scan.elapsed_s < _GUESS_S or scan.fraction < _GUESS_FRACTION:
        return ""
    left_s = scan.elapsed_s * (1 - scan.fraction) / scan.fraction
    return f" ({scan.files / scan.elapsed_s:,.0f} files a second), about {wording.duration(left_s)} to go"


def _since(since: float, now: float) -> str:
    at = datetime.fromtimestamp(since).astimezone()
    return f"since {at:%Y-%m-%d %H:%M} ({wording.duration(max(0.0, now - since))})"
