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

from sidecar.catalog.engine import snapshot, transact
from sidecar.errors import SchemaMismatch


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; an empty database gets all of it, and its incarnation.

    Raises :class:`SchemaMismatch` when the database was made by a newer version of the program.
    """

    def work(connection: Connection) -> None:
        config = _config()
        known = _known_revision(config, connection)
        if known != ScriptDirectory.from_config(config).get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    transact(engine, work)


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one of this program."""
    config = _config()
    with snapshot(engine) as connection:
        try:
            return _known_revision(config, connection) == ScriptDirectory.from_config(config).get_current_head()
        except SchemaMismatch:
            return False


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
