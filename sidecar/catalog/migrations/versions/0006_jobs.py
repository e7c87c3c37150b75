"""Jobs, import paths that were taken away, questions to agents, and the rules that lie on volumes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.add_column("import_path", sa.Column("removed_at", c.number()))
    resumable.create_table(
        "job",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("library_id", c.identifier()),
        sa.Column("requested_by", c.line(255), nullable=False),
        sa.Column("position", c.text()),
        sa.Column("done", c.number(), nullable=False),
        sa.Column("total", c.number()),
        sa.Column("result", c.text(), nullable=False),
        sa.Column("error", c.text()),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("started_at", c.number()),
        sa.Column("finished_at", c.number()),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.ForeignKeyConstraint(["library_id"], ["library.id"], name="fk_job_library_id"),
        sa.CheckConstraint("state IN ('pending', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_job_state")),
        sa.CheckConstraint("(state IN ('pending', 'running')) = (finished_at IS NULL)", name=op.f("ck_job_finished")),
    )
    resumable.create_index("ix_job_library_id", "job", ["library_id", "state"])
    resumable.create_index("ix_job_state", "job", ["state", "id"])
    resumable.create_table(
        "inquiry",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("agent_id", c.identifier(), nullable=False),
        sa.Column("path", c.path(), nullable=False),
        sa.Column("asked_at", c.number(), nullable=False),
        sa.Column("is_answered", c.number(), nullable=False),
        sa.Column("message", c.text()),
        sa.PrimaryKeyConstraint("id", name="pk_inquiry"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_inquiry_agent_id"),
    )
    resumable.create_index("ix_inquiry_agent_id", "inquiry", ["agent_id"])
    resumable.create_table(
        "ignore_file",
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("directory_key", c.identifier(), nullable=False),
        sa.Column("directory", c.path(), nullable=False),
        sa.Column("rules", c.text(), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", "directory_key", name="pk_ignore_file"),
        sqlite_with_rowid=False,
    )
