"""Findings: what the doctor can find, how bad it is, and where each is explained. Pure."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from holdfast.volumes import HELP


class Severity(IntEnum):
    """How much a finding matters. ``WARNING`` and ``FAULT`` need somebody."""

    OK = 0
    NOTE = 1
    WARNING = 2
    FAULT = 3


class Code(StrEnum):
    """What can be found besides the reasons of volumes, which are codes too. Each has an anchor of its name in
    docs/troubleshooting.md, and keeps its name for good."""

    CONFIGURATION_INVALID = "configuration-invalid"
    NO_ACCESS = "no-access"
    AGENT_NOT_RUNNING = "agent-not-running"
    AGENT_SILENT_SOCKET = "agent-does-not-answer"
    TWO_AGENTS = "two-agents"
    NOT_ENROLLED = "not-enrolled"
    PLAIN_HTTP = "plain-http"
    SIDECAR_URL = "sidecar-url"
    SIDECAR_UNREACHABLE = "sidecar-unreachable"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - the name of a finding
    CLOCK_DIFFERS = "clock-differs"
    NOTHING_ASSIGNED = "nothing-assigned"
    IMPORT_PATH_REFUSED = "import-path-refused"
    UNREADABLE_FOLDERS = "unreadable-folders"
    PRIVATE_MOUNTS = "private-mounts"
    NESTED_MOUNT = "nested-mount"
    HIDDEN_FILES = "hidden-files"
    STRAY_FILES = "stray-files"
    SCANS_ONLY = "scans-only"
    WATCH_LIMIT = "watch-limit"
    INSTANCE_LIMIT = "instance-limit"
    DELIVERY_STALLED = "delivery-stalled"
    WORKER_RESTARTS = "worker-restarts"
    FUSECTL_MISSING = "fusectl-missing"
    OLD_KERNEL = "old-kernel"
    STATE_ON_VOLUME = "state-on-volume"
    STATE_NEARLY_FULL = "state-nearly-full"
    JOURNAL_UNUSABLE = "journal-unusable"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found. ``about`` is a volume's label or a path, "" for the agent as a whole.

    ``sentence`` says what is so; ``why`` and ``remedy`` are empty where nothing needs to be said or done.
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


def needs_somebody(findings: list[Finding]) -> bool:
    """Whether there is anything that a person should do."""
    return any(finding.severity >= Severity.WARNING for finding in findings)
