"""Accounts of people who use the web pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROLES = "role IN ('reader', 'operator', 'admin')"


def upgrade() -> None:
    resumable.create_table(
        "account",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("name", c.line(64), nullable=False),
        sa.Column("role", c.word(), nullable=False),
        sa.Column("password", c.line(255), nullable=False),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("used_at", c.number()),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
        sa.CheckConstraint(_ROLES, name=op.f("ck_account_role")),
    )
    resumable.create_table(
        "web_session",
        sa.Column("digest", c.fixed(32), nullable=False),
        sa.Column("account_id", c.identifier(), nullable=False),
        sa.Column("address", c.line(64), nullable=False),
        sa.Column("browser", c.line(255), nullable=False),
        sa.Column("made_at", c.number(), nullable=False),
        sa.Column("seen_at", c.number(), nullable=False),
        sa.Column("ended_at", c.number()),
        sa.PrimaryKeyConstraint("digest", name="pk_web_session"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_web_session_account_id"),
    )
    resumable.create_index("ix_web_session_account_id", "web_session", ["account_id"])
    resumable.create_table(
        "setup_link",
        sa.Column("digest", c.fixed(32), nullable=False),
        sa.Column("role", c.word(), nullable=False),
        sa.Column("expires_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_setup_link"),
        sa.CheckConstraint(_ROLES, name=op.f("ck_setup_link_role")),
    )
    resumable.create_table(
        "attempt",
        sa.Column("key_digest", c.fixed(32), nullable=False),
        sa.Column("full_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name="pk_attempt"),
    )
    resumable.create_index("ix_attempt_full_at", "attempt", ["full_at"])
