"""Libraries: made, shown, renamed, counted."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.patterns import DEFAULTS
from tests.sidecar.world import Agent, Problem, World, absent, file, kinds, listed, unreadable


def refused(world: World, body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Problem) as error:
        world.post("/libraries", body)
    assert (error.value.status, error.value.code) == (422, "invalid-body")
    return {one["pointer"]: one["message"] for one in error.value.body["errors"]}


def test_a_library_has_the_usual_defaults(world: World, agent: Agent) -> None:
    body = {"owner": "anna", "import_paths": [{"agent": agent.id, "path": "/mnt/usb/"}]}
    made = world.post("/libraries", body)
    assert (made["name"], made["kind"], made["revision"]) == ("New External Library", "external", 1)
    assert made["exclusion_patterns"] == list(DEFAULTS)
    (path,) = made["import_paths"]
    assert (path["agent"], path["path"], path["server_path"]) == (agent.id, "/mnt/usb", "/mnt/usb")
    assert (path["state"], path["volume_id"], path["message"]) == ("pending", None, None)
    assert world.get(f"/libraries/{made['id']}") == made


def test_an_agent_may_be_named_by_its_name(world: World, agent: Agent) -> None:
    made = world.post("/libraries", {"owner": "anna", "import_paths": [{"agent": "nas", "path": "/mnt/usb"}]})
    assert made["import_paths"][0]["agent"] == agent.id


def test_everything_that_is_wrong_is_told_at_once(world: World, agent: Agent) -> None:
    found = refused(
        world,
        {
            "owner": "anna",
            "kind": "managed",
            "import_paths": [
                {"agent": "nobody", "path": "relative"},
                {"agent": agent.id, "path": "/a/../b"},
                {"agent": agent.id, "path": "/a"},
                {"agent": agent.id, "path": "/a/"},
                {"agent": agent.id, "path": "/b", "server_path": "b"},
            ],
            "exclusion_patterns": ["ok/**", "!(x)", "ok/**"],
        },
    )
    assert set(found) == {
        "/kind",
        "/import_paths/0/agent",
        "/import_paths/0/path",
        "/import_paths/1/path",
        "/import_paths/3/path",
        "/import_paths/4/server_path",
        "/exclusion_patterns/1",
        "/exclusion_patterns/2",
    }
    assert world.get("/libraries")["items"] == []


def test_there_may_be_128_import_paths(world: World, agent: Agent) -> None:
    paths = [{"agent": agent.id, "path": f"/mnt/{number}"} for number in range(129)]
    assert refused(world, {"owner": "anna", "import_paths": paths}).keys() == {"/import_paths"}
    made = world.post("/libraries", {"owner": "anna", "import_paths": paths[:128]})
    assert [one["path"] for one in made["import_paths"]] == [one["path"] for one in paths[:128]]


@pytest.mark.parametrize("name", ["", " ", "x" * 256])
def test_a_name_must_say_something(world: World, name: str) -> None:
    assert refused(world, {"owner": "anna", "name": name}).keys() == {"/name"}


def test_a_rename_is_an_update_with_a_new_revision(world: World) -> None:
    made = world.post("/libraries", {"owner": "anna"})
    _, since = world.changes()
    changed = world.patch(f"/libraries/{made['id']}", {"name": "Family"})
    assert (changed["name"], changed["revision"]) == ("Family", 2)
    items, since = world.changes(since)
    assert kinds(items) == ["library.updated"]
    world.patch(f"/libraries/{made['id']}", {"name": "Family"})
    assert world.changes(since)[0] == [], "the same name again is no change"


@pytest.mark.parametrize("field", ["owner", "kind"])
def test_owner_and_kind_are_fixed_for_life(world: World, field: str) -> None:
    made = world.post("/libraries", {"owner": "anna"})
    with pytest.raises(Problem) as error:
        world.patch(f"/libraries/{made['id']}", {field: "x"})
    assert error.value.body["errors"] == [{"pointer": f"/{field}", "message": "This field is not known."}]


def test_an_outdated_change_is_refused(world: World) -> None:
    made = world.post("/libraries", {"owner": "anna"})
    path = f"/libraries/{made['id']}"
    tag = world.admin.get(path).headers["ETag"]
    assert world.admin.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert world.admin.patch(path, json={"name": "one"}, headers={"If-Match": tag}).status_code == 200
    assert world.admin.patch(path, json={"name": "two"}, headers={"If-Match": tag}).status_code == 412
    assert world.get(path)["name"] == "one"
    assert world.admin.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_repeat_under_one_key_makes_one_library(world: World) -> None:
    body = {"owner": "anna", "name": "Once"}
    first = world.post("/libraries", body, **{"Idempotency-Key": "k1"})
    assert world.post("/libraries", body, **{"Idempotency-Key": "k1"}) == first
    assert world.post("/libraries", body, **{"Idempotency-Key": "k2"})["id"] != first["id"]
    with pytest.raises(Problem) as error:
        world.post("/libraries", {**body, "name": "Twice"}, **{"Idempotency-Key": "k1"})
    assert (error.value.status, error.value.code) == (422, "idempotency-conflict")
    assert len(world.get("/libraries")["items"]) == 2


def test_a_refused_request_keeps_no_answer(world: World) -> None:
    with pytest.raises(Problem):
        world.post("/libraries", {"owner": "anna", "kind": "managed"}, **{"Idempotency-Key": "k"})
    assert world.post("/libraries", {"owner": "anna"}, **{"Idempotency-Key": "k"})["owner"] == "anna"


def test_a_list_by_owner_and_page_by_page(world: World) -> None:
    for number in range(5):
        world.post("/libraries", {"owner": "anna", "name": str(number)})
        world.post("/libraries", {"owner": "ben"})
    page = world.get("/libraries", owner="anna", limit=2)
    found = [one["name"] for one in page["items"]]
    while page["next_cursor"]:
        page = world.get("/libraries", owner="anna", limit=2, cursor=page["next_cursor"])
        found += [one["name"] for one in page["items"]]
    assert found == ["0", "1", "2", "3", "4"]


def test_statistics_count_what_there_is(world: World, agent: Agent) -> None:
    library = world.library(agent)
    agent.send(listed("", file("a.jpg", 5), file("b.mp4", 7), file("c.jpg", 9)), listed("x", "d.jpg"))
    agent.send(absent("", "c.jpg"), unreadable("x"))
    found = world.get(f"/libraries/{library['id']}/statistics")
    assert (found["photos"], found["videos"], found["bytes"]) == (1, 1, 12)
    assert found["by_status"] == {"present": 2, "missing": 1, "unreadable": 1, "excluded": 0, "removed": 0}
    assert found["by_availability"] == {"online": 2, "unavailable": 0, "unknown": 0}
