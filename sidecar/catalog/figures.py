"""The figures of libraries and volumes, see :mod:`sidecar.figures`: kept by whoever changes assets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from sidecar.asset import Asset
from sidecar.catalog import bulk
from sidecar.catalog.tables import figure as table
from sidecar.figures import Figure, Sort, growth


def keep(connection: Connection, pairs: Iterable[tuple[Asset | None, Asset]]) -> None:
    """Count assets, which are locked or new, as what they have become."""
    add(connection, growth(pairs))


def add(connection: Connection, grown: Mapping[Sort, Figure]) -> None:
    """Let figures grow. In one order, so that of two who change the same ones the second waits."""
    rows = [(*sort[:3], sort.kind.value, sort.status.value, *grown[sort]) for sort in sorted(grown)]
    bulk.add(connection, table, rows, Figure._fields)
