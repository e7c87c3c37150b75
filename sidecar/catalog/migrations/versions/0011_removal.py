"""Assets that were removed because they were missing, by which job, and what jobs were asked for."""

from __future__ import annotations

import sqlalchemy as sa

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.add_column("job", sa.Column("parameters", c.text()))
    resumable.add_column("asset_transition", sa.Column("job_id", c.identifier()))
    resumable.create_table(
        "removal",
        sa.Column("job_id", c.identifier(), nullable=False),
        sa.Column("asset_id", c.identifier(), nullable=False),
        sa.Column("claimed", c.number(), nullable=False),
        sa.Column("at", c.number(), nullable=False),
        sa.Column("undone_at", c.number()),
        sa.PrimaryKeyConstraint("job_id", "asset_id", name="pk_removal"),
        sqlite_with_rowid=False,
    )
    resumable.create_index("ix_removal_asset_id", "removal", ["asset_id", "job_id"])
