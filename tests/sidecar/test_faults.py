"""What a database does to a transaction, on real ones: it is run again whole, or the agent is told to come back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError

from sidecar.catalog import streams
from sidecar.catalog.engine import connect
from tests.mariadb import MariaDB
from tests.sidecar.books import check_books
from tests.sidecar.world import Agent, World, absent, checked, kinds, listed

# On a server whose administrators may do everything, what others may not.
USER = "holdfast_without_rights"


@pytest.fixture
def guest(mariadb: MariaDB, mariadb_catalog: str, database: str) -> Iterator[World]:
    """A sidecar as somebody who is no administrator of the server; for a test on MariaDB."""
    name = sa.make_url(mariadb_catalog).database
    mariadb.execute(f"CREATE OR REPLACE USER {USER}@localhost")
    mariadb.execute(f"GRANT ALL ON {name}.* TO {USER}@localhost")
    engine = connect(database.replace("root@", f"{USER}@"))
    with World(engine) as made:
        yield made
    engine.dispose()
    mariadb.execute(f"DROP USER {USER}@localhost")


@pytest.fixture
def agent(world: World) -> Agent:
    return enrolled(world)


def enrolled(world: World) -> Agent:
    made = Agent(world)
    made.heartbeat()
    world.library(made)
    made.send(listed("", "a.jpg", "b.jpg"))
    return made


def is_put_off(answer: httpx2.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


def before_the_end(monkeypatch: pytest.MonkeyPatch, happens: Callable[[sa.Connection], None]) -> list[int]:
    """Let something happen once, when a report has been written and is about to be committed. Counts the attempts."""
    advance, attempts = streams.advance, []

    def disturbed(connection: sa.Connection, *arguments: object) -> int:
        attempts.append(1)
        if len(attempts) == 1:
            happens(connection)
        return advance(connection, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(streams, "advance", disturbed)
    return attempts


def took_effect_once(world: World, agent: Agent) -> None:
    """The second report of the stream: c.jpg is there, b.jpg is not, and each was told once."""
    assert {path.rpartition("/")[2]: one["status"] for path, one in world.by_path().items()} == {
        "a.jpg": "present",
        "b.jpg": "missing",
        "c.jpg": "present",
    }
    items, _ = world.changes()
    assert sorted(kind for kind in kinds(items) if kind.startswith("asset")) == ["asset.added"] * 2 + ["asset.missing"]
    with world.engine.connect() as connection:
        check_books(connection)


@pytest.mark.parametrize("database", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True)
class TestOnMariaDB:
    def test_a_connection_that_is_killed(self, world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        attempts = before_the_end(monkeypatch, lambda connection: connection.exec_driver_sql("KILL CONNECTION_ID()"))
        assert agent.send(listed("", "c.jpg"), absent("", "b.jpg")).applied
        assert len(attempts) == 2
        took_effect_once(world, agent)

    def test_a_server_that_is_started_again(
        self, world: World, agent: Agent, mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def restart(_connection: sa.Connection) -> None:
            mariadb.kill()
            mariadb.start()

        attempts = before_the_end(monkeypatch, restart)
        assert agent.send(listed("", "c.jpg"), absent("", "b.jpg")).applied
        assert len(attempts) == 2
        took_effect_once(world, agent)

    def test_a_lock_that_is_not_let_go_in_time(self, world: World, agent: Agent) -> None:
        errors: list[int] = []

        def impatient(connection: sa.Connection) -> None:
            connection.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")

        def failed(context: ExceptionContext) -> None:
            errors.append(context.original_exception.args[0])
            holder.rollback()

        with world.engine.connect() as holder:
            holder.exec_driver_sql("SELECT * FROM clock FOR UPDATE")
            sa.event.listen(world.engine, "begin", impatient)
            sa.event.listen(world.engine, "handle_error", failed)
            assert agent.send(listed("", "c.jpg"), absent("", "b.jpg")).applied
            sa.event.remove(world.engine, "begin", impatient)
            sa.event.remove(world.engine, "handle_error", failed)
        assert errors == [1205]
        took_effect_once(world, agent)

    def test_a_server_that_became_read_only(self, guest: World, mariadb: MariaDB) -> None:
        agent = enrolled(guest)
        report = agent.report(listed("", "c.jpg"), absent("", "b.jpg"))
        mariadb.execute("SET GLOBAL read_only = ON")
        try:
            assert is_put_off(agent.put(report))
            assert len(guest.assets()) == 2, "what is there can be read"
        finally:
            mariadb.execute("SET GLOBAL read_only = OFF")
        assert checked(agent.put(report)).json()["applied"]
        took_effect_once(guest, agent)


@pytest.mark.parametrize("code", [1021, 1114, 3])
def test_a_server_whose_disk_is_full(world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(_connection: sa.Connection) -> None:
        raise OperationalError("UPDATE", None, pymysql.OperationalError(code, "no space left on device"))

    attempts = before_the_end(monkeypatch, full)
    report = agent.report(listed("", "c.jpg"), absent("", "b.jpg"))
    answer = agent.put(report)
    assert is_put_off(answer)
    assert "disk" in answer.json()["detail"]
    assert len(attempts) == 1, "it was not tried again at once: that takes a person"
    assert len(world.assets()) == 2
    assert checked(agent.put(report)).json()["applied"]
    took_effect_once(world, agent)


def test_a_file_whose_disk_is_full(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite3"
    shutil.copy(sqlite_template, file)
    engine = connect(f"sqlite:///{file}")
    with World(engine) as world:
        agent = enrolled(world)
        many = agent.report(listed("many", *(f"{number:0200}.jpg" for number in range(2000))))
        limit = "PRAGMA max_page_count = {}"

        def is_full(connection: sa.Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(limit.format(pages + 10))

        sa.event.listen(engine, "begin", is_full)
        answer = agent.put(many)
        assert is_put_off(answer)
        assert "disk" in answer.json()["detail"]
        assert len(world.assets()) == 2
        sa.event.remove(engine, "begin", is_full)
        with engine.connect() as connection:
            connection.exec_driver_sql(limit.format(1 << 30))
        assert checked(agent.put(many)).json()["applied"]
        assert len(world.assets(limit=1000)) == 2002
    engine.dispose()
