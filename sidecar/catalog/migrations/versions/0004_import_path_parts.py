"""Parts of import paths: file systems mounted below them, and branches of unions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REFERENCES = {"parent_id": "import_path", "via_volume_id": "volume"}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _copied()
        return
    for column, target in _REFERENCES.items():
        resumable.add_column("import_path", sa.Column(column, c.identifier()))
        resumable.create_foreign_key(f"fk_import_path_{column}", "import_path", target, column)
        resumable.create_index(f"ix_import_path_{column}", "import_path", [column])


def _copied() -> None:
    """SQLite copies the table; what it should not lose is written out, since checks are not read back from there."""
    with op.batch_alter_table("import_path", copy_from=_before()) as batch:
        for column, target in _REFERENCES.items():
            batch.add_column(sa.Column(column, c.identifier()))
            batch.create_foreign_key(op.f(f"fk_import_path_{column}"), target, [column], ["id"])
            batch.create_index(f"ix_import_path_{column}", [column])


def _before() -> sa.Table:
    """The table as it was."""
    return sa.Table(
        "import_path",
        sa.MetaData(),
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("library_id", c.identifier(), nullable=False),
        sa.Column("agent_id", c.identifier(), nullable=False),
        sa.Column("path", c.path(), nullable=False),
        sa.Column("server_path", c.path(), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("message", c.text()),
        sa.Column("volume_id", c.identifier()),
        sa.Column("directory", c.path()),
        sa.PrimaryKeyConstraint("id", name="pk_import_path"),
        *(
            sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_import_path_{column}")
            for column, target in (("library_id", "library"), ("agent_id", "agent"), ("volume_id", "volume"))
        ),
        sa.CheckConstraint("state IN ('bound', 'refused', 'pending')", name="ck_import_path_state"),
        sa.CheckConstraint(
            "(state = 'bound') = (volume_id IS NOT NULL) AND (volume_id IS NULL) = (directory IS NULL)",
            name="ck_import_path_bound",
        ),
        *(sa.Index(f"ix_import_path_{one}", one) for one in ("agent_id", "library_id", "volume_id")),
    )
