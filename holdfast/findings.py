"""Findings: what a doctor found, how bad it is, and where it is explained. Both parts have one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Literal

import msgspec

from holdfast.volumes import HELP

SeverityName = Literal["ok", "note", "warning", "fault"]


class Severity(IntEnum):
    """How much a finding matters. ``WARNING`` and ``FAULT`` need somebody."""

    OK = 0
    NOTE = 1
    WARNING = 2
    FAULT = 3


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found. ``about`` is what it is about where there are several: a volume's label, a path, the
    name of an agent; "" for the part as a whole.

    ``sentence`` says what is so; ``why`` and ``remedy`` are empty where nothing needs to be said or done. A code
    that is good news (severity OK) may have no section in the documentation; all others have.
    """

    code: str
    severity: Severity
    sentence: str
    about: str = ""
    why: str = ""
    remedy: str = ""

    @property
    def help(self) -> str:
        """Where the documentation explains it."""
        return f"{HELP}#{self.code}"


class FindingReport(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found. ``code`` keeps its name for good, and is an anchor in docs/troubleshooting.md, which
    ``help`` points to. ``about`` is a volume's label, a path or the name of an agent, "" for the part as a whole.
    ``sentence`` says what is so, ``why`` how that is known, ``remedy`` what to do; the last two may be empty."""

    code: str
    severity: SeverityName
    about: str
    sentence: str
    why: str
    remedy: str
    help: str


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What a doctor found, the worst first. ``worst`` is the highest severity; "warning" and "fault" need somebody."""

    worst: SeverityName
    findings: list[FindingReport]


def needs_somebody(findings: Sequence[Finding]) -> bool:
    """Whether there is anything that a person should do."""
    return any(finding.severity >= Severity.WARNING for finding in findings)


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """By severity; among equals in the order in which somebody should look at them."""
    return sorted(findings, key=lambda finding: -finding.severity)


def examination(findings: Sequence[Finding]) -> Examination:
    """The findings for programs."""
    worst = max((finding.severity for finding in findings), default=Severity.OK)
    return Examination(worst=_NAMES[worst], findings=[_report(finding) for finding in findings])


_NAMES: dict[Severity, SeverityName] = {
    Severity.OK: "ok",
    Severity.NOTE: "note",
    Severity.WARNING: "warning",
    Severity.FAULT: "fault",
}


def _report(finding: Finding) -> FindingReport:
    return FindingReport(
        code=finding.code,
        severity=_NAMES[finding.severity],
        about=finding.about,
        sentence=finding.sentence,
        why=finding.why,
        remedy=finding.remedy,
        help="" if finding.severity is Severity.OK else finding.help,
    )
