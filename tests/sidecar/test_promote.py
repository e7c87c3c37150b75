"""Moving a catalog from SQLite to MariaDB: every row, or nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sidecar import promote
from sidecar.catalog.engine import connect, snapshot, transact
from sidecar.catalog.tables import asset, library, metadata
from sidecar.errors import CatalogError, CatalogUnavailable
from sidecar.promote import freeze, mover, preflight, verify
from sidecar.promote.preflight import Server
from tests.mariadb import MariaDB
from tests.sidecar.books import check_books
from tests.sidecar.watched import lose, statuses, the_hold
from tests.sidecar.world import Agent, World, absent, file, listed, moved

pytestmark = pytest.mark.mariadb

GOOD = Server("10.11.6-MariaDB", 64 * 1024 * 1024, "InnoDB", 0, read_only=False)
# More than 32 bits hold, names that fold or pad to each other, and bytes that are no text.
AWKWARD = [
    file("huge.jpg", size=3_000_000_000_000),
    file("a.jpg", mtime_ns=1_700_000_000_123_456_789),
    file("A.JPG"),
    file("café.jpg"),
    file("cafe.jpg"),
    file("trailing .jpg"),
    file("old.jpg", mtime_ns=-1_000_000_001),
    file("by\0fftes.jpg"),
    file("new\nline.jpg"),
    file("\N{CAMERA}.jpg"),
]


@pytest.fixture
def source(sqlite_template: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    """An embedded catalog."""
    path = tmp_path / "catalog.sqlite3"
    shutil.copy(sqlite_template, path)
    engine = connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def target(mariadb: MariaDB) -> Iterator[sa.Engine]:
    """An empty database."""
    engine = connect(mariadb.fresh_database())
    yield engine
    engine.dispose()


@pytest.fixture
def world(source: sa.Engine) -> Iterator[World]:
    """A sidecar on the embedded catalog."""
    with World(source) as made:
        yield made


@pytest.fixture
def agent(world: World) -> Agent:
    """Its agent, which has reported something of everything."""
    agent = Agent(world)
    world.library(agent)
    agent.send(listed("", *AWKWARD), listed("trip", *(f"{number}.jpg" for number in range(300))))
    agent.send(moved("trip", "best", ("0.jpg", "0.jpg")), absent("trip", "1.jpg"))
    return agent


def test_r20_holds_and_evidence_move_along(world: World, agent: Agent, source: sa.Engine, target: sa.Engine) -> None:
    lose(agent, "trip", (f"{number}.jpg" for number in range(2, 152)))
    hold, lost = the_hold(world), world.assets(status="missing")[0]
    waiting = world.get(f"/holds/{hold['id']}/assets", limit=1000)["items"]
    steps = world.get(f"/assets/{lost['id']}/history")["items"]
    assert steps[0]["evidence"]["why"]
    promote.promote(source, target, quiet)
    with World(target) as after:
        assert the_hold(after) == hold
        assert after.get(f"/holds/{hold['id']}/assets", limit=1000)["items"] == waiting
        assert after.get(f"/assets/{lost['id']}/history")["items"] == steps
        with snapshot(target) as connection:
            check_books(connection)
        agent.client = after.client(agent.token)
        agent.send(listed("trip", "2.jpg"))
        after.post(f"/holds/{hold['id']}/approve", {"digest": the_hold(after)["digest"]})
        assert statuses(after)["missing"] == 150
        with snapshot(target) as connection:
            check_books(connection)


def tables(engine: sa.Engine) -> list[str]:
    return sa.inspect(engine).get_table_names()


def rename(engine: sa.Engine, name: str) -> None:
    """Any write."""
    transact(engine, lambda connection: connection.execute(sa.update(library).values(name=name)))


def quiet(_: str) -> None:
    pass


def test_everything_moves_and_whoever_follows_the_feed_goes_on_where_he_was(
    world: World, agent: Agent, source: sa.Engine, target: sa.Engine
) -> None:
    seen, cursor = world.changes()
    before = world.assets()
    done = promote.promote(source, target, quiet)
    assert done.rows > 300
    for table in metadata.tables.values():
        assert verify.fingerprint(source, table) == verify.fingerprint(target, table), table.name
    with World(target) as after:
        assert after.assets() == before
        assert after.changes()[0] == seen
        assert after.changes(cursor)[0] == []
        assert {"/mnt/usb/a.jpg", "/mnt/usb/A.JPG", "/mnt/usb/café.jpg", "/mnt/usb/cafe.jpg"} <= after.by_path().keys()
        # Tokens moved along, and so did the stream of the agent.
        agent.client = after.client(agent.token)
        receipt = agent.send(listed("", "after.jpg"))
        assert (receipt.applied, receipt.sequence) == (True, 3)
        assert [one["kind"] for one in after.changes(cursor)[0]] == ["asset.added"]


def test_the_sealed_catalog_can_be_read_and_takes_no_write(
    world: World, agent: Agent, source: sa.Engine, target: sa.Engine
) -> None:
    promote.promote(source, target, quiet)
    assert len(world.assets()) > 300
    for answer in (
        world.admin.post("/libraries", json={"owner": "anna"}),
        agent.put(agent.report(listed("", "late.jpg"))),
    ):
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
    with pytest.raises(CatalogUnavailable, match="moved to another database"):
        rename(source, "x")
    with pytest.raises(promote.PromotionFailed, match="promoted already"):
        promote.promote(source, target, quiet)


def test_while_it_is_frozen_reads_are_answered_and_a_dead_promotion_leaves_it_as_it_was(
    world: World, agent: Agent, source: sa.Engine
) -> None:
    with freeze.frozen(source):
        assert len(world.assets()) > 300
        with sqlite3.connect(str(source.url.database), timeout=0) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("UPDATE library SET name = 'x'")
        other.close()
    rename(source, "again")
    assert freeze.sealed_for(source) is None


def test_what_fails_on_the_way_leaves_the_old_catalog_working_and_the_target_empty(
    agent: Agent, source: sa.Engine, target: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = mover.move

    def damage(source: sa.Engine, target: sa.Engine, table: sa.Table) -> None:
        move(source, target, table)
        if table is asset:
            with target.begin() as connection:
                connection.execute(sa.update(asset).values(size=2_147_483_647))

    monkeypatch.setattr(mover, "move", damage)
    with pytest.raises(promote.PromotionFailed, match="differ"):
        promote.promote(source, target, quiet)
    assert tables(target) == []
    rename(source, "works on")
    monkeypatch.undo()
    promote.promote(source, target, quiet)


def test_a_row_that_does_not_fit_stops_it(agent: Agent, source: sa.Engine, target: sa.Engine) -> None:
    with source.begin() as connection:
        # SQLite keeps no lengths; MariaDB does.
        connection.execute(sa.update(library).values(name="x" * 300))
    with pytest.raises(CatalogError, match="library"):
        promote.promote(source, target, quiet)
    assert tables(target) == []
    rename(source, "short")


def test_it_is_taken_back_while_nothing_was_written_there(agent: Agent, source: sa.Engine, target: sa.Engine) -> None:
    with pytest.raises(promote.PromotionFailed, match="not promoted"):
        promote.undo(source, target)
    promote.promote(source, target, quiet)
    promote.undo(source, target)
    rename(source, "back")
    assert freeze.sealed_for(source) is None


def test_it_is_not_taken_back_once_something_was_written_there(
    agent: Agent, source: sa.Engine, target: sa.Engine
) -> None:
    promote.promote(source, target, quiet)
    with World(target) as after:
        agent.client = after.client(agent.token)
        agent.send(listed("", "new.jpg"))
    with pytest.raises(promote.PromotionFailed, match="would be lost"):
        promote.undo(source, target)


def test_a_target_that_is_not_empty_is_refused_and_left_alone(
    agent: Agent, source: sa.Engine, target: sa.Engine
) -> None:
    with target.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE family (photo INT)")
    with pytest.raises(promote.PromotionFailed, match="make an empty one"):
        promote.promote(source, target, quiet)
    assert tables(target) == ["family"]


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"version": "10.5.20-MariaDB-1"}, "10.6.0 or newer"),
        ({"version": "8.0.15"}, "8.0.16 or newer"),
        ({"packet_bytes": 1_048_576}, "max_allowed_packet"),
        ({"engine": "MyISAM"}, "InnoDB"),
        ({"tables": 3}, "CREATE DATABASE"),
        ({"read_only": True}, "primary"),
    ],
)
def test_unfit_servers_are_told_apart_with_their_remedy(change: dict[str, object], remedy: str) -> None:
    (problem,) = preflight.problems(replace(GOOD, **change))  # type: ignore[arg-type]
    assert remedy in problem
    assert preflight.problems(GOOD) == []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar.cli", "promote", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())


def test_the_command(agent: Agent, source: sa.Engine, mariadb: MariaDB, tmp_path: Path) -> None:
    url = mariadb.fresh_database()
    config = tmp_path / "sidecar.toml"
    config.write_text(f'# mine\nstate_dir = "{tmp_path}"\ndatabase = "{source.url}"\nworkers = 3\n')
    asked = run("--config", str(config), "--to", url, "--dry-run")
    assert (asked.returncode, asked.stdout) == (0, "The target can hold the catalog. Nothing was changed.\n")
    done = run("--config", str(config), "--to", url, "--write-config", str(config))
    assert done.returncode == 0, done.stderr
    assert "sealed" in done.stdout
    assert "INFO" not in done.stdout, "the package's own chatter is not shown"
    assert config.read_text() == f'# mine\nstate_dir = "{tmp_path}"\ndatabase = "{url}"\nworkers = 3\n'
    again = run("--config", str(config), "--to", url)
    assert again.returncode == 69
    assert "Only an embedded catalog" in again.stderr
    nowhere = run("--database", str(source.url), "--state", str(tmp_path), "--to", "mysql+pymysql://x@127.0.0.1:1/x")
    assert nowhere.returncode == 69
    assert "Traceback" not in nowhere.stderr
