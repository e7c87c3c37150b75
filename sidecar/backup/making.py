"""Making a backup: every row of one moment, while everything goes on."""

from __future__ import annotations

from typing import BinaryIO

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from holdfast import __version__
from sidecar import catalog
from sidecar.backup.frames import FORMAT, Header, Reader, Writer
from sidecar.catalog import clock
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot
from sidecar.catalog.tables import metadata
from sidecar.errors import CatalogDamaged

# Rows of a frame. Some tables have texts of a hundred kilobytes.
_ROWS = 200


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup has: where it comes from, and how many rows of each table."""

    header: Header
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """How many rows there are in all."""
        return sum(self.rows.values())


def write(engine: Engine, file: BinaryIO) -> None:
    """Write a backup of the catalog as it is at this moment.

    All reads see one and the same moment, and hold up nobody who writes. Raises :class:`CatalogDamaged` when SQLite
    finds its file in disorder: what was backed up of that would take the place of better backups.
    """
    with snapshot(engine) as connection:
        header = _header(connection)
        _check(connection)
        writer = Writer(file, header)
        for name in sorted(sa.inspect(connection).get_table_names()):
            if name in metadata.tables:
                _write_table(connection, writer, name)
        writer.end()


def read_through(file: BinaryIO) -> Manifest:
    """Read a backup from beginning to end, and say what it has. Raises :class:`sidecar.backup.frames.BadBackup`."""
    reader = Reader(file)
    for _ in reader.frames():
        pass
    return Manifest(header=reader.header, rows=reader.rows)


def _header(connection: Connection) -> Header:
    return Header(
        format=FORMAT,
        made_at=now_us(),
        version=__version__,
        schema=catalog.revision(connection),
        engine=connection.dialect.name,
        catalog=clock.incarnation(connection),
        change=clock.read(connection),
    )


def _check(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return  # InnoDB checks every page that it reads
    (found,) = connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
    if found != "ok":
        raise CatalogDamaged(
            f"SQLite finds its file in disorder ({found}). No backup was made, and none was thrown away; restore the"
            " last one."
        )


def _write_table(connection: Connection, writer: Writer, name: str) -> None:
    # The columns that there are, in whatever version of the schema. No row is kept in memory by the driver.
    found = connection.exec_driver_sql(f"SELECT * FROM `{name}`", execution_options={"stream_results": True})
    writer.table(name, list(found.keys()))
    for part in found.partitions(_ROWS):
        writer.rows([tuple(row) for row in part])
