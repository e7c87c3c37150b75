"""From evidence to findings: the database, its schema and its settings. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast import wording
from holdfast.findings import Finding, Severity
from sidecar.doctor.codes import Code
from sidecar.doctor.evidence import DatabaseEvidence, Evidence, Schema, ServerEvidence
from sidecar.doctor.service import room
from sidecar.servers import PACKET_BYTES_MIN, outdated

# Each process has so many connections at most: a pool, and as many above it when it is busy.
CONNECTIONS_PER_PROCESS = 32
_CLOCK_DIFFERENCE_MAX_S = 60.0
# SQLite's write-ahead log needs memory that is shared, which these do not have between machines.
_SHARES = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs", "fuse.glusterfs", "virtiofs")


def diagnose_database(evidence: Evidence) -> Iterator[Finding]:
    """What concerns the database."""
    database = evidence.database
    # SQLite cannot even read from where it may not write its log; then that is what is wrong.
    if database.missing is not None or (database.problem is not None and database.read_only is None):
        yield _unusable(database)
        return
    if database.problem is None:
        yield from _schema(database)
    if database.moved_to is not None:
        yield Finding(
            code=Code.CATALOG_PROMOTED,
            severity=Severity.FAULT,
            sentence="This catalog was moved to another database, and takes no writes any more.",
            about=database.url,
            why=f"It went to {database.moved_to}.",
            remedy="Name that one as database in sidecar.toml, and restart sidecar and worker. The way back: promote"
            " --undo.",
        )
    elif database.read_only is not None:
        yield Finding(
            code=Code.DATABASE_READ_ONLY,
            severity=Severity.FAULT,
            sentence="The database takes no writes.",
            about=database.url,
            why=database.read_only,
            remedy="Make it writable, or name the primary server. Agents keep what they have to tell until then.",
        )
    yield from _file(database)
    if database.server is not None:
        for sentence, why, remedy, severity in _settings(evidence, database.server):
            yield Finding(
                code=Code.DATABASE_SETTINGS,
                severity=severity,
                sentence=sentence,
                about=database.url,
                why=why,
                remedy=remedy,
            )
        yield from _clock(database.server)


def _unusable(database: DatabaseEvidence) -> Finding:
    if database.missing is not None:
        return Finding(
            code=Code.PACKAGE_MISSING,
            severity=Severity.FAULT,
            sentence=f"The package {database.missing} is not installed, and this database needs it.",
            about=database.url,
            why="Without it the sidecar cannot speak to the server.",
            remedy="pip install 'holdfast[sidecar,mysql]', or the package of your distribution (python3-pymysql).",
        )
    return Finding(
        code=Code.DATABASE_UNREACHABLE,
        severity=Severity.FAULT,
        sentence="The database cannot be used.",
        about=database.url,
        why=database.problem or "",
        remedy="Does it run, is this its address, and may this user in? What agents see is kept, and told later.",
    )


def _schema(database: DatabaseEvidence) -> Iterator[Finding]:
    match database.schema:
        case Schema.CURRENT:
            yield Finding(code="database", severity=Severity.OK, sentence=f"The database {database.url} is in order.")
        case Schema.NONE:
            yield Finding(
                code=Code.CATALOG_MISSING,
                severity=Severity.NOTE,
                sentence="There is no catalog in this database yet.",
                about=database.url,
                why="It has none of the sidecar's tables. If there was one, this is not where.",
                remedy="The sidecar makes it at its first start.",
            )
        case Schema.OLDER:
            yield Finding(
                code=Code.SCHEMA_OLDER,
                severity=Severity.FAULT,
                sentence="The database has the schema of an older version.",
                about=database.url,
                why="The sidecar cannot serve before it is brought up to date, or that was broken off.",
                remedy="Make a backup, then: holdfast-sidecar migrate",
            )
        case Schema.NEWER:
            yield Finding(
                code=Code.SCHEMA_NEWER,
                severity=Severity.FAULT,
                sentence="The database was made by a newer version.",
                about=database.url,
                why="This version does not know its schema, and leaves it alone.",
                remedy="Install that version again, or restore a backup from before it.",
            )


def _file(database: DatabaseEvidence) -> Iterator[Finding]:
    if database.fs_type in _SHARES:
        yield Finding(
            code=Code.DATABASE_ON_SHARE,
            severity=Severity.WARNING,
            sentence="The SQLite file of the catalog lies on a share.",
            about=database.url,
            why=f"Its file system is {database.fs_type}, on which SQLite's locks and its log cannot be relied upon.",
            remedy="Move state_dir to a disk of this machine, or go to MariaDB: holdfast-sidecar promote.",
        )
    if database.free_bytes is not None:
        yield from room(Code.STATE_NEARLY_FULL, "the catalog", database.url, database.free_bytes, database.total_bytes)


def _settings(evidence: Evidence, server: ServerEvidence) -> Iterator[tuple[str, str, str, Severity]]:
    """What hurts: the sentence, why, what to do, and how much."""
    if told := outdated(server.version):
        yield told, "Older ones lack what the schema needs.", "Update the server.", Severity.FAULT
    if server.packet_bytes < PACKET_BYTES_MIN:
        yield (
            "The server takes too small packets.",
            (
                f"max_allowed_packet is {wording.size(server.packet_bytes)}; a report of many long paths is larger, and"
                " would stop its stream."
            ),
            f"SET GLOBAL max_allowed_packet = {PACKET_BYTES_MIN}; and in my.cnf, below [mysqld]. Restart the sidecar.",
            Severity.WARNING,
        )
    if not server.flushes_at_commit:
        yield (
            "The server may forget what it has committed.",
            (
                "innodb_flush_log_at_trx_commit is not 1: after a power cut the last second is gone, and agents have"
                " forgotten what was acknowledged."
            ),
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1; and in my.cnf, below [mysqld].",
            Severity.WARNING,
        )
    if server.writes_statements:
        yield (
            "The server's binary log cannot hold what the sidecar writes.",
            "binlog_format is STATEMENT, with which it refuses transactions that are READ COMMITTED.",
            "SET GLOBAL binlog_format = 'ROW'; and in my.cnf, below [mysqld].",
            Severity.FAULT,
        )
    if server.cluster not in ("", "Primary"):
        yield (
            "This node has lost its cluster.",
            f"wsrep_cluster_status is {server.cluster}.",
            "Bring the cluster together again, or name another node.",
            Severity.FAULT,
        )
    wanted = evidence.processes * CONNECTIONS_PER_PROCESS
    if server.connections_max < wanted:
        yield (
            "The server allows too few connections.",
            f"max_connections is {server.connections_max}; {evidence.processes} processes have up to {wanted}.",
            f"SET GLOBAL max_connections = {wanted + 50}; or fewer workers in sidecar.toml.",
            Severity.WARNING,
        )
    yield from _session(server)


def _session(server: ServerEvidence) -> Iterator[tuple[str, str, str, Severity]]:
    remedy = "Something between changes it: a proxy that shares sessions (ProxySQL, MaxScale), or init_connect."
    if server.isolation != "READ COMMITTED":
        yield (
            "Sessions do not have the isolation that the sidecar asks for.",
            f"It asks for READ COMMITTED, and has {server.isolation}: more deadlocks, and waits.",
            remedy,
            Severity.WARNING,
        )
    if not server.is_strict:
        yield (
            "The server cuts values that are too long, instead of refusing them.",
            "The sidecar asks for a strict sql_mode, and does not have it.",
            remedy,
            Severity.FAULT,
        )


def _clock(server: ServerEvidence) -> Iterator[Finding]:
    if abs(server.ahead_s) > _CLOCK_DIFFERENCE_MAX_S:
        ahead = "ahead of" if server.ahead_s > 0 else "behind"
        yield Finding(
            code=Code.CLOCK_DIFFERS,
            severity=Severity.WARNING,
            sentence="The clocks of this machine and of the database differ.",
            why=f"The database is {wording.duration(abs(server.ahead_s))} {ahead} this machine.",
            remedy="The nightly work follows the database's clock. Set both by NTP: timedatectl set-ntp true",
        )
