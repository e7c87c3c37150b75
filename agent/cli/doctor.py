"""``holdfast-agent doctor``."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from agent.cli.common import FINDINGS, config_option
from agent.config import ConfigInvalid, load
from agent.doctor.diagnosis import configuration_invalid, diagnose
from agent.doctor.examination import examine
from agent.doctor.findings import Finding, Severity, needs_somebody
from holdfast import wording

_COLOURS = {Severity.OK: "green", Severity.NOTE: "blue", Severity.WARNING: "yellow", Severity.FAULT: "red"}
_MARGIN = 9  # as wide as the longest word for a severity, and a gap
# Longer lines are hard to read, however wide the terminal.
_WIDTH_MAX = 110
_WIDTH_MIN = 40


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="All findings as one JSON document.")
def doctor(config_path: str, as_json: bool) -> None:
    """Find out what is wrong, why, and what to do about it. It works with and without a running agent, never waits
    for storage, and changes nothing. Exit code 1: something needs you."""
    try:
        config = load(config_path)
    except ConfigInvalid as error:
        findings = [configuration_invalid(str(error))]
    else:
        findings = diagnose(examine(config, config_path))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(document(findings))).decode())
    else:
        for line in lines(findings, _columns()):
            click.echo(line)
    raise SystemExit(FINDINGS if needs_somebody(findings) else 0)


def _columns() -> int:
    """How wide the terminal is; 80 where there is none."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else 80


def document(findings: list[Finding]) -> dict[str, Any]:
    """The findings for programs."""
    worst = max((finding.severity for finding in findings), default=Severity.OK)
    shown = [
        {**msgspec.structs.asdict(finding), "severity": finding.severity.name.lower(), "help": _help(finding)}
        for finding in findings
    ]
    return {"worst": worst.name.lower(), "findings": shown}


def lines(findings: list[Finding], columns: int) -> Iterator[str]:
    """The findings for people, in lines of at most so many columns."""
    width = max(_WIDTH_MIN, min(columns, _WIDTH_MAX))
    for finding in findings:
        yield from _lines(finding, width)
    yield ""
    yield summary(findings)


def summary(findings: list[Finding]) -> str:
    """How many findings there are of each kind, in a sentence."""
    number = {severity: sum(finding.severity is severity for finding in findings) for severity in Severity}
    parts = [
        wording.count(number[severity], severity.name.lower())
        for severity in (Severity.FAULT, Severity.WARNING, Severity.NOTE)
        if number[severity]
    ]
    if not needs_somebody(findings):
        return "All is well." if not parts else f"All is well; {', '.join(parts)}."
    return f"Found: {', '.join(parts)}."


def _lines(finding: Finding, width: int) -> Iterator[str]:
    word = finding.severity.name.lower()
    label = click.style(word, fg=_COLOURS[finding.severity], bold=finding.severity >= Severity.WARNING)
    named = not finding.about or finding.about in finding.sentence
    text = finding.sentence if named else f"{finding.about}: {finding.sentence}"
    first, *more = _wrapped(text, width - _MARGIN)
    yield f"{label}{' ' * (_MARGIN - len(word))}{first}"
    yield from (" " * _MARGIN + line for line in more)
    if finding.severity is Severity.OK:
        return
    for title, text in (("why", finding.why), ("do", finding.remedy), ("read", _help(finding))):
        if text:
            yield from _part(title, text, width)


def _part(title: str, text: str, width: int) -> Iterator[str]:
    first, *more = _wrapped(text, width - _MARGIN - 6)
    yield f"{' ' * _MARGIN}{click.style(f'{title:<6}', dim=True)}{first}"
    yield from (" " * (_MARGIN + 6) + line for line in more)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of a text. Paths and commands stay whole, so that they can be copied."""
    return textwrap.wrap(wording.shown(text), width, break_long_words=False, break_on_hyphens=False) or [""]


def _help(finding: Finding) -> str:
    return "" if finding.code in ("agent", "sidecar") else finding.help
