"""The change feed: current rows in the order of their change numbers.

Nothing is kept for the feed. A row that changes again leaves its old place and turns up at its new one, so the
feed compacts itself, and whoever has followed it to its end has seen the latest state of every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from sidecar.catalog import assets, clock, holds, libraries
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.lanes import along
from sidecar.catalog.tables import agent, asset, gap, hold, library, scan, volume

SHOWN = {
    "asset": asset,
    "volume": volume,
    "library": library,
    "scan": scan,
    "agent": agent,
    "gap": gap,
    "hold": hold,
}
# What is shown of an entity beside its own row.
_WITH = {"asset": assets.shown, "hold": holds.shown}

# How many change numbers are looked through for a page that shows one owner's things only: tens of milliseconds.
OWNER_WINDOW = 50_000

# What to select of a table, and from which rows of it; None: it is not shown.
_Columns = Callable[[str, Table], Select[*tuple[Any, ...]] | None]


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the table ``entity`` as it is now."""

    entity: str
    row: AnyRow


@dataclass(frozen=True, slots=True)
class Page:
    """``upto``: everything up to this change number has been read."""

    changes: list[Change]
    upto: int
    has_more: bool


def read(connection: Connection, since: int, limit: int, owner: str | None = None) -> Page:
    """The changes after ``since``, at most ``limit``.

    The clock is read first and bounds what is read after it. So a row that is committed between the reads of two
    tables cannot be seen while an earlier one is not, whatever the isolation of the connection.

    With an ``owner``: those of their libraries, assets and volumes. Then a page may be empty and yet not the last: what
    is looked through for it is bounded, however much others have changed.
    """
    horizon = clock.read(connection)
    if owner is None:
        return _read(connection, since, horizon, limit, _whole)
    upto = min(horizon, since + OWNER_WINDOW)
    page = _read(connection, since, upto, limit, _of_owner(connection, owner))
    return Page(page.changes, page.upto, page.has_more or upto < horizon)


def outline(connection: Connection, since: int, limit: int) -> Page:
    """As :func:`read`, with nothing of each row but ``id``, ``change`` and ``change_kind``."""
    return _read(connection, since, clock.read(connection), limit, _brief)


def _brief(_entity: str, table: Table) -> Select[*tuple[Any, ...]]:
    return select(table.c.id, table.c.change, table.c.change_kind)


def _whole(entity: str, table: Table) -> Select[*tuple[Any, ...]]:
    return _WITH[entity]() if entity in _WITH else select(table)


def _of_owner(connection: Connection, owner: str) -> _Columns:
    """What an owner may see: their libraries, the assets in them, and the volumes that these are on."""
    owned = libraries.owned_by(connection, owner)
    # Wrapped, so that no engine thinks of going by the library: that would sort all of its assets for every page.
    within = func.coalesce(asset.c.library_id, asset.c.id).in_(owned)
    conditions = {
        "asset": within,
        "library": library.c.id.in_(owned),
        "volume": volume.c.id.in_(libraries.volumes_of(connection, owner)),
    }

    def chosen(entity: str, table: Table) -> Select[*tuple[Any, ...]] | None:
        return _whole(entity, table).where(conditions[entity]) if entity in conditions else None

    return chosen


def _read(connection: Connection, since: int, horizon: int, limit: int, columns: _Columns) -> Page:
    found: list[Change] = []
    for entity, table in SHOWN.items():
        selected = columns(entity, table)
        if selected is None:
            continue
        within = selected.where(table.c.change > since, table.c.change <= horizon)
        chosen = along(within, table, f"ix_{entity}_change").order_by(table.c.change).limit(limit + 1)
        found += [Change(entity, row) for row in connection.execute(chosen)]
    found.sort(key=lambda one: int(one.row.change))
    if len(found) <= limit:
        return Page(found, horizon, has_more=False)
    return Page(found[:limit], found[limit - 1].row.change, has_more=True)
