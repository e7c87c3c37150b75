"""An audit log, readers that are limited to an owner, and tokens that can be given another secret."""

from __future__ import annotations

import sqlalchemy as sa

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.add_column("token", sa.Column("owner", c.line(255)))
    resumable.add_column("token", sa.Column("previous_digest", c.fixed(32)))
    resumable.add_column("token", sa.Column("previous_until", c.number()))
    resumable.create_index("ix_token_previous_digest", "token", ["previous_digest"])
    resumable.create_table(
        "audit",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("at", c.number(), nullable=False),
        sa.Column("token_id", c.identifier()),
        sa.Column("who", c.line(128), nullable=False),
        sa.Column("scope", c.word(), nullable=False),
        sa.Column("action", c.line(64), nullable=False),
        sa.Column("target", c.text(), nullable=False),
        sa.Column("body", c.text(), nullable=False),
        sa.Column("status", c.number()),
        sa.Column("problem", c.word()),
        sa.Column("made", c.text()),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    resumable.create_index("ix_audit_token_id", "audit", ["token_id", "id"])
