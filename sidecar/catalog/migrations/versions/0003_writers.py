"""What each agent says of a volume, and a fence for the one that writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATES = ("online", "idle", "offline", "suspect", "conflict", "unknown")
# The columns of a volume that are what its writer says.
_SAID = (
    "version",
    "label",
    "state",
    "reason",
    "detail",
    "since",
    "identity",
    "epoch",
    "mounted_at",
    "last_mounted_at",
    "total_bytes",
    "free_bytes",
    "pending",
)


def upgrade() -> None:
    _volume_agent()
    if not resumable.has_column("volume", "version"):
        return
    columns = ", ".join(_SAID)
    # The owners that volumes have had become their writers.
    into = f"INSERT INTO volume_agent (volume_id, agent_id, fence, {columns})"
    missing = "NOT EXISTS (SELECT 1 FROM volume_agent WHERE volume_id = volume.id)"
    op.execute(f"{into} SELECT id, agent_id, 1, {columns} FROM volume WHERE {missing}")
    resumable.drop_column("volume", "version")


def _volume_agent() -> None:
    listed = ", ".join(f"'{state}'" for state in _STATES)
    resumable.create_table(
        "volume_agent",
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("agent_id", c.identifier(), nullable=False),
        sa.Column("fence", c.number(), nullable=False),
        sa.Column("version", c.number(), nullable=False),
        sa.Column("label", c.line(255), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("reason", c.word(), nullable=False),
        sa.Column("detail", c.text(), nullable=False),
        sa.Column("since", c.number(), nullable=False),
        sa.Column("identity", c.text(), nullable=False),
        sa.Column("epoch", c.text()),
        sa.Column("mounted_at", c.path()),
        sa.Column("last_mounted_at", c.path()),
        sa.Column("total_bytes", c.number()),
        sa.Column("free_bytes", c.number()),
        sa.Column("pending", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", "agent_id", name="pk_volume_agent"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_volume_agent_volume_id"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_volume_agent_agent_id"),
        sa.CheckConstraint(f"state IN ({listed})", name=op.f("ck_volume_agent_state")),
    )
    resumable.create_index("ix_volume_agent_agent_id", "volume_agent", ["agent_id"])
