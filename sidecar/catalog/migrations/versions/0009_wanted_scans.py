"""Scans that people ask for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.create_table(
        "wanted_scan",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("job_id", c.identifier()),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("directory", c.path(), nullable=False),
        sa.Column("name", c.path()),
        sa.Column("mode", c.word(), nullable=False),
        sa.Column("asked_at", c.number(), nullable=False),
        sa.Column("started_at", c.number()),
        sa.Column("ended_at", c.number()),
        sa.Column("fraction", c.number(), nullable=False),
        sa.Column("directories", c.number(), nullable=False),
        sa.Column("files", c.number(), nullable=False),
        sa.Column("errors", c.number(), nullable=False),
        sa.Column("complete", c.number()),
        sa.Column("problems", c.text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_wanted_scan"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_wanted_scan_job_id"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_wanted_scan_volume_id"),
        sa.CheckConstraint("mode IN ('new', 'changed', 'full')", name=op.f("ck_wanted_scan_mode")),
        sa.CheckConstraint("complete IS NULL OR ended_at IS NOT NULL", name=op.f("ck_wanted_scan_ended")),
    )
    resumable.create_index("ix_wanted_scan_job_id", "wanted_scan", ["job_id"])
    resumable.create_index("ix_wanted_scan_volume_id", "wanted_scan", ["volume_id"])
    resumable.create_index("ix_wanted_scan_ended_at", "wanted_scan", ["ended_at"])
