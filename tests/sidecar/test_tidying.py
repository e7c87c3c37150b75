"""What is older than it is to be kept is forgotten, in batches, and whoever would miss something by it is told."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from msgspec import structs

from holdfast import ids
from holdfast.reports import Gap, ScanFinished, ScanStarted
from holdfast.scans import ScanMode
from holdfast.volumes import Reason
from sidecar.catalog import asset_rows, bulk, rules, schedules, tables, tidying
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.worker import Worker
from tests.sidecar.watched import fill, lose, the_hold
from tests.sidecar.world import Agent, Item, Problem, World, listed, new_id

DAY_US = 86_400 * 1_000_000
HISTORY, TOMBSTONES, AUDIT, DELIVERIES = 181, 367, 733, 31  # days, of which each has one more than is kept


@pytest.fixture
def library(world: World, agent: Agent) -> Item:
    world.patch("/settings", {"guard_percent": 100, "guard_files": 1_000_000})
    return world.library(agent)


def tidy(world: World, days: int) -> dict[str, int]:
    """Tidy up as it will be done in so many days."""
    place, is_over, batches = tidying.Place(), False, 0
    while not is_over:
        now = now_us() + days * DAY_US
        place, is_over = transact(
            world.engine,
            lambda connection, now=now, place=place: tidying.go_on(connection, now, os.urandom(10), place),
        )
        batches += 1
    return {name: count for name, count in place.counts.items() if count} | {"batches": batches}


def remove(world: World, agent: Agent, library: Item, directory: str, names: Iterable[str]) -> str:
    """Photos are gone, and taken out of the catalog; returns the job."""
    lose(agent, directory, names)
    job = str(world.post(f"/libraries/{library['id']}/remove-missing", {})["id"])
    raw = ids.from_text("job", job)
    assert raw is not None
    missing = sa.select(tables.asset.c.id).where(tables.asset.c.status == "missing")

    def work(connection: sa.Connection) -> None:
        now = now_us()
        found = list(connection.execute(missing).scalars())
        pairs = [
            (one, structs.replace(one, removed_at=now, claims=False)) for one in asset_rows.with_ids(connection, found)
        ]
        bulk.insert(connection, tables.removal, [(raw, one, 1, now, None) for one in found])
        rules.change(connection, pairs, "removed", now, ids.series(now // 1000, os.urandom(10)), job=raw)
        done = {"state": "done", "finished_at": now}
        connection.execute(sa.update(tables.job).where(tables.job.c.id == raw).values(done))
        connection.execute(sa.delete(tables.wanted_scan))

    transact(world.engine, work)
    return job


def proofs(world: World) -> set[bytes]:
    """The evidence that there is."""

    def read(connection: sa.Connection) -> set[bytes]:
        return set(connection.execute(sa.select(tables.evidence.c.id)).scalars())

    return transact(world.engine, read)


def count(world: World, table: sa.Table) -> int:
    return int(world.value(sa.select(sa.func.count()).select_from(table)))


def test_tombstones_go_after_their_time_with_all_that_belongs_to_them(
    world: World, agent: Agent, library: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH", 10)
    names = fill(agent, "trip", 60)
    job = remove(world, agent, library, "trip", names[:25])
    lose(agent, "trip", names[25:27])
    agent.send(listed("trip", *names[25:30]))
    at_first = proofs(world)
    before = {table.name: count(world, table) for table in tables.metadata.sorted_tables}
    assert "assets" not in tidy(world, TOMBSTONES - 2)
    assert count(world, tables.asset) == 60
    assert world.get(f"/jobs/{job}")["state"] == "done", "what can be undone keeps its job"
    found = tidy(world, TOMBSTONES)
    assert (found["assets"], found["jobs"]) == (25, 1)
    assert found["batches"] == 3 + len(tidying.STEPS) - 1, "of ten at a time"
    assert found["proofs"] == 1, "that of what was forgotten"
    assert proofs(world) < at_first
    for name in names[25:27]:
        steps = world.get(f"/assets/{world.by_path()[f'/mnt/usb/trip/{name}']['id']}/history")["items"]
        assert steps, name
        assert all(step["evidence"] for step in steps), "what is alive keeps its proofs"
    assert len(world.assets()) == 35
    for table in (tables.asset_transition, tables.removal, tables.path_checksum):
        left = sa.select(sa.func.count()).where(table.c.asset_id.not_in(sa.select(tables.asset.c.id)))
        assert world.value(left) == 0, table.name
    untouched = {"library", "volume", "agent", "token", "import_path", "stream", "tally"}
    assert {name: count(world, tables.metadata.tables[name]) for name in untouched} == {
        name: before[name] for name in untouched
    }


def test_what_waits_for_a_person_keeps_its_proof(world: World, agent: Agent, library: Item) -> None:
    world.patch("/settings", {"guard_percent": 10, "guard_files": 100})
    lose(agent, "trip", fill(agent, "trip", 300)[:150])
    before = the_hold(world)["evidence"]
    tidy(world, TOMBSTONES)
    hold = the_hold(world)
    assert hold["evidence"] == before
    world.post(f"/holds/{hold['id']}/dismiss", {"digest": hold["digest"]})
    kept = proofs(world)
    assert tidy(world, 0)["proofs"] == 1
    assert proofs(world) < kept, "what nobody believed proves nothing"


class TestFeed:
    def test_r27_who_has_not_read_of_what_is_forgotten_is_told_to_read_anew(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        names = fill(agent, "trip", 5)
        _, early = world.changes()
        item = world.changes()[0][-1]["cursor"]
        remove(world, agent, library, "trip", names[:2])
        _, late = world.changes()
        tidy(world, TOMBSTONES)
        for cursor in (early, item):
            with pytest.raises(Problem) as error:
                world.get("/changes", since=cursor)
            assert (error.value.status, error.value.code) == (410, "cursor-expired")
            assert "forgotten" in error.value.body["detail"]
        assert world.changes(late)[0] == [], "it has heard of all that is gone"
        items, _ = world.changes()
        assert {one["state"]["status"] for one in items if one["entity"] == "asset"} == {"present"}

    def test_who_reads_from_the_beginning_gets_to_the_end(self, world: World, agent: Agent, library: Item) -> None:
        """Its cursors are older than what is forgotten, and it has missed nothing."""
        names = fill(agent, "trip", 30)
        remove(world, agent, library, "trip", names[:10])
        tidy(world, TOMBSTONES)
        items, _ = world.changes(limit=7)
        assert sum(one["entity"] == "asset" for one in items) == 20
        page = world.get("/changes", limit=7)
        again, _ = world.changes(page["items"][3]["cursor"], limit=7)
        assert len(page["items"][:4]) + len(again) == len(items)

    def test_but_not_if_more_is_forgotten_meanwhile(self, world: World, agent: Agent, library: Item) -> None:
        names = fill(agent, "trip", 30)
        page = world.get("/changes", limit=7)
        remove(world, agent, library, "trip", names[:10])
        tidy(world, TOMBSTONES)
        with pytest.raises(Problem) as error:
            world.get("/changes", since=page["next"], limit=7)
        assert error.value.code == "cursor-expired"


def test_deleted_libraries_go_when_nothing_is_left_of_them(world: World, agent: Agent, library: Item) -> None:
    fill(agent, "trip", 3)
    other = world.post("/libraries", {"owner": "anna", "import_paths": [{"agent": agent.id, "path": "/mnt/other"}]})
    world.admin.delete(f"/libraries/{other['id']}")
    world.admin.delete(f"/libraries/{library['id']}")
    found = tidy(world, TOMBSTONES)
    assert "libraries" not in found, "their jobs are at work"

    def finish(connection: sa.Connection) -> None:
        connection.execute(sa.update(tables.job).values(state="done", finished_at=now_us()))

    transact(world.engine, finish)
    assert tidy(world, TOMBSTONES)["libraries"] == 1, "the other one has assets"
    assert world.value(sa.select(tables.library.c.id)) == ids.from_text("library", library["id"])
    assert count(world, tables.import_path) == 1


def test_old_scans_gaps_and_steps_go_but_the_last_ones_stay(world: World, agent: Agent, library: Item) -> None:
    for directory in ("", "trip", "trip"):
        scan = ids.to_text("scan", new_id())
        ended = ScanFinished(
            scan=scan, directory=directory, complete=True, directories=1, files=1, errors=0, duration_s=1.0
        )
        agent.send(ScanStarted(scan, directory, ScanMode.CHANGED), ended)
    agent.send(ScanStarted(ids.to_text("scan", new_id()), "", ScanMode.CHANGED), Gap("trip", "lost"))
    agent.becomes(Reason.UNPLUGGED, None)
    agent.becomes(Reason.VERIFIED)
    steps = count(world, tables.volume_transition)
    assert steps >= 3
    assert tidy(world, HISTORY - 2).keys() <= {"batches", "deliveries"}
    found = tidy(world, HISTORY)
    assert (found["scans"], found["gaps"], found["volume_steps"]) == (2, 1, steps - 1)
    left = transact(
        world.engine,
        lambda connection: connection.execute(sa.select(tables.scan.c.directory, tables.scan.c.complete)).all(),
    )
    assert sorted(tuple(row) for row in left) == [(b"", 1), (b"trip", 1)]


def test_jobs_deliveries_and_entries_each_have_their_time(world: World, agent: Agent, library: Item) -> None:
    job = world.post(f"/libraries/{library['id']}/scan", {})["id"]
    hook = world.post("/webhooks", {"url": "https://photos.example/hook"})["id"]
    world.post(f"/webhooks/{hook}/test", {})

    def finish(connection: sa.Connection) -> None:
        connection.execute(sa.update(tables.job).values(state="done", finished_at=now_us()))
        connection.execute(sa.update(tables.delivery).values(state="delivered"))

    transact(world.engine, finish)
    entries = count(world, tables.audit)
    assert tidy(world, DELIVERIES - 2).keys() == {"batches"}
    assert tidy(world, DELIVERIES)["deliveries"] == 1
    assert world.get(f"/jobs/{job}")["state"] == "done"
    assert tidy(world, HISTORY)["jobs"] == 1
    assert count(world, tables.wanted_scan) == 0
    assert count(world, tables.audit) == entries
    assert tidy(world, AUDIT)["audit_entries"] == entries
    world.patch("/settings", {"audit_kept_s": 86_400})
    assert tidy(world, 2)["audit_entries"] == 1


def test_the_worker_does_it_once_a_day_and_says_so(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = Worker(world.engine, 30.0, new_id())
    worker.step(0.0)
    worker.step(20.0)
    assert worker.is_acting
    assert "catalog.tidied" not in caplog.text, "a new catalog has nothing that is old"
    with world.engine.begin() as connection:
        yesterday = connection.execute(sa.select(tables.schedule)).all()
        assert schedules.TIDYING in {row.name for row in yesterday}
        connection.execute(
            sa.update(tables.schedule)
            .where(tables.schedule.c.name == schedules.TIDYING)
            .values(followed_until=now_us() - 2 * DAY_US)
        )
    worker.step(21.0)
    assert caplog.text.count("catalog.tidied") == 1
    worker.step(22.0)
    assert caplog.text.count("catalog.tidied") == 1
