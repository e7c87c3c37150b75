"""How many assets there are is kept, and counted no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.create_table(
        "figure",
        sa.Column("library_id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("import_path_id", c.identifier(), nullable=False),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("status", c.word(), nullable=False),
        sa.Column("assets", c.number(), nullable=False),
        sa.Column("claiming", c.number(), nullable=False),
        sa.Column("bytes", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "volume_id", "import_path_id", "kind", "status", name="pk_figure"),
        sqlite_with_rowid=False,
    )
    resumable.create_index("ix_figure_volume_id", "figure", ["volume_id"])
    # Counted anew when it was broken off before: the assets may have changed meanwhile.
    op.execute("DELETE FROM figure")
    nowhere = f"x'{'00' * 16}'"
    op.execute(
        "INSERT INTO figure (library_id, volume_id, import_path_id, kind, status, assets, claiming, bytes)"
        f" SELECT library_id, COALESCE(volume_id, {nowhere}), COALESCE(import_path_id, {nowhere}), kind, status,"
        " COUNT(*), COUNT(path_key), SUM(size)"
        f" FROM asset GROUP BY library_id, COALESCE(volume_id, {nowhere}), COALESCE(import_path_id, {nowhere}),"
        " kind, status"
    )
