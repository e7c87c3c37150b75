"""What the agent's doctor can find besides the reasons of volumes. Pure."""

from __future__ import annotations

from enum import StrEnum


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
