"""What happened lately, in as few rows as tell it. Each reading is bounded, however large the catalog is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from holdfast import ids
from sidecar.asset import READ, SIDECAR
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import asset, hold, volume, volume_transition

# Looked through backwards from the latest; what lies before is not told, and nobody waits for it.
ASSETS_MAX = 2_000
TRANSITIONS_MAX = 2_000


def transitions(connection: Connection, since: int) -> Sequence[AnyRow]:
    """Changes of the state of volumes, with the volume's label, the oldest first; of more than enough the latest."""
    first = ids.new(max(0, since) // 1000, bytes(10))
    chosen = (
        select(volume_transition, volume.c.label)
        .join(volume, volume.c.id == volume_transition.c.volume_id)
        .where(volume_transition.c.id >= first)
        .order_by(volume_transition.c.id.desc())
        .limit(TRANSITIONS_MAX)
    )
    return connection.execute(chosen).all()[::-1]


def asset_changes(connection: Connection, since: int) -> Sequence[AnyRow]:
    """Kind, time and volume of the latest changes of assets, the newest first."""
    chosen = (
        select(asset.c.change_kind, asset.c.changed_at, asset.c.volume_id, volume.c.label)
        .outerjoin(volume, volume.c.id == asset.c.volume_id)
        .order_by(asset.c.change.desc())
        .limit(ASSETS_MAX)
    )
    rows = connection.execute(chosen).all()
    return [row for row in rows if row.changed_at >= since and row.change_kind not in (READ, SIDECAR)]


def holds(connection: Connection, since: int) -> Sequence[AnyRow]:
    """Holds that were opened or closed lately."""
    chosen = (
        select(hold.c.id, hold.c.state, hold.c.files, hold.c.opened_at, hold.c.closed_at, volume.c.label)
        .join(volume, volume.c.id == hold.c.volume_id)
        .where((hold.c.opened_at >= since) | (hold.c.closed_at >= since))
        .order_by(hold.c.id.desc())
        .limit(100)
    )
    return connection.execute(chosen).all()
