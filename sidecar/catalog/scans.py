"""Scans and gaps, as the agents report them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from holdfast import ids, paths
from holdfast.reports import Gap, Observation, ScanFinished, ScanStarted
from sidecar.catalog import libraries
from sidecar.catalog.clock import feed
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import gap, import_path, scan

ScanStep = Gap | ScanStarted | ScanFinished


def steps(observations: list[Observation]) -> list[ScanStep]:
    """The observations of a report that speak of scans and gaps, in their order. A look at one file is no scan."""
    found = (one for one in observations if isinstance(one, Gap | ScanStarted | ScanFinished))
    return [one for one in found if isinstance(one, Gap) or one.name is None]


def refreshed_libraries(connection: Connection, volume: bytes, found: list[ScanStep], now: int) -> dict[bytes, int]:
    """The libraries that the complete scans among ``found`` refreshed, locked, and as of when each is fresh.

    A library is as fresh as the import path that was scanned completely the longest time ago, be that on another
    volume; while one waits to be bound, nobody can say that all of the library was scanned.
    """
    scanned = [one.directory for one in found if isinstance(one, ScanFinished) and one.complete]
    if not scanned:
        return {}
    live = import_path.c.removed_at.is_(None)
    on_volume = connection.execute(
        select(import_path.c.library_id).where(import_path.c.volume_id == volume, live).distinct()
    )
    candidates = sorted(on_volume.scalars())
    rows = connection.execute(select(import_path).where(import_path.c.library_id.in_(candidates), live)).all()
    views = {(row.parent_id, row.via_volume_id) for row in rows if row.via_volume_id is not None}
    fresh = dict.fromkeys(candidates, now)
    for row in rows:
        if (row.id, row.volume_id) in views or row.library_id not in fresh:
            continue  # a union that is only looked through is scanned branch by branch
        is_covered = row.volume_id == volume and _covered(row.directory, scanned)
        at = now if is_covered else _last_complete(connection, row)
        if at is None:
            del fresh[row.library_id]
        else:
            fresh[row.library_id] = min(at, fresh[row.library_id])
    locked = libraries.lock(connection, fresh)
    return {
        row.id: fresh[row.id] for row in locked if row.deleted_at is None and fresh[row.id] > (row.refreshed_at or 0)
    }


def write(
    connection: Connection,
    volume: bytes,
    found: list[ScanStep],
    refreshed: Mapping[bytes, int],
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
    for library, at in refreshed.items():
        libraries.touch(connection, [library], changes, now, refreshed_at=at)


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


def _last_complete(connection: Connection, row: AnyRow) -> int | None:
    """When the last complete scan of an import path ended, be it one of a directory above it; of those that began when
    there was this import path."""
    if row.volume_id is None:
        return None
    above = [row.directory]
    while above[-1]:
        above.append(above[-1].rpartition(b"/")[0])
    made_at = ids.made_ms(row.id) * 1000
    of_it = (scan.c.volume_id == row.volume_id, scan.c.complete == 1, scan.c.directory.in_(above))
    chosen = select(scan.c.finished_at).where(*of_it, scan.c.started_at >= made_at)
    found: int | None = connection.execute(chosen.order_by(scan.c.id.desc()).limit(1)).scalar_one_or_none()
    return found


def _covered(directory: bytes, scanned: list[str]) -> bool:
    return any(paths.contains(one, paths.to_wire(directory)) for one in scanned)
