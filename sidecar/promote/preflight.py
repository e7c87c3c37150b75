"""Whether a MySQL or MariaDB server can hold a catalog, before anything is moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from sidecar.catalog.alone import TABLE
from sidecar.catalog.tables import metadata
from sidecar.errors import CatalogUnavailable
from sidecar.servers import PACKET_BYTES_MIN, outdated


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself. ``tables`` are those that its database has."""

    version: str
    packet_bytes: int
    engine: str
    tables: int
    read_only: bool


def ask(target: Engine) -> Server:
    """Ask the server. Raises :class:`CatalogUnavailable` when it does not answer, or lets nobody in."""
    if target.dialect.name not in ("mysql", "mariadb"):
        raise CatalogUnavailable("the target is no MySQL or MariaDB database")
    try:
        with target.connect() as connection:
            return Server(
                version=str(_value(connection, "SELECT VERSION()")),
                packet_bytes=int(_value(connection, "SELECT @@max_allowed_packet")),
                engine=str(_value(connection, "SELECT @@default_storage_engine")),
                tables=int(
                    _value(connection, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()")
                ),
                read_only=bool(int(_value(connection, "SELECT @@read_only"))),
            )
    except DBAPIError as error:
        raise CatalogUnavailable(f"the target does not let us in: {error.orig}") from error


def problems(server: Server) -> list[str]:
    """Why the server cannot hold a catalog, each a sentence with its remedy; none when it can."""
    found = []
    if told := outdated(server.version):
        found.append(told)
    if server.packet_bytes < PACKET_BYTES_MIN:
        found.append(
            f"Its max_allowed_packet is {server.packet_bytes} bytes; set it to {PACKET_BYTES_MIN} or more, and restart."
        )
    if server.engine != "InnoDB":
        found.append(f"Its default storage engine is {server.engine}; set default_storage_engine to InnoDB.")
    if server.tables:
        found.append(f"Its database has {server.tables} tables; make an empty one: CREATE DATABASE holdfast.")
    if server.read_only:
        found.append("It is read-only, as replicas are; name the primary server.")
    return found


def clear(connection: Connection) -> None:
    """Take away the tables that our migrations made in a database that was empty."""
    metadata.drop_all(connection)
    for other in ("alembic_version", TABLE):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {other}")


def _value(connection: Connection, question: str) -> Any:
    return connection.execute(text(question)).scalar_one()
