"""What is in a file, by its digest, and from which volume an asset has moved."""

from __future__ import annotations

import sqlalchemy as sa

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.add_column("asset", sa.Column("content", c.digest()))
    resumable.create_index("ix_asset_content", "asset", ["content", "library_id"])
    resumable.add_column("asset_transition", sa.Column("from_volume_id", c.identifier()))
