"""Holds, settings, verified-online time; and a count of what is there, taken once from the assets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c
from sidecar.catalog.migrations import resumable

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WHOLE = bytes(16)
_PAGE = 10_000


def upgrade() -> None:
    # Plain ALTERs: every engine adds a column at the end at once, however many rows there are.
    resumable.add_column("volume", sa.Column("online_us", c.number(), nullable=False, server_default="0"))
    resumable.add_column("asset", sa.Column("absent_online_us", c.number()))
    resumable.add_column("asset_transition", sa.Column("hold_id", c.identifier()))
    _hold()
    _held()
    _setting()
    _tally()
    _count_what_is_there()
    # What is missing already has been so for no online time that anybody counted: it starts to age now.
    op.execute("UPDATE asset SET absent_online_us = 0 WHERE absent_since IS NOT NULL")


def _hold() -> None:
    resumable.create_table(
        "hold",
        sa.Column("id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("directory", c.path()),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("reason", c.word(), nullable=False),
        sa.Column("state", c.word(), nullable=False),
        sa.Column("open_key", c.identifier()),
        sa.Column("files", c.number(), nullable=False),
        sa.Column("bytes", c.number(), nullable=False),
        sa.Column("digest", c.fixed(16), nullable=False),
        sa.Column("done", c.number(), nullable=False),
        sa.Column("opened_at", c.number(), nullable=False),
        sa.Column("closed_at", c.number()),
        sa.Column("closed_by", c.line(255)),
        sa.Column("done_at", c.number()),
        sa.Column("change", c.number(), nullable=False),
        sa.Column("change_kind", c.word(), nullable=False),
        sa.Column("changed_at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
        sa.UniqueConstraint("open_key", name="uq_hold_open_key"),
        _one_of("hold", "kind", "absent", "changed"),
        _one_of("hold", "reason", "many-absent", "many-changed", "rolled-back"),
        _one_of("hold", "state", "open", "approved", "dismissed", "resolved"),
        sa.CheckConstraint(
            "(state = 'open') = (open_key IS NOT NULL) AND (state = 'open') = (closed_at IS NULL)",
            name=op.f("ck_hold_open"),
        ),
    )
    resumable.create_index("ix_hold_change", "hold", ["change"], unique=True)
    resumable.create_index("ix_hold_state", "hold", ["state", "done_at"])
    resumable.create_index("ix_hold_volume_id", "hold", ["volume_id", "state"])
    resumable.create_table(
        "hold_branch",
        sa.Column("hold_id", c.identifier(), nullable=False),
        sa.Column("branch_key", c.identifier(), nullable=False),
        sa.Column("directory", c.path(), nullable=False),
        sa.Column("files", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("hold_id", "branch_key", name="pk_hold_branch"),
        sqlite_with_rowid=False,
    )


def _held() -> None:
    resumable.create_table(
        "held",
        sa.Column("asset_id", c.identifier(), nullable=False),
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("hold_id", c.identifier()),
        sa.Column("kind", c.word(), nullable=False),
        sa.Column("size", c.number(), nullable=False),
        sa.Column("mtime_ns", c.number(), nullable=False),
        sa.Column("evidence_id", c.identifier(), nullable=False),
        sa.Column("branch_key", c.identifier(), nullable=False),
        sa.Column("due_us", c.number()),
        sa.Column("at", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name="pk_held"),
        _one_of("held", "kind", "absent", "changed"),
        sa.CheckConstraint("(hold_id IS NULL) = (due_us IS NOT NULL)", name=op.f("ck_held_waits")),
        sqlite_with_rowid=False,
    )
    resumable.create_index("ix_held_hold_id", "held", ["hold_id", "asset_id"])
    resumable.create_index("ix_held_volume_id", "held", ["volume_id", "due_us"])


def _setting() -> None:
    resumable.create_table(
        "setting",
        sa.Column("id", c.number(), nullable=False, autoincrement=False),
        sa.Column("guard_files", c.number()),
        sa.Column("guard_percent", c.number()),
        sa.Column("guard_window_s", c.number()),
        sa.Column("missing_grace_s", c.number()),
        sa.Column("revision", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_setting"),
        sa.CheckConstraint("id = 1", name=op.f("ck_setting_one_row")),
    )


def _tally() -> None:
    resumable.create_table(
        "tally",
        sa.Column("volume_id", c.identifier(), nullable=False),
        sa.Column("place_key", c.identifier(), nullable=False),
        sa.Column("present", c.number(), nullable=False),
        sa.Column("absent_level", c.number(), nullable=False),
        sa.Column("absent_at_us", c.number(), nullable=False),
        sa.Column("changed_level", c.number(), nullable=False),
        sa.Column("changed_at_us", c.number(), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", "place_key", name="pk_tally"),
        sqlite_with_rowid=False,
    )


def _count_what_is_there() -> None:
    """Fill the tallies. Written out here, and not shared with the program, which may come to count otherwise."""
    connection = op.get_bind()
    present: Counter[tuple[bytes, bytes]] = Counter()
    roots: dict[bytes, bytes] = {
        row.id: row.directory or b"" for row in connection.execute(sa.text("SELECT id, directory FROM import_path"))
    }
    for row in _assets_that_are_there(connection):
        root = roots.get(row.import_path_id, b"")
        if root and not row.path.startswith(root + b"/"):
            root = b""
        first, inside, _ = (row.path[len(root) + 1 :] if root else row.path).partition(b"/")
        top = root if not inside else root + b"/" + first if root else first
        present[row.volume_id, hashlib.blake2b(top, digest_size=16).digest()] += 1
        present[row.volume_id, _WHOLE] += 1
    # Counted anew when it was broken off before: the assets may have changed meanwhile.
    op.execute("DELETE FROM tally")
    names = ("volume_id", "place_key", "present", "absent_level", "absent_at_us", "changed_level", "changed_at_us")
    tally = sa.table("tally", *map(sa.column, names))
    rows = [dict(zip(names, (*place, count, 0, 0, 0, 0), strict=True)) for place, count in present.items()]
    for start in range(0, len(rows), _PAGE):
        connection.execute(tally.insert(), rows[start : start + _PAGE])


def _assets_that_are_there(connection: sa.Connection) -> Iterator[Any]:
    names = ("id", "volume_id", "import_path_id", "path", "status")
    asset = sa.table("asset", *map(sa.column, names))
    last = b""
    while True:
        rows = connection.execute(sa.select(asset).where(asset.c.id > last).order_by(asset.c.id).limit(_PAGE)).all()
        if not rows:
            return
        yield from (row for row in rows if row.status in ("present", "unreadable"))
        last = rows[-1].id


def _one_of(table: str, column: str, *words: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}"))
