"""Databases for the sidecar's tests: every test that asks for ``engine`` runs on SQLite and on MariaDB."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sidecar import catalog
from sidecar.catalog.engine import connect, snapshot
from sidecar.catalog.tables import clock, import_path, metadata
from tests.mariadb import MARIADB, MariaDB
from tests.memory import PLACE
from tests.memory import tmp_path as tmp_path  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.books import check_figures
from tests.sidecar.world import Agent, World


@pytest.fixture(scope="session")
def sqlite_template() -> Iterator[Path]:
    """A migrated catalog without rows, to be copied."""
    with tempfile.TemporaryDirectory(prefix="holdfast-", dir=PLACE) as place:
        file = Path(place) / "template.sqlite3"
        engine = connect(f"sqlite:///{file}")
        catalog.migrate(engine)
        engine.dispose()
        yield file


@pytest.fixture(scope="session")
def mariadb_catalog(mariadb: MariaDB) -> str:
    """The URL of a migrated catalog, to be emptied after every test."""
    url = mariadb.fresh_database()
    engine = connect(url)
    catalog.migrate(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", MARIADB])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated catalog without rows."""
    if request.param == "sqlite":
        file = tmp_path / "catalog.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    url: str = request.getfixturevalue("mariadb_catalog")
    yield url
    engine = connect(url)
    with engine.begin() as connection:
        # Parts refer to rows of their own table.
        connection.execute(sa.update(import_path).values(parent_id=None))
        for table in reversed(metadata.sorted_tables):
            if table is not clock:
                connection.execute(table.delete())
        connection.execute(sa.update(clock).values(value=0, forgotten_until=0))
    engine.dispose()


@pytest.fixture
def engine(database: str) -> Iterator[sa.Engine]:
    """An engine on a migrated catalog without rows."""
    engine = connect(database)
    yield engine
    engine.dispose()


@pytest.fixture
def world(engine: sa.Engine) -> Iterator[World]:
    """A sidecar with an agent, a library and a volume. Whatever a test did to its assets, they are counted right."""
    with World(engine) as made:
        yield made
        with snapshot(engine) as connection:
            check_figures(connection)


@pytest.fixture
def agent(world: World) -> Agent:
    """An agent that has been heard of. Tests that want more of it have one of their own."""
    made = Agent(world)
    made.heartbeat()
    return made
