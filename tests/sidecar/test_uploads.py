"""Upload libraries: one an owner, assets that photo servers make known, and what a phone need not send."""

from __future__ import annotations

import base64
import hashlib
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from sidecar.catalog.tables import asset, library
from sidecar.worker import Worker
from tests.sidecar.world import Agent, Item, Problem, World, checked, kinds, listed, new_id

SHA1 = "sha1:" + base64.b64encode(hashlib.sha1(b"a photo").digest()).decode()


def sha1(text: str) -> str:
    return "sha1:" + base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def upload(name: str = "a.jpg", **more: Any) -> Item:
    path = f"/data/upload/anna/{name}"
    known = {"path": path, "size": 7, "modified_at": "2026-05-01T10:00:00.5Z", "content_checksum": sha1(name)}
    return {**known, **more}


def refused(world: World, path: str, body: Item, **headers: str) -> Problem:
    with pytest.raises(Problem) as caught:
        world.post(path, body, **headers)
    return caught.value


@pytest.fixture
def annas(world: World) -> Item:
    return dict(world.post("/libraries", {"owner": "anna", "kind": "upload"}))


def assets_of(made: Item) -> str:
    return f"/libraries/{made['id']}/assets"


class TestLibraries:
    def test_an_owner_has_one_which_is_made_when_first_asked_for(self, world: World) -> None:
        first = checked(world.admin.post("/libraries", json={"owner": "anna", "kind": "upload"}))
        again = checked(world.admin.post("/libraries", json={"owner": "anna", "kind": "upload", "name": "Other"}))
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        made = first.json()
        assert (made["kind"], made["name"], made["import_paths"], made["exclusion_patterns"]) == (
            "upload",
            "Uploads",
            [],
            [],
        )
        bens = world.post("/libraries", {"owner": "ben", "kind": "upload", "name": "Ben's phone"})
        assert (bens["name"], bens["id"] != made["id"]) == ("Ben's phone", True)
        assert len(world.get("/libraries", owner="anna")["items"]) == 1

    def test_two_first_requests_at_once_make_one(self, world: World) -> None:
        answers: list[tuple[int, str]] = []

        def ask() -> None:
            answer = world.admin.post("/libraries", json={"owner": "anna", "kind": "upload"})
            answers.append((answer.status_code, answer.json()["id"]))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in answers) == [200, 200, 200, 201]
        assert len({made for _, made in answers}) == 1

    def test_it_can_be_called_otherwise_and_nothing_else(self, world: World, annas: Item) -> None:
        assert world.patch(f"/libraries/{annas['id']}", {"name": "Phone"})["name"] == "Phone"
        agent = Agent(world)
        agent.heartbeat()
        for field, value in (
            ("import_paths", [{"agent": agent.id, "path": "/mnt/usb"}]),
            ("exclusion_patterns", ["**/Raw/**"]),
        ):
            with pytest.raises(Problem) as caught:
                world.patch(f"/libraries/{annas['id']}", {field: value})
            assert (caught.value.status, caught.value.body["errors"][0]["pointer"]) == (422, f"/{field}")
            problem = refused(world, "/libraries", {"owner": "ben", "kind": "upload", field: value})
            assert (problem.status, problem.body["errors"][0]["pointer"]) == (422, f"/{field}")
        assert world.get(f"/libraries/{annas['id']}")["import_paths"] == []
        assert refused(world, "/libraries", {"owner": "ben", "kind": "other"}).status == 422

    def test_it_goes_with_its_owner_and_not_before(self, world: World, annas: Item) -> None:
        agent = Agent(world)
        agent.heartbeat()
        external = world.library(agent, owner="anna")
        bens = world.library(agent, owner="ben")
        agent.send(listed("", "x.jpg"))
        world.post(assets_of(annas), upload())
        answer = world.admin.delete(f"/libraries/{annas['id']}")
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "owner-exists")
        assert world.get(f"/libraries/{annas['id']}")["deleted_at"] is None

        answer = checked(world.admin.delete("/libraries", params={"owner": "anna"}))
        assert answer.status_code == 202
        assert {one["library_id"] for one in answer.json()["jobs"]} == {annas["id"], external["id"]}
        Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)
        assert {one["status"] for one in world.assets(owner="anna")} == {"removed"}
        assert {one["status"] for one in world.assets(owner="ben")} == {"present"}
        assert [one["id"] for one in world.get("/libraries")["items"]] == [bens["id"]]
        assert {world.get(f"/jobs/{one['id']}")["state"] for one in answer.json()["jobs"]} == {"done"}
        assert checked(world.admin.delete("/libraries", params={"owner": "anna"})).json() == {"jobs": []}
        again = world.post("/libraries", {"owner": "anna", "kind": "upload"})
        assert again["id"] != annas["id"], "somebody else is called anna now"

    def test_whose_libraries_must_be_said(self, world: World, annas: Item) -> None:
        for query in ({}, {"owner": ""}, {"owner": "anna", "all": "1"}):
            assert world.admin.delete("/libraries", params=query).status_code == 400
        assert len(world.get("/libraries")["items"]) == 1


