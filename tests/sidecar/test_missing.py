"""Missing is not removed, and other things that the catalog must not mix up. Through the API."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.volumes import Reason
from sidecar.catalog import agents
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import agent as agent_table
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import Agent, Problem, World, absent, checked, kinds, listed


def test_r25_missing_keeps_id_mark_and_history_and_is_never_removed_by_itself(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg", "b.jpg"))
    before = world.by_path()["/mnt/usb/a.jpg"]
    marked = world.patch(f"/assets/{before['id']}", {"trashed": True, "foreign_id": "immich-7"})
    assert marked["trashed_at"] is not None
    agent.send(absent("", "a.jpg"))
    for reason in (Reason.NOT_MOUNTED, Reason.VERIFIED):
        agent.becomes(reason)
        agent.send(listed("", "b.jpg"))
    gone = world.by_path()["/mnt/usb/a.jpg"]
    assert (gone["id"], gone["status"]) == (before["id"], "missing")
    assert (gone["trashed_at"], gone["foreign_id"]) == (marked["trashed_at"], "immich-7")
    items, _ = world.changes()
    assert "asset.removed" not in kinds(items)
    agent.send(listed("", "a.jpg"))
    back = world.by_path()["/mnt/usb/a.jpg"]
    assert (back["id"], back["status"]) == (before["id"], "present")
    assert (back["trashed_at"], back["foreign_id"]) == (marked["trashed_at"], "immich-7")
    steps = world.get(f"/assets/{before['id']}/history")["items"]
    assert [one["to_status"] for one in steps] == ["present", "missing"]


def test_r32_the_smallest_hole_is_one(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    with pytest.raises(Problem) as refused:
        checked(agent.put(agent.report(listed("", "b.jpg"), sequence=3)))
    assert (refused.value.code, refused.value.body["expected"]) == ("sequence-mismatch", 2)
    assert len(world.assets()) == 1


def test_r36_an_agent_that_was_heard_of_meanwhile_does_not_fall_silent(world: World, agent: Agent) -> None:
    raw = ids.from_text("agent", agent.id)
    assert raw is not None
    counted = world.value(sa.select(agent_table.c.heartbeats).where(agent_table.c.id == raw))

    def fall_silent() -> bool:
        return transact(world.engine, lambda connection: agents.fall_silent(connection, raw, counted, 1, b"0123456789"))

    agent.heartbeat()
    assert not fall_silent()
    assert world.get(f"/volumes/{agent.volume}")["state"] == "online"
    counted += 1
    assert fall_silent()
    assert world.get(f"/volumes/{agent.volume}")["state"] == "unknown"


def test_r37_names_that_differ_in_case_only_are_two_assets(world: World, agent: Agent) -> None:
    agent.send(listed("trip", "a.jpg", "A.JPG"))
    agent.send(absent("trip", "A.JPG"))
    assert {path: one["status"] for path, one in world.by_path().items()} == {
        "/mnt/usb/trip/a.jpg": "present",
        "/mnt/usb/trip/A.JPG": "missing",
    }
