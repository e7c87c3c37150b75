"""Looking up assets by the checksums of their paths, as photo servers do that key external assets so."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from holdfast import client as offered
from holdfast.paths import to_wire
from sidecar.api import assets as endpoints
from sidecar.catalog import path_checksums
from tests.sidecar.world import Agent, Item, Problem, World, absent, listed, moved

MANY = 2 * path_checksums.BATCH + 10


def checksum(path: str | bytes) -> str:
    raw = path if isinstance(path, bytes) else path.encode()
    return base64.b64encode(hashlib.sha1(b"path:" + raw).digest()).decode()


def found(world: World, *paths: str | bytes) -> list[list[Item]]:
    asked = [checksum(path) for path in paths]
    items = world.post("/assets/lookup", {"path_checksums": asked})["items"]
    assert [one["path_checksum"] for one in items] == asked
    return [one["assets"] for one in items]


def names(some: Sequence[Sequence[Item]]) -> list[list[str]]:
    return [[one["file_name"] for one in assets] for assets in some]


@pytest.fixture
def library(world: World, agent: Agent) -> Item:
    """A library whose photo server sees /mnt/usb as /photos."""
    paths = [{"agent": agent.id, "path": "/mnt/usb", "server_path": "/photos"}]
    made = world.post("/libraries", {"owner": "anna", "import_paths": paths})
    agent.bind(made, "")
    agent.send(listed("trip", "a.jpg", "b.jpg"))
    return dict(made)


@pytest.mark.usefixtures("library")
def test_what_an_asset_shows_finds_it(world: World) -> None:
    one, other = world.assets()
    asked = [other["path_checksum"], one["path_checksum"]]
    items = world.post("/assets/lookup", {"path_checksums": asked, "ids": [one["id"]]})["items"]
    assert [item["assets"] for item in items] == [[one], [other], [one]]
    assert found(world, "/photos/trip/c.jpg") == [[]]


def test_a_path_in_two_libraries_is_two_assets(world: World, agent: Agent, library: Item) -> None:
    paths = [{"agent": agent.id, "path": "/mnt/usb/trip", "server_path": "/photos/trip"}]
    second = world.post("/libraries", {"owner": "ben", "import_paths": paths})
    agent.bind(second, "trip")
    agent.send(listed("trip", "a.jpg", "b.jpg"))
    (both,) = found(world, "/photos/trip/a.jpg")
    assert {one["library_id"] for one in both} == {library["id"], second["id"]}
    of_ben = world.post("/tokens", {"name": "ben's", "scope": "reader", "owner": "ben"})["token"]
    asked = {"path_checksums": [checksum("/photos/trip/a.jpg")]}
    (shown,) = world.client(of_ben).post("/assets/lookup", json=asked).json()["items"]
    assert [one["owner"] for one in shown["assets"]] == ["ben"]


@pytest.mark.usefixtures("library")
def test_it_follows_what_happens(world: World, agent: Agent) -> None:
    assert names(found(world, "/photos/trip/a.jpg")) == [["a.jpg"]]
    agent.send(moved("trip", "best", ("a.jpg", "z.jpg")), absent("trip", "b.jpg"), listed("new", "c.jpg"))
    paths = ("/photos/trip/a.jpg", "/photos/best/z.jpg", "/photos/trip/b.jpg", "/photos/new/c.jpg")
    after = found(world, *paths)
    assert names(after) == [[], ["z.jpg"], ["b.jpg"], ["c.jpg"]]
    assert after[2][0]["status"] == "missing"
    agent.send(moved("new", "trip", ("c.jpg", "b.jpg")))
    assert names(found(world, "/photos/trip/b.jpg", "/photos/new/c.jpg")) == [["b.jpg"], []]
    assert found(world, "/photos/trip/b.jpg")[0][0]["status"] == "present", "the missing one has lost its path"


def test_another_mapping_is_followed_though_no_asset_changes(world: World, agent: Agent, library: Item) -> None:
    (before,) = found(world, "/photos/trip/a.jpg")
    path = {"id": library["import_paths"][0]["id"], "server_path": "/data"}
    world.patch(f"/libraries/{library['id']}", {"import_paths": [path]})
    agent.heartbeat()
    gone, there = found(world, "/photos/trip/a.jpg", "/data/trip/a.jpg")
    assert gone == []
    assert [(one["id"], one["change"]) for one in there] == [(one["id"], one["change"]) for one in before]


def test_uploads_and_names_that_are_no_text(world: World, agent: Agent, library: Item) -> None:
    agent.send(listed("", to_wire(b"caf\xe9.jpg")))
    uploads = world.post("/libraries", {"owner": "anna", "kind": "upload"})
    upload = {"path": "/data/up.jpg", "size": 1, "modified_at": "2026-05-01T10:00:00Z"}
    world.post(f"/libraries/{uploads['id']}/assets", upload | {"content_checksum": f"sha1:{'A' * 27}="})
    some = found(world, b"/photos/caf\xe9.jpg", "/data/up.jpg")
    assert [one["library_id"] for (one,) in some] == [library["id"], uploads["id"]]


@pytest.mark.parametrize("text", ["", "abc", "A" * 28, "!" * 28, f"sha1:{'A' * 27}=", f"{'A' * 27}=\n"])
def test_what_is_no_checksum_is_refused(world: World, text: str) -> None:
    with pytest.raises(Problem) as error:
        world.post("/assets/lookup", {"path_checksums": [f"{'A' * 27}=", text]})
    assert (error.value.status, error.value.code) == (422, "invalid-body")
    assert [one["pointer"] for one in error.value.body["errors"]] == ["/path_checksums/1"]


class TestManyAssets:
    @pytest.fixture(autouse=True)
    def _many(self, agent: Agent, library: Item, monkeypatch: pytest.MonkeyPatch) -> None:
        del library
        for start in range(0, MANY, 4_000):
            agent.send(listed("many", *(f"{number}.jpg" for number in range(start, min(MANY, start + 4_000)))))
        monkeypatch.setattr(endpoints, "CATCH_UP_S", 0.0)

    def test_they_are_computed_over_several_requests(self, world: World) -> None:
        wanted = {"path_checksums": [checksum(f"/photos/many/{MANY - 1}.jpg")]}
        told = []
        while (answer := world.admin.post("/assets/lookup", json=wanted)).status_code == 503:
            assert answer.headers["Retry-After"]
            told.append(answer.json()["detail"])
        assert [one.partition(";")[2].split()[0] for one in told] == ["50%", "99%"]
        assert names([one["assets"] for one in answer.json()["items"]]) == [[f"{MANY - 1}.jpg"]]

    def test_the_client_says_that_it_is_not_ready(self, world: World) -> None:
        transport = httpx2.WSGITransport(app=world.app)
        with offered.Client("http://sidecar/", world.token("reader"), transport=transport) as client:
            with pytest.raises(offered.NotReady, match="are done"):
                client.lookup(path_checksums=[checksum("/photos/many/1.jpg")])
            while True:
                try:
                    (one,) = client.lookup(path_checksums=[checksum("/photos/many/1.jpg")])
                except offered.NotReady:
                    continue
                break
        assert [asset.path for asset in one.assets] == ["/photos/many/1.jpg"]

    def test_a_look_up_without_news_writes_nothing(
        self, world: World, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoints, "CATCH_UP_S", 60.0)
        assert names(found(world, "/photos/many/1.jpg")) == [["1.jpg"]]
        said: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            said.append(statement)

        sa.event.listen(engine, "before_cursor_execute", note)
        assert names(found(world, "/photos/many/2.jpg")) == [["2.jpg"]]
        sa.event.remove(engine, "before_cursor_execute", note)
        assert [one for one in said if one.split()[0] in ("INSERT", "UPDATE", "DELETE")] == []
