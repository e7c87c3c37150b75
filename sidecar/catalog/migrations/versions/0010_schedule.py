"""When the nightly work is done, and how long what is missing is kept."""

from __future__ import annotations

import sqlalchemy as sa

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.add_column("setting", sa.Column("retention_s", c.number()))
    resumable.add_column("setting", sa.Column("scan_schedule", c.line(128)))
    resumable.add_column("setting", sa.Column("scan_time_zone", c.line(64)))
    resumable.create_table(
        "schedule",
        sa.Column("name", c.word(), nullable=False),
        sa.Column("followed_until", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_schedule"),
    )
