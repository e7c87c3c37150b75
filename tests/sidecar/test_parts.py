"""Import paths that show more than one place: mounts below them, and branches of unions."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from holdfast import ids
from holdfast.assignments import Part
from holdfast.volumes import Identity, Reason
from tests.sidecar.world import Agent, Item, Problem, World, absent, kinds, listed, new_id


class Union:
    """A library on a union of two branches, and what its agent says of the three volumes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.agent = Agent(world)
        self.first = self.agent.volume
        self.second, self.pool = (ids.to_text("volume", new_id()) for _ in range(2))
        self.reasons = {self.first: Reason.VERIFIED, self.second: Reason.VERIFIED, self.pool: Reason.VERIFIED}
        path = {"agent": self.agent.id, "path": "/mnt/pool", "server_path": "/photos"}
        self.library = world.post("/libraries", {"owner": "anna", "import_paths": [path]})
        self.agent.volume = self.pool
        self.beat()
        self.agent.bind(self.library, "")
        self.parts = [
            Part(path="/mnt/a", below="", volume=self.first, directory="", via=self.pool),
            Part(path="/mnt/b/sub", below="", volume=self.second, directory="sub", via=self.pool),
        ]
        self.tell(*self.parts)
        self.agent.volume = self.first
        self.agent.send(listed("2024", "a.jpg"))
        self.agent.volume, self.agent._sequence = self.second, iter(range(1, 100))
        self.agent.send(listed("sub", "b.jpg"))

    def tell(self, *parts: Part) -> None:
        """A heartbeat with these parts."""
        (binding,) = self.agent.bindings
        self.agent.bindings = [structs.replace(binding, parts=list(parts))]
        self.beat()

    def beat(self, **reasons: Reason) -> None:
        self.reasons |= reasons
        for volume, reason in self.reasons.items():
            status = self.agent._status(reason, "/mnt/x")
            label = {self.first: "a", self.second: "b"}.get(volume, "pool")
            self.agent.status = structs.replace(
                status, volume=volume, label=label, identity=Identity(fs_type="ext4", uuid=volume, root_inode=2)
            )
            bindings, self.agent.bindings = self.agent.bindings, []
            self.agent.heartbeat()
            self.agent.bindings = bindings
        if self.agent.bindings:
            self.agent.heartbeat()

    def path(self) -> Item:
        """The import path as the API shows it."""
        (path,) = self.world.get(f"/libraries/{self.library['id']}")["import_paths"]
        return dict(path)

    def names(self, availability: str) -> set[str]:
        return {one["file_name"] for one in self.world.assets(availability=availability)}


@pytest.fixture
def union(world: World) -> Union:
    return Union(world)


def test_r15_a_union_is_one_import_path_with_its_branches_as_parts(union: Union) -> None:
    path = union.path()
    assert (path["path"], path["volume_id"], path["state"]) == ("/mnt/pool", union.pool, "bound")
    assert [(one["path"], one["volume_id"], one["via_volume_id"]) for one in path["parts"]] == [
        ("/mnt/a", union.first, union.pool),
        ("/mnt/b/sub", union.second, union.pool),
    ]
    assets = union.world.by_path()
    assert sorted(assets) == ["/photos/2024/a.jpg", "/photos/b.jpg"]
    assert {one["via_volume_id"] for one in assets.values()} == {union.pool}
    assert [one["path"] for one in union.world.assets(path_prefix="/photos/2024")] == ["/photos/2024/a.jpg"]


def test_r15_the_agent_is_told_the_parts_that_it_told(union: Union) -> None:
    (path,) = union.agent.client.get("/agent/assignment").json()["import_paths"]
    assert path["parts"] == [
        {"path": one.path, "below": one.below, "volume": one.volume, "directory": one.directory, "via": one.via}
        for one in union.parts
    ]


def test_r15_parts_only_grow_and_repeats_are_no_news(union: Union) -> None:
    _, cursor = union.world.changes()
    union.tell(*union.parts)
    assert kinds(union.world.changes(cursor)[0]) == []
    inner = Part(path="/mnt/pool/usb", below="usb", volume=union.second, directory="", via=None)
    union.tell(inner)
    assert [(one["server_path"], one["via_volume_id"]) for one in union.path()["parts"]] == [
        ("/photos", union.pool),
        ("/photos", union.pool),
        ("/photos/usb", None),
    ]
    assert kinds(union.world.changes(cursor)[0]) == ["library.updated"]


