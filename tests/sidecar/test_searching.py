"""Looking for assets by path and state, on every engine: what is found, and how much is read for it."""

from __future__ import annotations

import pytest

from holdfast import ids
from holdfast.volumes import Reason
from sidecar.asset import Availability, Status
from sidecar.catalog import searching
from sidecar.catalog.engine import snapshot
from sidecar.catalog.searching import Found, Position, Wanted
from tests.sidecar.watched import fill
from tests.sidecar.world import Agent, Item, World, absent, listed


def library(world: World, agent: Agent) -> Item:
    """One whose photo server calls the disk /photos."""
    path = {"agent": agent.id, "path": "/mnt/usb", "server_path": "/photos"}
    made = world.post("/libraries", {"owner": "anna", "name": "Trips", "import_paths": [path]})
    agent.bind(made, "")
    return made


def find(world: World, limit: int = 100, position: Position | None = None, **wanted: object) -> Found:
    with snapshot(world.engine) as connection:
        return searching.find(connection, Wanted(**wanted), position, limit)  # type: ignore[arg-type]


def names(world: World, found: Found) -> list[str]:
    by_id = {one["id"]: one["file_name"] for one in world.assets()}
    return [by_id[ids.to_text("asset", one)] for one in found.ids]


# What people type, and what it finds.
TYPED = {
    "/photos/2024/": ["a.jpg", "b.mp4"],  # as the photo server has it
    "/mnt/usb/2024/": ["a.jpg", "b.mp4"],  # as the host has it
    "/photos/2024/a": ["a.jpg"],  # the beginning of a name
    "/photos/20": ["a.jpg", "b.mp4", "c.jpg"],
    "/photos": ["a.jpg", "b.mp4", "c.jpg", "Ä.jpg"],
    "/": ["a.jpg", "b.mp4", "c.jpg", "Ä.jpg"],
    "/photos/2024/a.jpg": ["a.jpg"],
    "/photos/2024/a.jpg/x": [],
    "/elsewhere/": [],
    "ä.JPG": ["Ä.jpg"],  # a part of a name, whatever its capitals
    "os/2025": ["c.jpg"],  # or of a path
}


def test_paths_are_what_people_know_them_as(world: World, agent: Agent) -> None:
    library(world, agent)
    agent.send(listed("2024", "a.jpg", "b.mp4"), listed("2025", "c.jpg"), listed("x", "Ä.jpg"))
    assert {text: names(world, find(world, text=text)) for text in TYPED} == TYPED


def test_every_filter_narrows(world: World, agent: Agent) -> None:
    first = library(world, agent)
    away = Agent(world, "office", "office.home")
    away.heartbeat()
    other = world.library(away, "/mnt/usb/b", owner="bert")
    agent.send(listed("a", "a.jpg", "b.mp4", "c.jpg"), absent("a", "c.jpg"))
    away.send(listed("b", "d.jpg"))
    away.becomes(Reason.UNPLUGGED, None)
    raw = {name: ids.from_text(name, one) for name, one in (("library", first["id"]), ("volume", agent.volume))}
    assert names(world, find(world)) == ["a.jpg", "b.mp4", "c.jpg", "d.jpg"]
    assert names(world, find(world, library=raw["library"])) == ["a.jpg", "b.mp4", "c.jpg"]
    assert names(world, find(world, volume=raw["volume"])) == ["a.jpg", "b.mp4", "c.jpg"]
    assert names(world, find(world, status=Status.MISSING)) == ["c.jpg"]
    assert names(world, find(world, kind="video")) == ["b.mp4"]
    assert names(world, find(world, availability=Availability.UNAVAILABLE)) == ["d.jpg"]
    assert names(world, find(world, text="/photos/", status=Status.PRESENT)) == ["a.jpg", "b.mp4"]
    assert find(world, status=Status.MISSING).total == 1
    world.admin.delete(f"/libraries/{other['id']}")
    assert names(world, find(world)) == ["a.jpg", "b.mp4", "c.jpg"]


def test_uploads_are_found_by_the_photo_servers_own_paths(world: World) -> None:
    owner = world.post("/libraries", {"owner": "bert", "kind": "upload"})
    body = {"path": "/upload/bert/x.jpg", "size": 7, "modified_at": "2024-01-01T00:00:00Z"}
    body |= {"content_checksum": "sha1:" + "A" * 27 + "="}
    world.post(f"/libraries/{owner['id']}/assets", body)
    assert len(find(world, text="/upload/b").ids) == len(find(world, text="bert/x").ids) == 1
    assert len(find(world, availability=Availability.ONLINE).ids) == 1


def test_a_look_reads_no_more_than_its_bound_and_goes_on(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "ROWS_MAX", 100)
    library(world, agent)
    fill(agent, "trip", 350)
    agent.send(listed("trip", "needle.jpg"))
    looks, position = 0, None
    while True:
        found = find(world, text="needle", position=position)
        looks += 1
        assert found.read <= 100
        if found.ids or found.position is None:
            break
        assert found.is_cut
        position = found.position
    assert (names(world, found), looks) == (["needle.jpg"], 4)
    # What the figures know that nobody has, nobody looks for.
    assert find(world, status=Status.MISSING).read == 0
    # And what an index finds is found at once.
    agent.send(absent("trip", "00349.jpg"))
    assert names(world, find(world, status=Status.MISSING)) == ["00349.jpg"]


def test_a_folder_that_is_too_large_is_read_in_pieces_in_the_order_of_names(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FOLDER_MAX", 50)
    library(world, agent)
    fill(agent, "trip", 60)
    fill(agent, "other", 10)
    small = find(world, text="/photos/other/")
    assert (small.total, small.read) == (10, 10)
    seen: list[bytes] = []
    position = None
    while True:
        found = find(world, limit=25, text="/photos/trip/", position=position)
        assert found.total is None
        seen += found.ids
        position = found.position
        if position is None:
            break
    by_id = {one["id"]: one["file_name"] for one in world.assets()}
    assert [by_id[ids.to_text("asset", one)] for one in seen] == [f"{number:05}.jpg" for number in range(60)]
    # What is rare is found at once, however large the folder is.
    agent.send(absent("trip", "00059.jpg"))
    assert names(world, find(world, text="/photos/trip/", status=Status.MISSING)) == ["00059.jpg"]


def test_a_large_folder_is_read_to_its_end_in_several_looks(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FOLDER_MAX", 20)
    monkeypatch.setattr(searching, "ROWS_MAX", 100)
    library(world, agent)
    fill(agent, "trip", 150)
    agent.send(listed("trip", "film.mp4"), listed("trip/zoo", "film.mp4"))
    found, looks, position = [], 0, None
    while looks == 0 or position is not None:
        look = find(world, text="/photos/trip/", kind="video", position=position)
        assert look.read <= 100
        found += look.ids
        looks, position = looks + 1, look.position
    assert len(found) == 2
    assert looks > 2
