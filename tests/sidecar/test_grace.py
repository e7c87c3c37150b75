"""Verified-online time, and the grace that counts it (rule R24), through the API and on every engine.

Heartbeats arrive on a clock that the tests turn; the worker's steps are called as its loop would.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.volumes import Epoch, Reason
from sidecar.catalog import deciding
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import held, volume
from sidecar.worker import Worker
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.watched import Days, fill, lose, names, statuses, the_hold
from tests.sidecar.world import Agent, World, absent, kinds, listed, new_id

GRACE_S = 3600


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch, agent: Agent) -> Days:
    return Days(monkeypatch, agent)


def online_s(world: World, agent: Agent) -> float:
    of = volume.c.id == ids.from_text("volume", agent.volume)
    return float(world.value(sa.select(volume.c.online_us).where(of))) / 1_000_000


def waiting(world: World) -> int:
    return int(world.value(sa.select(sa.func.count()).select_from(held)))


class TestOnlineTime:
    def test_r24_it_grows_with_heartbeats_that_find_the_disk_in_order(
        self, world: World, agent: Agent, days: Days
    ) -> None:
        start = online_s(world, agent)
        _, since = world.changes()
        days.online(300, beat_s=10)
        assert online_s(world, agent) - start == pytest.approx(300)
        assert world.changes(since)[0] == [], "it is no news"

    def test_r24_a_drawer_adds_nothing(self, world: World, agent: Agent, days: Days) -> None:
        agent.becomes(Reason.UNPLUGGED, None)
        start = online_s(world, agent)
        days.online(1000)
        agent.becomes(Reason.VERIFIED)
        assert online_s(world, agent) == start
        days.online(30)
        assert online_s(world, agent) - start == pytest.approx(30)

    @pytest.mark.parametrize("reason", [Reason.EMPTY, Reason.CLONE, Reason.AUTOMOUNT_IDLE, Reason.NOT_YET_VERIFIED])
    def test_r24_a_disk_in_doubt_does_not_age(self, world: World, agent: Agent, days: Days, reason: Reason) -> None:
        agent.becomes(reason)
        start = online_s(world, agent)
        days.online(100)
        assert online_s(world, agent) == start

    def test_r24_neither_silence_nor_a_clock_that_jumps_counts(self, world: World, agent: Agent, days: Days) -> None:
        start = online_s(world, agent)
        for seconds in (31, 86_400 * 365, -1000, 0):
            days.pass_by(seconds)
            agent.heartbeat()
        assert online_s(world, agent) == start

    def test_r24_another_epoch_is_another_beginning(self, world: World, agent: Agent, days: Days) -> None:
        start = online_s(world, agent)
        days.pass_by(10)
        agent.becomes(Reason.VERIFIED, epoch=Epoch("boot", 8, 2))
        assert online_s(world, agent) == start, "what was between nobody knows"
        days.online(10)
        assert online_s(world, agent) - start == pytest.approx(10)

    def test_r24_a_late_heartbeat_adds_nothing(self, world: World, agent: Agent, days: Days) -> None:
        late = agent.status
        agent.becomes(Reason.VERIFIED)
        start = online_s(world, agent)
        days.pass_by(10)
        agent.heartbeat(late)
        assert online_s(world, agent) == start

    def test_r24_of_two_that_see_a_disk_only_the_writer_counts(self, world: World, agent: Agent, days: Days) -> None:
        other = Agent(world, "other", "elsewhere", agent.volume)
        other.becomes(Reason.VERIFIED)
        start = online_s(world, agent)
        days.pass_by(10)
        other.heartbeat()
        assert online_s(world, agent) == start
        agent.heartbeat()
        assert online_s(world, agent) - start == pytest.approx(10)

    def test_r36_an_agent_that_was_silent_begins_anew(self, world: World, agent: Agent, days: Days) -> None:
        worker = Worker(world.engine, 30.0, new_id())
        worker.step(0.0)
        worker.step(31.0)
        start = online_s(world, agent)
        days.pass_by(10)
        agent.heartbeat()
        assert online_s(world, agent) == start

    def test_r24_how_long_an_asset_is_missing_is_told_in_online_time(
        self, world: World, agent: Agent, days: Days
    ) -> None:
        agent.send(listed("", "a.jpg"))
        days.online(60)
        agent.send(absent("", "a.jpg"))
        (one,) = world.assets()
        assert one["missing_online_s"] == 0
        days.online(90)
        days.away(86_400)
        assert world.assets()[0]["missing_online_s"] == pytest.approx(90)
        agent.send(listed("", "a.jpg"))
        assert world.assets()[0]["missing_online_s"] is None


class TestGrace:
    @pytest.fixture
    def worker(self, world: World) -> Worker:
        world.patch("/settings", {"missing_grace_s": GRACE_S})
        made = Worker(world.engine, 1e9, new_id())
        made.step(0.0)
        return made

    def test_r24_a_proven_absence_shows_after_its_grace(
        self, world: World, agent: Agent, days: Days, worker: Worker
    ) -> None:
        agent.send(listed("trip", *names(3)))
        before, (_, since) = world.assets(), world.changes()
        agent.send(absent("trip", *names(2)))
        assert world.assets() == before
        assert world.changes(since)[0] == []
        days.online(GRACE_S - 60)
        worker.step(1.0)
        assert world.assets() == before
        days.online(60)
        worker.step(2.0)
        assert statuses(world) == {"missing": 2, "present": 1}
        items, _ = world.changes(since)
        assert kinds(items) == ["asset.missing", "asset.missing"]
        one = world.assets(status="missing")[0]
        assert one["missing_online_s"] == 0
        (step,) = world.get(f"/assets/{one['id']}/history")["items"]
        assert (step["reason"], step["hold_id"]) == ("absent", None)
        assert step["evidence"]["observation"]["proof"]["second"]
        assert waiting(world) == 0

    def test_r24_each_absence_has_a_grace_of_its_own(
        self, world: World, agent: Agent, days: Days, worker: Worker
    ) -> None:
        agent.send(listed("trip", "a.jpg", "b.jpg"))
        agent.send(absent("trip", "a.jpg"))
        days.online(GRACE_S / 2)
        agent.send(absent("trip", "b.jpg"))
        days.online(GRACE_S / 2)
        worker.step(1.0)
        assert {one["file_name"]: one["status"] for one in world.assets()} == {"a.jpg": "missing", "b.jpg": "present"}

    def test_r24_a_year_in_a_drawer_ends_no_grace(self, world: World, agent: Agent, days: Days, worker: Worker) -> None:
        agent.send(listed("trip", "a.jpg"), absent("trip", "a.jpg"))
        agent.send(listed("trip", "a.jpg"))
        agent.send(absent("trip", "a.jpg"))
        days.online(GRACE_S / 2)
        days.away(365 * 86_400)
        worker.step(1.0)
        assert statuses(world) == {"present": 1}
        days.online(GRACE_S / 2 + 30)
        worker.step(2.0)
        assert statuses(world) == {"missing": 1}

    def test_r26_what_is_seen_again_meanwhile_leaves_no_trace(
        self, world: World, agent: Agent, days: Days, worker: Worker
    ) -> None:
        agent.send(listed("trip", "a.jpg"))
        before = world.assets()
        agent.send(absent("trip", "a.jpg"))
        assert waiting(world) == 1
        agent.send(listed("trip", "a.jpg"))
        assert waiting(world) == 0
        days.online(GRACE_S * 2)
        worker.step(1.0)
        assert world.assets() == before
        assert world.get(f"/assets/{before[0]['id']}/history")["items"] == []

    def test_r24_what_ended_while_nobody_looked_waits_for_the_disk(
        self, world: World, agent: Agent, days: Days, worker: Worker
    ) -> None:
        agent.send(listed("trip", "a.jpg"))
        agent.send(absent("trip", "a.jpg"))
        days.online(GRACE_S)
        agent.becomes(Reason.UNPLUGGED, None)
        worker.step(1.0)
        assert statuses(world) == {"present": 1}
        agent.becomes(Reason.VERIFIED)
        worker.step(2.0)
        assert statuses(world) == {"missing": 1}

    def test_r24_a_grace_that_ends_after_the_disk_went_is_not_ended(
        self, world: World, agent: Agent, days: Days, worker: Worker
    ) -> None:
        """The worker saw that it was due, and the disk went before it acted."""
        agent.send(listed("trip", "a.jpg"))
        agent.send(absent("trip", "a.jpg"))
        days.online(GRACE_S)
        agent.becomes(Reason.UNPLUGGED, None)
        key = ids.from_text("volume", agent.volume) or b""
        assert not transact(world.engine, lambda c: deciding.end_grace(c, key, 1, new_id()[:10]))
        assert statuses(world) == {"present": 1}

    def test_r20_grace_is_no_way_around_the_guard(self, world: World, agent: Agent, days: Days, worker: Worker) -> None:
        made = fill(agent, "trip", 300)
        lose(agent, "trip", made[:180], in_pieces_of=30)
        assert the_hold(world)["files"] == 90
        days.online(GRACE_S)
        worker.step(1.0)
        assert statuses(world) == {"missing": 90, "present": 210}
        one = the_hold(world)
        world.post(f"/holds/{one['id']}/approve", {"digest": one["digest"]})
        assert statuses(world) == {"missing": 180, "present": 120}, "a person needs no grace"

    def test_r24_more_than_one_batch_ends_at_once(
        self, world: World, agent: Agent, days: Days, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sidecar.catalog.deciding.BATCH", 7)
        lose(agent, "trip", fill(agent, "trip", 60)[:50])
        days.online(GRACE_S)
        worker.step(1.0)
        assert statuses(world) == {"missing": 50, "present": 10}


def test_r20_the_worker_carries_out_what_a_request_began(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.catalog.deciding.BATCH", 40)
    monkeypatch.setattr("sidecar.api.holds.INLINE_FILES_MAX", 10)
    lose(agent, "trip", fill(agent, "trip", 300)[:150])
    one = the_hold(world)
    world.post(f"/holds/{one['id']}/approve", {"digest": one["digest"]})
    assert statuses(world) == {"present": 300}
    worker, other = Worker(world.engine, 1e9, new_id()), Worker(world.engine, 1e9, new_id())
    worker.step(0.0)
    other.step(0.0)
    assert statuses(world) == {"missing": 150, "present": 150}
    assert (worker.is_acting, other.is_acting) == (True, False)
    _, since = world.changes()
    worker.step(1.0)
    assert world.changes(since)[0] == [], "once is enough"


def test_a_worker_that_lost_its_lease_carries_out_nothing(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.api.holds.INLINE_FILES_MAX", 10)
    sleeper, successor = Worker(world.engine, 1e9, new_id()), Worker(world.engine, 1e9, new_id())
    sleeper.step(0.0)
    successor.step(0.0)
    successor.step(100.0)
    assert successor.is_acting
    lose(agent, "trip", fill(agent, "trip", 300)[:150])
    one = the_hold(world)
    world.post(f"/holds/{one['id']}/approve", {"digest": one["digest"]})
    sleeper.step(1.0)
    assert not sleeper.is_acting
    assert statuses(world) == {"present": 300}
    successor.step(101.0)
    assert statuses(world) == {"missing": 150, "present": 150}
