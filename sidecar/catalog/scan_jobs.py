"""Asking for a scan of a library, or of a path in it: the job, and what is wanted of which volume."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
from sqlalchemy import Connection

from holdfast import ids, paths
from holdfast.assignments import BindingState
from holdfast.problems import PlacedError
from holdfast.scans import ScanMode
from sidecar import scanning
from sidecar.catalog import jobs, libraries, wanted_scans
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.wanted_scans import Request
from sidecar.errors import Refused
from sidecar.jobs import JobKind, JobState

_NOWHERE = "No import path of the library leads to storage that is known: {why}"
_NOT_LOOKED_AT = "the agent has not looked at {path} yet."


def request(
    connection: Connection,
    library: AnyRow,
    mode: ScanMode,
    path: str | None,
    *,
    by: str,
    new_ids: Iterator[bytes],
    now: int,
    among: Collection[bytes] | None = None,
) -> bytes:
    """Ask for a scan of a library that was locked, after all agents; returns its job. ``among``: of what it has on
    these volumes only.

    A job that is not finished and looks at all of it as closely is the answer to this request, too. ``path`` is
    absolute, checked, and the photo server's or the host's. Raises :class:`Refused` for one that is not the library's.
    """
    has = libraries.import_paths(connection, [library.id])[library.id]
    if not has:
        raise Refused("invalid-body", "The library has no import paths, so that there is nothing to scan.")
    roots = wanted_scans.roots(has, wanted_scans.mounts_of(connection, has))
    targets = scanning.all_of(roots) if path is None else scanning.at(roots, path)
    targets = [one for one in targets if among is None or one.volume in among]
    unbound = [row for row in has if row.state != BindingState.BOUND]
    if path is not None and not targets:
        raise _outside(unbound)
    if path is not None:
        unbound = []
    if targets and (same := wanted_scans.unfinished_job(connection, library.id, targets, mode)) is not None:
        return same
    job = next(new_ids)
    asked = Request(mode, path, [ids.to_text("import_path", row.id) for row in unbound])
    position = msgspec.json.encode(asked).decode()
    jobs.create(
        connection,
        job,
        JobKind.SCAN,
        library_id=library.id,
        requested_by=by,
        now=now,
        position=position,
        overtakes=False,
    )
    if targets:
        wanted_scans.ask(connection, job, targets, mode, new_ids, now)
    else:
        jobs.end(connection, [job], JobState.FAILED, now, _NOWHERE.format(why=_why(unbound[0])))
    return job


def _outside(unbound: list[AnyRow]) -> Refused:
    detail = "The path is in none of the library's import paths."
    if unbound:
        detail += f" They do not all lead to storage yet: {_why(unbound[0])}"
    return Refused("invalid-body", detail, errors=[PlacedError("/path", detail)])


def _why(row: AnyRow) -> str:
    return row.message or _NOT_LOOKED_AT.format(path=paths.to_display(row.path))
