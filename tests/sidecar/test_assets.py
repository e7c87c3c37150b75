"""Assets as consumers ask for them: lists and their filters, look-ups, the bin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from holdfast.volumes import Reason
from sidecar import cursor
from sidecar.catalog import clock
from sidecar.catalog.asset_lists import Filters
from tests.sidecar.world import Agent, Problem, World, absent, at_once, file, kinds, listed, moved


@pytest.fixture
def mapped(world: World, agent: Agent) -> str:
    """A library whose photo server sees /mnt/usb/trip as /photos/T and /mnt/usb/home as /photos/home."""
    paths = [
        {"agent": agent.id, "path": "/mnt/usb/trip", "server_path": "/photos/T"},
        {"agent": agent.id, "path": "/mnt/usb/home", "server_path": "/photos/home"},
    ]
    made = world.post("/libraries", {"owner": "anna", "import_paths": paths})
    agent.bind(made, "trip", "home")
    agent.send(listed("trip", "a.jpg"), listed("trip/day", "b.mp4"), listed("trip/days", "c.jpg"))
    agent.send(listed("home", "d.jpg"))
    return str(made["id"])


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(one["file_name"] for one in found)


@pytest.mark.usefixtures("mapped")
class TestFilters:
    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, ["a.jpg", "b.mp4", "c.jpg", "d.jpg"]),
            ({"kind": "video"}, ["b.mp4"]),
            ({"owner": "anna"}, ["a.jpg", "b.mp4", "c.jpg", "d.jpg"]),
            ({"owner": "ben"}, []),
            ({"path_prefix": "/"}, ["a.jpg", "b.mp4", "c.jpg", "d.jpg"]),
            ({"path_prefix": "/photos"}, ["a.jpg", "b.mp4", "c.jpg", "d.jpg"]),
            ({"path_prefix": "/photos/T"}, ["a.jpg", "b.mp4", "c.jpg"]),
            ({"path_prefix": "/photos/T/day"}, ["b.mp4"]),
            ({"path_prefix": "/photos/hom"}, []),
            ({"path_prefix": "/mnt/usb"}, []),
            ({"status": "missing"}, ["c.jpg"]),
            ({"status": "present", "kind": "image"}, ["a.jpg", "d.jpg"]),
            ({"availability": "online"}, ["a.jpg", "b.mp4", "c.jpg", "d.jpg"]),
            ({"availability": "unavailable"}, []),
            ({"trashed": "true"}, ["d.jpg"]),
            ({"trashed": "false"}, ["a.jpg", "b.mp4", "c.jpg"]),
        ],
    )
    def test_each_filter(self, world: World, agent: Agent, filters: dict[str, str], expected: list[str]) -> None:
        agent.send(absent("trip/days", "c.jpg"))
        (trashed,) = world.assets(path_prefix="/photos/home")
        world.patch(f"/assets/{trashed['id']}", {"trashed": True})
        assert names(world.assets(**filters)) == expected
        assert names(world.assets(**filters, limit=1)) == expected

    def test_by_library_and_volume(self, world: World, agent: Agent, mapped: str) -> None:
        other = Agent(world, "other", "elsewhere")
        other.heartbeat()
        second = world.library(other)
        other.send(listed("", "z.jpg"))
        assert len(world.assets(library=mapped)) == len(world.assets(volume=agent.volume)) == 4
        assert names(world.assets(library=second["id"])) == names(world.assets(volume=other.volume)) == ["z.jpg"]
        assert world.assets(library=mapped, volume=other.volume) == []

    def test_by_availability_as_storage_goes_away(self, world: World, agent: Agent) -> None:
        agent.becomes(Reason.NO_DEVICE)
        assert len(world.assets(availability="unavailable")) == 4
        agent.becomes(Reason.NOT_YET_VERIFIED)
        assert len(world.assets(availability="unknown")) == 4
        agent.becomes(Reason.AUTOMOUNT_IDLE)
        assert len(world.assets(availability="online")) == 4

    def test_by_time_of_change(self, world: World, agent: Agent) -> None:
        items, _ = world.changes()
        latest = max(datetime.fromisoformat(item["at"]) for item in items)
        after = latest + timedelta(microseconds=1)
        assert world.assets(updated_since=after.isoformat()) == []
        agent.send(absent("trip/day", "b.mp4"), absent("trip", "a.jpg"))
        assert names(world.assets(updated_since=after.isoformat(), limit=1)) == ["a.jpg", "b.mp4"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("status", "gone"),
            ("library", "lib_x"),
            ("volume", "x"),
            ("limit", "0"),
            ("limit", "1001"),
            ("limit", "many"),
            ("path_prefix", "photos"),
            ("path_prefix", "/a/../b"),
            ("updated_since", "yesterday"),
            ("updated_since", "2026-01-01T00:00:00"),
            ("trashed", "maybe"),
        ],
    )
    def test_a_filter_that_means_nothing_is_refused(self, world: World, name: str, value: str) -> None:
        with pytest.raises(Problem) as error:
            world.get("/assets", **{name: value})
        assert error.value.code == "bad-query"
        assert error.value.body["errors"][0]["pointer"] == f"/{name}"

    def test_a_cursor_is_good_for_its_own_list_only(self, world: World) -> None:
        position = world.get("/assets", limit=1)["next_cursor"]
        for path, query in (("/assets", {"kind": "image"}), ("/volumes", {}), ("/tokens", {})):
            with pytest.raises(Problem) as error:
                world.get(path, cursor=position, **query)
            assert (error.value.status, error.value.code) == (400, "bad-cursor")

    @pytest.mark.parametrize("after", [[], [1], [b"x", b"y"], [1 << 63, b"x"]])
    def test_a_made_up_cursor_is_refused(self, world: World, after: list[int | bytes]) -> None:
        with world.engine.connect() as connection:
            catalog = clock.incarnation(connection)
        for query, filters in (({}, Filters()), ({"updated_since": "1970-01-01T00:00:00Z"}, Filters(updated_since=0))):
            made_up = cursor.to_text(cursor.ListCursor(catalog, cursor.digest(filters), after))
            with pytest.raises(Problem) as error:
                world.get("/assets", cursor=made_up, **query)
            assert (error.value.status, error.value.code) == (400, "bad-cursor")

    def test_what_arrives_meanwhile_disturbs_no_page(self, world: World, agent: Agent) -> None:
        page = world.get("/assets", limit=2)
        agent.send(listed("home", "new.jpg"), absent("trip", "a.jpg"))
        rest = world.get("/assets", limit=1000, cursor=page["next_cursor"])
        both = [one["id"] for one in page["items"] + rest["items"]]
        assert len(both) == len(set(both)) == 5


@pytest.mark.usefixtures("mapped")
class TestLookup:
    def test_by_id_server_path_and_host_path(self, world: World) -> None:
        (wanted,) = world.assets(kind="video")
        asked = {
            "ids": [wanted["id"], "ast_nonsense"],
            "paths": ["/photos/T/day/b.mp4", "/mnt/usb/trip/day/b.mp4", "/photos/T/day", "/nowhere/b.mp4"],
        }
        items = world.post("/assets/lookup", asked)["items"]
        assert [one["id"] or one["path"] for one in items] == asked["ids"] + asked["paths"]
        assert [len(one["assets"]) for one in items] == [1, 0, 1, 1, 0, 0]
        assert all(one["assets"] == [wanted] for one in items if one["assets"])

    def test_a_path_in_two_libraries_is_two_assets(self, world: World, agent: Agent) -> None:
        world.library(agent, "/mnt/usb/trip")
        agent.send(listed("trip", file("a.jpg", 101)))
        (found,) = world.post("/assets/lookup", {"paths": ["/mnt/usb/trip/a.jpg"]})["items"]
        assert len(found["assets"]) == 2

    def test_where_it_was_mounted_last_counts_too(self, world: World, agent: Agent) -> None:
        agent.becomes(Reason.NOT_MOUNTED, None)
        (found,) = world.post("/assets/lookup", {"paths": ["/mnt/usb/trip/a.jpg"]})["items"]
        assert len(found["assets"]) == 1

    def test_at_most_a_thousand(self, world: World) -> None:
        for asked in ({"ids": ["x"] * 1001}, {"paths": ["/x"] * 1001}, {"paths": ["x"]}):
            with pytest.raises(Problem) as error:
                world.post("/assets/lookup", asked)
            assert error.value.status == 422


@pytest.mark.usefixtures("mapped")
class TestMarks:
    def test_the_bin_is_the_users_own_and_storage_never_touches_it(self, world: World, agent: Agent) -> None:
        (one,) = world.assets(kind="video")
        path = f"/assets/{one['id']}"
        trashed = world.patch(path, {"trashed": True, "foreign_id": "immich-7"})
        assert trashed["trashed_at"] is not None
        agent.send(absent("trip/day", "b.mp4"))
        agent.send(listed("trip/day", file("b.mp4", 5)))
        agent.send(moved("trip/day", "home", ("b.mp4", file("b.mp4", 5))))
        after = world.get(path)
        assert (after["trashed_at"], after["foreign_id"]) == (trashed["trashed_at"], "immich-7")
        assert (after["status"], after["path"]) == ("present", "/photos/home/b.mp4")
        back = world.patch(path, {"trashed": False, "foreign_id": None})
        assert (back["trashed_at"], back["foreign_id"]) == (None, None)

    def test_a_mark_is_told_once(self, world: World) -> None:
        (one,) = world.assets(kind="video")
        _, since = world.changes()
        world.patch(f"/assets/{one['id']}", {"trashed": True})
        world.patch(f"/assets/{one['id']}", {"trashed": True})
        items, since = world.changes(since)
        assert kinds(items) == ["asset.updated"]
        world.patch(f"/assets/{one['id']}", {})
        assert world.changes(since)[0] == []

    def test_an_outdated_mark_is_refused(self, world: World, agent: Agent) -> None:
        (one,) = world.assets(kind="video")
        path = f"/assets/{one['id']}"
        tag = world.admin.get(path).headers["ETag"]
        assert world.admin.get(path, headers={"If-None-Match": tag}).status_code == 304
        agent.becomes(Reason.NOT_MOUNTED, None)
        assert world.admin.get(path, headers={"If-None-Match": tag}).status_code == 200, "its availability changed"
        assert world.admin.patch(path, json={"trashed": True}, headers={"If-Match": tag}).status_code == 412


def test_history_is_told_newest_first_page_by_page(world: World, agent: Agent) -> None:
    world.library(agent)
    agent.send(listed("", "a.jpg"))
    (one,) = world.assets()
    agent.send(absent("", "a.jpg"))
    agent.send(listed("", "a.jpg"))
    agent.send(at_once(moved("", "d", ("a.jpg", "a.jpg"))))
    whole = world.get(f"/assets/{one['id']}/history")["items"]
    assert [step["reason"] for step in whole] == ["moved", "seen", "absent"]
    first = world.get(f"/assets/{one['id']}/history", limit=2)
    rest = world.get(f"/assets/{one['id']}/history", limit=2, cursor=first["next_cursor"])
    assert first["items"] + rest["items"] == whole
    assert rest["next_cursor"] is None
