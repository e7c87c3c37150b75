"""How the catalog stands, as metrics. Each is read by a few rows of an index, however many assets there are.

All hosts of one catalog tell the same of it; who adds them up counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, func, select

from holdfast import ids
from holdfast.exposition import Family, Kind, Metric, Sample
from holdfast.volumes import VolumeState
from sidecar.asset import Status
from sidecar.catalog import clock, feed, leases, schedules
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, delivery, figure, hold, job, scan, schedule, stream, tally, volume, webhook
from sidecar.catalog.webhooks import ACTIVE, DISABLED, PENDING
from sidecar.holds import HoldKind, HoldState
from sidecar.jobs import UNFINISHED, JobState

_US = 1_000_000
_WHOLE = bytes(16)  # the tally of a volume as a whole
_VOLUME = ("volume", "label")
_AGENT = ("agent", "name")

VOLUMES = Metric("holdfast_volumes", Kind.GAUGE, "Volumes in each state.", ("state",))
SINCE = Metric(
    "holdfast_volume_state_since_timestamp_seconds",
    Kind.GAUGE,
    "Since when a volume is in its state; the series says in which, and why.",
    (*_VOLUME, "state", "reason"),
)
AVAILABLE = Metric(
    "holdfast_volume_available", Kind.GAUGE, "Whether a volume is there: 1 when it is online or idle, else 0.", _VOLUME
)
FILES = Metric("holdfast_volume_files", Kind.GAUGE, "Assets that are present on a volume, be it there or not.", _VOLUME)
ASSETS = Metric("holdfast_assets", Kind.GAUGE, "Assets of all libraries, by their status.", ("status",))
WAITING = Metric(
    "holdfast_volume_pending_observations", Kind.GAUGE, "What the agent has yet to tell, as it said last.", _VOLUME
)
LAST_REPORT = Metric(
    "holdfast_volume_last_report_timestamp_seconds",
    Kind.GAUGE,
    "When the last report of a volume was applied. Where nothing changes, nothing is told.",
    _VOLUME,
)
LAST_SCAN = Metric(
    "holdfast_volume_last_scan_timestamp_seconds",
    Kind.GAUGE,
    "When the last complete scan of something on a volume ended.",
    _VOLUME,
)
FREE = Metric("holdfast_volume_free_bytes", Kind.GAUGE, "What is free on a volume that is there.", _VOLUME)
HEARD = Metric("holdfast_agent_last_heartbeat_timestamp_seconds", Kind.GAUGE, "When an agent was heard last.", _AGENT)
SILENT = Metric("holdfast_agent_silent", Kind.GAUGE, "Whether nothing is heard of an agent: 1, else 0.", _AGENT)
HOLDS = Metric("holdfast_holds_open", Kind.GAUGE, "Holds that wait for a person to decide.", ("kind",))
HELD = Metric("holdfast_held_files", Kind.GAUGE, "Files in the holds that are open.", ("kind",))
JOBS = Metric("holdfast_jobs_unfinished", Kind.GAUGE, "Jobs that are not finished.", ("kind",))
FAILED = Metric("holdfast_jobs_failed", Kind.GAUGE, "Jobs that failed, of those that are kept.")
HOOKS = Metric("holdfast_webhooks", Kind.GAUGE, "Web hooks: active, failing, disabled.", ("state",))
DELIVERIES = Metric("holdfast_webhook_deliveries_pending", Kind.GAUGE, "Messages to web hooks that are not over.")
CHANGES = Metric("holdfast_changes_total", Kind.COUNTER, "The change clock: it grows with every row that changes.")
LAST_CHANGE = Metric(
    "holdfast_feed_last_change_timestamp_seconds", Kind.GAUGE, "When the newest change in the feed happened."
)
BEATS = Metric(
    "holdfast_lease_beats_total", Kind.COUNTER, "Renewals of a lease. It stands still when no worker runs.", ("lease",)
)
FENCE = Metric("holdfast_lease_takeovers_total", Kind.COUNTER, "How often a lease changed hands.", ("lease",))
HOLDER = Metric("holdfast_lease_info", Kind.GAUGE, "1; the series names the process that holds a lease.",
                ("lease", "holder"))  # fmt: skip
BACKUP = Metric(
    "holdfast_backup_last_success_timestamp_seconds", Kind.GAUGE, "When the last backup was made and verified."
)
BYTES = Metric("holdfast_catalog_bytes", Kind.GAUGE, "The size of the database; an estimate on a server.")

METRICS = (
    ASSETS, VOLUMES, SINCE, AVAILABLE, FILES, WAITING, LAST_REPORT, LAST_SCAN, FREE, HEARD, SILENT, HOLDS, HELD, JOBS,
    FAILED, HOOKS, DELIVERIES, CHANGES, LAST_CHANGE, BEATS, FENCE, HOLDER, BACKUP, BYTES,
)  # fmt: skip


def read(connection: Connection) -> list[Family]:
    """All of them, of one moment."""
    return [
        *_volumes(connection),
        (ASSETS, _assets(connection)),
        *_agents(connection),
        *_holds(connection),
        *_jobs(connection),
        *_webhooks(connection),
        (CHANGES, [Sample(clock.read(connection))]),
        (LAST_CHANGE, _moments([((), _last_change(connection))])),
        *_leases(connection),
        (BACKUP, _moments([((), connection.execute(_followed(schedules.BACKUP)).scalar_one_or_none())])),
        (BYTES, [Sample(_bytes(connection))]),
    ]


def _volumes(connection: Connection) -> list[Family]:
    last_report = select(stream.c.volume_id, func.max(stream.c.last_report_at).label("at")).group_by(stream.c.volume_id)
    reported = {row.volume_id: row.at for row in connection.execute(last_report)}
    # The newest of each volume, by the index that ends with the id.
    newest = (
        select(scan.c.finished_at)
        .where(scan.c.volume_id == volume.c.id, scan.c.complete == 1)
        .order_by(scan.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    present = (
        select(tally.c.present).where(tally.c.volume_id == volume.c.id, tally.c.place_key == _WHOLE).scalar_subquery()
    )
    rows = connection.execute(select(volume, newest.label("scanned_at"), present.label("files"))).all()
    states = [VolumeState(row.state) for row in rows]
    free = [row for row in rows if row.free_bytes is not None and row.mounted_at is not None]
    return [
        (VOLUMES, [Sample(states.count(state), (state,)) for state in VolumeState]),
        (SINCE, _moments(((*_of(row), row.state, row.reason), row.since) for row in rows)),
        (AVAILABLE, [Sample(row.state in (VolumeState.ONLINE, VolumeState.IDLE), _of(row)) for row in rows]),
        (FILES, [Sample(row.files or 0, _of(row)) for row in rows]),
        (WAITING, [Sample(row.pending, _of(row)) for row in rows]),
        (LAST_REPORT, _moments((_of(row), reported.get(row.id)) for row in rows)),
        (LAST_SCAN, _moments((_of(row), row.scanned_at) for row in rows)),
        (FREE, [Sample(row.free_bytes, _of(row)) for row in free]),
    ]


def _assets(connection: Connection) -> list[Sample]:
    """From the figures that are kept: a few rows of each library."""
    counted = select(figure.c.status, func.sum(figure.c.assets)).group_by(figure.c.status)
    found = {status: int(count) for status, count in connection.execute(counted)}
    return [Sample(found.get(status, 0), (status,)) for status in Status]


def _agents(connection: Connection) -> list[Family]:
    rows = connection.execute(select(agent).where(agent.c.revoked_at.is_(None))).all()
    named = [((ids.to_text("agent", row.id), row.name), row) for row in rows]
    return [
        (HEARD, _moments((labels, row.last_seen) for labels, row in named)),
        (SILENT, [Sample(row.silent_since is not None, labels) for labels, row in named]),
    ]


def _holds(connection: Connection) -> list[Family]:
    counted = select(hold.c.kind, func.count(), func.sum(hold.c.files)).where(hold.c.state == HoldState.OPEN)
    found = {kind: (count, int(files)) for kind, count, files in connection.execute(counted.group_by(hold.c.kind))}
    return [
        (HOLDS, [Sample(found.get(kind, (0, 0))[0], (kind,)) for kind in HoldKind]),
        (HELD, [Sample(found.get(kind, (0, 0))[1], (kind,)) for kind in HoldKind]),
    ]


def _jobs(connection: Connection) -> list[Family]:
    at_work = select(job.c.kind, func.count()).where(job.c.state.in_(UNFINISHED)).group_by(job.c.kind)
    failed = select(func.count()).select_from(job).where(job.c.state == JobState.FAILED)
    return [
        (JOBS, [Sample(count, (kind,)) for kind, count in connection.execute(at_work)]),
        (FAILED, [Sample(connection.execute(failed).scalar_one())]),
    ]


def _webhooks(connection: Connection) -> list[Family]:
    rows = connection.execute(select(webhook.c.id, webhook.c.state, webhook.c.failing_since)).all()
    states = [
        DISABLED if row.state == DISABLED else "failing" if row.failing_since is not None else ACTIVE for row in rows
    ]
    # By web hook, as the index is.
    mine = (delivery.c.webhook_id.in_([row.id for row in rows]), delivery.c.state == PENDING)
    pending = connection.execute(select(func.count()).select_from(delivery).where(*mine)).scalar_one() if rows else 0
    return [
        (HOOKS, [Sample(states.count(state), (state,)) for state in (ACTIVE, "failing", DISABLED)]),
        (DELIVERIES, [Sample(pending)]),
    ]


def _leases(connection: Connection) -> list[Family]:
    found = leases.all_of_them(connection)
    return [
        (BEATS, [Sample(one.beat, (name,)) for name, one in found.items()]),
        (FENCE, [Sample(one.fence, (name,)) for name, one in found.items()]),
        (HOLDER, [Sample(1, (name, one.holder.hex())) for name, one in found.items()]),
    ]


def _last_change(connection: Connection) -> int | None:
    newest = [
        select(table.c.changed_at).order_by(table.c.change.desc()).limit(1).scalar_subquery()
        for table in feed.SHOWN.values()
    ]
    row = connection.execute(select(*(one.label(f"at_{number}") for number, one in enumerate(newest)))).one()
    return max((at for at in row if at is not None), default=None)


def _followed(name: str) -> sa.Select[tuple[int]]:
    return select(schedule.c.followed_until).where(schedule.c.name == name)


def _bytes(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    text = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
    return int(connection.exec_driver_sql(text).scalar_one() or 0)


def _of(row: AnyRow) -> tuple[str, str]:
    return ids.to_text("volume", row.id), row.label


def _moments(found: Iterable[tuple[Sequence[str], Any]]) -> list[Sample]:
    """Times, of those that there are."""
    return [Sample(at / _US, labels) for labels, at in found if at is not None]
