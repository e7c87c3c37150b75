"""Upload libraries, whose assets are on no volume."""

from __future__ import annotations

import sqlalchemy as sa

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.widen_words("library", "kind", before=["external"], after=["external", "upload"])
    resumable.add_column("library", sa.Column("upload_owner", c.line(255)))
    resumable.create_index("ix_library_upload_owner", "library", ["upload_owner"], unique=True)
    for name in ("volume_id", "import_path_id"):
        resumable.allow_null("asset", name, mysql="BINARY(16)")
