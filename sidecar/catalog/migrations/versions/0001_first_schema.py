"""The first schema."""

from __future__ import annotations

import os
import time

import sqlalchemy as sa
from alembic import op

from holdfast import ids
from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _agent()
    _asset()
    _asset_transition()
    _clock()
    _evidence()
    _idempotency()
    _lease()
    _library()
    _stream()
    _xmp()
    _token()
    _volume()
    _gap()
    _import_path()
    _scan()
    _volume_transition()
    clock = sa.table("clock", sa.column("id"), sa.column("value"), sa.column("incarnation"))
    if op.get_bind().execute(sa.select(clock.c.id)).first() is not None:
        return
    incarnation = ids.new(time.time_ns() // 1_000_000, os.urandom(10))
    op.execute(clock.insert().values(id=1, value=0, incarnation=incarnation))


def _agent() -> None:
    resumable.create_table(
        "agent",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("name", c.line(128), nullable=False),
        sa.Column("host", c.line(255), nullable=False),
        sa.Column("version", c.line(64), nullable=False),
        sa.Column("protocol", c.number(), nullable=False),
        sa.Column("capabilities", c.text(), nullable=False),
        sa.Column("enrolled_at", c.number(), nullable=False),
        sa.Column("heartbeats", c.number(), nullable=False),
        sa.Column("last_seen", c.number()),
        sa.Column("silent_since", c.number()),
        sa.Column("revoked_at", c.number()),
        sa.Column("revision", c.number(), nullable=False),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent"),
        sa.UniqueConstraint("name", name="uq_agent_name"),
    )
    resumable.create_index("ix_agent_change", "agent", ["change"], unique=True)


def _asset() -> None:
    resumable.create_table(
        "asset",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("library_id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("import_path_id", c.identifier(), nullable=False),
        sa.Column("path", c.path(), nullable=False),
        sa.Column("path_key", c.identifier()),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("size", c.number(), nullable=False),
        sa.Column("mtime_ns", c.number(), nullable=False),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("status", c.word(), nullable=False),
        sa.Column("absent_since", c.number()),
        sa.Column("unreadable_error", c.word()),
        sa.Column("excluded_by", c.text()),
        sa.Column("removed_at", c.number()),
        sa.Column("trashed_at", c.number()),
        sa.Column("foreign_id", c.line(255)),
        sa.Column("xmp_path", c.path()),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_asset"),
        sa.UniqueConstraint("library_id", "volume_id", "path_key", name="uq_asset_place"),
        _one_of("asset", "kind", "image", "video"),
        _one_of("asset", "status", "present", "missing", "excluded", "unreadable", "removed"),
        sqlite_with_rowid=False,
    )
    resumable.create_index("ix_asset_change", "asset", ["change"], unique=True)
    resumable.create_index("ix_asset_changed_at", "asset", ["changed_at", "id"])
    resumable.create_index("ix_asset_library_id", "asset", ["library_id", "id"])
    resumable.create_index(
        "ix_asset_path", "asset", ["library_id", "path"], mysql_length={"path": 255}, mariadb_length={"path": 255}
    )
    resumable.create_index("ix_asset_status", "asset", ["library_id", "status", "id"])


def _asset_transition() -> None:
    resumable.create_table(
        "asset_transition",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("asset_id", c.identifier(), nullable=False),
        sa.Column("from_status", c.word(), nullable=False),
        sa.Column("to_status", c.word(), nullable=False),
        sa.Column("from_path", c.path()),
        sa.Column("to_path", c.path()),
        sa.Column("reason", c.word(), nullable=False),
        sa.Column("evidence_id", c.identifier()),
        sa.Column("at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "id", name="pk_asset_transition"),
        _one_of("asset_transition", "from_status", "present", "missing", "excluded", "unreadable", "removed"),
        _one_of("asset_transition", "to_status", "present", "missing", "excluded", "unreadable", "removed"),
        sqlite_with_rowid=False,
    )


def _clock() -> None:
    resumable.create_table(
        "clock",
        sa.Column("id", c.number(), nullable=False, autoincrement=False),
        sa.Column("value", c.number(), nullable=False),
        sa.Column("incarnation", c.identifier(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clock"),
        sa.CheckConstraint("id = 1", name=op.f("ck_clock_one_row")),
    )


def _evidence() -> None:
    resumable.create_table(
        "evidence",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("body", c.text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )


def _idempotency() -> None:
    resumable.create_table(
        "idempotency",
        sa.Column("key_digest", c.fixed(32), nullable=False),
        sa.Column("body_digest", c.fixed(32), nullable=False),
        sa.Column("status", c.number(), nullable=False),
        sa.Column("location", c.text(), nullable=False),
        sa.Column("body", c.text(), nullable=False),
        sa.Column("at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name="pk_idempotency"),
    )
    resumable.create_index("ix_idempotency_at", "idempotency", ["at"])


def _lease() -> None:
    resumable.create_table(
        "lease",
        sa.Column("name", c.line(64), nullable=False),
        sa.Column("holder", c.identifier(), nullable=False),
        sa.Column("fence", c.number(), nullable=False),
        sa.Column("beat", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def _library() -> None:
    resumable.create_table(
        "library",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("name", c.line(255), nullable=False),
        sa.Column("owner", c.line(255), nullable=False),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("exclusion_patterns", c.text(), nullable=False),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("refreshed_at", c.number()),
        sa.Column("deleted_at", c.number()),
        sa.Column("revision", c.number(), nullable=False),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_library"),
        _one_of("library", "kind", "external"),
    )
    resumable.create_index("ix_library_change", "library", ["change"], unique=True)
    resumable.create_index("ix_library_owner", "library", ["owner"])


def _stream() -> None:
    resumable.create_table(
        "stream",
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("journal", c.identifier(), nullable=False),
        sa.Column("expected", c.number(), nullable=False),
        sa.Column("digest", c.fixed(32)),
        sa.Column("started_at", c.number(), nullable=False),
        sa.Column("last_report_at", c.number()),
        sa.PrimaryKeyConstraint("volume_id", "journal", name="pk_stream"),
    )


def _xmp() -> None:
    resumable.create_table(
        "xmp",
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("path_key", c.identifier(), nullable=False),
        sa.Column("path", c.path(), nullable=False),
        sa.Column("size", c.number(), nullable=False),
        sa.Column("mtime_ns", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", "path_key", name="pk_xmp"),
        sqlite_with_rowid=False,
    )


def _token() -> None:
    resumable.create_table(
        "token",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("digest", c.fixed(32), nullable=False),
        sa.Column("name", c.line(128), nullable=False),
        sa.Column("scope", c.word(), nullable=False),
        sa.Column("agent_id", c.identifier()),
        sa.Column("created_at", c.number(), nullable=False),
        sa.Column("used_at", c.number()),
        sa.Column("revoked_at", c.number()),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_token_agent_id"),
        sa.UniqueConstraint("digest", name="uq_token_digest"),
        sa.CheckConstraint("(scope = 'agent') = (agent_id IS NOT NULL)", name=op.f("ck_token_agent")),
        _one_of("token", "scope", "enrol", "agent", "reader", "operator", "admin"),
    )


def _volume() -> None:
    resumable.create_table(
        "volume",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("agent_id", c.identifier(), nullable=False),
        sa.Column("label", c.line(255), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("reason", c.word(), nullable=False),
        sa.Column("detail", c.text(), nullable=False),
        sa.Column("since", c.number(), nullable=False),
        sa.Column("version", c.number(), nullable=False),
        sa.Column("identity", c.text(), nullable=False),
        sa.Column("epoch", c.text()),
        sa.Column("mounted_at", c.path()),
        sa.Column("last_mounted_at", c.path()),
        sa.Column("total_bytes", c.number()),
        sa.Column("free_bytes", c.number()),
        sa.Column("pending", c.number(), nullable=False),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volume"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_volume_agent_id"),
        _one_of("volume", "state", "online", "idle", "offline", "suspect", "conflict", "unknown"),
    )
    resumable.create_index("ix_volume_change", "volume", ["change"], unique=True)


def _gap() -> None:
    resumable.create_table(
        "gap",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("directory", c.path(), nullable=False),
        sa.Column("reason", c.text(), nullable=False),
        sa.Column("at", c.number(), nullable=False),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gap"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_gap_volume_id"),
    )
    resumable.create_index("ix_gap_change", "gap", ["change"], unique=True)


def _import_path() -> None:
    resumable.create_table(
        "import_path",
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
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_import_path_agent_id"),
        sa.ForeignKeyConstraint(["library_id"], ["library.id"], name="fk_import_path_library_id"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_import_path_volume_id"),
        sa.CheckConstraint(
            "(state = 'bound') = (volume_id IS NOT NULL) AND (volume_id IS NULL) = (directory IS NULL)",
            name=op.f("ck_import_path_bound"),
        ),
        _one_of("import_path", "state", "bound", "refused", "pending"),
    )
    resumable.create_index("ix_import_path_agent_id", "import_path", ["agent_id"])
    resumable.create_index("ix_import_path_library_id", "import_path", ["library_id"])
    resumable.create_index("ix_import_path_volume_id", "import_path", ["volume_id"])


def _scan() -> None:
    resumable.create_table(
        "scan",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("directory", c.path(), nullable=False),
        sa.Column("mode", c.word()),
        sa.Column("started_at", c.number(), nullable=False),
        sa.Column("finished_at", c.number()),
        sa.Column("complete", c.number()),
        sa.Column("directories", c.number()),
        sa.Column("files", c.number()),
        sa.Column("errors", c.number()),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scan"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_scan_volume_id"),
        _one_of("scan", "mode", "new", "changed", "full"),
    )
    resumable.create_index("ix_scan_change", "scan", ["change"], unique=True)
    resumable.create_index("ix_scan_volume_id", "scan", ["volume_id", "id"])


def _volume_transition() -> None:
    resumable.create_table(
        "volume_transition",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("from_state", c.word()),
        sa.Column("to_state", c.word(), nullable=False),
        sa.Column("reason", c.word(), nullable=False),
        sa.Column("detail", c.text(), nullable=False),
        sa.Column("mounted_at", c.path()),
        sa.Column("epoch", c.text()),
        sa.Column("at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volume_transition"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_volume_transition_volume_id"),
    )
    resumable.create_index("ix_volume_transition_volume_id", "volume_transition", ["volume_id", "id"])


def _one_of(table: str, column: str, *words: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}"))
