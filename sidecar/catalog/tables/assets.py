"""The tables of libraries and of what is in them, with the steps of every asset and what each rests on."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, PrimaryKeyConstraint, Table, UniqueConstraint, text

from holdfast.assignments import BindingState
from holdfast.media import Kind
from sidecar.asset import Status
from sidecar.catalog import columns as c
from sidecar.catalog.tables.schema import ENGINES, feed_columns, metadata, one_of

LIBRARY_KINDS = ("external", "upload")

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
    one_of("kind", LIBRARY_KINDS),
    Index("ix_library_owner", "owner"),
    *feed_columns("library"),
    # The owner of an upload library that was not deleted, NULL for all others: an owner has one at most.
    Column("upload_owner", c.line(255)),
    Index("ix_library_upload_owner", "upload_owner", unique=True),
    **ENGINES,
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
    one_of("state", BindingState),
    CheckConstraint(
        "(state = 'bound') = (volume_id IS NOT NULL) AND (volume_id IS NULL) = (directory IS NULL)",
        name="bound",
    ),
    Index("ix_import_path_library_id", "library_id"),
    Index("ix_import_path_agent_id", "agent_id"),
    Index("ix_import_path_volume_id", "volume_id"),
    Index("ix_import_path_parent_id", "parent_id"),
    Index("ix_import_path_via_volume_id", "via_volume_id"),
    # Taken out of its library. The row stays, since the assets that it brought still say where they come from.
    Column("removed_at", c.moment()),
    **ENGINES,
)

asset = Table(
    "asset",
    metadata,
    Column("id", c.identifier(), nullable=False),
    Column("library_id", c.identifier(), nullable=False),
    # NULL, both of them, for what the photo server keeps itself: it is in no import path, and on no volume that an
    # agent watches. Its path is the photo server's own.
    Column("volume_id", c.identifier()),
    Column("import_path_id", c.identifier()),
    Column("path", c.path(), nullable=False),
    # Digests of the path while the asset claims it, see ``asset_rows.place_key``, NULL when it does not; NULLs are
    # distinct in every engine.
    Column("path_key", c.fixed(20)),
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
    one_of("kind", (Kind.IMAGE, Kind.VIDEO)),
    one_of("status", Status),
    Index("ix_asset_path", "library_id", "path", mysql_length={"path": 255}, mariadb_length={"path": 255}),
    Index("ix_asset_library_id", "library_id", "id"),
    Index("ix_asset_status", "library_id", "status", "id"),
    *feed_columns("asset"),
    Column("absent_online_us", c.number()),
    Index("ix_asset_changed_at", "changed_at", "id"),
    Column("content", c.digest()),
    Index("ix_asset_content", "content", "library_id", sqlite_where=text("content IS NOT NULL")),
    sqlite_with_rowid=False,
    **ENGINES,
)

# How many assets there are, see ``sidecar.figures``. Nobody counts ten million rows to show a number.
figure = Table(
    "figure",
    metadata,
    Column("library_id", c.identifier(), nullable=False),
    # Sixteen zeros, both of them, for what the photo server keeps itself.
    Column("volume_id", c.identifier(), nullable=False),
    Column("import_path_id", c.identifier(), nullable=False),
    Column("kind", c.word(), nullable=False),
    Column("status", c.word(), nullable=False),
    Column("assets", c.number(), nullable=False),
    Column("claiming", c.number(), nullable=False),
    Column("bytes", c.number(), nullable=False),
    PrimaryKeyConstraint("library_id", "volume_id", "import_path_id", "kind", "status"),
    Index("ix_figure_volume_id", "volume_id"),
    sqlite_with_rowid=False,
    **ENGINES,
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", c.identifier(), primary_key=True),
    Column("body", c.text(), nullable=False),
    **ENGINES,
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
    # Where it came from, if that was another volume.
    Column("from_volume_id", c.identifier()),
    Column("job_id", c.identifier()),
    PrimaryKeyConstraint("asset_id", "id"),
    Index("ix_asset_transition_evidence_id", "evidence_id"),
    one_of("from_status", Status),
    one_of("to_status", Status),
    sqlite_with_rowid=False,
    **ENGINES,
)

# What a job has removed from the catalog. ``claimed``: it held its path until then. ``undone_at``: it came back.
removal = Table(
    "removal",
    metadata,
    Column("job_id", c.identifier(), nullable=False),
    Column("asset_id", c.identifier(), nullable=False),
    Column("claimed", c.number(), nullable=False),
    Column("at", c.moment(), nullable=False),
    Column("undone_at", c.moment()),
    PrimaryKeyConstraint("job_id", "asset_id"),
    Index("ix_removal_asset_id", "asset_id", "job_id"),
    sqlite_with_rowid=False,
    **ENGINES,
)

# Hints, see ``catalog.path_checksums``.
path_checksum = Table(
    "path_checksum",
    metadata,
    Column("asset_id", c.identifier(), nullable=False),
    Column("checksum", c.fixed(20), nullable=False),
    PrimaryKeyConstraint("asset_id"),
    Index("ix_path_checksum_checksum", "checksum"),
    sqlite_with_rowid=False,
    **ENGINES,
)

# Up to which change the hints were computed, and with which mapping. No row before somebody asked.
path_checksum_state = Table(
    "path_checksum_state",
    metadata,
    Column("id", c.number(), primary_key=True, autoincrement=False),
    Column("computed_until", c.number(), nullable=False),
    Column("mapping", c.text(), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    **ENGINES,
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
    **ENGINES,
)

# The rules of an ignore file (``.holdfastignore``), by the directory that it lies in.
ignore_file = Table(
    "ignore_file",
    metadata,
    Column("volume_id", c.identifier(), nullable=False),
    Column("directory_key", c.identifier(), nullable=False),
    Column("directory", c.path(), nullable=False),
    Column("rules", c.text(), nullable=False),
    PrimaryKeyConstraint("volume_id", "directory_key"),
    sqlite_with_rowid=False,
    **ENGINES,
)
