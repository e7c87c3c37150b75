"""How a doctor tells what was found: in words for people, as JSON for programs, and by the exit status."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import NoReturn

import click

from holdfast import console, wording
from holdfast.exits import Exit
from holdfast.findings import Finding, Severity, examination, needs_somebody

_COLOURS = {Severity.OK: "green", Severity.NOTE: "blue", Severity.WARNING: "yellow", Severity.FAULT: "red"}
_MARGIN = 9  # as wide as the longest word for a severity, and a gap
# Longer lines are hard to read, however wide the terminal.
_WIDTH_MAX = 110
_WIDTH_MIN = 40


def tell(findings: Sequence[Finding], *, as_json: bool) -> NoReturn:
    """Print the findings, and end with a status that says whether they need somebody."""
    if as_json:
        console.print_json(examination(findings))
    else:
        for line in lines(findings, console.columns()):
            click.echo(line)
    raise SystemExit(Exit.NO if needs_somebody(findings) else Exit.DONE)


def lines(findings: Sequence[Finding], columns: int) -> Iterator[str]:
    """The findings for people, in lines of at most so many columns."""
    width = max(_WIDTH_MIN, min(columns, _WIDTH_MAX))
    for finding in findings:
        yield from _lines(finding, width)
    yield ""
    yield summary(findings)


def summary(findings: Sequence[Finding]) -> str:
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
    for title, text in (("why", finding.why), ("do", finding.remedy), ("read", finding.help)):
        if text:
            yield from _part(title, text, width)


def _part(title: str, text: str, width: int) -> Iterator[str]:
    first, *more = _wrapped(text, width - _MARGIN - 6)
    yield f"{' ' * _MARGIN}{click.style(f'{title:<6}', dim=True)}{first}"
    yield from (" " * (_MARGIN + 6) + line for line in more)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of a text. Paths and commands stay whole, so that they can be copied."""
    return textwrap.wrap(wording.shown(text), width, break_long_words=False, break_on_hyphens=False) or [""]
