"""Scans that people ask for. Each is a job, in parts: one for every place of a volume that it is of.

The parts travel with the assignments, and their ends come with the reports, behind all that was found. A part of a
volume that is away waits until it is back. A part without a job is a look at one file that somebody waits for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from holdfast import ids, paths
from holdfast.reports import Observation, ScanFinished, ScanStarted
from holdfast.scans import ScanMode, ScanProblem, ScanProgress, WantedScan
from sidecar.catalog import clock, revisions
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, import_path, job, volume, wanted_scan
from sidecar.jobs import UNFINISHED, JobKind, JobState
from sidecar.scanning import Root, Target, is_as_good

# Whoever waited for a look has gone away long before.
_FORGOTTEN_US = 60 * 1_000_000
_MILLION = 1_000_000


# What a report tells of scans: the id of each, and what of it.
Told = list[tuple[bytes, ScanStarted | ScanFinished]]


class Request(msgspec.Struct, frozen=True):
    """What a scan was asked to be of. ``unbound`` are import paths of the library that lead nowhere yet."""

    mode: ScanMode
    path: str | None = None
    unbound: list[str] = []


def request_of(row: AnyRow) -> Request:
    """What a job was asked for."""
    return msgspec.json.decode(row.position, type=Request)


def roots(import_paths: Sequence[AnyRow], mounts: dict[bytes, AnyRow]) -> list[Root]:
    """The folders that import paths show, parts among them. ``mounts`` are the rows of their volumes."""
    parents = {row.id: row for row in import_paths if row.parent_id is None}
    views = {(row.parent_id, row.via_volume_id) for row in import_paths if row.via_volume_id is not None}
    found = []
    for row in import_paths:
        if row.volume_id is None or (row.id, row.volume_id) in views:
            continue  # a union that is only looked through has nothing of its own
        shown = {row.server_path, row.path}
        on = mounts[row.volume_id]
        for mounted in (on.mounted_at, on.last_mounted_at):
            if mounted is not None:
                shown.add((mounted.rstrip(b"/") + b"/" + row.directory).rstrip(b"/") or b"/")
        if row.parent_id is not None:
            parent = parents[row.parent_id]
            below = row.server_path[len(parent.server_path.rstrip(b"/")) :]
            shown.add((parent.path.rstrip(b"/") + below).rstrip(b"/") or b"/")
        found.append(Root(row.volume_id, paths.to_wire(row.directory), frozenset(map(paths.to_wire, shown))))
    return found


def mounts_of(connection: Connection, import_paths: Sequence[AnyRow]) -> dict[bytes, AnyRow]:
    """The rows of the volumes that import paths lead to."""
    wanted = sorted({row.volume_id for row in import_paths if row.volume_id is not None})
    return {row.id: row for row in connection.execute(select(volume).where(volume.c.id.in_(wanted)))}


def lock_agents(connection: Connection) -> None:
    """Lock every agent until the transaction ends, always in the same order, and before anything else: whichever of
    them can do what is wanted, it is told by its assignment."""
    connection.execute(select(agent.c.id).order_by(agent.c.id).with_for_update()).all()


def ask(
    connection: Connection,
    job_id: bytes | None,
    targets: Iterable[Target],
    mode: ScanMode,
    new_ids: Iterator[bytes],
    now: int,
) -> list[bytes]:
    """Write down scans that are wanted, and tell the agents, which were locked; returns the ids."""
    stale = (wanted_scan.c.job_id.is_(None), wanted_scan.c.asked_at < now - _FORGOTTEN_US)
    connection.execute(delete(wanted_scan).where(*stale))
    made = []
    for target in targets:
        made.append(next(new_ids))
        row = {
            "id": made[-1],
            "job_id": job_id,
            "volume_id": target.volume,
            "directory": paths.to_bytes(target.directory),
            "name": None if target.name is None else paths.to_bytes(target.name),
            "mode": mode,
            "asked_at": now,
            **dict.fromkeys(("fraction", "directories", "files", "errors"), 0),
            "problems": "[]",
        }
        connection.execute(insert(wanted_scan).values(row))
    _tell(connection)
    return made


def unfinished_job(
    connection: Connection, library_id: bytes, targets: Sequence[Target], mode: ScanMode
) -> bytes | None:
    """The first job of a library that is not finished, and looks at all that is wanted."""
    of_it = (job.c.library_id == library_id, job.c.kind == JobKind.SCAN, job.c.state.in_(UNFINISHED))
    chosen = select(wanted_scan).join(job, job.c.id == wanted_scan.c.job_id)
    held: dict[bytes, list[tuple[Target, ScanMode]]] = {}
    for row in connection.execute(chosen.where(*of_it, wanted_scan.c.ended_at.is_(None)).order_by(job.c.id)):
        held.setdefault(row.job_id, []).append((_target(row), ScanMode(row.mode)))
    return next((job_id for job_id, parts in held.items() if is_as_good(parts, targets, mode)), None)


def standing(connection: Connection, volume_ids: Collection[bytes]) -> list[WantedScan]:
    """What is wanted of these volumes."""
    chosen = select(wanted_scan).where(wanted_scan.c.ended_at.is_(None)).order_by(wanted_scan.c.id)
    return [
        WantedScan(
            id=ids.to_text("scan", row.id),
            volume=ids.to_text("volume", row.volume_id),
            directory=paths.to_wire(row.directory),
            name=None if row.name is None else paths.to_wire(row.name),
            mode=ScanMode(row.mode),
        )
        for row in connection.execute(chosen)
        if row.volume_id in volume_ids
    ]


def get(connection: Connection, scan_id: bytes) -> AnyRow | None:
    """One part."""
    return connection.execute(select(wanted_scan).where(wanted_scan.c.id == scan_id)).one_or_none()


def of_jobs(connection: Connection, job_ids: Collection[bytes]) -> dict[bytes, list[AnyRow]]:
    """The parts of scans, each with how its volume is."""
    found: dict[bytes, list[AnyRow]] = {one: [] for one in job_ids}
    chosen = select(wanted_scan, volume.c.label, volume.c.state, volume.c.reason, volume.c.detail).join(
        volume, volume.c.id == wanted_scan.c.volume_id
    )
    for row in connection.execute(chosen.where(wanted_scan.c.job_id.in_(found)).order_by(wanted_scan.c.id)):
        found[row.job_id].append(row)
    return found


def forget(connection: Connection, scan_id: bytes) -> None:
    """Nobody waits for this look any more. Agents, which were locked, that have not looked yet need not."""
    row = get(connection, scan_id)
    connection.execute(delete(wanted_scan).where(wanted_scan.c.id == scan_id))
    if row is not None and row.ended_at is None:
        _tell(connection)


def cancel(connection: Connection, job_ids: Collection[bytes], now: int) -> None:
    """Cancel scans; the agents were locked. Whatever was found by them stays found."""
    for job_id, parts in of_jobs(connection, job_ids).items():
        _end(connection, [row.id for row in parts], now)
        _conclude(connection, job_id, now, JobState.CANCELLED)


def drop(connection: Connection, part_ids: Collection[bytes], now: int) -> None:
    """Nobody wants these parts any more, which may never come to their end; the agents were locked."""
    _end(connection, part_ids, now)


def drop_outside(connection: Connection, library_id: bytes, now: int) -> None:
    """End what is wanted of places that a library does not have any more; the agents were locked."""
    of_it = (job.c.library_id == library_id, job.c.kind == JobKind.SCAN, job.c.state.in_(UNFINISHED))
    chosen = select(wanted_scan).join(job, job.c.id == wanted_scan.c.job_id)
    parts = connection.execute(chosen.where(*of_it, wanted_scan.c.ended_at.is_(None)).order_by(wanted_scan.c.id)).all()
    live = (import_path.c.library_id == library_id, import_path.c.removed_at.is_(None))
    has = [
        Target(row.volume_id, paths.to_wire(row.directory))
        for row in connection.execute(select(import_path).where(*live, import_path.c.volume_id.is_not(None)))
    ]
    outside = [row for row in parts if not any(one.contains(_target(row)) for one in has)]
    _end(connection, [row.id for row in outside], now)
    for job_id in sorted({row.job_id for row in outside}):
        _conclude(connection, job_id, now)


def unfinished_of(connection: Connection, library_id: bytes) -> list[bytes]:
    """The scans of a library that are not finished."""
    of_it = (job.c.library_id == library_id, job.c.kind == JobKind.SCAN, job.c.state.in_(UNFINISHED))
    return list(connection.execute(select(job.c.id).where(*of_it).order_by(job.c.id)).scalars())


def note_progress(connection: Connection, agent_id: bytes, scans: Iterable[ScanProgress], now: int) -> None:
    """How far scans are, as the writer of their volumes tells."""
    mine = select(volume.c.id).where(volume.c.agent_id == agent_id)
    for one in scans:
        key = ids.from_text("scan", one.scan)
        chosen = (
            wanted_scan.c.id == key,
            wanted_scan.c.ended_at.is_(None),
            wanted_scan.c.started_at.is_not(None),
            wanted_scan.c.volume_id.in_(mine),
        )
        figures = {"directories": one.directories, "files": one.files, "errors": one.errors}
        values = {**figures, "fraction": int(min(max(one.fraction, 0.0), 1.0) * _MILLION)}
        connection.execute(update(wanted_scan).where(*chosen).values(values))


def told(connection: Connection, observations: Iterable[Observation]) -> Told:
    """What a report tells of scans that somebody wants, and the agents locked if it does.

    To be asked before anything else is locked: what is asked of agents changes by it.
    """
    spoken = (one for one in observations if isinstance(one, ScanStarted | ScanFinished))
    found = [(key, one) for one in spoken if (key := ids.from_text("scan", one.scan)) is not None]
    keys = sorted({key for key, _ in found})
    chosen = select(wanted_scan.c.id).where(wanted_scan.c.id.in_(keys), wanted_scan.c.ended_at.is_(None))
    wanted = set(connection.execute(chosen).scalars()) if keys else set()
    if wanted:
        lock_agents(connection)
    return [(key, one) for key, one in found if key in wanted]


def take(connection: Connection, volume_id: bytes, found: Told, now: int) -> int:
    """Take what a report tells of scans that are wanted of its volume. Returns how many change numbers go with it, that
    show nowhere: whoever waits for the end of a look may wait at another process."""
    for key, one in found:
        values: dict[str, Any] = {"started_at": now}
        if isinstance(one, ScanFinished):
            values = {
                "ended_at": now,
                "fraction": _MILLION,
                "complete": int(one.complete),
                "directories": one.directories,
                "files": one.files,
                "errors": one.errors,
                "problems": msgspec.json.encode(one.problems).decode(),
            }
        chosen = (wanted_scan.c.id == key, wanted_scan.c.volume_id == volume_id, wanted_scan.c.ended_at.is_(None))
        connection.execute(update(wanted_scan).where(*chosen).values(values))
    keys = sorted({key for key, _ in found})
    parts = select(wanted_scan.c.job_id).where(wanted_scan.c.id.in_(keys), wanted_scan.c.job_id.is_not(None))
    for job_id in sorted(connection.execute(parts.distinct()).scalars()) if keys else ():
        _conclude(connection, job_id, now)
    ends = sum(isinstance(one, ScanFinished) for _, one in found)
    if ends:
        _raise_revisions(connection)
    return ends


def problems_of(row: AnyRow) -> list[ScanProblem]:
    """The directories that a part could not read."""
    return msgspec.json.decode(row.problems, type=list[ScanProblem])


def _conclude(connection: Connection, job_id: bytes, now: int, state: JobState = JobState.DONE) -> None:
    """Note in a scan how its parts stand. When none is left, it is in this state. Jobs of other kinds that have had
    something looked at go on by themselves."""
    chosen = (job.c.id == job_id, job.c.kind == JobKind.SCAN, job.c.state.in_(UNFINISHED))
    parts = connection.execute(select(wanted_scan).where(wanted_scan.c.job_id == job_id)).all()
    figures = {name: sum(getattr(row, name) for row in parts) for name in ("directories", "files", "errors")}
    values: dict[str, Any] = {"done": figures["files"], "result": msgspec.json.encode(figures).decode()}
    started = [row.started_at for row in parts if row.started_at is not None]
    if started:
        values |= {"state": JobState.RUNNING, "started_at": min(started)}
    if all(row.ended_at is not None for row in parts):
        values |= {"state": state, "finished_at": now}
    connection.execute(update(job).where(*chosen).values(values))


def _end(connection: Connection, part_ids: Collection[bytes], now: int) -> None:
    """These parts are wanted no more, though nobody has scanned them to the end."""
    chosen = (wanted_scan.c.id.in_(part_ids), wanted_scan.c.ended_at.is_(None))
    if part_ids and connection.execute(update(wanted_scan).where(*chosen).values(ended_at=now)).rowcount:
        _tell(connection)


def _tell(connection: Connection) -> None:
    _raise_revisions(connection)
    # The agents may wait at other processes, which hear of nothing but the clock.
    clock.CLOCK.take(connection, 1)


def _raise_revisions(connection: Connection) -> None:
    told = update(agent).where(agent.c.revoked_at.is_(None))
    connection.execute(told.values(revisions.following()))


def _target(row: AnyRow) -> Target:
    return Target(row.volume_id, paths.to_wire(row.directory), None if row.name is None else paths.to_wire(row.name))
