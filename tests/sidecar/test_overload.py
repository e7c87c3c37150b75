"""Back-pressure: more reports than can be taken are sent back, and their agents come again with the same ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx2
import pytest

from agent.outbox import Outbox
from agent.shipping import Delivery, Shipper
from agent.store import Lease, Standing, Store
from agent.testing.clock import FakeClock
from agent.uplink import HttpUplink
from sidecar.api import intake
from sidecar.api.endpoint import services_of
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import EPOCH, Agent, World, absent, listed


@pytest.fixture
def crowd(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[contextlib.ExitStack]:
    """All places are taken; closed, they are free again."""
    monkeypatch.setattr(intake, "WAIT_S", 0.01)
    with contextlib.ExitStack() as stack:
        for _ in range(intake.AT_ONCE):
            stack.enter_context(services_of(world.app).intake.place())
        yield stack


def test_what_cannot_be_taken_is_sent_back_and_nothing_else(
    world: World, agent: Agent, crowd: contextlib.ExitStack
) -> None:
    report = agent.report(listed("", "a.jpg"))
    answer = agent.put(report)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (429, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    assert world.assets() == [], "readers are answered, and see nothing of it"
    agent.heartbeat()
    crowd.close()
    assert agent.put(report).json()["applied"]
    assert len(world.assets()) == 1


def test_who_gets_no_place_leaves_none_behind(world: World, agent: Agent, crowd: contextlib.ExitStack) -> None:
    for _ in range(2 * intake.WAITING_MAX):
        assert agent.put(agent.report(listed("", "a.jpg"), sequence=1)).status_code == 429
    crowd.close()
    # A report that is refused gives its place back too.
    for _ in range(2 * intake.AT_ONCE):
        assert agent.put(agent.report(listed("", "a.jpg"), sequence=9)).status_code == 409
    assert agent.put(agent.report(listed("", "a.jpg"), sequence=1)).status_code == 200


def test_r32_an_agent_waits_as_long_as_it_is_told_and_loses_nothing(
    world: World, agent: Agent, crowd: contextlib.ExitStack
) -> None:
    answer = agent.heartbeat()
    lease = Lease(answer["catalog"], agent.fence)
    store = Store(":memory:", agent.volume, agent.journal)
    with store.transaction():
        store.set_lease(*lease)
        store.stand(Standing.WRITING)
        Outbox(store).spool(EPOCH, [listed("", "a.jpg", "b.jpg"), absent("", "b.jpg")])
    uplink = HttpUplink("https://sidecar", agent.token, transport=httpx2.WSGITransport(app=world.app))
    shipper = Shipper(store, uplink, FakeClock(), chance=lambda: 0.0, new_journal=lambda: "unused")
    shipper.lease = lease
    for _ in range(3):
        step = shipper.step()
        assert (step.delivery, step.wait_s) == (Delivery.LATER, 2.0)
    assert "429" in str(step.problem)
    crowd.close()
    assert shipper.step().delivery is Delivery.SENT
    assert shipper.step().delivery is Delivery.NOTHING
    assert {path: one["status"] for path, one in world.by_path().items()} == {
        "/mnt/usb/a.jpg": "present",
        "/mnt/usb/b.jpg": "missing",
    }
    uplink.close()
    store.close()
