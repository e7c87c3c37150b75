"""Assets of one directory lie together in the index of places; the index of contents has only what was read."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

from sidecar.catalog import columns as c

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_PAGE = 5_000


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # MySQL has no index of a part of the rows.
        op.execute("DROP INDEX IF EXISTS ix_asset_content")
        op.execute("CREATE INDEX ix_asset_content ON asset (content, library_id) WHERE content IS NOT NULL")
    else:
        op.execute("ALTER TABLE `asset` MODIFY `path_key` BINARY(20) NULL")
    _rewrite_keys()


def _rewrite_keys() -> None:
    """Give every claimed path its new key. Written out here, and not shared with the program, which may come to make
    keys otherwise."""
    connection = op.get_bind()
    asset = sa.table("asset", sa.column("id"), sa.column("path"), sa.column("path_key", c.fixed(20)))
    change = asset.update().where(asset.c.id == sa.bindparam("row")).values(path_key=sa.bindparam("key"))
    last = b""
    while True:
        page = sa.select(asset).where(asset.c.id > last).order_by(asset.c.id).limit(_PAGE)
        rows = connection.execute(page).all()
        if not rows:
            return
        claiming = [row for row in rows if row.path_key is not None]
        if claiming:
            connection.execute(change, [{"row": row.id, "key": _key(row.path)} for row in claiming])
        last = rows[-1].id


def _key(path: bytes) -> bytes:
    directory = hashlib.blake2b(path.rpartition(b"/")[0], digest_size=4).digest()
    return directory + hashlib.blake2b(path, digest_size=16).digest()
