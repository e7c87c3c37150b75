"""What the doctor asks of the database: the server's settings, and what in the catalog needs somebody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from holdfast import ids, paths
from holdfast.assignments import BindingState
from holdfast.mapping import Mapped
from sidecar.catalog import clock
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import agent, delivery, hold, import_path, job, library, volume_agent, webhook
from sidecar.catalog.webhooks import DELIVERED, DISABLED
from sidecar.doctor.evidence import (
    AgentFacts,
    CatalogEvidence,
    FailedJob,
    HookFacts,
    RefusedPath,
    ServerEvidence,
)
from sidecar.holds import HoldState
from sidecar.jobs import JobState

_DAY_US = 86_400_000_000
_JOBS_MAX = 5
_VARIABLES = (
    "version",
    "max_allowed_packet",
    "max_connections",
    "innodb_flush_log_at_trx_commit",
    "log_bin",
    "binlog_format",
    "read_only",
    "super_read_only",
    "sql_mode",
)


def ask_server(connection: Connection) -> tuple[ServerEvidence, str | None]:
    """What a MySQL or MariaDB server says of itself and of this session, and why it takes no writes, if so."""
    wanted = ", ".join(f"'{name}'" for name in _VARIABLES)
    found = _pairs(connection, f"SHOW VARIABLES WHERE Variable_name IN ({wanted})")
    cluster = _pairs(connection, "SHOW STATUS WHERE Variable_name = 'wsrep_cluster_status'")
    status = cluster.get("wsrep_cluster_status", "")
    server = ServerEvidence(
        version=found["version"],
        packet_bytes=int(found["max_allowed_packet"]),
        connections_max=int(found["max_connections"]),
        flushes_at_commit=found.get("innodb_flush_log_at_trx_commit", "1") == "1",
        writes_statements=found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT",
        isolation=connection.get_isolation_level(),
        is_strict="STRICT_TRANS_TABLES" in found["sql_mode"],
        ahead_s=(clock.of_database(connection) - clock.now_us()) / 1e6,
        # What MariaDB says where it is in no cluster at all.
        cluster="" if status == "Disconnected" else status,
    )
    reads_only = [name for name in ("super_read_only", "read_only") if found.get(name, "OFF") not in ("OFF", "NO")]
    return server, f"{reads_only[0]} is on, as on replicas." if reads_only else None


def look(connection: Connection, now: int) -> CatalogEvidence:
    """What in the catalog may need somebody. Whether a worker runs cannot be seen at a glance."""
    held = connection.execute(
        select(func.count(), func.coalesce(func.sum(hold.c.files), 0)).where(hold.c.state == HoldState.OPEN)
    ).one()
    return CatalogEvidence(
        agents=_agents(connection, now),
        hooks=_hooks(connection, now),
        jobs=_jobs(connection, now),
        holds=int(held[0]),
        held_files=int(held[1]),
        paths=_mapped(connection),
        refused=_refused(connection),
    )


def _agents(connection: Connection, now: int) -> list[AgentFacts]:
    told = select(volume_agent.c.agent_id, func.max(volume_agent.c.since)).group_by(volume_agent.c.agent_id)
    latest = {row[0]: row[1] for row in connection.execute(told)}
    rows = connection.execute(select(agent).where(agent.c.revoked_at.is_(None)).order_by(agent.c.name))
    return [
        AgentFacts(
            name=row.name,
            host=row.host,
            version=row.version,
            silent_s=None if row.last_seen is None else max(0.0, (now - row.last_seen) / 1e6),
            ahead_s=max(0.0, (latest.get(row.id, now) - now) / 1e6),
        )
        for row in rows
    ]


def _hooks(connection: Connection, now: int) -> list[HookFacts]:
    return [
        HookFacts(
            url=row.url,
            failing_s=None if row.failing_since is None else max(0.0, (now - row.failing_since) / 1e6),
            disabled=row.reason if row.state == DISABLED else None,
            last_error=_last_error(connection, row),
        )
        for row in connection.execute(select(webhook).order_by(webhook.c.id))
    ]


def _last_error(connection: Connection, row: AnyRow) -> str:
    tried = (delivery.c.webhook_id == row.id, delivery.c.state != DELIVERED, delivery.c.last_at.is_not(None))
    chosen = select(delivery.c.last_error).where(*tried).order_by(delivery.c.last_at.desc()).limit(1)
    return connection.execute(chosen).scalar_one_or_none() or ""


def _jobs(connection: Connection, now: int) -> list[FailedJob]:
    lately = (job.c.state == JobState.FAILED, job.c.finished_at > now - _DAY_US)
    rows = connection.execute(select(job).where(*lately).order_by(job.c.id.desc()).limit(_JOBS_MAX))
    return [FailedJob(id=ids.to_text("job", row.id), kind=row.kind, error=row.error or "") for row in rows]


def _mapped(connection: Connection) -> list[Mapped]:
    rows = _import_paths(connection)
    return [
        Mapped(
            path=paths.to_wire(row.path),
            server_path=paths.to_wire(row.server_path),
            agent=row.agent,
            volume=None if row.volume_id is None else ids.to_text("volume", row.volume_id),
        )
        for row in rows
    ]


def _refused(connection: Connection) -> list[RefusedPath]:
    return [
        RefusedPath(path=paths.to_wire(row.path), agent=row.agent, message=row.message or "")
        for row in _import_paths(connection)
        if row.state == BindingState.REFUSED
    ]


def _import_paths(connection: Connection) -> list[AnyRow]:
    """Those that count: of libraries that are not deleted, and not the parts of others."""
    joined = import_path.join(library, import_path.c.library_id == library.c.id).join(
        agent, import_path.c.agent_id == agent.c.id
    )
    counting = (library.c.deleted_at.is_(None), import_path.c.removed_at.is_(None), import_path.c.parent_id.is_(None))
    chosen = select(import_path, agent.c.name.label("agent")).select_from(joined).where(*counting)
    return list(connection.execute(chosen.order_by(import_path.c.id)))


def _pairs(connection: Connection, question: str) -> dict[str, Any]:
    return {str(name).lower(): str(value) for name, value in connection.exec_driver_sql(question)}
