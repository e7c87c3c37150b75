"""Scans that people ask for over HTTP: what is wanted of which agent, how jobs follow it, and looks at one file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.assignments import Assignment, Heartbeat
from holdfast.reports import Observation, ScanFinished, ScanStarted
from holdfast.scans import ScanMode, ScanProblem, ScanProgress, WantedScan
from holdfast.volumes import Reason
from sidecar.catalog.tables import wanted_scan
from sidecar.worker import Worker
from tests.sidecar.test_parts import Union
from tests.sidecar.world import JSON, Agent, Item, Problem, World, absent, checked, kinds, listed, new_id


@pytest.fixture
def library(world: World, agent: Agent) -> Item:
    made = world.library(agent, "/mnt/usb/a", "/mnt/usb/b")
    agent.send(listed("a/trip", "1.jpg", "2.jpg"), listed("b", "3.jpg"))
    return made


def assignment(agent: Agent) -> Assignment:
    return msgspec.json.decode(checked(agent.client.get("/agent/assignment")).content, type=Assignment)


def wanted(agent: Agent) -> list[WantedScan]:
    return assignment(agent).wanted_scans


def places(agent: Agent) -> set[tuple[str, str | None, str]]:
    return {(one.directory, one.name, one.mode.value) for one in wanted(agent)}


def ask(world: World, library: Item, mode: str = "changed", path: str | None = None) -> Item:
    body = {"mode": mode} | ({} if path is None else {"path": path})
    return dict(world.post(f"/libraries/{library['id']}/scan", body))


def job(world: World, asked: Item) -> Item:
    return dict(world.get(f"/jobs/{asked['id']}"))


def started(scan: WantedScan) -> ScanStarted:
    return ScanStarted(scan.id, scan.directory, scan.mode, scan.name)


def ended(scan: WantedScan, complete: bool = True, files: int = 7, errors: tuple[str, ...] = ()) -> ScanFinished:
    problems = [ScanProblem(directory, "EACCES") for directory in errors]
    return ScanFinished(
        scan=scan.id,
        directory=scan.directory,
        name=scan.name,
        complete=complete,
        directories=2,
        files=files,
        errors=len(errors),
        duration_s=1.5,
        problems=problems,
    )


def refreshed(world: World, library: Item) -> str | None:
    found: str | None = world.get(f"/libraries/{library['id']}")["refreshed_at"]
    return found


def refused(world: World, library: Item, body: dict[str, Any]) -> Problem:
    with pytest.raises(Problem) as error:
        world.post(f"/libraries/{library['id']}/scan", body)
    return error.value


class TestAsking:
    @pytest.mark.parametrize("mode", ["new", "changed", "full"])
    def test_all_of_a_library_is_asked_for_path_by_path(
        self, world: World, agent: Agent, library: Item, mode: str
    ) -> None:
        before = assignment(agent).revision
        asked = ask(world, library, mode)
        assert (asked["kind"], asked["state"], asked["library_id"]) == ("scan", "pending", library["id"])
        assert asked["cancellable"]
        assert (asked["scan"]["mode"], asked["scan"]["path"], asked["scan"]["complete"]) == (mode, None, None)
        assert [part["state"] for part in asked["scan"]["parts"]] == ["waiting", "waiting"]
        assert places(agent) == {("a", None, mode), ("b", None, mode)}
        assert {one.volume for one in wanted(agent)} == {agent.volume}
        assert assignment(agent).revision > before

    def test_an_agent_that_waits_for_its_assignment_hears_at_once(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        heard = threading.Event()

        def wait() -> None:
            tag = agent.client.get("/agent/assignment").headers["ETag"]
            ready.set()
            agent.client.get("/agent/assignment", headers={"If-None-Match": tag, "Prefer": "wait=30"})
            heard.set()

        ready = threading.Event()
        thread = threading.Thread(target=wait)
        thread.start()
        assert ready.wait(30)
        ask(world, library)
        assert heard.wait(15)
        thread.join(30)

    @pytest.mark.parametrize(
        ("path", "place"),
        [
            ("/mnt/usb/a/trip", ("a/trip", None)),
            ("/mnt/usb/a/trip/", ("a/trip", None)),
            ("/mnt/usb/a", ("a", None)),
            ("/mnt/usb/a/trip/1.jpg", ("a/trip", "1.jpg")),
            ("/mnt/usb/a/trip/nobody knows.heic", ("a/trip", "nobody knows.heic")),
            ("/mnt/usb/b/3.jpg.xmp", ("b", "3.jpg.xmp")),
            ("/mnt/usb/b/notes.txt", ("b/notes.txt", None)),
        ],
    )
    def test_a_path_is_a_folder_or_a_file(
        self, world: World, agent: Agent, library: Item, path: str, place: tuple[str, str | None]
    ) -> None:
        asked = ask(world, library, "changed", path)
        assert asked["scan"]["path"] == path.rstrip("/")
        assert places(agent) == {(*place, "changed")}

    def test_a_path_is_the_photo_servers_or_the_hosts(self, world: World, agent: Agent) -> None:
        path = {"agent": agent.id, "path": "/mnt/usb/a", "server_path": "/media/photos"}
        made = world.post("/libraries", {"owner": "anna", "import_paths": [path]})
        agent.bind(made, "a")
        ask(world, made, "new", "/media/photos/x")
        ask(world, made, "new", "/mnt/usb/a/y")
        agent.becomes(Reason.VERIFIED, "/mnt/elsewhere")
        ask(world, made, "new", "/mnt/elsewhere/a/z")
        assert places(agent) == {("a/x", None, "new"), ("a/y", None, "new"), ("a/z", None, "new")}

    def test_a_path_above_import_paths_is_all_of_these(self, world: World, agent: Agent, library: Item) -> None:
        ask(world, library, "new", "/mnt/usb")
        assert places(agent) == {("a", None, "new"), ("b", None, "new")}

    def test_a_path_may_be_any_bytes(self, world: World, agent: Agent) -> None:
        made = world.library(agent, "/mnt/usb")
        asked = ask(world, made, "new", "/mnt/usb/{a,b} 'c'\n/\0ff[1]")
        assert places(agent) == {("{a,b} 'c'\n/\0ff[1]", None, "new")}
        assert asked["scan"]["path"].endswith("\ufffd[1]")

    def test_a_branch_of_a_union_is_scanned_and_not_the_union(self, world: World) -> None:
        union = Union(world)
        asked = world.post(f"/libraries/{union.library['id']}/scan", {})
        assert {part["volume_id"] for part in asked["scan"]["parts"]} == {union.first, union.second}
        for path in ("/photos/2024", "/mnt/pool/2024"):
            asked = world.post(f"/libraries/{union.library['id']}/scan", {"mode": "full", "path": path})
            assert {(part["volume_id"], part["directory"]) for part in asked["scan"]["parts"]} == {
                (union.first, "2024"),
                (union.second, "sub/2024"),
            }
        asked = world.post(f"/libraries/{union.library['id']}/scan", {"mode": "full", "path": "/mnt/b/sub/x"})
        assert [(part["volume_id"], part["directory"]) for part in asked["scan"]["parts"]] == [(union.second, "sub/x")]

    def test_whoever_may_meet_the_volume_is_asked(self, world: World, agent: Agent, library: Item) -> None:
        other = Agent(world, "laptop", "laptop.home", volume=agent.volume)
        ask(world, library)
        assert places(other) == places(agent)


class TestRefusals:
    def test_what_cannot_be_scanned(self, world: World, agent: Agent, library: Item) -> None:
        assert refused(world, library, {"mode": "deep"}).code == "invalid-body"
        assert refused(world, library, {"depth": 1}).code == "invalid-body"
        assert refused(world, library, {"path": "relative"}).body["errors"][0]["pointer"] == "/path"
        assert refused(world, library, {"path": "/mnt/usb/a/../b"}).code == "invalid-body"
        outside = refused(world, library, {"path": "/mnt/usb/abc"})
        assert (outside.status, outside.code) == (422, "invalid-body")
        assert "none of the library's import paths" in outside.body["detail"]
        assert wanted(agent) == []
        assert world.get("/jobs")["items"] == []

    def test_what_is_excluded(self, world: World, agent: Agent) -> None:
        made = world.library(agent, "/mnt/usb", exclusion_patterns=["**/Raw/**", "**/*.tif"])
        for path in ("/mnt/usb/Raw", "/mnt/usb/Raw/deep", "/mnt/usb/Raw/a.jpg", "/mnt/usb/b.tif"):
            assert "is excluded by" in refused(world, made, {"path": path}).body["detail"]
        ask(world, made, "new", "/mnt/usb/Rawr")

    def test_a_library_that_is_not_there(self, world: World, agent: Agent, library: Item) -> None:
        checked(world.admin.delete(f"/libraries/{library['id']}"))
        assert refused(world, library, {}).status == 404
        assert refused(world, {"id": ids.to_text("library", new_id())}, {}).status == 404

    def test_a_library_without_import_paths(self, world: World) -> None:
        made = world.post("/libraries", {"owner": "anna"})
        assert "no import paths" in refused(world, made, {}).body["detail"]

    def test_one_that_leads_nowhere_fails_and_says_why(self, world: World, agent: Agent) -> None:
        path = {"agent": agent.id, "path": "/mnt/none"}
        made = world.post("/libraries", {"owner": "anna", "import_paths": [path]})
        asked = ask(world, made)
        assert (asked["state"], asked["scan"]["complete"]) == ("failed", False)
        assert "/mnt/none" in asked["error"]
        assert asked["scan"]["unbound"] == [made["import_paths"][0]["id"]]
        assert "not all lead to storage" in refused(world, made, {"path": "/mnt/none/x"}).body["detail"]

    @pytest.mark.parametrize("scope", ["reader"])
    def test_readers_may_not(self, world: World, agent: Agent, library: Item, scope: str) -> None:
        reader = world.client(world.token(scope))
        (asset, *_) = world.assets()
        assert reader.post(f"/libraries/{library['id']}/scan", json={}).status_code == 403
        assert reader.post(f"/assets/{asset['id']}/check").status_code == 403


class TestCoalescing:
    def test_asked_twice_it_is_one_job(self, world: World, agent: Agent, library: Item) -> None:
        first = ask(world, library)
        assert ask(world, library)["id"] == first["id"]
        agent.send(started(wanted(agent)[0]))
        assert ask(world, library)["id"] == first["id"]
        assert len(wanted(agent)) == 2

    def test_the_wider_and_the_closer_look_covers_the_other(self, world: World, agent: Agent, library: Item) -> None:
        full = ask(world, library, "full")
        for mode in ("new", "changed", "full"):
            for path in (None, "/mnt/usb/a", "/mnt/usb/a/trip", "/mnt/usb/a/trip/1.jpg"):
                assert ask(world, library, mode, path)["id"] == full["id"]

    def test_and_not_the_other_way_round(self, world: World, agent: Agent, library: Item) -> None:
        made = [
            ask(world, library, "new", "/mnt/usb/a/trip/1.jpg"),
            ask(world, library, "new", "/mnt/usb/a/trip/2.jpg"),
            ask(world, library, "new", "/mnt/usb/a/trip"),
            ask(world, library, "changed", "/mnt/usb/a/trip"),
            ask(world, library, "new", "/mnt/usb/a"),
            ask(world, library, "new"),
            ask(world, library, "full"),
        ]
        assert len({one["id"] for one in made}) == len(made)

    def test_what_has_ended_covers_nothing(self, world: World, agent: Agent, library: Item) -> None:
        first = ask(world, library)
        part, other = wanted(agent)
        agent.send(started(part), ended(part))
        assert ask(world, library)["id"] != first["id"]
        assert ask(world, library, "new", f"/mnt/usb/{other.directory}/x")["id"] == first["id"]

    def test_the_scan_of_another_library_is_another_job(self, world: World, agent: Agent, library: Item) -> None:
        made = world.library(agent, "/mnt/usb")
        assert ask(world, made)["id"] != ask(world, library)["id"]


class TestFollowing:
    def test_a_job_follows_its_parts_to_the_end(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        first, second = wanted(agent)
        agent.send(started(first))
        assert job(world, asked)["state"] == "running"
        agent.send(listed("a", "new.jpg"), ended(first, files=3))
        now = job(world, asked)
        assert (now["state"], now["done"], now["scan"]["complete"]) == ("running", 3, None)
        assert [part["state"] for part in now["scan"]["parts"]] == ["ended", "waiting"]
        assert wanted(agent) == [second]
        agent.send(started(second), ended(second, files=4))
        now = job(world, asked)
        assert (now["state"], now["done"], now["scan"]["complete"], now["error"]) == ("done", 7, True, None)
        assert now["result"] == {"directories": 4, "files": 7, "errors": 0}
        assert now["finished_at"] is not None
        assert not now["cancellable"]
        assert wanted(agent) == []
        assert [one["id"] for one in world.get("/jobs", state="done", library=library["id"])["items"]] == [asked["id"]]

    def test_directories_that_could_not_be_read_are_named(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library, path="/mnt/usb/a")
        (part,) = wanted(agent)
        agent.send(started(part), ended(part, complete=False, errors=("a/locked", "a/\0ff")))
        scan = job(world, asked)["scan"]
        assert (job(world, asked)["state"], scan["complete"]) == ("done", False)
        assert scan["parts"][0]["problems"] == [
            {"directory": "a/locked", "error": "EACCES"},
            {"directory": "a/\ufffd", "error": "EACCES"},
        ]
        assert job(world, asked)["result"]["errors"] == 2

    def test_progress_comes_with_heartbeats(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        first, _ = wanted(agent)

        def beat(who: Agent, fraction: float, files: int) -> None:
            progress = ScanProgress(
                scan=first.id,
                directory="a",
                fraction=fraction,
                directories=files,
                files=files,
                errors=0,
                elapsed_s=1.0,
            )
            made = Heartbeat(volumes=[], scans=[progress], version="1.0")
            checked(who.client.post("/agent/heartbeat", content=msgspec.json.encode(made), headers=JSON))

        def shown() -> tuple[float, int]:
            part = job(world, asked)["scan"]["parts"][0]
            return part["fraction"], part["files"]

        agent.send(started(first))
        _, cursor = world.changes()
        beat(agent, 0.25, 12)
        assert shown() == (0.25, 12)
        assert job(world, asked)["done"] == 12
        assert world.changes(cursor)[0] == [], "progress is no news for whoever follows the feed"
        stranger = Agent(world, "stranger", "elsewhere")
        stranger.heartbeat()
        beat(stranger, 0.9, 90)
        assert shown() == (0.25, 12)
        agent.send(ended(first, files=20))
        beat(agent, 0.5, 15)
        assert shown() == (1.0, 20), "a heartbeat that was late"

    def test_what_waits_says_what_for(self, world: World, agent: Agent, library: Item) -> None:
        agent.becomes(Reason.UNPLUGGED, None)
        asked = ask(world, library)
        assert asked["state"] == "pending"
        assert {part["waiting_for"] for part in asked["scan"]["parts"]} == {"usb: unplugged it is."}
        agent.becomes(Reason.VERIFIED)
        parts = job(world, asked)["scan"]["parts"]
        assert all("not begun" in part["waiting_for"] for part in parts)
        part, other = wanted(agent)
        agent.send(started(part))
        assert job(world, asked)["scan"]["parts"][0]["waiting_for"] is None
        agent.becomes(Reason.UNPLUGGED, None)
        assert [one["state"] for one in job(world, asked)["scan"]["parts"]] == ["waiting", "waiting"]
        agent.becomes(Reason.VERIFIED)
        agent.send(started(part), ended(part), started(other), ended(other))
        assert job(world, asked)["state"] == "done"

    def test_scans_of_no_job_are_as_before(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        stray = WantedScan(id=ids.to_text("scan", new_id()), volume=agent.volume, directory="a")
        agent.send(started(stray), ended(stray))
        assert job(world, asked)["state"] == "pending"

    def test_a_part_is_ended_by_nobody_but_its_volume(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        other = Agent(world, "other", "other.home")
        other.heartbeat()
        part, _ = wanted(agent)
        other.send(started(part), ended(part))
        assert [one["state"] for one in job(world, asked)["scan"]["parts"]] == ["waiting", "waiting"]

    def test_the_worker_leaves_scans_to_the_agents(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)
        assert job(world, asked)["state"] == "pending"


class TestCancelling:
    def test_one_that_waits(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        revision = assignment(agent).revision
        cancelled = world.post(f"/jobs/{asked['id']}/cancel", {})
        assert (cancelled["state"], cancelled["cancellable"], cancelled["scan"]["complete"]) == (
            "cancelled",
            False,
            False,
        )
        assert {part["state"] for part in cancelled["scan"]["parts"]} == {"dropped"}
        assert wanted(agent) == []
        assert assignment(agent).revision > revision
        assert world.post(f"/jobs/{asked['id']}/cancel", {}) == cancelled

    def test_one_that_runs_keeps_what_it_found(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        part, other = wanted(agent)
        agent.send(started(part), listed("a", "new.jpg"), ended(part), started(other))
        cancelled = world.post(f"/jobs/{asked['id']}/cancel", {})
        assert [one["state"] for one in cancelled["scan"]["parts"]] == ["ended", "dropped"]
        assert "/mnt/usb/a/new.jpg" in world.by_path()
        agent.send(ended(other))
        assert job(world, asked) == cancelled, "an end that was on its way"
        assert ask(world, library)["id"] != asked["id"]

    def test_one_that_has_ended_is_not_cancelled(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library, path="/mnt/usb/a")
        (part,) = wanted(agent)
        agent.send(started(part), ended(part))
        with pytest.raises(Problem) as error:
            world.post(f"/jobs/{asked['id']}/cancel", {})
        assert error.value.code == "job-not-cancellable"

    def test_a_library_that_is_deleted_cancels_its_scans(self, world: World, agent: Agent, library: Item) -> None:
        asked = ask(world, library)
        checked(world.admin.delete(f"/libraries/{library['id']}"))
        assert job(world, asked)["state"] == "cancelled"
        assert wanted(agent) == []

    def test_an_import_path_that_leaves_its_library_is_not_scanned_for_it(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        both, left = ask(world, library), ask(world, library, "full", "/mnt/usb/b")
        world.patch(f"/libraries/{library['id']}", {"import_paths": [{"id": library["import_paths"][0]["id"]}]})
        assert job(world, both)["state"] == "pending"
        assert (job(world, left)["state"], job(world, left)["scan"]["complete"]) == ("done", False)
        (part,) = wanted(agent)
        assert part.directory == "a"
        agent.send(started(part), ended(part))
        assert (job(world, both)["state"], job(world, both)["scan"]["complete"]) == ("done", False)


class TestRefreshing:
    def test_only_a_complete_scan_of_everything(self, world: World, agent: Agent, library: Item) -> None:
        ask(world, library)
        first, second = wanted(agent)
        agent.send(started(first), ended(first), started(second), ended(second, complete=False, errors=("b/x",)))
        assert refreshed(world, library) is None
        ask(world, library)
        first, second = wanted(agent)
        agent.send(started(first), ended(first))
        agent.send(started(second), ended(second))
        assert refreshed(world, library) is not None

    def test_r22_a_scan_of_a_path_or_of_a_file_refreshes_nothing(self, world: World, agent: Agent) -> None:
        made = world.library(agent, "/mnt/usb")
        for path in ("/mnt/usb/a", "/mnt/usb/1.jpg"):
            ask(world, made, "full", path)
            (part,) = wanted(agent)
            agent.send(started(part), ended(part))
        assert refreshed(world, made) is None
        stray = WantedScan(id=ids.to_text("scan", new_id()), volume=agent.volume, directory="", name="1.jpg")
        agent.send(started(stray), ended(stray))
        assert refreshed(world, made) is None

    def test_a_library_on_two_disks_is_as_fresh_as_the_one_that_was_scanned_before(self, world: World) -> None:
        disks = [Agent(world, name, f"{name}.home") for name in ("one", "two")]
        for one in disks:
            one.heartbeat()
        paths = [{"agent": one.id, "path": "/mnt/usb"} for one in disks]
        made = world.post("/libraries", {"owner": "anna", "import_paths": paths})
        for one in disks:
            one.bind(made, "")
        times = []
        for one in (disks[0], disks[0], disks[1], disks[1], disks[0]):
            scan = WantedScan(id=ids.to_text("scan", new_id()), volume=one.volume, directory="")
            one.send(started(scan), ended(scan))
            times.append(refreshed(world, made))
        none, still_none, first, second_time, both = times
        assert (none, still_none) == (None, None)
        assert first is not None
        assert second_time == first, "the disk that was scanned the longest time ago was not scanned again"
        assert both is not None
        assert both > first

    def test_a_scan_from_before_there_was_the_import_path_counts_for_nothing(self, world: World) -> None:
        disks = [Agent(world, name, f"{name}.home") for name in ("one", "two")]
        for one in disks:
            one.heartbeat()
            world.library(one, "/mnt/usb", name="another")
            scan = WantedScan(id=ids.to_text("scan", new_id()), volume=one.volume, directory="")
            one.send(started(scan), ended(scan))
        time.sleep(0.002)  # ids tell milliseconds
        paths = [{"agent": one.id, "path": "/mnt/usb"} for one in disks]
        made = world.post("/libraries", {"owner": "anna", "import_paths": paths})
        for one in disks:
            one.bind(made, "")
        scan = WantedScan(id=ids.to_text("scan", new_id()), volume=disks[0].volume, directory="")
        disks[0].send(started(scan), ended(scan))
        assert refreshed(world, made) is None


class TestChecking:
    def check(self, world: World, asset: Item, **query: float) -> Item:
        return dict(checked(world.admin.post(f"/assets/{asset['id']}/check", params=query)).json())

    @contextmanager
    def looking(self, agent: Agent, look: Callable[[WantedScan], list[Observation]]) -> Iterator[list[WantedScan]]:
        """An agent that waits for an assignment with something to look at, and looks."""
        looked: list[WantedScan] = []

        def serve() -> None:
            tag = agent.client.get("/agent/assignment").headers["ETag"]
            ready.set()
            while not looked:
                waiting = {"If-None-Match": tag, "Prefer": "wait=10"}
                answer = checked(agent.client.get("/agent/assignment", headers=waiting))
                tag = answer.headers["ETag"]
                for one in msgspec.json.decode(answer.content, type=Assignment).wanted_scans:
                    looked.append(one)
                    agent.send(started(one), *look(one))

        ready = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        assert ready.wait(30)
        try:
            yield looked
        finally:
            thread.join(30)

    def test_a_file_that_is_there(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        _, cursor = world.changes()
        with self.looking(agent, lambda one: [ended(one, files=1)]) as looked:
            answer = self.check(world, asset)
        assert (answer["looked"], answer["found"], answer["message"]) == (True, True, None)
        assert answer["asset"] == asset
        assert [(one.directory, one.name, one.mode) for one in looked] == [("a/trip", "1.jpg", ScanMode.CHANGED)]
        assert wanted(agent) == []
        assert world.value(sa.select(sa.func.count()).select_from(wanted_scan)) == 0
        assert world.get("/jobs")["items"] == []
        assert world.changes(cursor)[0] == [], "a look at one file is no scan that anybody is told of"

    def test_a_file_that_is_gone_is_answered_as_missing(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        with self.looking(agent, lambda one: [absent("a/trip", "1.jpg"), ended(one, files=0)]):
            answer = self.check(world, asset)
        assert (answer["looked"], answer["found"], answer["message"]) == (True, False, None)
        assert (answer["asset"]["id"], answer["asset"]["status"]) == (asset["id"], "missing")

    def test_r21_a_file_that_was_missed_once_is_not_missing(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        with self.looking(agent, lambda one: [ended(one, files=0)]):
            answer = self.check(world, asset)
        assert (answer["looked"], answer["found"], answer["asset"]["status"]) == (True, False, "present")
        assert "second look" in answer["message"]

    def test_a_file_that_has_changed_is_answered_as_it_is(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        changed = msgspec.structs.replace(listed("a/trip", "1.jpg").files[0], size=4711)
        with self.looking(agent, lambda one: [listed("a/trip", changed), ended(one, files=1)]):
            answer = self.check(world, asset)
        assert answer["asset"]["size"] == 4711

    def test_r27_on_a_volume_that_is_away_nobody_can_look_and_nothing_changes(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        agent.becomes(Reason.UNPLUGGED, None)
        answer = self.check(world, asset, wait=30)
        assert (answer["looked"], answer["found"], answer["message"]) == (False, None, "unplugged it is.")
        assert (answer["asset"]["status"], answer["asset"]["availability"]) == ("present", "unavailable")
        assert wanted(agent) == []

    def test_a_volume_that_goes_away_ends_the_wait(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]

        def goes_away(one: WantedScan) -> list[Observation]:
            agent.becomes(Reason.IO_ERROR)
            return []

        with self.looking(agent, goes_away):
            answer = self.check(world, asset, wait=30)
        assert (answer["looked"], answer["message"]) == (False, "io-error it is.")
        assert answer["asset"]["status"] == "present"
        assert wanted(agent) == []

    def test_an_agent_that_does_not_answer_is_not_waited_for_any_longer(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        answer = self.check(world, asset, wait=0.2)
        assert (answer["looked"], answer["found"]) == (False, None)
        assert "in time" in answer["message"]
        assert wanted(agent) == []

    def test_a_folder_that_cannot_be_read_says_nothing_of_the_file(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        with self.looking(agent, lambda one: [ended(one, complete=False, files=0, errors=("a/trip",))]):
            answer = self.check(world, asset)
        assert (answer["looked"], answer["asset"]["status"]) == (False, "present")
        assert "EACCES" in answer["message"]

    def test_a_file_that_nobody_looks_after(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        with self.looking(agent, lambda one: [ended(one, complete=False, files=0)]):
            answer = self.check(world, asset)
        assert not answer["looked"]
        assert "no import path" in answer["message"]

    def test_what_was_removed_is_not_looked_for(self, world: World, agent: Agent, library: Item) -> None:
        asset = world.by_path()["/mnt/usb/a/trip/1.jpg"]
        checked(world.admin.delete(f"/libraries/{library['id']}"))
        Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)
        answer = self.check(world, asset)
        assert (answer["looked"], answer["asset"]["status"]) == (False, "removed")

    def test_bad_questions(self, world: World, agent: Agent, library: Item) -> None:
        (asset, *_) = world.assets()
        assert world.admin.post(f"/assets/{ids.to_text('asset', new_id())}/check").status_code == 404
        for wait in ("-1", "31", "long", "nan"):
            assert world.admin.post(f"/assets/{asset['id']}/check", params={"wait": wait}).status_code == 400

    def test_what_nobody_waits_for_any_more_is_forgotten(self, world: World, agent: Agent, library: Item) -> None:
        (asset, *_) = world.assets()
        with world.engine.begin() as connection:
            row = {"id": new_id(), "volume_id": ids.from_text("volume", agent.volume), "directory": b"a", "name": b"x"}
            figures = dict.fromkeys(("fraction", "directories", "files", "errors"), 0)
            connection.execute(wanted_scan.insert().values(**row, **figures, mode="new", asked_at=1, problems="[]"))
        assert len(wanted(agent)) == 1
        self.check(world, asset, wait=0)
        assert wanted(agent) == []


def test_a_scan_shows_in_the_feed_as_any_other(world: World, agent: Agent, library: Item) -> None:
    _, cursor = world.changes()
    ask(world, library, path="/mnt/usb/a")
    (part,) = wanted(agent)
    agent.send(started(part), ended(part))
    items, _ = world.changes(cursor)
    assert kinds(items) == ["scan.finished"]
    assert (items[0]["state"]["id"], items[0]["state"]["mode"]) == (part.id, "changed")
