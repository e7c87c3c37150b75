"""The tables of what was proven and waits, and of what the guard counts with (rules R20 and R21)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, Table

from sidecar.catalog import columns as c
from sidecar.catalog.tables.schema import ENGINES, feed_columns, metadata, one_of
from sidecar.holds import HoldKind, HoldReason, HoldState

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
    **ENGINES,
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
    one_of("kind", HoldKind),
    one_of("reason", HoldReason),
    one_of("state", HoldState),
    CheckConstraint(
        "(state = 'open') = (open_key IS NOT NULL) AND (state = 'open') = (closed_at IS NULL)", name="open"
    ),
    Index("ix_hold_of_volume", "volume_id", "id"),
    Index("ix_hold_of_volume_state", "volume_id", "state", "id"),
    Index("ix_hold_of_state", "state", "id"),
    Index("ix_hold_state", "state", "done_at"),
    *feed_columns("hold"),
    **ENGINES,
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
    Index("ix_hold_branch_files", "hold_id", "files", "branch_key"),
    sqlite_with_rowid=False,
    **ENGINES,
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
    one_of("kind", HoldKind),
    CheckConstraint("(hold_id IS NULL) = (due_us IS NOT NULL)", name="waits"),
    Index("ix_held_hold_id", "hold_id", "asset_id"),
    Index("ix_held_volume_id", "volume_id", "due_us"),
    Index("ix_held_evidence_id", "evidence_id"),
    sqlite_with_rowid=False,
    **ENGINES,
)
