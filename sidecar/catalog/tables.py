"""The schema, once for all engines.

Times are microseconds, ids 16 bytes, enums short words with a CHECK. Every table that the change feed shows has
the same three columns: ``change`` (the row's latest number of the one change clock), ``change_kind`` and
``changed_at``. The bulk tables carry no foreign keys: what they refer to is never deleted, and a foreign key
would make every insert lock its parents, in an order that nobody chose (docs/adr/0011).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from holdfast.assignments import BindingState
from holdfast.media import Kind
from holdfast.volumes import VolumeState
from sidecar.asset import Status
from sidecar.catalog import columns as c
from sidecar.holds import HoldKind, HoldReason, HoldState

SCOPES = ("enrol", "agent", "reader", "operator", "admin")
LIBRARY_KINDS = ("external",)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_MYSQL: dict[str, Any] = {
    f"{engine}_{option}": value
    for engine in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("default_charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def _one_of(column: str, words: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _feed_columns(table: str) -> list[Any]:
    """The columns of a table that the change feed shows."""
    return [
        Column("change", c.number(), nullable=False),
        Column("change_kind", c.word(), nullable=False),
        Column("changed_at", c.moment(), nullable=False),
        Index(f"ix_{table}_change", "change", unique=True),
    ]


clock = Table(
    "clock",
    metadata,
    Column("id", c.number(), primary_key=True, autoincrement=False),
    Column("value", c.number(), nullable=False),
    Column("incarnation", c.identifier(), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    **_MYSQL,
)

agent = Table(
    "agent",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("name", c.line(128), nullable=False, unique=True),
    Column("host", c.line(255), nullable=False),
    Column("version", c.line(64), nullable=False),
    Column("protocol", c.number(), nullable=False),
    Column("capabilities", c.text(), nullable=False),
    Column("enrolled_at", c.moment(), nullable=False),
    Column("heartbeats", c.number(), nullable=False),
    Column("last_seen", c.moment()),
    Column("silent_since", c.moment()),
    Column("revoked_at", c.moment()),
    Column("revision", c.number(), nullable=False),
    *_feed_columns("agent"),
    **_MYSQL,
)

token = Table(
    "token",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("digest", c.fixed(32), nullable=False, unique=True),
    Column("name", c.line(128), nullable=False),
    Column("scope", c.word(), nullable=False),
    Column("agent_id", c.identifier(), ForeignKey("agent.id")),
    Column("created_at", c.moment(), nullable=False),
    Column("used_at", c.moment()),
    Column("revoked_at", c.moment()),
    _one_of("scope", SCOPES),
    CheckConstraint("(scope = 'agent') = (agent_id IS NOT NULL)", name="agent"),
    **_MYSQL,
)

volume = Table(
    "volume",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    # The writer. All but the columns of the feed is what it says.
    Column("agent_id", c.identifier(), ForeignKey("agent.id"), nullable=False),
    Column("label", c.line(255), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("detail", c.text(), nullable=False),
    Column("since", c.moment(), nullable=False),
    Column("identity", c.text(), nullable=False),
    Column("epoch", c.text()),
    Column("mounted_at", c.path()),
    Column("last_mounted_at", c.path()),
    Column("total_bytes", c.number()),
    Column("free_bytes", c.number()),
    Column("pending", c.number(), nullable=False),
    _one_of("state", VolumeState),
    *_feed_columns("volume"),
    # Verified-online time in microseconds (R24). A figure, not news: it grows without a change number.
    Column("online_us", c.number(), nullable=False, server_default="0"),
    **_MYSQL,
)

# What each agent says of each volume that it sees.
volume_agent = Table(
    "volume_agent",
    metadata,
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("agent_id", c.identifier(), ForeignKey("agent.id"), nullable=False),
    # Of the last time that the agent became the writer; 0 when it never did. The writer's is the highest of a volume.
    Column("fence", c.number(), nullable=False),
    Column("version", c.number(), nullable=False),
    Column("label", c.line(255), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("detail", c.text(), nullable=False),
    Column("since", c.moment(), nullable=False),
    Column("identity", c.text(), nullable=False),
    Column("epoch", c.text()),
    Column("mounted_at", c.path()),
    Column("last_mounted_at", c.path()),
    Column("total_bytes", c.number()),
    Column("free_bytes", c.number()),
    Column("pending", c.number(), nullable=False),
    PrimaryKeyConstraint("volume_id", "agent_id"),
    _one_of("state", VolumeState),
    Index("ix_volume_agent_agent_id", "agent_id"),
    **_MYSQL,
)

volume_transition = Table(
    "volume_transition",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("from_state", c.word()),
    Column("to_state", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("detail", c.text(), nullable=False),
    Column("mounted_at", c.path()),
    Column("epoch", c.text()),
    Column("at", c.moment(), nullable=False),
    Index("ix_volume_transition_volume_id", "volume_id", "id"),
    **_MYSQL,
)

library = Table(
    "library",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("name", c.line(255), nullable=False),
    Column("owner", c.line(255), nullable=False),
    Column("kind", c.word(), nullable=False),
    Column("exclusion_patterns", c.text(), nullable=False),
    Column("created_at", c.moment(), nullable=False),
    Column("refreshed_at", c.moment()),
    Column("deleted_at", c.moment()),
    Column("revision", c.number(), nullable=False),
    _one_of("kind", LIBRARY_KINDS),
    Index("ix_library_owner", "owner"),
    *_feed_columns("library"),
    **_MYSQL,
)

import_path = Table(
    "import_path",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("library_id", c.identifier(), ForeignKey("library.id"), nullable=False),
    Column("agent_id", c.identifier(), ForeignKey("agent.id"), nullable=False),
    Column("path", c.path(), nullable=False),
    Column("server_path", c.path(), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("message", c.text()),
    Column("volume_id", c.identifier(), ForeignKey("volume.id")),
    Column("directory", c.path()),
    # A part of another import path: a file system mounted below it, or, with a via, a branch of a union.
    Column("parent_id", c.identifier(), ForeignKey("import_path.id")),
    Column("via_volume_id", c.identifier(), ForeignKey("volume.id")),
    _one_of("state", BindingState),
    CheckConstraint(
        "(state = 'bound') = (volume_id IS NOT NULL) AND (volume_id IS NULL) = (directory IS NULL)",
        name="bound",
    ),
    Index("ix_import_path_library_id", "library_id"),
    Index("ix_import_path_agent_id", "agent_id"),
    Index("ix_import_path_volume_id", "volume_id"),
    Index("ix_import_path_parent_id", "parent_id"),
    Index("ix_import_path_via_volume_id", "via_volume_id"),
    **_MYSQL,
)

asset = Table(
    "asset",
    metadata,
    Column("id", c.identifier(), nullable=False),
    Column("library_id", c.identifier(), nullable=False),
    Column("volume_id", c.identifier(), nullable=False),
    Column("import_path_id", c.identifier(), nullable=False),
    Column("path", c.path(), nullable=False),
    # A digest of the path while the asset claims it, NULL when it does not; NULLs are distinct in every engine.
    Column("path_key", c.identifier()),
    Column("kind", c.word(), nullable=False),
    Column("size", c.number(), nullable=False),
    Column("mtime_ns", c.number(), nullable=False),
    Column("created_at", c.moment(), nullable=False),
    Column("status", c.word(), nullable=False),
    Column("absent_since", c.moment()),
    Column("unreadable_error", c.word()),
    Column("excluded_by", c.text()),
    Column("removed_at", c.moment()),
    Column("trashed_at", c.moment()),
    Column("foreign_id", c.line(255)),
    Column("xmp_path", c.path()),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("library_id", "volume_id", "path_key", name="uq_asset_place"),
    _one_of("kind", (Kind.IMAGE, Kind.VIDEO)),
    _one_of("status", Status),
    Index("ix_asset_path", "library_id", "path", mysql_length={"path": 255}, mariadb_length={"path": 255}),
    Index("ix_asset_library_id", "library_id", "id"),
    Index("ix_asset_status", "library_id", "status", "id"),
    *_feed_columns("asset"),
    Column("absent_online_us", c.number()),
    Index("ix_asset_changed_at", "changed_at", "id"),
    sqlite_with_rowid=False,
    **_MYSQL,
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("body", c.text(), nullable=False),
    **_MYSQL,
)

asset_transition = Table(
    "asset_transition",
    metadata,
    Column("id", c.identifier(), nullable=False),
    Column("asset_id", c.identifier(), nullable=False),
    Column("from_status", c.word(), nullable=False),
    Column("to_status", c.word(), nullable=False),
    Column("from_path", c.path()),
    Column("to_path", c.path()),
    Column("reason", c.word(), nullable=False),
    Column("evidence_id", c.identifier()),
    Column("at", c.moment(), nullable=False),
    Column("hold_id", c.identifier()),
    PrimaryKeyConstraint("asset_id", "id"),
    _one_of("from_status", Status),
    _one_of("to_status", Status),
    sqlite_with_rowid=False,
    **_MYSQL,
)

# What the guard counts with, so that it never has to count rows: one row a top directory, and one a volume.
tally = Table(
    "tally",
    metadata,
    Column("volume_id", c.identifier(), nullable=False),
    Column("place_key", c.identifier(), nullable=False),
    Column("present", c.number(), nullable=False),
    Column("absent_level", c.number(), nullable=False),
    Column("absent_at_us", c.number(), nullable=False),
    Column("changed_level", c.number(), nullable=False),
    Column("changed_at_us", c.number(), nullable=False),
    PrimaryKeyConstraint("volume_id", "place_key"),
    sqlite_with_rowid=False,
    **_MYSQL,
)

# No foreign keys here either: holds are written in the midst of a report, where one would lock its volume's row.
hold = Table(
    "hold",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), nullable=False),
    # The top directory; NULL for the volume as a whole.
    Column("directory", c.path()),
    Column("kind", c.word(), nullable=False),
    Column("reason", c.word(), nullable=False),
    Column("state", c.word(), nullable=False),
    # The place and kind while the hold is open, so that there is one open hold of each.
    Column("open_key", c.identifier(), unique=True),
    Column("files", c.number(), nullable=False),
    Column("bytes", c.number(), nullable=False),
    Column("digest", c.fixed(16), nullable=False),
    # Of those that were decided about, how many were dealt with since.
    Column("done", c.number(), nullable=False),
    Column("opened_at", c.moment(), nullable=False),
    Column("closed_at", c.moment()),
    Column("closed_by", c.line(255)),
    Column("done_at", c.moment()),
    _one_of("kind", HoldKind),
    _one_of("reason", HoldReason),
    _one_of("state", HoldState),
    CheckConstraint(
        "(state = 'open') = (open_key IS NOT NULL) AND (state = 'open') = (closed_at IS NULL)", name="open"
    ),
    Index("ix_hold_volume_id", "volume_id", "state"),
    Index("ix_hold_state", "state", "done_at"),
    *_feed_columns("hold"),
    **_MYSQL,
)

# How many files of a hold lie where: the tree that people look at before they decide.
hold_branch = Table(
    "hold_branch",
    metadata,
    Column("hold_id", c.identifier(), nullable=False),
    Column("branch_key", c.identifier(), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("files", c.number(), nullable=False),
    PrimaryKeyConstraint("hold_id", "branch_key"),
    sqlite_with_rowid=False,
    **_MYSQL,
)

# What was proven and does not show yet: because it is in a hold, or because its time of grace is not over.
held = Table(
    "held",
    metadata,
    Column("asset_id", c.identifier(), nullable=False),
    Column("volume_id", c.identifier(), nullable=False),
    Column("hold_id", c.identifier()),
    Column("kind", c.word(), nullable=False),
    Column("size", c.number(), nullable=False),
    Column("mtime_ns", c.number(), nullable=False),
    Column("evidence_id", c.identifier(), nullable=False),
    Column("branch_key", c.identifier(), nullable=False),
    # The volume's verified-online time at which the grace is over.
    Column("due_us", c.number()),
    Column("at", c.moment(), nullable=False),
    PrimaryKeyConstraint("asset_id"),
    _one_of("kind", HoldKind),
    CheckConstraint("(hold_id IS NULL) = (due_us IS NOT NULL)", name="waits"),
    Index("ix_held_hold_id", "hold_id", "asset_id"),
    Index("ix_held_volume_id", "volume_id", "due_us"),
    sqlite_with_rowid=False,
    **_MYSQL,
)

# NULL is the default of the program, and there is no row before somebody set something.
setting = Table(
    "setting",
    metadata,
    Column("id", c.number(), primary_key=True, autoincrement=False),
    Column("guard_files", c.number()),
    Column("guard_percent", c.number()),
    Column("guard_window_s", c.number()),
    Column("missing_grace_s", c.number()),
    Column("revision", c.number(), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    **_MYSQL,
)

xmp = Table(
    "xmp",
    metadata,
    Column("volume_id", c.identifier(), nullable=False),
    Column("path_key", c.identifier(), nullable=False),
    Column("path", c.path(), nullable=False),
    Column("size", c.number(), nullable=False),
    Column("mtime_ns", c.number(), nullable=False),
    PrimaryKeyConstraint("volume_id", "path_key"),
    sqlite_with_rowid=False,
    **_MYSQL,
)

stream = Table(
    "stream",
    metadata,
    Column("volume_id", c.identifier(), nullable=False),
    Column("journal", c.identifier(), nullable=False),
    Column("expected", c.number(), nullable=False),
    Column("digest", c.fixed(32)),
    Column("started_at", c.moment(), nullable=False),
    Column("last_report_at", c.moment()),
    PrimaryKeyConstraint("volume_id", "journal"),
    **_MYSQL,
)

scan = Table(
    "scan",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("mode", c.word()),
    Column("started_at", c.moment(), nullable=False),
    Column("finished_at", c.moment()),
    Column("complete", c.number()),
    Column("directories", c.number()),
    Column("files", c.number()),
    Column("errors", c.number()),
    _one_of("mode", ("new", "changed", "full")),
    Index("ix_scan_volume_id", "volume_id", "id"),
    *_feed_columns("scan"),
    **_MYSQL,
)

gap = Table(
    "gap",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("volume_id", c.identifier(), ForeignKey("volume.id"), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("reason", c.text(), nullable=False),
    Column("at", c.moment(), nullable=False),
    *_feed_columns("gap"),
    **_MYSQL,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_digest", c.fixed(32), primary_key=True),
    Column("body_digest", c.fixed(32), nullable=False),
    Column("status", c.number(), nullable=False),
    Column("location", c.text(), nullable=False),
    Column("body", c.text(), nullable=False),
    Column("at", c.moment(), nullable=False),
    Index("ix_idempotency_at", "at"),
    **_MYSQL,
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("url", c.line(2048), nullable=False),
    Column("description", c.line(255), nullable=False),
    Column("kinds", c.text(), nullable=False),
    Column("secrets", c.text(), nullable=False),
    Column("cursor", c.number(), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("reason", c.text(), nullable=False),
    Column("failing_since", c.moment()),
    Column("created_at", c.moment(), nullable=False),
    Column("revision", c.number(), nullable=False),
    _one_of("state", ("active", "disabled")),
    **_MYSQL,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("webhook_id", c.identifier(), ForeignKey("webhook.id"), nullable=False),
    Column("kind", c.word(), nullable=False),
    Column("body", c.text(), nullable=False),
    Column("state", c.word(), nullable=False),
    Column("attempts", c.number(), nullable=False),
    Column("created_at", c.moment(), nullable=False),
    Column("next_at", c.moment(), nullable=False),
    Column("last_at", c.moment()),
    Column("last_status", c.number()),
    Column("last_error", c.text(), nullable=False),
    _one_of("state", ("pending", "delivered", "failed")),
    Index("ix_delivery_webhook_id", "webhook_id", "id"),
    Index("ix_delivery_due", "webhook_id", "state", "next_at"),
    **_MYSQL,
)

lease = Table(
    "lease",
    metadata,
    Column("name", c.line(64), primary_key=True),
    Column("holder", c.identifier(), nullable=False),
    Column("fence", c.number(), nullable=False),
    Column("beat", c.number(), nullable=False),
    **_MYSQL,
)
