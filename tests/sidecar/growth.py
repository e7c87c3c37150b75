"""What grows in a catalog besides assets: histories, scans, holds, jobs, the audit log. Made up, in bulk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from holdfast import ids
from sidecar.asset import Status
from sidecar.catalog import bulk, tables
from sidecar.catalog.clock import CLOCK
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import metadata
from sidecar.holds import EMPTY, HoldKind, HoldReason, HoldState
from sidecar.jobs import JobKind, JobState
from tests.sidecar import crowd
from tests.sidecar.crowd import BEGAN_US, Crowd
from tests.sidecar.world import World

# Tables that stay small: settings, and what a household has some of.
_SMALL = {
    "agent",
    "clock",
    "figure",
    "ignore_file",
    "import_path",
    "inquiry",
    "lease",
    "library",
    "path_checksum_state",
    "schedule",
    "setting",
    "stream",
    "volume",
    "volume_agent",
    "webhook",
}
GROWING = frozenset(metadata.tables) - _SMALL
# More than any page or window of the tests has.
ROWS = 3_000
_NUMBERS = range(ROWS)


def grow(world: World, made: Crowd) -> dict[str, str]:
    """Let all of them grow; the ids of one token, hold, job and web hook, by what they name."""
    library, volume = made.places[0].library, made.places[0].volume
    assert volume is not None
    token = world.admin.post("/tokens", json={"name": "phone", "scope": "reader"}).json()["id"]
    webhook = world.admin.post("/webhooks", json={"url": "http://127.0.0.1:9/"}).json()["id"]

    def work(connection: sa.Connection) -> None:
        _histories(connection, volume)
        _scans(connection, volume)
        _holds(connection, volume)
        _jobs(connection, library, volume)
        _service(connection, crowd.raw("token", token), crowd.raw("webhook", webhook))

    transact(world.engine, work)
    return {
        "token": token,
        "webhook": webhook,
        "hold": ids.to_text("hold", _key(0)),
        "job": ids.to_text("job", _key(1)),
    }


def analyzed(engine: sa.Engine) -> None:
    """Let the database count; MariaDB would do so by itself, some time."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            return  # the product never asks it to
        connection.exec_driver_sql(f"ANALYZE TABLE {', '.join(f'`{one}`' for one in sorted(metadata.tables))}")


def _histories(connection: sa.Connection, volume: bytes) -> None:
    steps = {"from_status": Status.PRESENT, "to_status": Status.MISSING, "reason": "absent", "at": 1}
    assets = [crowd.asset_id(0 if number % 2 else number) for number in _NUMBERS]
    body = json.dumps(
        {
            "volume": ids.to_text("volume", volume),
            "epoch": ["boot", 1, 1],
            "journal": "j",
            "sequence": 1,
            "made_at": 1.0,
            "observation": {},
        }
    )
    _put(connection, tables.evidence, [{"id": _key(number), "body": body} for number in _NUMBERS])
    pairs = enumerate(assets)
    rows = [{"id": _key(number), "asset_id": one, "evidence_id": _key(number), **steps} for number, one in pairs]
    _put(connection, tables.asset_transition, rows)
    state = {"volume_id": volume, "to_state": "online", "reason": "verified", "detail": "", "at": 1}
    _put(connection, tables.volume_transition, [{"id": _key(number), **state} for number in _NUMBERS])


def _scans(connection: sa.Connection, volume: bytes) -> None:
    place = {"volume_id": volume, "directory": crowd.ROOT}
    times = {"started_at": BEGAN_US, "finished_at": BEGAN_US, "mode": "changed"}
    # The last complete one is long ago.
    rows = [{"id": _key(number), "complete": int(number == 0), **place, **times} for number in _NUMBERS]
    _put(connection, tables.scan, _told(connection, rows, "scan.finished"))
    gaps = [{"id": _key(number), "reason": "overflow", "at": 1, **place} for number in _NUMBERS]
    _put(connection, tables.gap, _told(connection, gaps, "gap"))
    xmp = {"volume_id": volume, "path": b"a.xmp", "size": 1, "mtime_ns": 1}
    _put(connection, tables.xmp, [{"path_key": _key(number), **xmp} for number in _NUMBERS])


