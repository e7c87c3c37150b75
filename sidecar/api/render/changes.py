"""The change feed, from rows of the catalog: each item with the state that its own GET shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from holdfast import ids
from sidecar import cursor
from sidecar.api import shapes
from sidecar.api.render.assets import asset, library_page
from sidecar.api.render.holds import hold
from sidecar.api.render.storage import agent, gap, scan, volume_page
from sidecar.api.shapes import moment
from sidecar.catalog import clock, feed
from sidecar.catalog.columns import AnyRow


def changes(connection: Connection, page: Sequence[feed.Change], owner: str | None = None) -> list[shapes.AnyChange]:
    """A page of the feed, each item with the state that its own GET shows, to a reader limited to ``owner`` too."""
    found: list[shapes.AnyChange] = []
    catalog, forgotten = clock.incarnation(connection), clock.forgotten_until(connection)

    def told(entity: str, row: AnyRow) -> dict[str, Any]:
        return {
            "change": row.change,
            "cursor": cursor.to_text(cursor.FeedCursor(catalog, row.change, forgotten)),
            "kind": row.change_kind,
            "id": ids.to_text(entity, row.id),
            "at": moment(row.changed_at),
        }

    rows = {entity: [one.row for one in page if one.entity == entity] for entity in feed.SHOWN}
    for row in rows["asset"]:
        found.append(shapes.AssetChange(**told("asset", row), state=asset(row)))
    for row, volume in zip(rows["volume"], volume_page(connection, rows["volume"], owner), strict=True):
        found.append(shapes.VolumeChange(**told("volume", row), state=volume))
    for row, library in zip(rows["library"], library_page(connection, rows["library"]), strict=True):
        found.append(shapes.LibraryChange(**told("library", row), state=library))
    for row in rows["scan"]:
        found.append(shapes.ScanChange(**told("scan", row), state=scan(row)))
    for row in rows["agent"]:
        found.append(shapes.AgentChange(**told("agent", row), state=agent(row)))
    for row in rows["gap"]:
        found.append(shapes.GapChange(**told("gap", row), state=gap(row)))
    for row in rows["hold"]:
        found.append(shapes.HoldChange(**told("hold", row), state=hold(row)))
    return sorted(found, key=lambda one: one.change)
