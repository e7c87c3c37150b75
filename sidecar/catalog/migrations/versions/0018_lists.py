"""Lists that are asked for by one thing or another are read along an index, however long they grow."""

from __future__ import annotations

from sidecar.catalog.migrations import resumable

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resumable.create_index("ix_scan_complete", "scan", ["volume_id", "complete", "id"])
    resumable.create_index("ix_job_of_library", "job", ["library_id", "id"])
    resumable.create_index("ix_job_of_library_state", "job", ["library_id", "state", "id"])
    resumable.drop_index("ix_job_library_id", "job")
    resumable.create_index("ix_hold_of_volume", "hold", ["volume_id", "id"])
    resumable.create_index("ix_hold_of_volume_state", "hold", ["volume_id", "state", "id"])
    resumable.drop_index("ix_hold_volume_id", "hold")
    resumable.create_index("ix_hold_of_state", "hold", ["state", "id"])
    resumable.create_index("ix_hold_branch_files", "hold_branch", ["hold_id", "files", "branch_key"])
    resumable.create_index("ix_audit_action", "audit", ["action", "id"])
    resumable.create_index("ix_audit_token_action", "audit", ["token_id", "action", "id"])
