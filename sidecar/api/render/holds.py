"""Holds, from rows of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast import ids, paths
from sidecar import holds as holds_told
from sidecar.api import shapes
from sidecar.api.render.assets import asset, evidence
from sidecar.api.shapes import moment, moment_or_none
from sidecar.catalog import holds, places
from sidecar.catalog.columns import AnyRow
from sidecar.holds import HoldKind, HoldReason, HoldState


def hold(row: AnyRow) -> shapes.Hold:
    """A hold, from a row of ``holds.shown()``."""
    return shapes.Hold(**_hold(row))


def hold_details(row: AnyRow, tree: Sequence[AnyRow], examples: Sequence[AnyRow]) -> shapes.HoldDetails:
    """A hold with its tree and some of its files."""
    return shapes.HoldDetails(
        **_hold(row),
        directories=[
            shapes.Branch(directory=paths.to_display(one.directory), files=one.files)
            for one in tree[: holds.BRANCHES_SHOWN]
        ],
        has_more_directories=len(tree) > holds.BRANCHES_SHOWN,
        examples=[paths.to_display(places.server_path(one, one.path)) for one in examples],
        evidence=evidence(examples[0].evidence) if examples else None,
    )


def held_asset(row: AnyRow) -> shapes.HeldAsset:
    """An asset that waits in a hold, from a row of ``holds.assets_page()``."""
    return shapes.HeldAsset(
        asset=asset(row),
        held_since=moment(row.held_at),
        size=row.held_size,
        modified_at=moment(row.held_mtime_ns // 1000),
        evidence=evidence(row.evidence),
    )


def _hold(row: AnyRow) -> dict[str, Any]:
    kind, state = HoldKind(row.kind), HoldState(row.state)
    root = row.mounted_at if row.mounted_at is not None else row.last_mounted_at
    host_path = None if root is None else (root.rstrip(b"/") + b"/" + (row.directory or b"")).rstrip(b"/") or b"/"
    # Without a mount point nobody knows the host's path; then the label has to do.
    where = f"the volume {row.volume_label}" if host_path is None else paths.to_display(host_path)
    return {
        "id": ids.to_text("hold", row.id),
        "volume_id": ids.to_text("volume", row.volume_id),
        "volume_label": row.volume_label,
        "directory": places.text_or_none(row.directory),
        "host_path": places.text_or_none(host_path),
        "kind": kind,
        "reason": HoldReason(row.reason),
        "state": state,
        "summary": holds_told.summary(kind, HoldReason(row.reason), row.files, where),
        "advice": holds_told.advice(kind, state),
        "files": row.files,
        "bytes": row.bytes,
        "digest": row.digest.hex(),
        "opened_at": moment(row.opened_at),
        "updated_at": moment(row.changed_at),
        "closed_at": moment_or_none(row.closed_at),
        "closed_by": row.closed_by,
        "done": row.done,
        "done_at": moment_or_none(row.done_at),
    }
