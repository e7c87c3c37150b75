"""The rows, moved by sqlite3-to-mysql.

It is told to make no tables: what it would make of ours loses numbers beyond 2147483647, folds the case of names, and
leaves CHECK constraints behind (docs/promote.md). And it is told to insert plainly, not with its usual INSERT IGNORE,
so that a row that does not fit stops it.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Engine, Table

from sidecar.errors import CatalogError

# Rows at a time: past some thousands no server gets faster, and memory stays small.
_CHUNK_ROWS = 5_000


def move(source: Engine, target: Engine, table: Table) -> None:
    """Copy all rows of a table to the table of that name, whose rows are deleted first: our migrations put some there.

    Raises :class:`CatalogError` when sqlite3-to-mysql is not installed, or a row did not go in.
    """
    try:
        from mysql.connector import Error  # noqa: PLC0415 - an extra that only a promotion needs
        from sqlite3_to_mysql.transporter import SQLite3toMySQL  # noqa: PLC0415
    except ImportError as error:
        raise CatalogError("sqlite3-to-mysql is not installed: pip install 'holdfast[promote]'") from error
    with target.begin() as connection:
        connection.execute(table.delete())
    logging.getLogger(SQLite3toMySQL.__name__).propagate = False
    try:
        transporter = SQLite3toMySQL(
            sqlite_file=str(source.url.database),
            sqlite_tables=[table.name],
            mysql_create_tables=False,
            mysql_insert_method="DEFAULT",
            mysql_charset="utf8mb4",
            mysql_collation="utf8mb4_bin",
            chunk=_CHUNK_ROWS,
            quiet=True,
            **_address(target),
        )
        # Not a table in one transaction: a node of a cluster keeps all of it in memory, and takes two GiB at most.
        transporter._mysql.autocommit = True
        try:
            transporter.transfer()
        finally:
            # It leaves its connections open, and what failed in one would keep the table locked.
            transporter._mysql.close()
            transporter._sqlite.close()
    except Error as error:
        raise CatalogError(f"copying {table.name} failed: {error}") from error


def _address(target: Engine) -> dict[str, Any]:
    """Where the server is, in the words of sqlite3-to-mysql: of several the one that a connection was made to."""
    url = target.url
    found: dict[str, Any] = {
        "mysql_user": url.username or "root",
        "mysql_password": str(url.password) if url.password else None,
        "mysql_database": url.database,
        "mysql_ssl_ca": url.query.get("ssl_ca"),
        "mysql_ssl_cert": url.query.get("ssl_cert"),
        "mysql_ssl_key": url.query.get("ssl_key"),
    }
    with target.connect() as connection:
        server: Any = connection.connection.driver_connection
        if server.unix_socket:
            return found | {"mysql_socket": server.unix_socket}
        return found | {"mysql_host": server.host, "mysql_port": server.port}
