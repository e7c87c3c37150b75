"""Somebody has the token of an agent. What they can reach is what that agent could: nothing of another's.

Every route that such a token opens has its attacks here, and a new route has none until somebody thinks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.assignments import FENCE_HEADER, Answered, Assignment, Binding, BindingState, Heartbeat
from holdfast.reports import ScanFinished, ScanStarted
from holdfast.scans import ScanMode, ScanProgress
from holdfast.volumes import Identity, Reason, VolumeStatus
from sidecar.api import RESOURCES
from sidecar.api.auth import Scope
from sidecar.catalog import inquiries
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import agent as agents
from sidecar.catalog.tables import inquiry, metadata, volume, volume_agent
from tests.sidecar.test_contract import path_of
from tests.sidecar.world import JSON, Agent, Item, World, absent, checked, encoded, listed, new_id

ROUTES = [route for resource in RESOURCES for route in resource.routes]
OWN = {f"{route.method} {route.path}" for route in ROUTES if route.scope is Scope.AGENT}
OTHERS = [route for route in ROUTES if route.scope not in (Scope.AGENT, None)]
# More than may be called gone at once without a question.
PHOTOS = [f"{number}.jpg" for number in range(150)]
# What tells that the thief's own agent is alive, and that somebody with its token was here.
_ITS_OWN = {"agent", "token", "audit"}


class Scene(NamedTuple):
    """``owner`` has a volume with photos; ``thief`` is who has the token of another agent."""

    world: World
    owner: Agent
    thief: Agent
    library: Item
    own: str

    def catalog(self) -> dict[str, list[Any]]:
        """All that is not the thief's own."""
        with self.world.engine.connect() as connection:
            tables = [one for one in metadata.sorted_tables if one.name not in _ITS_OWN]
            found = {one.name: sorted(map(repr, connection.execute(sa.select(one)))) for one in tables}
            others = sa.select(agents).where(agents.c.id != ids.from_text("agent", self.thief.id))
            found["agent"] = sorted(map(repr, connection.execute(others)))
            for table, column in ((volume, volume.c.id), (volume_agent, volume_agent.c.volume_id)):
                theirs = sa.select(table).where(column != ids.from_text("volume", self.own))
                found[table.name] = sorted(map(repr, connection.execute(theirs)))
            return found

    def beat(self, *volumes: VolumeStatus, **more: Any) -> httpx2.Response:
        """A heartbeat of the thief's."""
        content = msgspec.json.encode(Heartbeat(volumes=list(volumes), version="1.0", **more))
        return self.thief.client.post("/agent/heartbeat", content=content, headers=JSON)

    def of_owner(self, reason: Reason = Reason.VERIFIED, **more: Any) -> VolumeStatus:
        """What the owner says of its volume, in the thief's mouth."""
        self.thief.volume = self.owner.volume
        made = self.thief._status(reason, "/mnt/usb")
        return msgspec.structs.replace(made, version=1 << 40, **more)


@pytest.fixture
def scene(world: World, agent: Agent) -> Iterator[Scene]:
    library = world.library(agent)
    agent.send(listed("", *PHOTOS))
    thief = Agent(world, "camera", "garage")
    thief.heartbeat()
    yield Scene(world, agent, thief, library, thief.volume)


def test_it_opens_nothing_that_is_for_people(scene: Scene) -> None:
    before = scene.catalog()
    client = scene.world.client(scene.thief.token)
    client.base_url = "http://sidecar"
    refused = {path_of(route): client.request(route.method, path_of(route)).status_code for route in OTHERS}
    assert set(refused.values()) == {403}, refused
    assert scene.catalog() == before


def report_for_another(scene: Scene) -> None:
    for fence in (scene.owner.fence, scene.owner.fence + 1, scene.thief.fence, 0):
        for observation in (listed("", "x.jpg"), absent("", "1.jpg")):
            report = scene.owner.report(observation, sequence=2)
            answer = scene.thief.client.put(
                f"/agent/streams/{scene.owner.volume}/reports/2",
                content=encoded(report),
                headers={**JSON, "Content-Encoding": "gzip", FENCE_HEADER: str(fence)},
            )
            assert answer.json()["type"].endswith("/two-writers")


