"""Removing what is missing, and bringing it back: through the API and the worker, on every engine."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import ids
from holdfast.reports import Observation, ScanFinished, ScanStarted
from holdfast.volumes import Epoch, Reason
from sidecar import removal as decisions
from sidecar.catalog import clock, removal, restoring, volumes
from sidecar.catalog.engine import transact
from sidecar.worker import Worker
from tests.sidecar.watched import Days
from tests.sidecar.world import Agent, Item, Problem, World, absent, checked, file, kinds, listed, moved, new_id

DAY_S = 86_400
HOUR_S = 3_600


@pytest.fixture
def library(world: World, agent: Agent) -> Item:
    """A library with three photos in trip, of which b.jpg is missing, and one elsewhere."""
    made = world.library(agent)
    agent.send(listed("trip", "a.jpg", "b.jpg", "c.jpg"), listed("other", "d.jpg"))
    agent.send(absent("trip", "b.jpg"))
    return made


def work(world: World) -> None:
    """A worker comes by."""
    Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)


def ask(world: World, library: Item, **wanted: Any) -> Item:
    """Ask for a removal, and let the worker ask for looks."""
    job = dict(world.post(f"/libraries/{library['id']}/remove-missing", wanted))
    work(world)
    return job


def looks(agent: Agent) -> list[Item]:
    """What the agent is asked to look at."""
    return list(agent.client.get("/agent/assignment").json()["wanted_scans"])


def finished(scan: str, directory: str, *, complete: bool = True, errors: int = 0) -> ScanFinished:
    figures = {"directories": 1, "files": 1, "errors": errors, "duration_s": 0.1}
    return ScanFinished(scan=scan, directory=directory, complete=complete, **figures)


def look(agent: Agent, *found: Observation, complete: bool = True, errors: int = 0) -> list[str]:
    """The agent looks at all that it is asked to look at; returns the directories."""
    wanted = looks(agent)
    for one in wanted:
        end = finished(one["id"], one["directory"], complete=complete, errors=errors)
        agent.send(ScanStarted(one["id"], one["directory"], one["mode"]), *found, end)
    return [one["directory"] for one in wanted]


def after(world: World, job: Item) -> Item:
    """The job, when the worker has come by."""
    work(world)
    return dict(world.get(f"/jobs/{job['id']}"))


def removed(world: World, agent: Agent, library: Item, **wanted: Any) -> Item:
    """A removal with its looks, from the beginning to the end."""
    job = ask(world, library, **wanted)
    look(agent)
    done = after(world, job)
    assert done["state"] == "done"
    return done


def statuses(world: World, library: Item) -> dict[str, str]:
    return {one["file_name"]: one["status"] for one in world.assets(library=library["id"])}


def refusal(world: World, path: str) -> str:
    with pytest.raises(Problem) as caught:
        world.post(path, {})
    assert caught.value.status == 409
    return caught.value.code


class TestRemoving:
    def test_r25_what_is_missing_is_removed_when_somebody_has_looked_for_it(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        (gone,) = world.assets(library=library["id"], status="missing")
        world.patch(f"/assets/{gone['id']}", {"trashed": True, "foreign_id": "immich-7"})
        _, since = world.changes()
        job = ask(world, library)
        assert (job["kind"], job["parameters"]) == ("remove-missing", {"dry_run": False, "older_than_s": None})
        waiting = after(world, job)
        assert waiting["state"] == "running"
        assert statuses(world, library)["b.jpg"] == "missing", "nobody has looked yet"
        assert look(agent) == ["trip"]
        done = after(world, job)
        assert (done["state"], done["done"], done["result"]) == ("done", 1, {"removed": 1})
        assert statuses(world, library) == {
            "a.jpg": "present",
            "b.jpg": "removed",
            "c.jpg": "present",
            "d.jpg": "present",
        }
        items, _ = world.changes(since)
        (told,) = [one for one in items if one["entity"] == "asset"]
        assert (told["kind"], told["id"]) == ("asset.removed", gone["id"])
        after_all = world.get(f"/assets/{gone['id']}")
        assert after_all["trashed_at"] is not None
        assert after_all["foreign_id"] == "immich-7"
        step = world.get(f"/assets/{gone['id']}/history")["items"][0]
        assert (step["from_status"], step["to_status"], step["reason"]) == ("missing", "removed", "removed")
        assert step["job_id"] == job["id"]
        assert looks(agent) == []

    def test_a_file_that_comes_back_after_it_is_another_asset(self, world: World, agent: Agent, library: Item) -> None:
        (gone,) = world.assets(library=library["id"], status="missing")
        removed(world, agent, library)
        agent.send(listed("trip", "b.jpg"))
        found = {one["id"]: one["status"] for one in world.assets(library=library["id"])}
        assert found[gone["id"]] == "removed"
        (again,) = world.post("/assets/lookup", {"paths": ["/mnt/usb/trip/b.jpg"]})["items"][0]["assets"]
        assert again["id"] != gone["id"]

    @pytest.mark.parametrize("how", [{"complete": False}, {"errors": 1}, {"complete": False, "errors": 1}])
    def test_r22_a_look_that_was_not_complete_removes_nothing(
        self, world: World, agent: Agent, library: Item, how: dict[str, Any]
    ) -> None:
        job = ask(world, library)
        look(agent, **how)
        assert after(world, job)["result"] == {"unverified": 1}
        assert statuses(world, library)["b.jpg"] == "missing"

    def test_a_scan_that_nobody_asked_for_is_no_look(self, world: World, agent: Agent, library: Item) -> None:
        job = ask(world, library)
        agent.send(ScanStarted(_scan_id(), "", "full"), finished(_scan_id(), ""))
        assert after(world, job)["state"] == "running"
        assert statuses(world, library)["b.jpg"] == "missing"

    def test_r1_what_the_look_finds_stays(self, world: World, agent: Agent, library: Item) -> None:
        job = ask(world, library)
        look(agent, listed("trip", "b.jpg"))
        assert after(world, job)["result"] == {}
        assert statuses(world, library)["b.jpg"] == "present"

    def test_what_went_missing_after_the_look_was_asked_for_is_left_for_another_time(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        job = ask(world, library)
        agent.send(absent("trip", "a.jpg"))
        look(agent)
        assert after(world, job)["result"] == {"removed": 1, "changed": 1}
        assert statuses(world, library)["a.jpg"] == "missing"

    def test_a_dry_run_looks_and_removes_nothing(self, world: World, agent: Agent, library: Item) -> None:
        _, since = world.changes()
        done = removed(world, agent, library, dry_run=True)
        assert done["result"] == {"would_be_removed": 1}
        assert statuses(world, library)["b.jpg"] == "missing"
        assert [one for one in world.changes(since)[0] if one["entity"] == "asset"] == []
        assert refusal(world, f"/jobs/{done['id']}/undo") == "job-not-undoable"

    def test_where_nothing_is_missing_nobody_is_asked(self, world: World, agent: Agent) -> None:
        made = world.library(agent)
        agent.send(listed("", "a.jpg"))
        job = ask(world, made)
        assert looks(agent) == []
        assert after(world, job)["result"] == {}

    def test_what_waits_in_a_hold_is_not_missing(self, world: World, agent: Agent) -> None:
        made = world.library(agent)
        world.patch("/settings", {"guard_files": 0, "guard_percent": 0})
        agent.send(listed("trip", "a.jpg"))
        agent.send(absent("trip", "a.jpg"))
        assert len(world.get("/holds")["items"]) == 1
        assert removed(world, agent, made)["result"] == {}
        assert statuses(world, made) == {"a.jpg": "present"}

    def test_r29_what_is_excluded_is_not_missing(self, world: World, agent: Agent, library: Item) -> None:
        world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": ["**/trip/**"]})
        assert removed(world, agent, library)["result"] == {}
        assert statuses(world, library)["b.jpg"] == "excluded"

    def test_asked_twice_it_is_one_job_and_a_dry_run_another(self, world: World, agent: Agent, library: Item) -> None:
        first = ask(world, library)
        assert ask(world, library)["id"] == first["id"]
        dry = ask(world, library, dry_run=True)
        assert dry["id"] != first["id"]
        look(agent)
        assert after(world, first)["result"] == {"removed": 1}
        assert world.get(f"/jobs/{dry['id']}")["result"] == {}, "the other one was faster"
        assert ask(world, library)["id"] != first["id"]

    def test_a_cancelled_job_wants_no_looks_any_more(self, world: World, agent: Agent, library: Item) -> None:
        job = ask(world, library)
        assert len(looks(agent)) == 1
        assert world.post(f"/jobs/{job['id']}/cancel", {})["state"] == "cancelled"
        assert looks(agent) == []
        assert after(world, job)["state"] == "cancelled"
        assert statuses(world, library)["b.jpg"] == "missing"

    def test_a_library_that_is_not_there_has_nothing_missing(self, world: World, agent: Agent, library: Item) -> None:
        checked(world.admin.delete(f"/libraries/{library['id']}"))
        with pytest.raises(Problem) as caught:
            world.post(f"/libraries/{library['id']}/remove-missing", {})
        assert caught.value.code == "not-found"

    @pytest.mark.parametrize("body", [{"older_than_s": -1}, {"dry_run": "yes"}, {"all": True}])
    def test_what_cannot_be_meant_is_refused(self, world: World, library: Item, body: Item) -> None:
        with pytest.raises(Problem) as caught:
            world.post(f"/libraries/{library['id']}/remove-missing", body)
        assert (caught.value.status, caught.value.code) == (422, "invalid-body")
        assert [one for one in world.get("/jobs")["items"] if one["kind"] == "remove-missing"] == []


class TestStorage:
    def test_r27_what_is_on_storage_that_is_away_stays(self, world: World, agent: Agent, library: Item) -> None:
        agent.becomes(Reason.UNPLUGGED, None)
        job = ask(world, library)
        assert looks(agent) == [], "nobody could look"
        assert after(world, job)["result"] == {"unavailable": 1}
        assert statuses(world, library)["b.jpg"] == "missing"

    def test_r27_storage_that_goes_away_after_the_look_keeps_everything(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        job = ask(world, library)
        look(agent)
        agent.becomes(Reason.IO_ERROR)
        assert after(world, job)["result"] == {"unavailable": 1}
        assert statuses(world, library)["b.jpg"] == "missing"

    def test_a_look_in_an_earlier_attachment_proves_nothing(self, world: World, agent: Agent, library: Item) -> None:
        """While it was away the file may have been put back elsewhere."""
        job = ask(world, library)
        look(agent)
        agent.becomes(Reason.UNPLUGGED, None)
        agent.becomes(Reason.VERIFIED, epoch=Epoch("boot", 8, 2))
        assert after(world, job)["result"] == {"unverified": 1}
        assert statuses(world, library)["b.jpg"] == "missing"

    def test_storage_that_goes_away_before_the_look_ends_the_waiting(
        self, world: World, agent: Agent, library: Item
    ) -> None:
        job = ask(world, library)
        agent.becomes(Reason.UNPLUGGED, None)
        done = after(world, job)
        assert (done["state"], done["result"]) == ("done", {"unavailable": 1})
        agent.becomes(Reason.VERIFIED)
        assert looks(agent) == [], "nobody waits for it any more"

    def test_r36_a_silent_agent_removes_nothing(self, world: World, agent: Agent, library: Item) -> None:
        job = ask(world, library)
        look(agent)
        worker = Worker(world.engine, 30.0, new_id(), 0.0)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Worker, "_do_jobs", lambda *_: None)
            worker.step(0.0)
            worker.step(31.0)
        assert world.get(f"/volumes/{agent.volume}")["state"] == "unknown"
        assert after(world, job)["result"] == {"unavailable": 1}

    def test_only_the_volumes_that_are_there_are_cleared(self, world: World) -> None:
        here, away = Agent(world, "here"), Agent(world, "away")
        paths = [{"agent": one.id, "path": "/mnt/usb"} for one in (here, away)]
        for one in (here, away):
            one.heartbeat()
        made = world.post("/libraries", {"owner": "anna", "import_paths": paths})
        for one, name in ((here, "a.jpg"), (away, "b.jpg")):
            one.bind(made, "")
            one.send(listed("trip", name, "keep.jpg"))
            one.send(absent("trip", name))
        away.becomes(Reason.NOT_MOUNTED, None)
        assert removed(world, here, made)["result"] == {"removed": 1, "unavailable": 1}
        assert statuses(world, made) == {"a.jpg": "removed", "b.jpg": "missing", "keep.jpg": "present"}


class TestPlaces:
    def test_a_folder_that_is_gone_is_looked_for_in_the_one_that_is_left(self, world: World, agent: Agent) -> None:
        made = world.library(agent)
        agent.send(listed("2024/trip/raw", "a.jpg"), listed("2024/home", "b.jpg"))
        agent.send(absent("2024/trip/raw", "a.jpg"))
        job = ask(world, made)
        assert look(agent) == ["2024"]
        assert after(world, job)["result"] == {"removed": 1}

    def test_nothing_above_an_import_path_is_looked_at(self, world: World, agent: Agent) -> None:
        made = world.library(agent, "/mnt/usb/photos")
        agent.send(listed("photos/trip", "a.jpg"))
        agent.send(absent("photos/trip", "a.jpg"))
        job = ask(world, made)
        assert look(agent) == ["photos"]
        assert after(world, job)["result"] == {"removed": 1}

    def test_a_name_that_merely_begins_alike_is_not_covered(self, world: World, agent: Agent) -> None:
        made = world.library(agent)
        agent.send(listed("trip", "a.jpg", "b.jpg"), listed("trip2", "c.jpg", "d.jpg"))
        agent.send(absent("trip", "a.jpg"), absent("trip2", "c.jpg"))
        job = ask(world, made)
        first, second = looks(agent)
        assert [first["directory"], second["directory"]] == ["trip", "trip2"]
        agent.send(finished(first["id"], "trip"), finished(second["id"], "trip2", complete=False))
        assert after(world, job)["result"] == {"removed": 1, "unverified": 1}

    def test_of_very_many_folders_all_is_looked_through(
        self, world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(decisions, "DIRECTORIES_MAX", 3)
        made = world.library(agent, "/mnt/usb/photos")
        for number in range(5):
            agent.send(listed(f"photos/{number}", "a.jpg", "b.jpg"))
            agent.send(absent(f"photos/{number}", "a.jpg"))
        job = ask(world, made)
        assert look(agent) == ["photos"]
        assert after(world, job)["result"] == {"removed": 5}

    def test_r37_names_that_are_no_text_are_looked_for_too(self, world: World, agent: Agent) -> None:
        made = world.library(agent)
        agent.send(listed("caf%E9 \n", "a.jpg", "b.jpg"))
        agent.send(absent("caf%E9 \n", "a.jpg"))
        job = ask(world, made)
        assert look(agent) == ["caf%E9 \n"]
        assert after(world, job)["result"] == {"removed": 1}

    def test_a_photo_that_lost_its_path_to_another_is_removed_and_comes_back_as_it_was(
        self, world: World, agent: Agent
    ) -> None:
        made = world.library(agent)
        agent.send(listed("d", "a.jpg", "b.jpg"))
        before = world.by_path()["/mnt/usb/d/b.jpg"]
        agent.send(moved("d", "d", ("a.jpg", "b.jpg")))
        done = removed(world, agent, made)
        assert done["result"] == {"removed": 1}
        restored = world.post(f"/assets/{before['id']}/restore", {})
        assert (restored["status"], restored["path"]) == ("missing", "/mnt/usb/d/b.jpg")
        assert sorted(one["status"] for one in world.assets()) == ["missing", "present"]


class TestAge:
    def test_r24_a_disk_in_a_drawer_does_not_age(
        self, world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        days = Days(monkeypatch, agent)
        made = world.library(agent)
        agent.send(listed("trip", "a.jpg", "b.jpg"))
        agent.send(absent("trip", "b.jpg"))
        days.online(HOUR_S / 2)
        days.away(365 * DAY_S)
        assert removed(world, agent, made, older_than_s=HOUR_S)["result"] == {"too_recent": 1}
        days.online(HOUR_S / 2 + 60)
        assert removed(world, agent, made, older_than_s=HOUR_S)["result"] == {"removed": 1}

    def test_r24_retention_removes_by_night_what_was_missing_for_long_enough(
        self, world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        night = Nights(world, monkeypatch)
        made = world.library(agent)
        agent.send(listed("trip", "a.jpg", "b.jpg"))
        agent.send(absent("trip", "b.jpg"))
        online_for(world, agent, DAY_S)
        assert night.comes()["result"] == {"scans": 1, "removals": 0, "deletions": 0}, "off by default"
        world.patch("/settings", {"retention_s": 2 * DAY_S})
        assert night.comes()["result"]["removals"] == 0
        world.patch("/settings", {"retention_s": DAY_S})
        assert night.comes()["result"]["removals"] == 1
        (job,) = [one for one in world.get("/jobs")["items"] if one["kind"] == "remove-missing"]
        assert (job["requested_by"], job["parameters"]["older_than_s"]) == ("the nightly schedule", DAY_S)
        work(world)
        look(agent)
        assert after(world, job)["result"] == {"removed": 1}
        (asset,) = world.assets(library=made["id"], status="removed")

        # Undone, it has its time again, and is not gone the next night.
        world.post(f"/jobs/{job['id']}/undo", {})
        work(world)
        assert world.get(f"/assets/{asset['id']}")["missing_online_s"] == 0
        assert night.comes()["result"]["removals"] == 0

    def test_r36_by_night_nothing_is_asked_of_storage_that_is_away(
        self, world: World, agent: Agent, library: Item, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        night = Nights(world, monkeypatch)
        agent.becomes(Reason.UNPLUGGED, None)
        for _ in range(2):
            assert night.comes()["result"] == {"scans": 0, "removals": 0, "deletions": 0}
        assert looks(agent) == []
        agent.becomes(Reason.VERIFIED)
        assert night.comes()["result"]["scans"] == 1
        (wanted,) = looks(agent)
        assert (wanted["directory"], wanted["mode"]) == ("", "changed")
        assert night.comes()["result"]["scans"] == 1
        assert looks(agent) == [wanted], "what was not done yet is not asked for again"


class TestUndoing:
    def test_r25_undo_brings_the_same_assets_back_as_they_were(self, world: World, agent: Agent, library: Item) -> None:
        (before,) = world.assets(library=library["id"], status="missing")
        before = world.patch(f"/assets/{before['id']}", {"trashed": True, "foreign_id": "immich-7"})
        done = removed(world, agent, library)
        _, since = world.changes()
        answer = checked(world.admin.post(f"/jobs/{done['id']}/undo"))
        undo = answer.json()
        assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/jobs/{undo['id']}")
        assert (undo["kind"], undo["parameters"]) == ("restore", {"job_id": done["id"]})
        assert after(world, undo)["result"] == {"restored": 1}
        asset = world.get(f"/assets/{before['id']}")
        known = ("id", "path", "missing_since", "trashed_at", "foreign_id", "status", "removed_at")
        assert {name: asset[name] for name in known} == {name: before[name] for name in known}
        assert kinds(world.changes(since)[0]) == ["asset.missing"]
        step = world.get(f"/assets/{before['id']}/history")["items"][0]
        assert (step["from_status"], step["to_status"], step["reason"]) == ("removed", "missing", "undone")
        assert step["job_id"] == undo["id"]
        agent.send(listed("trip", "b.jpg"))
        assert statuses(world, library)["b.jpg"] == "present", "and the file is known again"
        assert after(world, world.post(f"/jobs/{done['id']}/undo", {}))["result"] == {}, "twice is harmless"

    def test_one_asset_is_restored_by_itself(self, world: World, agent: Agent, library: Item) -> None:
        agent.send(absent("trip", "c.jpg"))
        done = removed(world, agent, library)
        assert done["result"] == {"removed": 2}
        one = next(one for one in world.assets(status="removed") if one["file_name"] == "b.jpg")
        restored = world.post(f"/assets/{one['id']}/restore", {})
        assert (restored["id"], restored["status"], restored["removed_at"]) == (one["id"], "missing", None)
        assert world.post(f"/assets/{one['id']}/restore", {}) == restored, "again is harmless"
        assert after(world, world.post(f"/jobs/{done['id']}/undo", {}))["result"] == {"restored": 1}

    def test_what_is_not_removed_stays_as_it_is(self, world: World, library: Item) -> None:
        for one in world.assets():
            assert world.post(f"/assets/{one['id']}/restore", {}) == one

    def test_a_path_that_was_taken_is_not_given_back(self, world: World, agent: Agent, library: Item) -> None:
        agent.send(absent("trip", "c.jpg"))
        done = removed(world, agent, library)
        agent.send(listed("trip", "b.jpg"))
        gone = {one["file_name"]: one["id"] for one in world.assets(status="removed")}
        assert refusal(world, f"/assets/{gone['b.jpg']}/restore") == "path-taken"
        assert after(world, world.post(f"/jobs/{done['id']}/undo", {}))["result"] == {"path_taken": 1, "restored": 1}
        assert world.get(f"/assets/{gone['b.jpg']}")["status"] == "removed"
        assert world.get(f"/assets/{gone['c.jpg']}")["status"] == "missing"

    def test_what_went_with_its_library_does_not_come_back(self, world: World, agent: Agent, library: Item) -> None:
        done = removed(world, agent, library)
        (gone,) = world.assets(status="removed")
        checked(world.admin.delete(f"/libraries/{library['id']}"))
        work(world)
        assert refusal(world, f"/assets/{gone['id']}/restore") == "not-restorable"
        for one in world.assets(library=library["id"]):
            assert refusal(world, f"/assets/{one['id']}/restore") == "not-restorable"
        assert after(world, world.post(f"/jobs/{done['id']}/undo", {}))["result"] == {"gone": 1}

    def test_only_a_removal_that_is_over_can_be_undone(self, world: World, agent: Agent, library: Item) -> None:
        job = ask(world, library)
        assert refusal(world, f"/jobs/{job['id']}/undo") == "job-not-undoable"
        look(agent)
        done = after(world, job)
        undo = world.post(f"/jobs/{done['id']}/undo", {})
        assert world.post(f"/jobs/{done['id']}/undo", {})["id"] == undo["id"], "one undoing is enough"
        assert refusal(world, f"/jobs/{undo['id']}/undo") == "job-not-undoable"

    def test_r29_the_rules_of_today_hold_for_what_comes_back(self, world: World, agent: Agent, library: Item) -> None:
        removed(world, agent, library)
        (gone,) = world.assets(status="removed")
        world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": ["**/trip/**"]})
        assert world.post(f"/assets/{gone['id']}/restore", {})["excluded_by"] == "**/trip/**"
        world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": []})
        assert world.get(f"/assets/{gone['id']}")["status"] == "missing"

    def test_an_xmp_file_that_came_or_went_meanwhile_is_known(self, world: World, agent: Agent) -> None:
        made = world.library(agent)
        agent.send(listed("d", "a.jpg", "a.xmp", "b.jpg", "c.jpg"))
        agent.send(absent("d", "a.jpg", "b.jpg"))
        removed(world, agent, made)
        gone = {one["file_name"]: one["id"] for one in world.assets(status="removed")}
        agent.send(absent("d", "a.xmp"), listed("d", "b.jpg.xmp"))
        assert world.post(f"/assets/{gone['a.jpg']}/restore", {})["sidecar_path"] is None
        assert world.post(f"/assets/{gone['b.jpg']}/restore", {})["sidecar_path"] == "/mnt/usb/d/b.jpg.xmp"

    def test_removed_and_undone_again_and_again(self, world: World, agent: Agent, library: Item) -> None:
        for _ in range(3):
            done = removed(world, agent, library)
            assert done["result"] == {"removed": 1}
            assert after(world, world.post(f"/jobs/{done['id']}/undo", {}))["result"] == {"restored": 1}
        assert len(world.assets()) == 4


class TestLarge:
    COUNT = 25

    @pytest.fixture
    def many(self, world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Item:
        """A library in which much is missing, more than is dealt with at once."""
        monkeypatch.setattr(removal, "BATCH", 4)
        monkeypatch.setattr(removal, "GATHERED", 7)
        monkeypatch.setattr(restoring, "BATCH", 4)
        made = world.library(agent)
        names = [f"{number:02}.jpg" for number in range(self.COUNT)]
        agent.send(listed("trip", "keep.jpg", *names))
        agent.send(absent("trip", *names))
        return made

    def test_batches_add_up_and_so_do_those_of_the_undoing(self, world: World, agent: Agent, many: Item) -> None:
        done = removed(world, agent, many)
        assert (done["done"], done["result"]) == (self.COUNT, {"removed": self.COUNT})
        undone = after(world, world.post(f"/jobs/{done['id']}/undo", {}))
        assert (undone["done"], undone["result"]) == (self.COUNT, {"restored": self.COUNT})

    def test_whoever_takes_over_goes_on_where_the_other_one_died(
        self, world: World, agent: Agent, many: Item, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = ask(world, many)
        look(agent)
        bury, left = removal._bury, [2]

        def dies(*arguments: Any) -> None:
            if not left[0]:
                raise SystemExit
            left[0] -= 1
            bury(*arguments)

        monkeypatch.setattr(removal, "_bury", dies)
        with pytest.raises(SystemExit):
            work(world)
        monkeypatch.setattr(removal, "_bury", bury)
        assert sum(one["status"] == "removed" for one in world.assets()) == 8
        assert after(world, job)["result"] == {"removed": self.COUNT}

    def test_of_a_job_that_was_cancelled_what_was_done_can_be_undone(
        self, world: World, agent: Agent, many: Item, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sidecar.worker._JOB_BATCHES", 3)
        job = ask(world, many)
        for _ in range(3):  # everything is gathered
            work(world)
        look(agent)
        part = after(world, job)
        assert part["state"] == "running"
        assert 0 < part["result"]["removed"] < self.COUNT
        cancelled = world.post(f"/jobs/{job['id']}/cancel", {})
        assert cancelled["result"] == part["result"]
        undo = world.post(f"/jobs/{job['id']}/undo", {})
        while (undone := after(world, undo))["state"] != "done":
            pass
        assert undone["result"] == {"restored": part["result"]["removed"]}


def online_for(world: World, agent: Agent, seconds: int) -> None:
    """So much time passes in which heartbeats find the volume in order."""
    key = ids.from_text("volume", agent.volume)
    assert key is not None
    transact(world.engine, lambda connection: volumes.credit(connection, [key], seconds * 1_000_000))


class Nights:
    """The schedule, and the clock that it is followed by."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._world = world
        self._now = 1_780_000_000_000_000
        monkeypatch.setattr(clock, "of_database", lambda _connection: self._now)
        work(world)

    def comes(self) -> Item:
        """A night passes; its job."""
        self._now += DAY_S * 1_000_000
        work(self._world)
        job = next(one for one in self._world.get("/jobs")["items"] if one["kind"] == "nightly")
        assert job["state"] == "done"
        return dict(job)


