"""Reports of several volumes are applied at the same time; they wait for each other at the change clock alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.reports import Receipt
from sidecar.catalog import clock as change_clock
from tests.mariadb import MARIADB
from tests.sidecar.world import Agent, World, absent, file, listed, moved

pytestmark = pytest.mark.parametrize("database", [MARIADB], indirect=True)  # SQLite has one writer at a time
_PATIENCE_S = 20.0


@pytest.fixture
def agents(world: World) -> list[Agent]:
    """Two hosts with a volume each, both of one library, with files that are known."""
    made = [Agent(world, name, f"{name}.home") for name in ("attic", "cellar")]
    paths = [{"agent": one.id, "path": "/mnt/usb"} for one in made]
    for one in made:
        one.heartbeat()
    library = world.post("/libraries", {"owner": "anna", "import_paths": paths})
    for one in made:
        one.bind(library, "")
        one.send(listed("", "a.jpg", "b.jpg", "c.jpg"))
    return made


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def everything(agent: Agent, pool: ThreadPoolExecutor) -> Future[Receipt]:
    """A report of all sorts: what is new, changed, moved, and gone."""
    return pool.submit(
        agent.send,
        listed("new", *(f"{number}.jpg" for number in range(50))),
        listed("", file("a.jpg", size=200)),
        moved("", "sub", ("b.jpg", "b.jpg")),
        absent("", "c.jpg"),
    )


def until_one_waits(connection: sa.Connection) -> None:
    """Wait until a transaction waits for a lock of another."""
    waiting = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
    deadline = time.monotonic() + _PATIENCE_S
    while connection.exec_driver_sql(waiting).one()[1] == "0":
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)  # nothing tells that a transaction waits, but looking


def test_one_volume_does_not_wait_for_another(world: World, agents: list[Agent], pool: ThreadPoolExecutor) -> None:
    attic, cellar = agents
    volume = ids.from_text("volume", attic.volume)
    with world.engine.connect() as holder:
        # In the middle of its own assets: the stream is locked by then, and some of them.
        held = sa.text("SELECT id FROM asset WHERE volume_id = :volume ORDER BY path_key DESC LIMIT 1 FOR UPDATE")
        holder.execute(held, {"volume": volume})
        waits = everything(attic, pool)
        until_one_waits(holder)
        assert everything(cellar, pool).result(_PATIENCE_S).applied
        assert not waits.done()
        holder.rollback()
    assert waits.result(_PATIENCE_S).applied
    assert world.get("/statistics")["by_status"]["present"] == 2 * 52


def test_both_wait_at_the_clock(world: World, agents: list[Agent], pool: ThreadPoolExecutor) -> None:
    with world.engine.connect() as holder:
        holder.exec_driver_sql("SELECT * FROM clock FOR UPDATE")
        sent = [everything(one, pool) for one in agents]
        until_one_waits(holder)
        assert not any(one.done() for one in sent)
        before = change_clock.read(holder)
        holder.rollback()
    assert all(one.result(_PATIENCE_S).applied for one in sent)
    items, _ = world.changes()
    numbers = [item["change"] for item in items if item["change"] > before]
    assert len(numbers) == len(set(numbers)) == 2 * 53