def test_r15_what_a_part_shows_is_available_only_with_its_branch_and_its_union(union: Union) -> None:
    cases: list[tuple[dict[str, Reason], set[str], str | None]] = [
        ({}, {"a.jpg", "b.jpg"}, None),
        ({union.second: Reason.NOT_MOUNTED, union.pool: Reason.BRANCH_LOST}, {"a.jpg"}, union.second),
        ({union.second: Reason.VERIFIED}, {"a.jpg", "b.jpg"}, None),
        ({union.pool: Reason.DISCONNECTED}, set(), union.pool),
        ({union.pool: Reason.NOT_MOUNTED}, set(), union.pool),
        ({union.pool: Reason.HUNG, union.second: Reason.NO_DEVICE}, set(), union.second),
        ({union.pool: Reason.VERIFIED, union.second: Reason.VERIFIED}, {"a.jpg", "b.jpg"}, None),
    ]
    for reasons, online, blamed in cases:
        union.beat(**reasons)
        assert union.names("online") == online
        assert union.names("unavailable") == {"a.jpg", "b.jpg"} - online
        figures = union.world.get(f"/libraries/{union.library['id']}/statistics")["by_availability"]
        assert figures == {"online": len(online), "unavailable": 2 - len(online), "unknown": 0}
        shown = union.world.by_path()["/photos/b.jpg"]
        assert (shown["unavailable"] or {}).get("volume_id") == blamed
        assert shown["status"] == "present"


def test_r36_a_union_that_is_not_known_to_answer_is_unknown(union: Union) -> None:
    union.beat(**{union.pool: Reason.NOT_YET_VERIFIED})
    assert union.names("unknown") == {"a.jpg", "b.jpg"}
    union.beat(**{union.second: Reason.NOT_MOUNTED})
    assert (union.names("unknown"), union.names("unavailable")) == ({"a.jpg"}, {"b.jpg"})


def test_an_asset_changes_with_its_union(union: Union) -> None:
    asset = union.world.by_path()["/photos/b.jpg"]["id"]
    tag = union.world.admin.get(f"/assets/{asset}").headers["ETag"]
    assert union.world.admin.get(f"/assets/{asset}", headers={"If-None-Match": tag}).status_code == 304
    union.beat(**{union.pool: Reason.DISCONNECTED})
    assert union.world.admin.get(f"/assets/{asset}", headers={"If-None-Match": tag}).status_code == 200


def test_r15_a_branch_proves_an_absence_by_itself(union: Union) -> None:
    union.agent.send(absent("sub", "b.jpg"))
    assert union.world.by_path()["/photos/b.jpg"]["status"] == "missing"


@pytest.mark.parametrize("path", ["/mnt/pool/2024/a.jpg", "/mnt/x/2024/a.jpg", "/photos/2024/a.jpg"])
def test_a_photo_is_found_by_the_path_of_the_pool_of_its_branch_and_of_the_server(union: Union, path: str) -> None:
    (found,) = union.world.post("/assets/lookup", {"paths": [path]})["items"]
    assert [one["path"] for one in found["assets"]] == ["/photos/2024/a.jpg"]


@pytest.mark.parametrize("wrong", [{"below": "../x"}, {"directory": "/abs"}, {"path": "relative"}, {"below": "a//b"}])
def test_parts_that_cannot_be_are_refused(union: Union, wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        union.tell(structs.replace(union.parts[0], **wrong))
    assert refused.value.status == 422
    assert refused.value.body["errors"][0]["pointer"].startswith("/bindings/0/parts/0/")


def test_a_part_on_a_volume_of_another_agent_is_left_out(union: Union, world: World) -> None:
    other = Agent(world, name="other", host="other.home")
    other.heartbeat()
    union.tell(*union.parts, Part(path="/mnt/pool/x", below="x", volume=other.volume, directory=""))
    assert len(union.path()["parts"]) == 2
