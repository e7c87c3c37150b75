"""How long is kept what nobody needs for ever, and up to which change the feed has forgotten what is gone."""

from __future__ import annotations

import sqlalchemy as sa

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("history_kept_s", "tombstones_kept_s", "audit_kept_s", "deliveries_kept_s"):
        resumable.add_column("setting", sa.Column(name, c.number()))
    resumable.add_column("clock", sa.Column("forgotten_until", c.number(), nullable=False, server_default="0"))
