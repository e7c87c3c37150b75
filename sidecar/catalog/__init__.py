"""The catalog: the database, and all the SQL there is. It knows no web framework.

``tables`` is the schema, ``engine`` opens it and runs transactions, ``clock`` gives every changed row its number,
``ingest`` takes in reports, and ``feed`` reads what changed. The rest is one module a concern.
"""

from __future__ import annotations

import importlib.resources

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from sidecar.catalog.alone import no_others
from sidecar.catalog.engine import snapshot, transact
from sidecar.doctor.evidence import Schema
from sidecar.errors import MigrationBrokenOff, SchemaMismatch

# As long as there is a table of this name, the database is the half of a restore (``sidecar.backup.putting_back``).
LOADING = "restore_under_way"


def migrate(engine: Engine, *, to: str = "head", is_loading: bool = False) -> None:
    """Bring the schema up to date, or to an older version; an empty database gets all of it, and its incarnation.

    One that was broken off goes on where it stopped. Raises :class:`SchemaMismatch` when the database was made by a
    newer version of the program, or is the half of a restore, unless that is what this is for; and
    :class:`MigrationBrokenOff` when the database refuses a step.
    """

    # Looked at before anything is touched: what is not for this version to migrate stays as it is.
    with snapshot(engine) as connection:
        if _known_revision(_config(), connection, is_loading=is_loading) == _head(_config()):
            return

    def work(connection: Connection) -> None:
        config = _config()
        known = _known_revision(config, connection, is_loading=is_loading)
        if known != _head(config):
            config.attributes["connection"] = connection
            command.upgrade(config, to)

    try:
        with no_others(engine):
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
    return Schema.CURRENT if found == _head(config) else Schema.OLDER


def revision(connection: Connection) -> str:
    """The schema of a database that has one. Raises :class:`SchemaMismatch`."""
    found = _known_revision(_config(), connection)
    if found is None:
        raise SchemaMismatch("There is no catalog in this database.")
    return found


def check_known(schema: str, what: str) -> None:
    """Raise :class:`SchemaMismatch` for a schema that this version does not know. ``what`` has it: "The database"."""
    if schema not in _revisions(_config()):
        raise SchemaMismatch(
            f"{what} has schema {schema}, which this version does not know. It was made by a newer version; use that"
            " one, or restore an older backup."
        )


def say_loading(connection: Connection) -> None:
    """Say that this database is no catalog for now: a backup is being loaded into it."""
    connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {LOADING} (id INT)")


def say_loaded(connection: Connection) -> None:
    """Take that back."""
    connection.exec_driver_sql(f"DROP TABLE {LOADING}")


def _known_revision(config: Config, connection: Connection, *, is_loading: bool = False) -> str | None:
    if not is_loading and connection.dialect.has_table(connection, LOADING):
        raise SchemaMismatch(
            "A backup is being loaded into this database, or was and did not come to an end. Run 'holdfast-sidecar"
            " restore' again."
        )
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in _revisions(config):
        check_known(found, "The database")
    return found


def _revisions(config: Config) -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}


def _head(config: Config) -> str | None:
    return ScriptDirectory.from_config(config).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(importlib.resources.files("sidecar.catalog") / "migrations"))
    return config
