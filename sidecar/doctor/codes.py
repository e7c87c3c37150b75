"""What the sidecar's doctor can find. Pure."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Each has an anchor of its name in docs/troubleshooting.md, and keeps its name for good. Some are those of the
    agent's doctor, where cause and remedy are the same."""

    CONFIGURATION_INVALID = "configuration-invalid"
    SIDECAR_NOT_RUNNING = "sidecar-not-running"
    SIDECAR_NOT_READY = "sidecar-not-ready"
    LISTEN_OPEN = "listen-open"
    STATE_NOT_WRITABLE = "state-not-writable"
    STATE_NEARLY_FULL = "state-nearly-full"
    STATE_EXPOSED = "state-exposed"
    PACKAGE_MISSING = "package-missing"
    DATABASE_UNREACHABLE = "database-unreachable"
    DATABASE_READ_ONLY = "database-read-only"
    DATABASE_ON_SHARE = "database-on-share"
    DATABASE_SETTINGS = "database-settings"
    CATALOG_MISSING = "catalog-missing"
    CATALOG_PROMOTED = "catalog-promoted"
    SCHEMA_OLDER = "schema-older"
    SCHEMA_NEWER = "schema-newer"
    CLOCK_DIFFERS = "clock-differs"
    WORKER_NOT_RUNNING = "worker-not-running"
    AGENT_SILENT = "agent-silent"
    AGENT_NEWER = "agent-newer"
    AGENT_OLDER = "agent-older"
    NO_AGENT = "no-agent"
    PATHS_OVERLAP = "path-mapping-overlaps"
    IMPORT_PATH_REFUSED = "import-path-refused"
    HOLDS_WAITING = "holds-waiting"
    JOB_FAILED = "job-failed"
    WEBHOOK_FAILING = "webhook-failing"
    WEBHOOK_DISABLED = "webhook-disabled"
