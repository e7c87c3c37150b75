"""The worker: silent agents, and the lease that lets one worker act."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from msgspec import structs

from holdfast.volumes import Reason, VolumeState
from sidecar.catalog import leases
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import volume_transition
from sidecar.worker import NAME, Worker
from tests.mariadb import MARIADB
from tests.sidecar.world import Agent, World, kinds, listed, new_id

SILENT_AFTER_S = 30.0
LEASE_S = 15.0


def worker(engine: sa.Engine) -> Worker:
    return Worker(engine, SILENT_AFTER_S, new_id(), LEASE_S)


def test_r36_a_silent_agents_volumes_are_unknown_and_come_back(world: World, agent: Agent) -> None:
    world.library(agent)
    agent.send(listed("", "a.jpg"))
    _, since = world.changes()
    acting = worker(world.engine)
    assert acting.step(100.0) == []
    assert acting.step(129.9) == []
    assert len(acting.step(130.0)) == 1
    assert acting.step(200.0) == [], "it is told once"
    items, since = world.changes(since)
    assert kinds(items) == ["volume.unknown", "agent.silent"]
    assert items[0]["state"]["reason"] == "agent-silent"
    (one,) = world.assets()
    assert (one["status"], one["availability"]) == ("present", "unknown")
    agent.heartbeat()
    items, _ = world.changes(since)
    assert kinds(items) == ["volume.online", "agent.back"]
    assert world.assets()[0]["availability"] == "online"
    reasons = [row.reason for row in _transitions(world)]
    assert reasons == ["verified", "agent-silent", "verified"]


def test_r36_an_agent_that_is_heard_of_is_never_silent(world: World, agent: Agent) -> None:
    acting = worker(world.engine)
    for now in range(0, 200, 10):
        assert acting.step(float(now)) == []
        agent.heartbeat()


@pytest.mark.parametrize("database", [MARIADB], indirect=True)  # SQLite has one writer: nothing comes between
def test_r36_a_heartbeat_between_look_and_act_counts(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting = worker(world.engine)
    acting.step(0.0)
    renew = leases.renew

    def late(*arguments: object) -> bool:
        monkeypatch.setattr(leases, "renew", renew)
        agent.heartbeat()
        return renew(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(leases, "renew", late)
    assert acting.step(31.0) == []
    assert world.get(f"/volumes/{agent.volume}")["state"] == "online"


def test_the_state_at_silence_may_differ_from_the_one_it_comes_back_with(world: World, agent: Agent) -> None:
    acting = worker(world.engine)
    acting.step(0.0)
    acting.step(31.0)
    agent.becomes(Reason.NO_DEVICE)
    assert world.get(f"/volumes/{agent.volume}")["reason"] == "no-device"


def test_r36_after_its_silence_an_agent_that_lost_its_memory_is_believed(world: World, agent: Agent) -> None:
    """It counts its versions from one again."""
    first = agent.status
    agent.becomes(Reason.VERIFIED)
    acting = worker(world.engine)
    acting.step(0.0)
    acting.step(31.0)
    state, reason = VolumeState.OFFLINE, Reason.NOT_MOUNTED
    agent.heartbeat(structs.replace(first, version=1, state=state, reason=reason, epoch=None, mounted_at=None))
    assert world.get(f"/volumes/{agent.volume}")["reason"] == "not-mounted"


def test_of_two_workers_one_acts_until_it_stops(world: World, agent: Agent) -> None:
    first, second = worker(world.engine), worker(world.engine)
    first.step(0.0)
    second.step(0.5)
    assert (first.is_acting, second.is_acting) == (True, False)
    for now in range(1, 60):
        agent.heartbeat()
        first.step(float(now))
        second.step(float(now))
    assert (first.is_acting, second.is_acting) == (True, False)
    # The first one stops; the second waits out the lease on its own clock.
    second.step(60.0 + LEASE_S / 2)
    assert not second.is_acting
    second.step(61.0 + 2 * LEASE_S)
    assert second.is_acting


def test_a_holder_that_slept_through_its_replacement_does_nothing(world: World, agent: Agent) -> None:
    sleeper, successor = worker(world.engine), worker(world.engine)
    sleeper.step(0.0)
    successor.step(0.0)
    successor.step(LEASE_S + 1)
    assert successor.is_acting
    agent.heartbeat()
    _, since = world.changes()
    # It still believes in its lease, and has seen no heartbeat for long enough; the fence stops it.
    sleeper.step(10.0)
    agent_due = sleeper.step(100.0)
    assert agent_due == []
    assert not sleeper.is_acting
    assert world.changes(since)[0] == []
    assert successor.step(LEASE_S + 2) == []
    assert successor.is_acting


def test_of_two_that_see_a_dead_lease_one_takes_it(engine: sa.Engine) -> None:
    dead = transact(engine, lambda connection: leases.take(connection, NAME, None, b"d" * 16))
    assert dead is not None
    one = transact(engine, lambda connection: leases.take(connection, NAME, dead, b"1" * 16))
    two = transact(engine, lambda connection: leases.take(connection, NAME, dead, b"2" * 16))
    assert one is not None
    assert two is None
    assert one.fence == dead.fence + 1
    assert not transact(engine, lambda connection: leases.renew(connection, NAME, dead))
    assert transact(engine, lambda connection: leases.renew(connection, NAME, one))
    assert transact(engine, lambda connection: leases.take(connection, NAME, None, b"3" * 16)) is None
    again = transact(engine, lambda connection: leases.take(connection, NAME, leases.read(connection, NAME), b"d" * 16))
    assert again is not None
    assert transact(engine, lambda connection: leases.renew(connection, NAME, again))
    assert not transact(engine, lambda connection: leases.renew(connection, NAME, dead)), "held again, by another fence"


def _transitions(world: World) -> list[sa.Row[tuple[str]]]:
    with world.engine.connect() as connection:
        chosen = sa.select(volume_transition.c.reason).order_by(volume_transition.c.id)
        return list(connection.execute(chosen))
