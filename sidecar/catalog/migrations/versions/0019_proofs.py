"""Evidence is kept for as long as something rests on it, which is looked up by the evidence."""

from __future__ import annotations

from sidecar.catalog.migrations import resumable

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.create_index("ix_asset_transition_evidence_id", "asset_transition", ["evidence_id"])
    resumable.create_index("ix_held_evidence_id", "held", ["evidence_id"])