def report_for_another_under_the_own_name(scene: Scene) -> None:
    """The path names the thief's own volume, the body the other one."""
    report = scene.owner.report(absent("", "1.jpg"), sequence=1)
    answer = scene.thief.client.put(
        f"/agent/streams/{scene.thief.volume}/reports/1",
        content=encoded(report),
        headers={**JSON, "Content-Encoding": "gzip", FENCE_HEADER: str(scene.thief.fence)},
    )
    assert answer.json()["type"].endswith("/invalid-report")


def read_what_is_there(scene: Scene) -> None:
    for fence in (scene.owner.fence, scene.thief.fence):
        headers = {FENCE_HEADER: str(fence)}
        answer = scene.thief.client.get(f"/agent/streams/{scene.owner.volume}/known", headers=headers)
        assert answer.json()["type"].endswith("/two-writers")


def speak_of_its_volume(scene: Scene) -> None:
    """While its writer says that it is online nobody else decides how it is."""
    for reason in (Reason.VERIFIED, Reason.NOT_MOUNTED, Reason.REFORMATTED):
        foreign = Identity(fs_type="ext4", uuid="made-up", root_inode=2)
        answer = checked(scene.beat(scene.of_owner(reason, identity=foreign)))
        assert answer.json()["grants"] == {}


def claim_its_import_paths(scene: Scene) -> None:
    (path,) = scene.library["import_paths"]
    status = scene.thief.status
    for state in (BindingState.BOUND, BindingState.REFUSED):
        bound = Binding(import_path=path["id"], state=state, volume=status.volume, directory="x", message="no")
        checked(scene.beat(status, bindings=[bound]))


def answer_its_questions(scene: Scene) -> None:
    owner, asked = ids.from_text("agent", scene.owner.id) or b"", iter([new_id()])
    (key,) = transact(scene.world.engine, lambda one: inquiries.ask(one, [(owner, "/mnt/usb/x")], asked, now_us()))
    answer = Answered(question=ids.to_text("inquiry", key), message="no")
    checked(scene.beat(scene.thief.status, answers=[answer]))
    assert scene.world.value(sa.select(inquiry.c.is_answered)) == 0


def spoil_its_scans(scene: Scene) -> None:
    """Every agent that may meet the disk knows the ids of the scans that are wanted of it."""
    job = scene.world.post(f"/libraries/{scene.library['id']}/scan", {})["id"]
    before = scene.world.get(f"/jobs/{job}")
    (wanted,) = checked(scene.thief.client.get("/agent/assignment")).json()["wanted_scans"]
    scan = wanted["id"]
    progress = ScanProgress(scan=scan, directory="", fraction=1.0, directories=1, files=1, errors=0, elapsed_s=1.0)
    checked(scene.beat(scene.thief.status, scans=[progress]))
    finished = ScanFinished(scan=scan, directory="", complete=True, directories=1, files=1, errors=0, duration_s=1)
    scene.thief.send(ScanStarted(scan, "", ScanMode.CHANGED), finished)
    after = scene.world.get(f"/jobs/{job}")
    assert (after["state"], after["finished_at"]) == (before["state"], None)
    # ... and the real one still ends it.
    scene.owner.send(ScanStarted(scan, "", ScanMode.CHANGED), finished)
    assert scene.world.get(f"/jobs/{job}")["state"] == "done"


def learn_of_its_libraries(scene: Scene) -> None:
    """Disks that can be carried are known to all; where they are used, and for what, is not."""
    answer = checked(scene.thief.client.get("/agent/assignment"))
    told = msgspec.json.decode(answer.content, type=Assignment)
    assert told.import_paths == []
    assert scene.library["id"].encode() not in answer.content


def renew_its_token(scene: Scene) -> None:
    renewed = checked(scene.thief.client.post("/agent/token")).json()["token"]
    assert scene.owner.client.get("/agent/assignment").status_code == 200
    mine = scene.world.client(renewed).get("/agent/assignment")
    assert scene.owner.id.encode() not in mine.content


ATTACKS: dict[str, list[Callable[[Scene], None]]] = {
    "PUT /api/v1/agent/streams/<volume>/reports/<int:sequence>": [
        report_for_another,
        report_for_another_under_the_own_name,
    ],
    "GET /api/v1/agent/streams/<volume>/known": [read_what_is_there],
    "POST /api/v1/agent/heartbeat": [speak_of_its_volume, claim_its_import_paths],
    "GET /api/v1/agent/assignment": [learn_of_its_libraries],
    "POST /api/v1/agent/token": [renew_its_token],
}


def test_every_route_that_it_opens_was_thought_of() -> None:
    assert set(ATTACKS) == OWN


