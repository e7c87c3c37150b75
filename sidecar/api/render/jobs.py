"""Jobs, and the scans among them, from rows of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.scans import ScanMode
from holdfast.volumes import VolumeState
from sidecar.api import shapes
from sidecar.api.shapes import moment, moment_or_none
from sidecar.catalog import wanted_scans
from sidecar.catalog.columns import AnyRow
from sidecar.jobs import UNFINISHED, JobKind, JobState, why_not_cancelled

_NOT_BEGUN = "The agent has not begun yet. It is told, and may be at something else before."
_PARTS_PER_ONE = 1_000_000


def job_page(connection: Connection, rows: Sequence[AnyRow]) -> list[shapes.Job]:
    """Jobs, scans among them with their parts."""
    parts = wanted_scans.of_jobs(connection, [row.id for row in rows if row.kind == JobKind.SCAN])
    return [_job(row, parts.get(row.id, ())) for row in rows]


def _job(row: AnyRow, parts: Sequence[AnyRow]) -> shapes.Job:
    is_scan = row.kind == JobKind.SCAN
    return shapes.Job(
        id=ids.to_text("job", row.id),
        kind=row.kind,
        state=row.state,
        library_id=None if row.library_id is None else ids.to_text("library", row.library_id),
        parameters={} if row.parameters is None else msgspec.json.decode(row.parameters),
        requested_by=row.requested_by,
        done=sum(part.files for part in parts) if is_scan else row.done,
        total=row.total,
        result=msgspec.json.decode(row.result),
        error=row.error,
        cancellable=why_not_cancelled(JobKind(row.kind), JobState(row.state)) is None,
        scan=_scan(row, parts) if is_scan else None,
        created_at=moment(row.created_at),
        started_at=moment_or_none(row.started_at),
        finished_at=moment_or_none(row.finished_at),
    )


def _scan(row: AnyRow, parts: Sequence[AnyRow]) -> shapes.ScanJob:
    asked = wanted_scans.request_of(row)
    is_whole = bool(parts) and not asked.unbound and all(part.complete for part in parts)
    return shapes.ScanJob(
        mode=ScanMode(asked.mode),
        path=None if asked.path is None else paths.to_display(paths.to_bytes(asked.path)),
        complete=None if row.state in UNFINISHED else is_whole,
        unbound=asked.unbound,
        parts=[_part(part) for part in parts],
    )


def _part(row: AnyRow) -> shapes.ScanPart:
    state, waiting_for = _standing(row)
    return shapes.ScanPart(
        id=ids.to_text("scan", row.id),
        volume_id=ids.to_text("volume", row.volume_id),
        directory=paths.to_display(row.directory),
        name=None if row.name is None else paths.to_display(row.name),
        state=state,
        waiting_for=waiting_for,
        fraction=row.fraction / _PARTS_PER_ONE,
        directories=row.directories,
        files=row.files,
        errors=row.errors,
        complete=None if row.complete is None else bool(row.complete),
        problems=[
            shapes.DirectoryError(directory=paths.to_display(paths.to_bytes(one.directory)), error=one.error)
            for one in wanted_scans.problems_of(row)
        ],
        started_at=moment_or_none(row.started_at),
        ended_at=moment_or_none(row.ended_at),
    )


def _standing(row: AnyRow) -> tuple[Literal["waiting", "running", "ended", "dropped"], str | None]:
    """How a part stands, and what it waits for: it begins anew when its storage is back."""
    if row.ended_at is not None:
        return ("dropped" if row.complete is None else "ended"), None
    if row.state != VolumeState.ONLINE:
        return "waiting", f"{row.label}: {row.detail}"
    return ("waiting", _NOT_BEGUN) if row.started_at is None else ("running", None)
