"""The schema, once for all engines; ``metadata`` from here is all of it.

Times are microseconds, ids 16 bytes, enums short words with a CHECK. Every table that the change feed shows has
the same three columns: ``change`` (the row's latest number of the one change clock), ``change_kind`` and
``changed_at``. The bulk tables carry no foreign keys: what they refer to is never deleted, and a foreign key
would make every insert lock its parents, in an order that nobody chose (docs/adr/0011).
"""

from __future__ import annotations

from sidecar.catalog.tables.access import account, attempt, setup_link, web_session
from sidecar.catalog.tables.assets import (
    LIBRARY_KINDS,
    asset,
    asset_transition,
    evidence,
    figure,
    ignore_file,
    import_path,
    library,
    path_checksum,
    path_checksum_state,
    removal,
    xmp,
)
from sidecar.catalog.tables.holds import held, hold, hold_branch, tally
from sidecar.catalog.tables.schema import metadata
from sidecar.catalog.tables.service import (
    audit,
    clock,
    delivery,
    idempotency,
    inquiry,
    job,
    lease,
    schedule,
    setting,
    wanted_scan,
    webhook,
)
from sidecar.catalog.tables.storage import (
    SCOPES,
    agent,
    gap,
    scan,
    stream,
    token,
    volume,
    volume_agent,
    volume_transition,
)

__all__ = [
    "LIBRARY_KINDS",
    "SCOPES",
    "account",
    "agent",
    "asset",
    "asset_transition",
    "attempt",
    "audit",
    "clock",
    "delivery",
    "evidence",
    "figure",
    "gap",
    "held",
    "hold",
    "hold_branch",
    "idempotency",
    "ignore_file",
    "import_path",
    "inquiry",
    "job",
    "lease",
    "library",
    "metadata",
    "path_checksum",
    "path_checksum_state",
    "removal",
    "scan",
    "schedule",
    "setting",
    "setup_link",
    "stream",
    "tally",
    "token",
    "volume",
    "volume_agent",
    "volume_transition",
    "wanted_scan",
    "web_session",
    "webhook",
    "xmp",
]
