"""How fast the sidecar takes in new files, against writing the same rows into the same table and nothing else."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from demo.stage import StepFailed
from sidecar import catalog
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import asset
from tests.mariadb import MariaDB
from tests.sidecar.world import Agent, World, file, listed

ROWS = 200_000
_REPORT_FILES = 5_000
_DIRECTORY_FILES = 100


class Ingested(NamedTuple):
    """How long it took, in seconds: the product, and the yardstick."""

    took: list[float]
    raw: list[float]


def mariadb(rounds: int) -> Ingested:
    """One stream of reports into MariaDB; and a multi-row upsert of the same rows through PyMySQL, in transactions of
    the same size. The server is the tests' own, with their settings."""
    found = Ingested([], [])
    server = MariaDB()
    try:
        for _ in range(rounds):
            url = server.fresh_database()
            found.took.append(_product(url))
            found.raw.append(_raw(url))
            server.drop_database(url)
    finally:
        server.close()
    return found


def sqlite(rounds: int) -> Ingested:
    """The same with SQLite, with the settings that the product gives it."""
    found = Ingested([], [])
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
            url = f"sqlite:///{os.path.join(folder, 'catalog.sqlite3')}"
            found.took.append(_product(url))
            found.raw.append(_raw(url))
    return found


def _product(url: str) -> float:
    engine = connect(url)
    catalog.migrate(engine)
    try:
        with World(engine) as world:
            agent = Agent(world)
            agent.heartbeat()
            world.library(agent)
            reports = [agent.report(*found) for found in _found()]
            start = time.monotonic()
            for report in reports:
                if agent.put(report).status_code != 200:
                    raise StepFailed("the sidecar did not take a report")
            took_s = time.monotonic() - start
            if world.value(sa.select(sa.func.count()).select_from(asset)) != ROWS:
                raise StepFailed("the catalog has not every file")
    finally:
        engine.dispose()
    return took_s


def _found() -> Iterator[list[Any]]:
    """What each report tells: new files in directories of a hundred."""
    directories = _REPORT_FILES // _DIRECTORY_FILES
    names = [f"IMG_{number:04d}.jpg" for number in range(_DIRECTORY_FILES)]
    for number in range(ROWS // _REPORT_FILES):
        yield [
            listed(f"{2000 + number % 25}/trip-{number:04d}-{one:02d}", *(file(name, 3_000_000) for name in names))
            for one in range(directories)
        ]


def _raw(url: str) -> float:
    """Empty the table, and write every row into it again."""
    engine = connect(url)
    names = ", ".join(f"`{column.name}`" for column in asset.columns)
    is_sqlite = engine.dialect.name == "sqlite"
    marks = ", ".join(["?" if is_sqlite else "%s"] * len(asset.columns))
    text = f"INSERT INTO asset ({names}) VALUES ({marks})"
    text += " ON CONFLICT (id) DO UPDATE SET path = excluded.path" if is_sqlite else ""
    text += "" if is_sqlite else " ON DUPLICATE KEY UPDATE path = VALUES(path)"
    try:
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(sa.select(asset).order_by(asset.c.id))]
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM asset" if is_sqlite else "TRUNCATE TABLE asset")
        start = time.monotonic()
        for begin in range(0, len(rows), _REPORT_FILES):
            with engine.begin() as connection:
                connection.exec_driver_sql(text, rows[begin : begin + _REPORT_FILES])
        return time.monotonic() - start
    finally:
        engine.dispose()
