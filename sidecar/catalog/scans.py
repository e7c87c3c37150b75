"""Scans and gaps, as the agents report them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, insert, select, update

from holdfast import ids, paths
from holdfast.reports import Gap, Observation, ScanFinished, ScanStarted
from sidecar.catalog import libraries
from sidecar.catalog.clock import feed
from sidecar.catalog.tables import gap, import_path, scan

ScanStep = Gap | ScanStarted | ScanFinished


def steps(observations: list[Observation]) -> list[ScanStep]:
    """The observations of a report that speak of scans and gaps, in their order."""
    return [one for one in observations if isinstance(one, Gap | ScanStarted | ScanFinished)]


def refreshed_libraries(connection: Connection, volume: bytes, found: list[ScanStep]) -> list[bytes]:
    """The libraries that the complete scans among ``found`` refreshed, locked.

    A library is refreshed when one scan covered all its import paths on the volume, and none of its import paths
    waits to be bound.
    """
    scanned = [one.directory for one in found if isinstance(one, ScanFinished) and one.complete]
    if not scanned:
        return []
    live = import_path.c.removed_at.is_(None)
    on_volume = connection.execute(
        select(import_path.c.library_id).where(import_path.c.volume_id == volume, live).distinct()
    )
    candidates = sorted(on_volume.scalars())
    rows = connection.execute(
        select(import_path.c.library_id, import_path.c.volume_id, import_path.c.directory).where(
            import_path.c.library_id.in_(candidates), live
        )
    ).all()
    refreshed = set(candidates)
    for row in rows:
        if row.volume_id is None or (row.volume_id == volume and not _covered(row.directory, scanned)):
            refreshed.discard(row.library_id)
    return sorted(row.id for row in libraries.lock(connection, refreshed) if row.deleted_at is None)


def write(
    connection: Connection,
    volume: bytes,
    found: list[ScanStep],
    refreshed: list[bytes],
    changes: Iterator[int],
    new_ids: Iterator[bytes],
    now: int,
) -> None:
    """Write scans, gaps and refreshed libraries; each row takes the next change number."""
    for one in found:
        place = {"volume_id": volume, "directory": paths.to_bytes(one.directory)}
        match one:
            case Gap():
                row = place | {"id": next(new_ids), "reason": one.reason, "at": now} | feed("gap", changes, now)
                connection.execute(insert(gap).values(row))
            case ScanStarted():
                row = place | {"mode": one.mode, "started_at": now} | feed("scan.started", changes, now)
                _put(connection, scan_id(one.scan), row)
            case ScanFinished():
                _finish(connection, one, place | feed("scan.finished", changes, now), now)
    libraries.touch(connection, refreshed, changes, now, refreshed_at=now)


def scan_id(text: str) -> bytes:
    """The id of a scan in a checked report."""
    raw = ids.from_text("scan", text)
    if raw is None:
        raise ValueError("bug: the report was not checked")
    return raw


def _finish(connection: Connection, one: ScanFinished, row: dict[str, Any], now: int) -> None:
    known = connection.execute(
        select(scan.c.started_at, scan.c.mode).where(scan.c.id == scan_id(one.scan))
    ).one_or_none()
    finished = row | {
        "mode": known.mode if known else None,
        # The start may have been lost with an earlier journal.
        "started_at": known.started_at if known else now - int(one.duration_s * 1_000_000),
        "finished_at": now,
        "complete": int(one.complete),
        "directories": one.directories,
        "files": one.files,
        "errors": one.errors,
    }
    _put(connection, scan_id(one.scan), finished)


def _put(connection: Connection, scan_key: bytes, row: dict[str, Any]) -> None:
    done = connection.execute(update(scan).where(scan.c.id == scan_key).values(row))
    if not done.rowcount:
        connection.execute(insert(scan).values({**row, "id": scan_key}))


def _covered(directory: bytes, scanned: list[str]) -> bool:
    return any(paths.contains(one, paths.to_wire(directory)) for one in scanned)
