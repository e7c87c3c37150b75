"""The change feed: current rows in the order of their change numbers.

Nothing is kept for the feed. A row that changes again leaves its old place and turns up at its new one, so the
feed compacts itself, and whoever has followed it to its end has seen the latest state of every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from sidecar.catalog import assets, clock, holds
from sidecar.catalog.columns import AnyRow
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


def read(connection: Connection, since: int, limit: int) -> Page:
    """The changes after ``since``, at most ``limit``.

    The clock is read first and bounds what is read after it. So a row that is committed between the reads of two
    tables cannot be seen while an earlier one is not, whatever the isolation of the connection.
    """
    return _read(connection, since, limit, lambda entity, table: _WITH[entity]() if entity in _WITH else select(table))


def outline(connection: Connection, since: int, limit: int) -> Page:
    """As :func:`read`, with nothing of each row but ``id``, ``change`` and ``change_kind``."""
    return _read(connection, since, limit, lambda _, table: select(table.c.id, table.c.change, table.c.change_kind))


def _read(
    connection: Connection, since: int, limit: int, columns: Callable[[str, Table], Select[*tuple[Any, ...]]]
) -> Page:
    horizon = clock.read(connection)
    found: list[Change] = []
    for entity, table in SHOWN.items():
        chosen = (
            columns(entity, table)
            .where(table.c.change > since, table.c.change <= horizon)
            .order_by(table.c.change)
            .limit(limit + 1)
        )
        found += [Change(entity, row) for row in connection.execute(chosen)]
    found.sort(key=lambda one: int(one.row.change))
    if len(found) <= limit:
        return Page(found, horizon, has_more=False)
    return Page(found[:limit], found[limit - 1].row.change, has_more=True)
