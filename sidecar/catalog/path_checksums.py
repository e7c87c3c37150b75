"""Assets by the checksums of their paths: SHA-1 of "path:" and the path as the photo server has it.

What an asset's path is for the photo server depends on its import path, which may be mapped otherwise without a change
of any asset. So the checksums are in a table of their own. It is filled when somebody asks for one, and follows the
change clock from then on; where nobody ever asks, nothing is computed. Its rows are hints: what is found by them is
compared with the path as it is now.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, Engine, delete, func, select, update

from sidecar.catalog import assets, bulk, places
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.lanes import along
from sidecar.catalog.tables import asset, import_path, path_checksum, path_checksum_state, volume

DIGEST_BYTES = 20
BATCH = 5 * bulk.CHUNK
_state = path_checksum_state


def of(row: AnyRow) -> bytes:
    """The checksum of an asset, from a row of ``assets.shown()``."""
    return hashlib.sha1(b"path:" + places.server_path(row, row.path), usedforsecurity=False).digest()


def find(connection: Connection, wanted: Collection[bytes]) -> dict[bytes, list[AnyRow]]:
    """The assets whose paths have these checksums: checksum -> assets."""
    hints: list[bytes] = []
    for part in bulk.chunks(wanted):
        chosen = select(path_checksum.c.asset_id).where(path_checksum.c.checksum.in_(part))
        hints += connection.execute(chosen).scalars()
    found: dict[bytes, list[AnyRow]] = {}
    for row in sorted(assets.with_ids(connection, hints), key=lambda row: row.id):
        if row.path_key is not None and (checksum := of(row)) in wanted:
            found.setdefault(checksum, []).append(row)
    return found


def catch_up(engine: Engine, budget_s: float) -> float:
    """Compute what is new, for so long at most. Returns which share is done: 1.0 when all of it is."""
    with snapshot(engine) as connection:
        if _is_current(connection):
            return 1.0
    until = time.monotonic() + budget_s
    while True:
        share = transact(engine, _advance)
        if share == 1.0 or time.monotonic() > until:
            return share


def _is_current(connection: Connection) -> bool:
    row = connection.execute(select(_state)).one_or_none()
    if row is None or _is_remapped(row.mapping, _mapping(connection)):
        return False
    return bool(row.computed_until >= _last_change(connection))


def _advance(connection: Connection) -> float:
    """Compute the next of them."""
    locked = connection.execute(select(_state).with_for_update()).one_or_none()
    if locked is None:
        bulk.insert_unless_there(connection, _state, {"id": 1, "computed_until": 0, "mapping": "{}"})
        locked = connection.execute(select(_state).with_for_update()).one()
    # Read before the assets: should it change in between, it differs from what is kept, and all begins anew.
    mapping = _mapping(connection)
    until = 0 if _is_remapped(locked.mapping, mapping) else locked.computed_until
    rows = _changed(connection, until)
    claiming = [row for row in rows if row.path_key is not None]
    bulk.upsert(connection, path_checksum, [(row.id, of(row)) for row in claiming], ["checksum"])
    for part in bulk.chunks(row.id for row in rows if row.path_key is None):
        connection.execute(delete(path_checksum).where(path_checksum.c.asset_id.in_(part)))
    until = rows[-1].change if rows else until
    kept = msgspec.json.encode(mapping, order="sorted").decode()
    connection.execute(update(_state).values(computed_until=until, mapping=kept))
    return 1.0 if len(rows) < BATCH else min(0.99, until / max(1, _last_change(connection)))


def _changed(connection: Connection, until: int) -> Sequence[AnyRow]:
    chosen = (
        select(
            asset.c.id,
            asset.c.path,
            asset.c.path_key,
            asset.c.change,
            asset.c.volume_id,
            import_path.c.directory,
            import_path.c.server_path,
            import_path.c.removed_at.label("import_path_removed_at"),
            volume.c.mounted_at,
            volume.c.last_mounted_at,
        )
        .outerjoin(import_path, import_path.c.id == asset.c.import_path_id)
        .outerjoin(volume, volume.c.id == asset.c.volume_id)
        .where(asset.c.change > until)
    )
    return connection.execute(along(chosen, asset, "ix_asset_change").order_by(asset.c.change).limit(BATCH)).all()


def _mapping(connection: Connection) -> dict[str, str]:
    """What the server paths of assets are made with: import path -> digest of its directory and server path."""
    chosen = select(import_path.c.id, import_path.c.directory, import_path.c.server_path)
    bound = chosen.where(import_path.c.volume_id.is_not(None), import_path.c.removed_at.is_(None))
    found = {}
    for row in connection.execute(bound):
        # No path has a zero byte.
        text = row.directory + b"\0" + row.server_path
        found[row.id.hex()] = hashlib.blake2b(text, digest_size=8).hexdigest()
    return found


def _is_remapped(kept: str, mapping: dict[str, str]) -> bool:
    """Whether checksums were computed with another mapping. Import paths that came since have none yet: their assets
    are newer, too."""
    before = msgspec.json.decode(kept, type=dict[str, str])
    return any(before.get(key, value) != value for key, value in mapping.items())


def _last_change(connection: Connection) -> int:
    return int(connection.execute(select(func.max(asset.c.change))).scalar_one() or 0)
