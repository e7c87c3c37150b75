"""``/libraries/{id}/scan`` and ``/assets/{id}/check``: have somebody look, at all of it or at one file now.

Who looks is the agent that has the storage. It is told by its assignment, for which it waits, and what it found is in
the catalog before the end of it is.
"""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from holdfast import ids, media, paths
from holdfast.problems import PlacedError
from holdfast.scans import ScanMode
from holdfast.volumes import VolumeState
from sidecar.api import render, shapes
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Answer, Call, Resource
from sidecar.api.preview import explained
from sidecar.api.rules import absolute
from sidecar.asset import Status
from sidecar.catalog import assets, jobs, libraries, scan_jobs, wanted_scans
from sidecar.catalog.clock import now_us
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import Refused
from sidecar.scanning import Target

resource = Resource("scans")

# Two looks and the wait between them, with some air. Who opens a photo does not wait longer.
WAIT_S = 8.0
WAIT_MAX_S = 30.0
_REMOVED = "It was removed from the catalog, so that nobody looks after its file any more."
_NO_ANSWER = "Nobody has looked in time. The agent may be at something else, or its storage is slow; try again."
_NOT_COVERED = "Nobody looks there: the file lies in no import path any more, or a pattern excludes its folder."
_UNREADABLE = "The folder of the file cannot be read ({error}), so that nobody can tell whether it is there."
_SUSPECTED = "The file was not there. That it is gone is proven by a second look; the feed tells when it is."


class ScanBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``mode``: "new" looks at names alone, for what came and what is gone; "changed" also at sizes and times; "full"
    has the content read again, too. ``path`` is a folder or a file, as the photo server or its host calls it; without
    one all of the library is scanned."""

    mode: ScanMode = ScanMode.CHANGED
    path: str | None = None


class CheckQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``wait`` is for how many seconds to wait for the agent at most."""

    wait: Annotated[float, Meta(ge=0, le=WAIT_MAX_S)] = WAIT_S


@resource.serves(
    "POST", "/libraries/<library>/scan", scope=Scope.OPERATOR, body=ScanBody, returns=shapes.Job, status=202
)
def scan_library(call: Call, library: bytes, body: ScanBody) -> Answer:
    """Scan a library, or a folder or file of it. What is on a volume that is away is scanned when that is back.

    Asked again before the end, the answer is the same job; so it is when another job is under way that looks at all of
    it as closely. ``refreshed_at`` of the library moves when all of it was scanned completely.
    """
    now, entropy, by = now_us(), os.urandom(10), call.caller.signature
    errors: list[PlacedError] = []
    path = None if body.path is None else absolute(body.path, "/path", errors)
    if errors:
        raise Refused("invalid-body", "The path cannot be scanned, see the errors.", errors=errors)

    def work(connection: Connection) -> shapes.Job:
        wanted_scans.lock_agents(connection)
        rows = libraries.lock(connection, [library])
        if not rows or rows[0].deleted_at is not None:
            raise Refused("not-found", "There is no such library.")
        if path is not None:
            _check_included(connection, rows[0], path)
        new_ids = ids.series(now // 1000, entropy)
        made = scan_jobs.request(connection, rows[0], body.mode, path, by=by, new_ids=new_ids, now=now)
        return render.job_page(connection, jobs.with_ids(connection, [made]))[0]

    job = transact(call.engine, work)
    call.doorbell.ring()
    return Answer(job, 202, {"Location": f"/api/v1/jobs/{job.id}"})


@resource.serves(
    "POST", "/assets/<asset>/check", scope=Scope.OPERATOR, reads=True, query=CheckQuery, returns=shapes.CheckedAsset
)
def check_asset(call: Call, asset: bytes, query: CheckQuery) -> shapes.CheckedAsset:
    """Look at the file of an asset now. The answer has the asset as it is after that, and whether anybody could look:
    on a volume that is away nobody can, which is said at once, and the asset stays as it was."""
    now, entropy = now_us(), os.urandom(10)

    def ask(connection: Connection) -> bytes | None:
        wanted_scans.lock_agents(connection)
        row = _row(connection, asset)
        if _why_not(row) is not None:
            return None
        target = Target(row.volume_id, *paths.split(paths.to_wire(row.path)))
        new_ids = ids.series(now // 1000, entropy)
        return wanted_scans.ask(connection, None, [target], ScanMode.CHANGED, new_ids, now)[0]

    asked = transact(call.engine, ask)
    if asked is None:
        return _checked(call, asset, None)
    call.doorbell.ring()

    def is_over() -> bool:
        with snapshot(call.engine) as connection:
            look = wanted_scans.get(connection, asked)
            return look is None or look.ended_at is not None or _why_not(_row(connection, asset)) is not None

    def forget(connection: Connection) -> AnyRow | None:
        wanted_scans.lock_agents(connection)
        look = wanted_scans.get(connection, asked)
        wanted_scans.forget(connection, asked)
        return look

    call.doorbell.wait_until(is_over, query.wait)
    look = transact(call.engine, forget)
    call.doorbell.ring()
    return _checked(call, asset, look)


def _check_included(connection: Connection, row: AnyRow, path: str) -> None:
    """Nobody looks at what is excluded, and whoever asks for that should know."""
    is_file = media.kind(paths.split(path)[1]) is not None
    found = explained(connection, row, path if is_file else f"{path}/")
    if found.folder is not None and found.pattern is not None:
        raise Refused("invalid-body", found.sentence, errors=[PlacedError("/path", found.sentence)])


def _checked(call: Call, asset: bytes, look: AnyRow | None) -> shapes.CheckedAsset:
    """The asset as it is, and what came of the look at it; None: there was none."""
    with snapshot(call.engine) as connection:
        row = _row(connection, asset)
    if look is not None and look.complete:
        found = look.files > 0
        message = _SUSPECTED if not found and row.status == Status.PRESENT else None
        return shapes.CheckedAsset(asset=render.asset(row), looked=True, found=found, message=message)
    message = _why_not(row)
    if message is None and look is not None and look.complete is not None:
        problems = wanted_scans.problems_of(look)
        message = _UNREADABLE.format(error=problems[0].error) if problems else _NOT_COVERED
    return shapes.CheckedAsset(asset=render.asset(row), looked=False, found=None, message=message or _NO_ANSWER)


def _why_not(row: AnyRow) -> str | None:
    """Why nobody can look at the file of an asset as things are."""
    if row.removed_at is not None:
        return _REMOVED
    return None if row.volume_state == VolumeState.ONLINE else str(row.volume_detail)


def _row(connection: Connection, asset: bytes) -> AnyRow:
    row = assets.get(connection, asset)
    if row is None:
        raise Refused("not-found", "There is no such asset.")
    return row
