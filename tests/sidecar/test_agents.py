"""Agents: enrolment, heartbeats, bindings, assignments, silence, revocation."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.assignments import Assignment, Binding, BindingState, EnrolRequest, Heartbeat
from holdfast.volumes import Reason, VolumeState
from sidecar.catalog.tables import agent as agent_table
from sidecar.catalog.tables import clock, volume_transition
from tests.sidecar.world import JSON, Agent, Item, Problem, World, checked, kinds, listed, new_id


def enrol(world: World, token: str, name: str = "nas", host: str = "nas.home") -> Item:
    request = EnrolRequest(name=name, host=host, version="1.0")
    answer = world.client(token).post("/agent/enrol", content=msgspec.json.encode(request), headers=JSON)
    return dict(checked(answer).json())


class TestEnrolment:
    def test_a_token_enrols_one_agent(self, world: World) -> None:
        token = world.token("enrol")
        enrolled = enrol(world, token)
        shown = world.get(f"/agents/{enrolled['agent']}")
        assert (shown["name"], shown["host"], shown["revoked_at"]) == ("nas", "nas.home", None)
        assert checked(world.client(enrolled["token"]).get("/agent/assignment")).status_code == 200
        with pytest.raises(Problem) as error:
            enrol(world, token, "second")
        assert error.value.code == "unauthorized"

    def test_r26_an_agent_that_was_installed_anew_is_the_same(self, world: World, agent: Agent) -> None:
        library = world.library(agent)
        agent.send(listed("", "a.jpg"))
        again = enrol(world, world.token("enrol"))
        assert again["agent"] == agent.id
        assert agent.client.get("/agent/assignment").status_code == 401, "the token of before is revoked"
        assignment = checked(world.client(again["token"]).get("/agent/assignment")).json()
        assert [one["id"] for one in assignment["volumes"]] == [agent.volume]
        assert [one["library"] for one in assignment["import_paths"]] == [library["id"]]

    def test_a_name_belongs_to_one_host(self, world: World, agent: Agent) -> None:
        token = world.token("enrol")
        with pytest.raises(Problem) as error:
            enrol(world, token, agent.name, "elsewhere")
        assert (error.value.status, error.value.code) == (409, "agent-name-taken")
        assert enrol(world, token, "other", "elsewhere")["agent"] != agent.id, "the token was not used up"

    @pytest.mark.parametrize("name", ["", " nas", "x" * 129])
    def test_a_name_that_is_none_is_refused(self, world: World, name: str) -> None:
        with pytest.raises(Problem) as error:
            enrol(world, world.token("enrol"), name)
        assert error.value.body["errors"][0]["pointer"] == "/name"

    def test_another_protocol_is_refused(self, world: World) -> None:
        body = {"name": "nas", "host": "h", "version": "9", "protocol": 9}
        answer = world.client(world.token("enrol")).post("/agent/enrol", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/protocol")


class TestHeartbeats:
    def test_quiet_is_normal(self, world: World, agent: Agent) -> None:
        _, since = world.changes()
        number = world.value(sa.select(clock.c.value))
        for _ in range(3):
            agent.heartbeat()
        assert world.value(sa.select(clock.c.value)) == number
        assert world.changes(since)[0] == []

    def test_a_new_state_is_told_with_its_reason(self, world: World, agent: Agent) -> None:
        _, since = world.changes()
        agent.becomes(Reason.LOCKED, None)
        items, _ = world.changes(since)
        assert kinds(items) == ["volume.offline"]
        state = items[0]["state"]
        assert (state["state"], state["reason"], state["detail"]) == ("offline", "locked", "locked it is.")
        assert (state["mounted_at"], state["last_mounted_at"]) == (None, "/mnt/usb")
        history = world.get(f"/volumes/{agent.volume}/history")["items"]
        assert [(one["from_state"], one["to_state"]) for one in history] == [("online", "offline"), (None, "online")]

    def test_r23_a_late_heartbeat_undoes_nothing(self, world: World, agent: Agent) -> None:
        late = agent.status
        agent.becomes(Reason.NOT_MOUNTED, None)
        agent.heartbeat(msgspec.structs.replace(agent.status, pending=7))
        agent.heartbeat(late)
        shown = world.get(f"/volumes/{agent.volume}")
        assert (shown["state"], shown["pending"]) == ("offline", 7)

    def test_r36_an_agent_that_was_set_back_learns_from_where_to_count_on(self, world: World, agent: Agent) -> None:
        older, told = agent.status, agent.status.version + 1
        agent.becomes(Reason.NOT_MOUNTED, None)
        assert agent.heartbeat()["overtaken"] == {}
        assert agent.heartbeat(older)["overtaken"] == {agent.volume: told}
        # Of the same number, and yet something else: it would be ignored just the same.
        assert agent.heartbeat(msgspec.structs.replace(older, version=told))["overtaken"] == {agent.volume: told}
        assert agent.heartbeat(msgspec.structs.replace(older, version=told + 1))["overtaken"] == {}
        assert world.get(f"/volumes/{agent.volume}")["state"] == "online"

    def test_figures_are_kept_and_not_told(self, world: World, agent: Agent) -> None:
        _, since = world.changes()
        newer = msgspec.structs.replace(agent.status, version=agent.status.version + 1, pending=7)
        agent.heartbeat(newer)
        assert world.changes(since)[0] == []
        assert world.get(f"/volumes/{agent.volume}")["pending"] == 7

    def test_mounted_elsewhere_it_is_the_same_volume(self, world: World, agent: Agent) -> None:
        _, since = world.changes()
        agent.becomes(Reason.VERIFIED, "/media/x")
        items, _ = world.changes(since)
        assert [(one["kind"], one["id"]) for one in items] == [("volume.online", agent.volume)]
        assert len(world.get(f"/volumes/{agent.volume}/history")["items"]) == 1, "no change of state"

    def test_r33_another_agents_volume_is_left_alone(self, world: World, agent: Agent) -> None:
        other = Agent(world, "other", "elsewhere")
        other.volume = agent.volume
        other.becomes(Reason.NOT_MOUNTED)
        shown = world.get(f"/volumes/{agent.volume}")
        assert (shown["agent"], shown["state"]) == (agent.id, "online")

    def test_a_revoked_agents_volume_changes_hands(self, world: World, agent: Agent) -> None:
        world.admin.delete(f"/agents/{agent.id}")
        other = Agent(world, "other", "elsewhere")
        known = checked(other.client.get("/agent/assignment")).json()["volumes"]
        assert [one["id"] for one in known] == [agent.volume], "so that it can be recognised"
        other.volume = agent.volume
        other.becomes(Reason.VERIFIED)
        shown = world.get(f"/volumes/{agent.volume}")
        assert (shown["agent"], shown["state"]) == (other.id, "online")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("volume", "usb"),
            ("state", VolumeState.OFFLINE),
            ("label", "x" * 256),
            ("version", -1),
            ("mounted_at", "relative"),
        ],
    )
    def test_what_no_honest_agent_says_is_refused(self, world: World, agent: Agent, field: str, value: object) -> None:
        with pytest.raises(Problem) as error:
            agent.heartbeat(msgspec.structs.replace(agent.status, **{field: value}))
        assert error.value.status == 422
        assert error.value.body["errors"][0]["pointer"].startswith("/volumes/0/")
        assert world.get(f"/volumes/{agent.volume}")["state"] == "online"


class TestBindings:
    def test_a_refused_path_says_why_and_a_bound_one_stays(self, world: World, agent: Agent) -> None:
        body = {"owner": "anna", "import_paths": [{"agent": agent.id, "path": "/mnt/usb"}]}
        made = world.post("/libraries", body)
        path = made["import_paths"][0]["id"]

        def bind(**binding: str | None) -> Item:
            state = BindingState(str(binding.pop("state")))
            agent.bindings = [Binding(import_path=path, state=state, **binding)]
            agent.heartbeat()
            return dict(world.get(f"/libraries/{made['id']}")["import_paths"][0])

        refused = bind(state="refused", message="It is no directory.")
        assert (refused["state"], refused["message"]) == ("refused", "It is no directory.")
        unknown = bind(state="bound", volume=ids.to_text("volume", new_id()), directory="")
        assert unknown["state"] == "refused", "of a volume that nobody has heard of nothing can be bound"
        bound = bind(state="bound", volume=agent.volume, directory="trip")
        assert (bound["state"], bound["volume_id"], bound["message"]) == ("bound", agent.volume, None)
        assert bind(state="pending") == bound
        revision = world.get(f"/libraries/{made['id']}")["revision"]
        agent.heartbeat()
        assert world.get(f"/libraries/{made['id']}")["revision"] == revision

    def test_a_binding_out_of_the_volume_is_refused(self, world: World, agent: Agent) -> None:
        made = world.post("/libraries", {"owner": "anna", "import_paths": [{"agent": agent.id, "path": "/x"}]})
        with pytest.raises(Problem) as error:
            agent.bind(made, "../etc")
        assert error.value.body["errors"][0]["pointer"] == "/bindings/0/directory"


class TestAssignments:
    def assignment(self, agent: Agent, **headers: str) -> tuple[int, str, Assignment | None]:
        answer = agent.client.get("/agent/assignment", headers=headers)
        body = None if answer.status_code == 304 else msgspec.json.decode(checked(answer).content, type=Assignment)
        return answer.status_code, answer.headers["ETag"], body

    def test_it_grows_with_libraries_and_bindings(self, world: World, agent: Agent) -> None:
        _, tag, first = self.assignment(agent)
        assert first is not None
        assert self.assignment(agent, **{"If-None-Match": tag})[0] == 304
        library = world.library(agent, "/mnt/usb/trip", exclusion_patterns=["**/x/**"])
        status, tag, second = self.assignment(agent, **{"If-None-Match": tag})
        assert status == 200
        assert second is not None
        assert second.revision > first.revision
        (path,) = second.import_paths
        assert (path.library, path.path, path.server_path) == (library["id"], "/mnt/usb/trip", "/mnt/usb/trip")
        assert (path.volume, path.directory, path.exclusion_patterns) == (agent.volume, "trip", ["**/x/**"])
        assert agent.heartbeat()["revision"] == second.revision
        assert tag == f'"{second.revision}"'

    def test_another_agents_libraries_are_none_of_its_business(self, world: World, agent: Agent) -> None:
        other = Agent(world, "other", "elsewhere")
        _, tag, _ = self.assignment(agent)
        world.post("/libraries", {"owner": "anna", "import_paths": [{"agent": other.id, "path": "/x"}]})
        assert self.assignment(agent, **{"If-None-Match": tag})[0] == 304

    def test_news_are_waited_for(self, world: World, agent: Agent) -> None:
        _, tag, _ = self.assignment(agent)
        started = time.monotonic()
        assert self.assignment(agent, **{"If-None-Match": tag, "Prefer": "wait=1"})[0] == 304
        assert time.monotonic() - started >= 1
        ends: list[tuple[int, float]] = []

        def wait() -> None:
            status, _, _ = self.assignment(agent, **{"If-None-Match": tag, "Prefer": "wait=20"})
            ends.append((status, time.monotonic()))

        thread = threading.Thread(target=wait)
        thread.start()
        deadline = time.monotonic() + 10
        while not world.app.extensions["holdfast"].doorbell.waiting:
            assert time.monotonic() < deadline
            time.sleep(0.005)  # until it waits, there is nobody to wake
        world.post("/libraries", {"owner": "anna", "import_paths": [{"agent": agent.id, "path": "/x"}]})
        made = time.monotonic()
        thread.join()
        assert ends[0][0] == 200
        assert ends[0][1] - made < 1


def test_a_revoked_agent_is_locked_out_and_its_assets_stay(world: World, agent: Agent) -> None:
    world.library(agent)
    agent.send(listed("", "a.jpg"))
    _, since = world.changes()
    assert world.admin.delete(f"/agents/{agent.id}").status_code == 204
    assert world.admin.delete(f"/agents/{agent.id}").status_code == 404
    items, _ = world.changes(since)
    assert kinds(items) == ["volume.unknown", "agent.revoked"]
    assert agent.put(agent.report()).status_code == 401
    (one,) = world.assets()
    assert (one["status"], one["availability"]) == ("present", "unknown")


def test_volume_history_is_told_page_by_page(world: World, agent: Agent) -> None:
    for reason in (Reason.NOT_MOUNTED, Reason.VERIFIED, Reason.HUNG, Reason.VERIFIED):
        agent.becomes(reason)
    whole = world.get(f"/volumes/{agent.volume}/history")["items"]
    assert [one["reason"] for one in whole] == ["verified", "hung", "verified", "not-mounted", "verified"]
    first = world.get(f"/volumes/{agent.volume}/history", limit=3)
    rest = world.get(f"/volumes/{agent.volume}/history", limit=3, cursor=first["next_cursor"])
    assert first["items"] + rest["items"] == whole
    assert world.value(sa.select(sa.func.count()).select_from(volume_transition)) == 5


def test_heartbeats_are_counted(world: World, agent: Agent) -> None:
    before = world.value(sa.select(agent_table.c.heartbeats))
    beat = Heartbeat(volumes=[], version="1.1")
    agent.client.post("/agent/heartbeat", content=msgspec.json.encode(beat), headers=JSON)
    assert world.value(sa.select(agent_table.c.heartbeats)) == before + 1
    assert world.get(f"/agents/{agent.id}")["version"] == "1.1"
