"""Ignore files that lie beside the photos, as the agent tells of them."""

from __future__ import annotations

import pytest

from holdfast.ignoring import FILES_MAX, RULES_BYTES_MAX
from holdfast.reports import IgnoreRules
from sidecar.catalog import memberships
from sidecar.worker import Worker
from tests.sidecar.world import Agent, Item, Problem, World, checked, listed, new_id


def work(world: World) -> None:
    """A worker comes by."""
    Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)


def statuses(world: World, made: Item) -> dict[str, str]:
    return {one["path"]: one["status"] for one in world.assets(library=made["id"])}


def test_r29_what_an_ignore_file_shuts_out_is_excluded_and_comes_back(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("trip", "a.jpg", "b.png"), listed("trip/raw", "c.jpg"))
    before = world.by_path()
    agent.send(IgnoreRules({"trip": "raw/\n*.png\n!a.png\n"}))
    work(world)
    assert statuses(world, made) == {
        "/mnt/usb/trip/a.jpg": "present",
        "/mnt/usb/trip/b.png": "excluded",
        "/mnt/usb/trip/raw/c.jpg": "excluded",
    }
    assert world.by_path()["/mnt/usb/trip/b.png"]["excluded_by"] == "*.png (trip/.holdfastignore)"
    agent.send(listed("trip", "new.png", "a.png"))
    assert "/mnt/usb/trip/new.png" not in statuses(world, made)
    assert statuses(world, made)["/mnt/usb/trip/a.png"] == "present"
    agent.send(IgnoreRules({}))
    work(world)
    after = world.by_path()
    assert {one["status"] for one in after.values()} == {"present"}
    assert {path: after[path]["id"] for path in before} == {path: one["id"] for path, one in before.items()}


def test_rules_in_a_report_count_for_its_files(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(IgnoreRules({"": "*.png"}), listed("", "a.jpg", "b.png"))
    assert statuses(world, made) == {"/mnt/usb/a.jpg": "present"}


def test_the_same_rules_again_are_no_news(world: World, agent: Agent) -> None:
    world.library(agent)
    agent.send(IgnoreRules({"": "*.png", "ca\0fe": "x"}))
    assert len(world.get("/jobs")["items"]) == 1
    agent.send(IgnoreRules({"ca\0fe": "x", "": "*.png"}))
    assert len(world.get("/jobs")["items"]) == 1


def test_an_agent_that_begins_anew_learns_that_there_are_rules(world: World, agent: Agent) -> None:
    world.library(agent)
    path = f"/agent/streams/{agent.volume}/known"
    headers = {"Holdfast-Fence": str(agent.fence)}
    assert checked(agent.client.get(path, headers=headers)).json()["has_rules"] is False
    agent.send(IgnoreRules({"": "*.png"}))
    assert checked(agent.client.get(path, headers=headers)).json()["has_rules"] is True


def test_rules_are_explained_and_previewed(world: World, agent: Agent) -> None:
    made = world.library(agent, "/mnt/usb/photos")
    agent.send(IgnoreRules({"photos": "raw/\n"}), listed("photos", "a.jpg"))
    url = f"/libraries/{made['id']}/explain"
    for path, rule in (("/mnt/usb/photos/raw/b.jpg", "raw/ (photos/.holdfastignore)"), ("/mnt/usb/photos/a.jpg", None)):
        found = checked(world.admin.get(url, params={"path": path})).json()
        assert found["excluded_by"] == rule
    found = world.post(f"/libraries/{made['id']}/preview", {"exclusion_patterns": []})
    assert (found["excluded"]["assets"], found["unchanged"]) == (0, 1)


@pytest.mark.parametrize(
    "rules",
    [{"../up": "x"}, {"a": "x" * (RULES_BYTES_MAX + 1)}, {str(number): "x" for number in range(FILES_MAX + 1)}],
    ids=["path", "size", "count"],
)
def test_impossible_rules_are_refused_whole(world: World, agent: Agent, rules: dict[str, str]) -> None:
    world.library(agent)
    with pytest.raises(Problem) as error:
        agent.send(IgnoreRules(rules), listed("", "a.jpg"))
    assert error.value.code == "invalid-report"
    assert world.assets() == []
    with world.engine.connect() as connection:
        assert memberships.ignores_of(connection, bytes.fromhex(agent.volume[4:])).rules == {}
