"""The checksums of paths, by which photo servers look up assets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.create_table(
        "path_checksum",
        sa.Column("asset_id", c.identifier(), nullable=False),
        sa.Column("checksum", c.fixed(20), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name="pk_path_checksum"),
        sqlite_with_rowid=False,
    )
    resumable.create_index("ix_path_checksum_checksum", "path_checksum", ["checksum"])
    resumable.create_table(
        "path_checksum_state",
        sa.Column("id", c.number(), autoincrement=False, nullable=False),
        sa.Column("computed_until", c.number(), nullable=False),
        sa.Column("mapping", c.text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_path_checksum_state"),
        sa.CheckConstraint("id = 1", name=op.f("ck_path_checksum_state_one_row")),
    )