def _holds(connection: sa.Connection, volume: bytes) -> None:
    """Very many that are closed but for the first, and in that very many files."""
    reason = {"kind": HoldKind.ABSENT, "reason": HoldReason.MANY_ABSENT, "bytes": 1, "digest": EMPTY, "opened_at": 1}
    rows: list[dict[str, Any]] = []
    for number in _NUMBERS:
        is_open = number == 0
        state = HoldState.OPEN if is_open else HoldState.RESOLVED
        closed = {} if is_open else {"closed_at": 1, "done_at": 1}
        key = _key(0) if is_open else None
        files = ROWS if is_open else 0
        rows.append(
            {"id": _key(number), "volume_id": volume, "state": state, "open_key": key, "files": files, "done": 0}
            | reason
            | closed
        )
    _put(connection, tables.hold, _told(connection, rows, "hold.updated"))
    branches = [
        {"hold_id": _key(0), "branch_key": _key(number), "directory": b"%d" % number, "files": 1 + number % 7}
        for number in _NUMBERS
    ]
    _put(connection, tables.hold_branch, branches)
    facts = {"volume_id": volume, "hold_id": _key(0), "kind": HoldKind.ABSENT, "size": 1, "mtime_ns": 1, "at": 1}
    rows = [
        {"asset_id": crowd.asset_id(number), "evidence_id": _key(number), "branch_key": _key(number), **facts}
        for number in _NUMBERS
    ]
    _put(connection, tables.held, rows)


def _jobs(connection: sa.Connection, library: bytes, volume: bytes) -> None:
    about = {"library_id": library, "requested_by": "anna", "done": 0, "result": "{}", "created_at": 1}
    over = {"kind": JobKind.REMOVE_MISSING, "state": JobState.DONE, "finished_at": 1}
    _put(connection, tables.job, [{"id": _key(number), **about, **over} for number in _NUMBERS])
    counts = dict.fromkeys(("fraction", "directories", "files", "errors"), 0)
    part = {
        "volume_id": volume,
        "directory": crowd.ROOT,
        "mode": "changed",
        "asked_at": 1,
        "ended_at": 1,
        "complete": 1,
    }
    rows = [{"id": _key(number), "job_id": _key(number), "problems": "[]", **part, **counts} for number in _NUMBERS]
    _put(connection, tables.wanted_scan, rows)
    removed = {"job_id": _key(1), "claimed": 1, "at": 1}
    _put(connection, tables.removal, [{"asset_id": crowd.asset_id(number), **removed} for number in _NUMBERS])


def _service(connection: sa.Connection, token: bytes, webhook: bytes) -> None:
    who = {"at": 1, "token_id": token, "who": "anna", "scope": "operator", "action": "make_library", "status": 200}
    rows = [{"id": _key(number), "target": "/", "body": "", **who} for number in _NUMBERS]
    _put(connection, tables.audit, rows)
    over = {"state": "delivered", "attempts": 1, "created_at": 1, "next_at": 1, "last_error": ""}
    rows = [{"id": _key(number), "webhook_id": webhook, "kind": "x", "body": "{}", **over} for number in _NUMBERS]
    _put(connection, tables.delivery, rows)
    answer = {"status": 201, "location": "/", "body": "{}", "at": 1}
    rows = [{"key_digest": _key(number) * 2, "body_digest": _key(number) * 2, **answer} for number in _NUMBERS]
    _put(connection, tables.idempotency, rows)
    rows = [
        {"id": _key(number), "digest": _key(number) * 2, "name": "x", "scope": "enrol", "created_at": 1, "used_at": 1}
        for number in _NUMBERS
    ]
    _put(connection, tables.token, rows)


def _key(number: int) -> bytes:
    """An id; they ascend with the numbers, and are older than any that is made now."""
    return ((BEGAN_US // 1000) << 80 | 0x7 << 76 | 0b10 << 62 | number).to_bytes(16, "big")


def _told(connection: sa.Connection, rows: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Rows with their places in the feed."""
    changes = CLOCK.take(connection, len(rows))
    return [{**row, "change": next(changes), "change_kind": kind, "changed_at": BEGAN_US} for row in rows]


def _put(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    bulk.insert(connection, table, [tuple(map(row.get, table.columns.keys())) for row in rows])