class TestUploads:
    def test_an_upload_is_an_asset_like_others(self, world: World, annas: Item) -> None:
        _, since = world.changes()
        answer = checked(world.admin.post(assets_of(annas), json=upload("ä b.MP4", foreign_id="immich-7")))
        made = answer.json()
        assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/assets/{made['id']}")
        shown = {
            "path": "/data/upload/anna/ä b.MP4",
            "file_name": "ä b.MP4",
            "kind": "video",
            "status": "present",
            "availability": "online",
            "unavailable": None,
            "volume_id": None,
            "host_path": None,
            "size": 7,
            "modified_at": "2026-05-01T10:00:00.500000Z",
            "content_checksum": sha1("ä b.MP4"),
            "foreign_id": "immich-7",
            "owner": "anna",
            "library_id": annas["id"],
        }
        assert {name: made[name] for name in shown} == shown
        (item,) = world.changes(since)[0]
        assert (item["kind"], item["state"]) == ("asset.added", made)
        assert world.get(f"/assets/{made['id']}") == made
        for query in (
            {"owner": "anna"},
            {"library": annas["id"]},
            {"availability": "online"},
            {"content": sha1("ä b.MP4")},
            {"path_prefix": "/data/upload"},
            {"path_prefix": "/"},
            {"kind": "video"},
        ):
            assert world.assets(**query) == [made], query
        for query in ({"availability": "unavailable"}, {"path_prefix": "/data/up"}, {"owner": "ben"}):
            assert world.assets(**query) == [], query
        found = world.post("/assets/lookup", {"paths": [made["path"]], "content_checksums": [made["content_checksum"]]})
        assert [one["assets"] for one in found["items"]] == [[made], [made]]
        figures = world.get("/statistics")
        assert (figures["videos"], figures["bytes"], figures["by_availability"]["online"]) == (1, 7, 1)
        tag = world.admin.get(f"/assets/{made['id']}").headers["ETag"]
        trashed = checked(
            world.admin.patch(f"/assets/{made['id']}", json={"trashed": True}, headers={"If-Match": tag})
        ).json()
        assert trashed["trashed_at"] is not None
        assert world.assets(trashed=True) == [trashed]

    def test_equal_content_is_refused_with_the_id_of_what_there_is(self, world: World, annas: Item) -> None:
        first = world.post(assets_of(annas), upload("a.jpg", content_checksum=SHA1))
        _, since = world.changes()
        problem = refused(world, assets_of(annas), upload("b.jpg", content_checksum=SHA1))
        assert (problem.status, problem.code, problem.body["existing"]) == (409, "duplicate-content", first["id"])
        assert world.changes(since)[0] == []
        bens = world.post("/libraries", {"owner": "ben", "kind": "upload"})
        assert world.post(assets_of(bens), upload("b.jpg", content_checksum=SHA1))["id"] != first["id"]

    def test_of_equal_uploads_at_the_same_moment_one_is_taken(self, world: World, annas: Item) -> None:
        answers: list[int] = []

        def send(number: int) -> None:
            body = upload(f"{number}.jpg", content_checksum=SHA1)
            answers.append(world.admin.post(assets_of(annas), json=body).status_code)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [201, 409, 409, 409]
        assert len(world.assets()) == 1

    def test_a_path_is_there_once(self, world: World, annas: Item) -> None:
        first = world.post(assets_of(annas), upload())
        problem = refused(world, assets_of(annas), upload(content_checksum=SHA1))
        assert (problem.status, problem.code, problem.body["existing"]) == (409, "path-taken", first["id"])

    def test_with_a_key_a_repeat_takes_effect_once(self, world: World, annas: Item) -> None:
        key = {"Idempotency-Key": "upload 1"}
        first = world.post(assets_of(annas), upload(), **key)
        assert world.post(assets_of(annas), upload(), **key) == first
        problem = refused(world, assets_of(annas), upload("b.jpg"), **key)
        assert (problem.status, problem.code) == (422, "idempotency-conflict")
        bens = world.post("/libraries", {"owner": "ben", "kind": "upload"})
        assert world.post(assets_of(bens), upload(), **key)["id"] != first["id"], "of another library it is another key"
        assert len(world.assets()) == 2

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"path": "a.jpg"}, "/path"),
            ({"path": "/data/../a.jpg"}, "/path"),
            ({"path": "/data/a.txt"}, "/path"),
            ({"path": "/data/a.xmp"}, "/path"),
            ({"path": "/data/\x00.jpg"}, "/path"),
            ({"size": -1}, "/size"),
            ({"modified_at": "9999-01-01T00:00:00Z"}, "/modified_at"),
            ({"modified_at": "2026-05-01T10:00:00"}, "/modified_at"),
            ({"content_checksum": "sha1:abc"}, "/content_checksum"),
            ({"content_checksum": "2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "/content_checksum"),
            ({"foreign_id": ""}, "/foreign_id"),
            ({"kind": "image"}, "/kind"),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_place(
        self, world: World, annas: Item, change: Item, pointer: str
    ) -> None:
        problem = refused(world, assets_of(annas), upload() | change)
        assert (problem.status, problem.code) == (422, "invalid-body")
        assert [one["pointer"] for one in problem.body["errors"]] == [pointer]
        assert world.assets() == []

    def test_only_upload_libraries_take_uploads(self, world: World) -> None:
        agent = Agent(world)
        agent.heartbeat()
        external = world.library(agent)
        assert refused(world, assets_of(external), upload()).code == "not-an-upload"
        agent.send(listed("", "a.jpg"))
        (one,) = world.assets()
        answer = world.admin.delete(f"/assets/{one['id']}")
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "not-an-upload")
        assert world.assets() == [one]

    def test_what_the_photo_server_deletes_leaves_a_tombstone_and_may_come_again(
        self, world: World, annas: Item
    ) -> None:
        made = world.post(assets_of(annas), upload())
        _, since = world.changes()
        gone = checked(world.admin.delete(f"/assets/{made['id']}")).json()
        assert (gone["status"], gone["id"]) == ("removed", made["id"])
        assert kinds(world.changes(since)[0]) == ["asset.removed"]
        assert checked(world.admin.delete(f"/assets/{made['id']}")).json() == gone, "again is harmless"
        (step,) = world.get(f"/assets/{made['id']}/history")["items"]
        assert (step["from_status"], step["to_status"], step["reason"]) == ("present", "removed", "upload deleted")
        assert refused(world, f"/assets/{made['id']}/restore", {}).code == "not-restorable"
        assert world.post(assets_of(annas), upload())["id"] != made["id"]

    def test_no_job_of_storage_touches_them(self, world: World, annas: Item) -> None:
        made = world.post(assets_of(annas), upload())
        job = world.post(f"/libraries/{annas['id']}/remove-missing", {})
        Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)
        assert world.get(f"/jobs/{job['id']}")["result"] == {}
        assert refused(world, f"/libraries/{annas['id']}/scan", {}).status == 422
        assert world.get(f"/assets/{made['id']}") == made

    def test_the_schema_keeps_one_living_library_an_owner(self, world: World, annas: Item) -> None:
        assert world.value(sa.select(library.c.upload_owner)) == "anna"
        world.post(assets_of(annas), upload())
        assert world.value(sa.select(asset.c.volume_id)) is None