@pytest.mark.parametrize("attack", [one for many in ATTACKS.values() for one in many], ids=lambda one: one.__name__)
def test_it_reaches_nothing_of_another_agent(scene: Scene, attack: Callable[[Scene], None]) -> None:
    before = scene.catalog()
    attack(scene)
    assert scene.catalog() == before


@pytest.mark.parametrize("attack", [answer_its_questions, spoil_its_scans], ids=lambda one: one.__name__)
def test_nor_what_is_asked_of_another_agent(scene: Scene, attack: Callable[[Scene], None]) -> None:
    attack(scene)


def test_r33_with_the_volumes_own_identity_it_waits_behind_the_writer(scene: Scene) -> None:
    """A second host that sees a disk may say so; while the writer is online that changes nothing for anybody."""
    before = scene.world.get(f"/volumes/{scene.owner.volume}")
    answer = checked(scene.beat(scene.of_owner(Reason.NOT_MOUNTED))).json()
    assert answer["grants"] == {}
    assert scene.world.get(f"/volumes/{scene.owner.volume}") == before
    read_what_is_there(scene)


@pytest.mark.parametrize("away", [Reason.NOT_MOUNTED, Reason.HUNG])
def test_r33_the_id_alone_does_not_take_over_a_disk_that_is_away(scene: Scene, away: Reason) -> None:
    scene.owner.becomes(away, None)
    foreign = Identity(fs_type="ext4", uuid="made-up", root_inode=2)
    before = scene.catalog()
    answer = checked(scene.beat(scene.of_owner(identity=foreign))).json()
    assert answer["grants"] == {}
    assert scene.catalog() == before
    report_for_another(scene)
    # Nor can a path of its own be led there, to be shown what is on it.
    made = scene.world.post("/libraries", {"owner": "eve", "import_paths": [{"agent": scene.thief.id, "path": "/x"}]})
    (path,) = made["import_paths"]
    bound = Binding(import_path=path["id"], state=BindingState.BOUND, volume=scene.owner.volume, directory="")
    checked(scene.beat(scene.of_owner(identity=foreign), bindings=[bound]))
    assert scene.world.get(f"/libraries/{made['id']}")["import_paths"][0]["volume_id"] is None


@pytest.mark.parametrize(
    "status",
    [
        {"last_mounted_at": "/"},
        {"identity": Identity(fs_type="fuse.rclone", source="photos:", root_inode=1)},
    ],
    ids=["the storage that a host runs from", "a name that every host may have"],
)
def test_r33_what_cannot_be_carried_stays_with_its_agent(scene: Scene, status: dict[str, Any]) -> None:
    scene.owner.heartbeat(msgspec.structs.replace(scene.owner.status, version=1 << 39, **status))
    scene.owner.heartbeat(
        msgspec.structs.replace(scene.owner._status(Reason.NOT_MOUNTED, None), version=(1 << 39) + 1, **status)
    )
    before = scene.catalog()
    answer = checked(scene.beat(scene.of_owner(**status))).json()
    assert answer["grants"] == {}
    assert scene.catalog() == before


def test_r20_whoever_carries_a_disk_away_can_still_not_empty_its_library(scene: Scene) -> None:
    """The one thing that is left: a disk that is away, whose identity every agent knows since it may be carried there.
    Whoever pretends to have it becomes its writer, visibly; what they call gone at once is held, for a person."""
    scene.owner.becomes(Reason.NOT_MOUNTED, None)
    answer = checked(scene.beat(scene.of_owner())).json()
    scene.thief.fence = answer["grants"][scene.owner.volume]
    shown = scene.world.get(f"/volumes/{scene.owner.volume}")
    assert shown["agent"] == scene.thief.id
    scene.thief.begin_anew()
    scene.thief.send(absent("", *PHOTOS))
    statistics = scene.world.get(f"/libraries/{scene.library['id']}/statistics")["by_status"]
    assert statistics.get("missing", 0) == 0
    assert statistics.get("removed", 0) == 0
    (hold,) = scene.world.get("/holds")["items"]
    assert hold["volume_id"] == scene.owner.volume
    # The owner is the writer again as soon as the pretender is locked out.
    checked(scene.world.admin.delete(f"/agents/{scene.thief.id}"))
    scene.owner.becomes(Reason.VERIFIED)
    assert scene.world.get(f"/volumes/{scene.owner.volume}")["agent"] == scene.owner.id
    assert scene.thief.client.get("/agent/assignment").status_code == 401
