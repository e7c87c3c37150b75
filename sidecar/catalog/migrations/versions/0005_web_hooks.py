"""Web hooks and their deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.create_table(
        "webhook",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("url", c.line(2048), nullable=False),
        sa.Column("description", c.line(255), nullable=False),
        sa.Column("kinds", c.text(), nullable=False),
        sa.Column("secrets", c.text(), nullable=False),
        sa.Column("cursor", c.number(), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("reason", c.text(), nullable=False),
        sa.Column("failing_since", c.number()),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("revision", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
        sa.CheckConstraint("state IN ('active', 'disabled')", name=op.f("ck_webhook_state")),
    )
    resumable.create_table(
        "delivery",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("webhook_id", c.identifier(), nullable=False),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("body", c.text(), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("attempts", c.number(), nullable=False),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("next_at", c.number(), nullable=False),
        sa.Column("last_at", c.number()),
        sa.Column("last_status", c.number()),
        sa.Column("last_error", c.text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name="fk_delivery_webhook_id"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_delivery_state")),
    )
    resumable.create_index("ix_delivery_webhook_id", "delivery", ["webhook_id", "id"])
    resumable.create_index("ix_delivery_due", "delivery", ["webhook_id", "state", "next_at"])
