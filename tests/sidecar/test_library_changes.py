"""Libraries changed and deleted: import paths, server paths, patterns, and what becomes of the assets."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.reports import ScanFinished, ScanStarted
from holdfast.volumes import Reason
from sidecar.catalog import deletion, jobs, rules, working
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import asset, job, library
from sidecar.jobs import JobKind, JobState
from sidecar.worker import Worker
from tests.sidecar.world import Agent, Item, Problem, World, absent, kinds, listed, new_id


def work(world: World, now_s: float = 0.0) -> None:
    """A worker comes by."""
    Worker(world.engine, 30.0, new_id(), 0.0).step(now_s)


def statuses(world: World, made: Item) -> dict[str, str]:
    return {one["path"]: one["status"] for one in world.assets(library=made["id"])}


def refused(world: World, made: Item, body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Problem) as error:
        world.patch(f"/libraries/{made['id']}", body)
    assert (error.value.status, error.value.code) == (422, "invalid-body")
    return {one["pointer"]: one["message"] for one in error.value.body["errors"]}


def kept(made: Item, **more: str) -> list[dict[str, str]]:
    return [{"id": one["id"], **more} for one in made["import_paths"]]


def test_r29_a_pattern_excludes_at_once_and_gives_back_the_same_ids(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("trip", "a.jpg"), listed("trip/Raw", "b.jpg", "c.mp4"))
    before = world.by_path(library=made["id"])
    _, since = world.changes()
    changed = world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": ["**/Raw/**"]})
    assert (changed["exclusion_patterns"], changed["revision"]) == (["**/Raw/**"], made["revision"] + 2)
    after = world.by_path(library=made["id"])
    assert {path: one["id"] for path, one in after.items()} == {path: one["id"] for path, one in before.items()}
    assert statuses(world, made) == {
        "/mnt/usb/trip/a.jpg": "present",
        "/mnt/usb/trip/Raw/b.jpg": "excluded",
        "/mnt/usb/trip/Raw/c.mp4": "excluded",
    }
    assert after["/mnt/usb/trip/Raw/b.jpg"]["excluded_by"] == "**/Raw/**"
    items, since = world.changes(since)
    assert sorted(kinds(items)) == ["asset.excluded", "asset.excluded", "library.updated"]
    assert world.get(f"/volumes/{agent.volume}")["assets"] == 3

    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": []})
    assert set(statuses(world, made).values()) == {"present"}
    items, _ = world.changes(since)
    assert sorted(kinds(items)) == ["asset.included", "asset.included", "library.updated"]
    history = world.get(f"/assets/{before['/mnt/usb/trip/Raw/b.jpg']['id']}/history")["items"]
    assert [(one["from_status"], one["to_status"], one["reason"]) for one in history] == [
        ("excluded", "present", "rules"),
        ("present", "excluded", "rules"),
    ]


def test_r29_rules_change_while_the_storage_is_away(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("Raw", "b.jpg"))
    agent.becomes(Reason.NOT_MOUNTED, None)
    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": ["**/Raw/**"]})
    assert set(statuses(world, made).values()) == {"excluded"}
    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": []})
    (one,) = world.assets(library=made["id"])
    assert (one["status"], one["availability"]) == ("present", "unavailable")


def test_what_went_missing_is_missing_when_the_rules_cover_it_again(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("Raw", "a.jpg", "b.jpg"))
    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": ["**/Raw/**"]})
    agent.send(absent("Raw", "b.jpg"))
    assert set(statuses(world, made).values()) == {"excluded"}
    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": []})
    assert statuses(world, made) == {"/mnt/usb/Raw/a.jpg": "present", "/mnt/usb/Raw/b.jpg": "missing"}


def test_r29_an_import_path_leaves_and_comes_back(world: World, agent: Agent) -> None:
    made = world.library(agent, "/mnt/usb/old", "/mnt/usb/new")
    agent.send(listed("old", "a.jpg"), listed("new", "b.jpg"))
    before = world.by_path(library=made["id"])
    old, new = made["import_paths"]
    path = f"/libraries/{made['id']}"
    without = world.patch(path, {"import_paths": [{"id": new["id"]}]})
    assert [one["id"] for one in without["import_paths"]] == [new["id"]]
    assert statuses(world, made) == {"/mnt/usb/old/a.jpg": "excluded", "/mnt/usb/new/b.jpg": "present"}
    assert world.by_path()["/mnt/usb/old/a.jpg"]["excluded_by"] == "outside its import paths"
    assignment = agent.client.get("/agent/assignment").json()
    assert [one["path"] for one in assignment["import_paths"]] == ["/mnt/usb/new"]

    again = world.patch(path, {"import_paths": [{"id": new["id"]}, {"agent": "nas", "path": "/mnt/usb/old"}]})
    added = again["import_paths"][1]
    assert (added["path"], added["state"]) == ("/mnt/usb/old", "pending")
    assert added["id"] != old["id"]
    agent.bind({"import_paths": [added]}, "old")
    work(world)
    after = world.by_path(library=made["id"])
    assert {path: (one["id"], one["status"]) for path, one in after.items()} == {
        path: (one["id"], "present") for path, one in before.items()
    }


def test_another_server_path_touches_no_asset(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("trip", "a.jpg"))
    (before,) = world.assets(library=made["id"])
    tag = world.admin.get(f"/assets/{before['id']}").headers["ETag"]
    _, since = world.changes()
    changed = world.patch(f"/libraries/{made['id']}", {"import_paths": kept(made, server_path="/media/photos")})
    assert changed["import_paths"][0]["server_path"] == "/media/photos"
    items, _ = world.changes(since)
    assert kinds(items) == ["library.updated"]
    known = {"If-None-Match": tag}
    assert world.admin.get(f"/assets/{before['id']}", headers=known).status_code == 200, "it is another path"
    (after,) = world.assets(library=made["id"])
    assert (after["path"], after["host_path"]) == ("/media/photos/trip/a.jpg", "/mnt/usb/trip/a.jpg")
    assert (after["id"], after["change"]) == (before["id"], before["change"])
    assert world.post("/assets/lookup", {"paths": ["/media/photos/trip/a.jpg"]})["items"]


def test_patterns_follow_the_server_path(world: World, agent: Agent) -> None:
    made = world.library(agent, exclusion_patterns=["/media/Raw/**"])
    agent.send(listed("Raw", "a.jpg"))
    assert statuses(world, made) == {"/mnt/usb/Raw/a.jpg": "present"}
    world.patch(f"/libraries/{made['id']}", {"import_paths": kept(made, server_path="/media")})
    assert statuses(world, made) == {"/media/Raw/a.jpg": "excluded"}


def test_overlapping_import_paths_give_an_asset_once(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("trip", "a.jpg"))
    (before,) = world.assets()
    longer = {"agent": "nas", "path": "/mnt/usb/trip", "server_path": "/trip"}
    changed = world.patch(f"/libraries/{made['id']}", {"import_paths": [*kept(made), longer]})
    agent.bind({"import_paths": changed["import_paths"][1:]}, "trip")
    agent.send(listed("trip", "a.jpg"))
    (after,) = world.assets()
    assert (after["id"], after["path"]) == (before["id"], "/trip/a.jpg")


def test_everything_wrong_is_told_and_nothing_is_half_applied(world: World, agent: Agent) -> None:
    made = world.library(agent)
    other = world.post("/libraries", {"owner": "b", "import_paths": [{"agent": "nas", "path": "/x"}]})
    found = refused(
        world,
        made,
        {
            "name": "Another name",
            "import_paths": [
                {"id": made["import_paths"][0]["id"], "path": "/elsewhere"},
                {"id": other["import_paths"][0]["id"]},
                {"path": "/a"},
                {"agent": "nobody", "path": ""},
                {"agent": "nas", "path": "relative"},
                {"agent": "nas", "path": "/" + "x" * 256},
                {"agent": "nas", "path": "/ok", "server_path": "no"},
                {"agent": "nas", "path": "/mnt/usb"},
                {"agent": "nas", "path": "/mnt/usb/"},
            ],
            "exclusion_patterns": ["", "  ", "**/a", "**/a", "x" * 513, "!no", "a/../b"],
        },
    )
    assert set(found) == {
        "/import_paths/0/path",
        "/import_paths/1/id",
        "/import_paths/2/agent",
        "/import_paths/3/agent",
        "/import_paths/3/path",
        "/import_paths/4/path",
        "/import_paths/5/path",
        "/import_paths/6/server_path",
        "/import_paths/8/path",
        *(f"/exclusion_patterns/{at}" for at in (0, 1, 3, 4, 5, 6)),
    }
    assert world.get(f"/libraries/{made['id']}") == world.get("/libraries")["items"][0]
    assert world.get(f"/libraries/{made['id']}")["name"] == "New External Library"


def test_there_are_at_most_128_of_each(world: World, agent: Agent) -> None:
    made = world.post("/libraries", {"owner": "anna"})
    many = [{"agent": "nas", "path": f"/mnt/{number}"} for number in range(129)]
    body = {"import_paths": many, "exclusion_patterns": [f"**/{number}" for number in range(129)]}
    assert refused(world, made, body).keys() == {"/import_paths", "/exclusion_patterns/128"}
    body = {"import_paths": many[:128], "exclusion_patterns": body["exclusion_patterns"][:128]}
    changed = world.patch(f"/libraries/{made['id']}", body)
    assert (len(changed["import_paths"]), len(changed["exclusion_patterns"])) == (128, 128)


def test_what_is_no_news_changes_nothing(world: World, agent: Agent) -> None:
    made = world.library(agent)
    before = world.get(f"/libraries/{made['id']}")
    revision = agent.client.get("/agent/assignment").headers["ETag"]
    _, since = world.changes()
    body = {
        "name": made["name"],
        "import_paths": [{"agent": "nas", "path": "/mnt/usb", "server_path": "/mnt/usb"}],
        "exclusion_patterns": made["exclusion_patterns"],
    }
    assert world.patch(f"/libraries/{made['id']}", body) == before
    assert world.changes(since)[0] == []
    assert agent.client.get("/agent/assignment").headers["ETag"] == revision
    assert world.get("/jobs")["items"] == []


def test_an_outdated_change_of_rules_is_refused_whole(world: World, agent: Agent) -> None:
    made = world.library(agent)
    path = f"/libraries/{made['id']}"
    stale = {"If-Match": '"1"'}
    assert world.admin.patch(path, json={"exclusion_patterns": []}, headers=stale).status_code == 412
    assert world.admin.delete(path, headers=stale).status_code == 412
    assert world.get(path)["exclusion_patterns"] == made["exclusion_patterns"]


@pytest.mark.parametrize(
    "name", ["a b, {c}", 'quo"te', "new\nline", "[x]", "caf\u00e9", "ca\0fef", "*?", "back\\slash"]
)
def test_any_name_is_a_path_and_can_be_excluded(world: World, agent: Agent, name: str) -> None:
    made = world.library(agent, f"/mnt/usb/{name}")
    assert made["import_paths"][0]["path"] == f"/mnt/usb/{name}"
    agent.send(listed(name, f"{name}.jpg", "b.jpg"))
    assert {one["status"] for one in world.assets()} == {"present"}
    quoted = "".join(f"\\{one}" if one in "*?[]{}\\()" else one for one in name).replace("\0fe", "?")
    changed = world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": [f"**/{quoted}.jpg"]})
    assert changed["exclusion_patterns"] == [f"**/{quoted}.jpg"]
    assert sorted(one["status"] for one in world.assets()) == ["excluded", "present"]


def test_a_deleted_library_is_gone_at_once_and_its_assets_in_batches(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "BATCH", 3)
    made = world.library(agent)
    other = world.library(agent, owner="ben")
    agent.send(listed("", *(f"{number}.jpg" for number in range(10))))
    _, since = world.changes()
    answer = world.admin.delete(f"/libraries/{made['id']}")
    assert answer.status_code == 202
    deleting = answer.json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{deleting['id']}"
    assert (deleting["kind"], deleting["state"], deleting["library_id"]) == ("delete-library", "pending", made["id"])
    assert [one["id"] for one in world.get("/libraries")["items"]] == [other["id"]]
    assert world.get(f"/libraries/{made['id']}")["deleted_at"] is not None
    assert kinds(world.changes(since)[0]) == ["library.deleted"]
    assignment = agent.client.get("/agent/assignment").json()
    assert {one["library"] for one in assignment["import_paths"]} == {other["id"]}
    assert world.admin.delete(f"/libraries/{made['id']}").json()["id"] == deleting["id"], "again is harmless"

    # The first batch, and then a crash: whoever comes next goes on behind it.
    raw = ids.from_text("job", deleting["id"]) or b""
    assert transact(world.engine, lambda connection: working.step(connection, raw, 1, bytes(10)))
    assert sorted(one["status"] for one in world.assets(library=made["id"])) == ["present"] * 7 + ["removed"] * 3
    assert world.get(f"/jobs/{deleting['id']}")["done"] == 3
    work(world)
    done = world.get(f"/jobs/{deleting['id']}")
    assert (done["state"], done["done"], done["total"], done["result"]) == ("done", 10, 10, {"removed": 10})
    assert {one["status"] for one in world.assets(library=made["id"])} == {"removed"}
    assert {one["status"] for one in world.assets(library=other["id"])} == {"present"}
    assert world.get(f"/volumes/{agent.volume}")["assets"] == 10
    agent.send(listed("", "0.jpg", "new.jpg"))
    assert len(world.assets(library=made["id"])) == 10


def test_a_scan_refreshes_no_library_that_is_being_deleted(world: World, agent: Agent) -> None:
    made = world.library(agent)
    world.admin.delete(f"/libraries/{made['id']}")
    _, since = world.changes()
    scan = ids.to_text("scan", new_id())
    counts = {"directories": 1, "files": 0, "errors": 0, "duration_s": 1.0}
    agent.send(ScanStarted(scan, "", "changed"), ScanFinished(scan=scan, directory="", complete=True, **counts))
    assert "library.updated" not in kinds(world.changes(since)[0])


def test_a_deletion_that_nobody_carries_on_is_found_and_finished(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("", "a.jpg"))
    world.admin.delete(f"/libraries/{made['id']}")
    with world.engine.begin() as connection:
        connection.execute(sa.update(job).values(state=JobState.FAILED, finished_at=1, error="out of luck"))
    work(world)
    assert {one["status"] for one in world.assets(library=made["id"])} == {"removed"}
    found = world.get("/jobs", library=made["id"])["items"]
    assert [one["state"] for one in found] == ["done", "failed"]
    work(world)
    assert len(world.get("/jobs")["items"]) == 2


def test_a_deleted_library_is_not_changed(world: World, agent: Agent) -> None:
    made = world.library(agent)
    world.admin.delete(f"/libraries/{made['id']}")
    assert world.admin.patch(f"/libraries/{made['id']}", json={"name": "x"}).status_code == 404
    assert world.admin.delete(f"/libraries/{ids.to_text('library', new_id())}").status_code == 404


def test_rules_of_a_large_library_are_applied_in_the_background(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "BATCH", 2)
    made = world.library(agent)
    agent.send(listed("Raw", *(f"{number}.jpg" for number in range(9))))
    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": ["**/Raw/**"]})
    (first,) = world.get("/jobs")["items"]
    assert (first["kind"], first["state"], first["done"]) == ("apply-rules", "running", 4)
    with pytest.raises(Problem) as error:
        world.post(f"/jobs/{first['id']}/cancel", {})
    assert (error.value.status, error.value.code) == (409, "job-not-cancellable")
    # Changed again before it is through: the later change takes the earlier one's place.
    world.patch(f"/libraries/{made['id']}", {"exclusion_patterns": ["**/Raw/1.jpg"]})
    work(world)
    second, overtaken = world.get("/jobs", library=made["id"])["items"]
    assert (overtaken["id"], overtaken["state"], overtaken["error"]) == (first["id"], "cancelled", jobs.OVERTAKEN)
    assert (second["state"], second["done"]) == ("done", 9)
    assert sorted(statuses(world, made).values()) == ["excluded"] + ["present"] * 8


def test_a_job_that_cannot_be_done_fails_and_stops_nobody(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.library(agent)
    agent.send(listed("", "a.jpg"))
    deleting = world.admin.delete(f"/libraries/{made['id']}").json()

    def broken(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setitem(working._BATCHES, JobKind.DELETE_LIBRARY, broken)
    work(world)
    failed = world.get(f"/jobs/{deleting['id']}")
    assert (failed["state"], failed["error"]) == ("failed", "RuntimeError: no such luck")
    with pytest.raises(Problem) as error:
        world.post(f"/jobs/{deleting['id']}/cancel", {})
    assert error.value.code == "job-not-cancellable"


def test_assets_in_a_hold_leave_it_with_their_library(world: World, agent: Agent) -> None:
    made = world.library(agent)
    world.patch("/settings", {"guard_files": 1, "guard_percent": 1})
    names = [f"{number}.jpg" for number in range(5)]
    agent.send(listed("trip", *names))
    agent.send(absent("trip", *names))
    (hold,) = world.get("/holds")["items"]
    assert hold["files"] == 5
    world.admin.delete(f"/libraries/{made['id']}")
    work(world)
    after = world.get(f"/holds/{hold['id']}")
    assert (after["state"], after["files"]) == ("resolved", 0)


def test_nothing_of_a_deleted_library_is_dropped_from_the_database(world: World, agent: Agent) -> None:
    made = world.library(agent)
    agent.send(listed("", "a.jpg"))
    (one,) = world.assets()
    world.admin.delete(f"/libraries/{made['id']}")
    work(world)
    assert world.value(sa.select(sa.func.count()).select_from(asset)) == 1
    assert world.value(sa.select(sa.func.count()).select_from(library)) == 1
    history = world.get(f"/assets/{one['id']}/history")["items"]
    assert [(step["to_status"], step["reason"]) for step in history] == [("removed", "library-deleted")]
