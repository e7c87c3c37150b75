"""The books of a catalog, kept again by counting its rows: digests, figures, trees and tallies; and what a loss needs.

All of them are kept step by step by the product, so that nobody has to count; here somebody counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sidecar.asset import Status
from sidecar.catalog import asset_rows
from sidecar.catalog.tables import (
    asset,
    asset_transition,
    evidence,
    figure,
    held,
    hold,
    hold_branch,
    import_path,
    tally,
)
from sidecar.figures import NOWHERE
from sidecar.holds import EMPTY, HoldKind, HoldState, branch_of, row_digest, toggled, top_of
from sidecar.ledger import ABSENT, RENAMED_AWAY

_THERE = (Status.PRESENT, Status.UNREADABLE)


def check_books(connection: sa.Connection) -> None:
    """Fail where anything that is kept differs from what counting the rows gives."""
    assets = {row.id: row for row in connection.execute(sa.select(asset))}
    roots = {row.id: row.directory for row in connection.execute(sa.select(import_path))}
    waiting = connection.execute(sa.select(held)).all()
    kept = {row.id: row.body for row in connection.execute(sa.select(evidence))}
    for row in waiting:
        assert assets[row.asset_id].status in _THERE, "what waits shows nowhere"
        assert row.volume_id == assets[row.asset_id].volume_id
        assert row.evidence_id in kept, "what waits has its evidence"
    for one in connection.execute(sa.select(hold)):
        _check_hold(connection, one, [row for row in waiting if row.hold_id == one.id], assets, roots)
    counted: Counter[tuple[bytes, bytes]] = Counter()
    for row in assets.values():
        if row.status in _THERE:
            counted[row.volume_id, asset_rows.key(top_of(roots[row.import_path_id] or b"", row.path))] += 1
            counted[row.volume_id, bytes(16)] += 1
    kept_tallies = connection.execute(sa.select(tally).where(tally.c.present > 0))
    assert {(row.volume_id, row.place_key): row.present for row in kept_tallies} == counted
    check_figures(connection)


def check_figures(connection: sa.Connection) -> None:
    """Fail where the figures of libraries differ from what counting the assets gives."""
    counted: dict[tuple[Any, ...], list[int]] = {}
    for row in connection.execute(sa.select(asset)):
        sort = (row.library_id, row.volume_id or NOWHERE, row.import_path_id or NOWHERE, row.kind, row.status)
        figures = counted.setdefault(sort, [0, 0, 0])
        figures[0] += 1
        figures[1] += row.path_key is not None
        figures[2] += row.size
    rows = connection.execute(sa.select(figure)).all()
    assert {tuple(row[:5]): list(row[5:]) for row in rows if any(row[5:])} == counted


def check_evidence(connection: sa.Connection) -> None:
    """Fail where an asset is missing without the evidence for it."""
    bodies = {row.id: row.body for row in connection.execute(sa.select(evidence))}
    last: dict[bytes, Any] = {}
    for row in connection.execute(sa.select(asset_transition).order_by(asset_transition.c.id)):
        if row.evidence_id is not None:  # rules have none: they say nothing about a file
            last[row.asset_id] = row
    for one in connection.execute(sa.select(asset.c.id).where(asset.c.status == Status.MISSING)):
        step = last[one.id]
        assert step.to_status in (Status.MISSING, Status.EXCLUDED)
        told = json.loads(bodies[step.evidence_id])
        assert told["observation"]["type"] in ("absent", "moved")
        assert told["epoch"] and told["volume"] and told["journal"] and told["sequence"] and told["identity"]
        if told["observation"]["type"] == "absent":
            assert {"listed", "before", "first", "second", "gate"} == told["observation"]["proof"].keys()


def unasked_losses(connection: sa.Connection, volume: bytes) -> int:
    """How many files of a volume were shown as lost, ever, without a person having been asked."""
    chosen = (
        sa.select(asset_transition)
        .join(asset, asset.c.id == asset_transition.c.asset_id)
        .where(asset.c.volume_id == volume)
        .order_by(asset_transition.c.asset_id, asset_transition.c.id)
    )
    # What one report took away and brought back was never shown: of its steps the last one counts.
    shown = {(row.asset_id, row.at): row for row in connection.execute(chosen)}
    return sum(row.to_status == Status.MISSING and row.reason in (ABSENT, RENAMED_AWAY) for row in shown.values())


def _check_hold(
    connection: sa.Connection, one: Any, rows: Sequence[Any], assets: dict[bytes, Any], roots: dict[bytes, bytes]
) -> None:
    if one.state != HoldState.OPEN:
        assert one.files - one.done == len(rows), "of what was decided the rest is still there"
        assert (one.done_at is not None) <= (not rows)
        assert one.open_key is None
        return
    assert rows, "an empty hold does not stay open"
    digest = EMPTY
    branches: Counter[bytes] = Counter()
    places = set()
    for row in rows:
        assert row.kind == one.kind
        about = assets[row.asset_id]
        root = roots[about.import_path_id] or b""
        digest = toggled(digest, row_digest(one.id, row.asset_id, HoldKind(row.kind), row.size, row.mtime_ns))
        branches[branch_of(root, about.path)] += 1
        places.add(top_of(root, about.path))
    assert (one.files, one.digest) == (len(rows), digest)
    assert one.bytes == sum(row.size for row in rows)
    kept = connection.execute(sa.select(hold_branch).where(hold_branch.c.hold_id == one.id, hold_branch.c.files != 0))
    assert {row.directory: row.files for row in kept} == branches
    if one.directory is not None:
        assert places == {one.directory}