class TestCheck:
    def test_a_phone_learns_what_it_need_not_send(self, world: World, annas: Item) -> None:
        made = world.post(assets_of(annas), upload("a.jpg"))
        binned = world.post(assets_of(annas), upload("b.jpg"))
        gone = world.post(assets_of(annas), upload("c.jpg"))
        world.patch(f"/assets/{binned['id']}", {"trashed": True})
        checked(world.admin.delete(f"/assets/{gone['id']}"))
        asked = [sha1(name) for name in ("new.jpg", "a.jpg", "b.jpg", "c.jpg", "a.jpg")]
        _, since = world.changes()
        items = world.post("/assets/upload-check", {"owner": "anna", "content_checksums": asked})["items"]
        assert [one["content_checksum"] for one in items] == asked
        assert [(one["action"], one["asset_id"], one["trashed"]) for one in items] == [
            ("accept", None, False),
            ("reject", made["id"], False),
            ("reject", binned["id"], True),
            ("accept", None, False),
            ("reject", made["id"], False),
        ]
        assert world.changes(since)[0] == []
        others = world.post("/assets/upload-check", {"owner": "ben", "content_checksums": asked})["items"]
        assert {one["action"] for one in others} == {"accept"}

    def test_many_at_once(self, world: World, annas: Item) -> None:
        world.post(assets_of(annas), upload("4999.jpg"))
        asked = [sha1(f"{number}.jpg") for number in range(5_000)]
        items = world.post("/assets/upload-check", {"owner": "anna", "content_checksums": asked})["items"]
        assert [one["action"] for one in items] == ["accept"] * 4_999 + ["reject"]
        problem = refused(world, "/assets/upload-check", {"owner": "anna", "content_checksums": [*asked, SHA1]})
        assert problem.status == 422

    def test_what_is_no_checksum_is_named(self, world: World) -> None:
        problem = refused(world, "/assets/upload-check", {"owner": "anna", "content_checksums": [SHA1, "md5:x"]})
        assert [one["pointer"] for one in problem.body["errors"]] == ["/content_checksums/1"]
