"""Figures of libraries, owners, volumes and of everything, through the API on every engine."""

from __future__ import annotations

import pytest

from holdfast.volumes import Reason
from tests.sidecar.world import Agent, Item, Problem, World, absent, checked, file, listed, unreadable


class Two:
    """Anna's library on two disks, and Ben's on one of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.usb, self.nas = Agent(world, "desk"), Agent(world, "nas")
        for agent in (self.usb, self.nas):
            agent.heartbeat()
        paths = [{"agent": agent.id, "path": "/mnt/usb"} for agent in (self.usb, self.nas)]
        self.annas = world.post("/libraries", {"owner": "anna", "import_paths": paths})
        self.usb.bind(self.annas, "")
        self.nas.bind(self.annas, "")
        self.bens = world.library(self.nas, "/mnt/usb/ben", owner="ben")
        self.usb.send(listed("", "a.jpg", file("b.mp4", 1000)), listed("closed", "c.jpg"))
        self.nas.send(listed("", "d.jpg"), listed("ben", "e.jpg", "f.jpg"))

    def of(self, **query: str) -> Item:
        return dict(self.world.get("/statistics", **query))


@pytest.fixture
def two(world: World) -> Two:
    return Two(world)


def test_they_are_those_of_everything_of_an_owner_and_of_a_volume(two: Two) -> None:
    assert (two.of()["photos"], two.of()["videos"], two.of()["bytes"]) == (7, 1, 1700)
    assert two.of(owner="anna") == two.world.get(f"/libraries/{two.annas['id']}/statistics")
    assert two.of(owner="ben") == two.world.get(f"/libraries/{two.bens['id']}/statistics")
    assert (two.of(owner="ben")["photos"], two.of(owner="ben")["bytes"]) == (2, 200)
    assert two.of(volume=two.usb.volume)["by_status"]["present"] == 3
    assert two.of(volume=two.nas.volume)["by_status"]["present"] == 5
    assert two.of(volume=two.nas.volume, owner="anna")["by_status"]["present"] == 3
    assert two.of(volume=two.usb.volume, owner="ben")["by_status"]["present"] == 0
    assert two.of(owner="nobody")["bytes"] == 0


def test_missing_and_unavailable_are_counted_apart(two: Two) -> None:
    two.usb.send(absent("", "a.jpg"), unreadable("closed"))
    two.nas.becomes(Reason.UNPLUGGED, None)
    figures = two.of()
    assert {name: count for name, count in figures["by_status"].items() if count} == {
        "present": 6,
        "missing": 1,
        "unreadable": 1,
    }
    assert figures["by_availability"] == {"online": 1, "unavailable": 5, "unknown": 0}
    assert (figures["photos"], figures["videos"]) == (5, 1), "what is on a disk in a drawer is still there"


def test_deleted_libraries_count_no_more(two: Two) -> None:
    checked(two.world.admin.delete(f"/libraries/{two.annas['id']}"))
    assert two.of() == two.of(owner="ben")


def test_a_limited_reader_has_figures_of_one_owner_only(two: Two) -> None:
    answer = two.world.post("/tokens", {"scope": "reader", "name": "bens", "owner": "ben"})
    client = two.world.client(answer["token"])
    assert client.get("/statistics").json() == two.of(owner="ben")
    assert client.get("/statistics", params={"volume": two.usb.volume}).json()["photos"] == 0
    assert client.get("/statistics", params={"owner": "anna"}).status_code == 403


@pytest.mark.parametrize("query", [{"volume": "usb"}, {"library": "x"}])
def test_what_is_no_question_is_refused(two: Two, query: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        two.of(**query)
    assert (caught.value.status, caught.value.code) == (400, "bad-query")
