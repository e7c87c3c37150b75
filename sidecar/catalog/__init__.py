"""The catalog: the database, and all the SQL there is. It knows no web framework.

``tables`` is the schema, ``engine`` opens it and runs transactions, ``clock`` gives every changed row its number,
``ingest`` takes in reports, and ``feed`` reads what changed. The rest is one module a concern.
"""

from __future__ import annotations

import contextlib
import importlib.resources
from collections.abc import Iterator

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from sidecar.catalog.engine import snapshot, transact
from sidecar.doctor.evidence import Schema
from sidecar.errors import CatalogUnavailable, MigrationBrokenOff, SchemaMismatch

# Altering a table of ten million rows takes minutes.
_MIGRATION_WAIT_S = 600


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; an empty database gets all of it, and its incarnation.

    One that was broken off goes on where it stopped. Raises :class:`SchemaMismatch` when the database was made by a
    newer version of the program, and :class:`MigrationBrokenOff` when the database refuses a step.
    """

    def work(connection: Connection) -> None:
        config = _config()
        with _alone(connection):
            known = _known_revision(config, connection)
            if known != ScriptDirectory.from_config(config).get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    try:
        transact(engine, work)
    except DBAPIError as error:
        raise MigrationBrokenOff(
            f"The schema could not be brought up to date: {error.orig}. No row was lost. Mend the cause, then run"
            " 'holdfast-sidecar migrate' again; it goes on where it stopped."
        ) from error


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one of this program."""
    return standing(engine) is Schema.CURRENT


def standing(engine: Engine) -> Schema:
    """How the schema of the database stands to this program."""
    config = _config()
    with snapshot(engine) as connection:
        try:
            found = _known_revision(config, connection)
        except SchemaMismatch:
            return Schema.NEWER
    if found is None:
        return Schema.NONE
    return Schema.CURRENT if found == ScriptDirectory.from_config(config).get_current_head() else Schema.OLDER


@contextlib.contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keep other processes from migrating meanwhile. On SQLite the transaction does; that of MySQL ends with the
    first table that is made."""
    if connection.dialect.name == "sqlite":
        yield
        return
    name = f"holdfast-migrate-{connection.engine.url.database}"[:64]
    if connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (name, _MIGRATION_WAIT_S)).scalar() != 1:
        raise CatalogUnavailable("another process has been migrating the database for a long time")
    try:
        yield
    finally:
        connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (name,))


def _known_revision(config: Config, connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    scripts = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in scripts:
        raise SchemaMismatch(
            f"The database has schema {found}, which this version does not know. It was made by a newer version;"
            " use that one, or restore a backup."
        )
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(importlib.resources.files("sidecar.catalog") / "migrations"))
    return config