def _scan_id() -> str:
    return ids.to_text("scan", new_id())


def test_missing_and_trashed_and_away_are_three_facts(world: World, agent: Agent) -> None:
    """The four transitions: a file that goes, one that goes from the bin, and the return of each."""
    world.library(agent)
    agent.send(listed("", "plain.jpg", "binned.jpg", file("kept.jpg", 7)))
    known = {one["file_name"]: one["id"] for one in world.assets()}
    binned_at = world.patch(f"/assets/{known['binned.jpg']}", {"trashed": True})["trashed_at"]

    def shown() -> dict[str, tuple[str, str, bool]]:
        return {
            one["file_name"]: (one["status"], one["availability"], one["trashed_at"] == binned_at)
            for one in world.assets()
        }

    agent.becomes(Reason.UNPLUGGED, None)
    assert shown()["plain.jpg"] == ("present", "unavailable", False)
    assert shown()["binned.jpg"] == ("present", "unavailable", True)
    agent.becomes(Reason.VERIFIED)
    agent.send(absent("", "plain.jpg", "binned.jpg"))
    assert shown()["plain.jpg"] == ("missing", "online", False)
    assert shown()["binned.jpg"] == ("missing", "online", True)
    agent.send(listed("", "plain.jpg", "binned.jpg"))
    assert shown()["plain.jpg"] == ("present", "online", False)
    assert shown()["binned.jpg"] == ("present", "online", True)
    assert {one["file_name"]: one["id"] for one in world.assets()} == known
    assert [one["file_name"] for one in world.assets(trashed=True)] == ["binned.jpg"]
    world.patch(f"/assets/{known['binned.jpg']}", {"trashed": False})
    assert world.assets(trashed=True) == []
