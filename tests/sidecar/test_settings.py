"""The settings, through the API and on every engine."""

from __future__ import annotations

import threading

import pytest

from tests.sidecar.watched import fill, lose, statuses
from tests.sidecar.world import Agent, Problem, World

DEFAULTS = {
    "guard_files": 100,
    "guard_percent": 10,
    "guard_window_s": 86_400,
    "missing_grace_s": 0,
    "retention_s": None,
    "scan_schedule": "0 0 * * *",
    "scan_time_zone": "UTC",
    "history_kept_s": 180 * 86_400,
    "tombstones_kept_s": 366 * 86_400,
    "audit_kept_s": 732 * 86_400,
    "deliveries_kept_s": 30 * 86_400,
}


def test_before_anybody_set_anything_they_are_the_defaults(world: World) -> None:
    assert world.get("/settings") == {**DEFAULTS, "revision": 0}


def test_what_is_set_stays_and_null_goes_back_to_the_default(world: World) -> None:
    assert world.patch("/settings", {"guard_files": 5, "guard_percent": 50})["revision"] == 1
    assert world.patch("/settings", {"guard_percent": 20}) == {
        **DEFAULTS,
        "guard_files": 5,
        "guard_percent": 20,
        "revision": 2,
    }
    assert world.patch("/settings", {"guard_files": None})["guard_files"] == 100
    assert world.patch("/settings", {})["revision"] == 3


def test_they_are_changed_as_they_were_read_or_not_at_all(world: World) -> None:
    tag = world.admin.get("/settings").headers["ETag"]
    assert world.admin.get("/settings", headers={"If-None-Match": tag}).status_code == 304
    changed = world.admin.patch("/settings", json={"guard_files": 5}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert world.admin.patch("/settings", json={"guard_files": 6}, headers={"If-Match": tag}).status_code == 412
    assert world.get("/settings")["guard_files"] == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guard_files", -1),
        ("guard_percent", 101),
        ("guard_window_s", 0),
        ("missing_grace_s", -1),
        ("retention_s", 86_399),
        ("scan_schedule", ""),
        ("scan_schedule", "@daily"),
        ("scan_schedule", "0 0 * *"),
        ("scan_schedule", "0 0 0 * * *"),
        ("scan_schedule", "60 0 * * *"),
        ("scan_schedule", "0 0 30 2 *"),
        ("scan_schedule", "* * */20 * 1L"),
        ("scan_schedule", "0 0 * * " + "1," * 100 + "1"),
        ("scan_time_zone", ""),
        ("scan_time_zone", "Mars/Olympus"),
        ("scan_time_zone", "../etc/passwd"),
        ("scan_time_zone", "Europe"),
        ("scan_time_zone", "localtime"),
        ("scan_time_zone", "A" * 10_000),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(world: World, name: str, value: object) -> None:
    with pytest.raises(Problem) as caught:
        world.patch("/settings", {name: value, "guard_files" if name != "guard_files" else "guard_percent": 5})
    (error,) = caught.value.body["errors"]
    assert (caught.value.status, error["pointer"]) == (422, f"/{name}")
    assert "default" in error["message"]
    assert world.get("/settings") == {**DEFAULTS, "revision": 0}


def test_two_first_changes_at_once_both_count(world: World) -> None:
    answers: list[int] = []

    def change(name: str, value: int) -> None:
        answers.append(world.admin.patch("/settings", json={name: value}).status_code)

    threads = [threading.Thread(target=change, args=pair) for pair in (("guard_files", 7), ("guard_percent", 8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200, 200]
    assert world.get("/settings") == {**DEFAULTS, "guard_files": 7, "guard_percent": 8, "revision": 2}


def test_r20_the_guard_goes_by_them(world: World) -> None:
    agent = Agent(world)
    agent.heartbeat()
    world.library(agent)
    made = fill(agent, "trip", 40)
    world.patch("/settings", {"guard_files": 0, "guard_percent": 5})
    lose(agent, "trip", made[:2])
    assert statuses(world) == {"missing": 2, "present": 38}
    lose(agent, "trip", made[2:3])
    assert statuses(world) == {"missing": 2, "present": 38}, "two of forty were its share for today"
    assert len(world.get("/holds")["items"]) == 1


def test_only_an_administrator_may_loosen_the_guard(world: World) -> None:
    client = world.client(world.token("operator"))
    assert client.get("/settings").status_code == 200
    assert client.patch("/settings", json={"guard_files": 1_000_000}).status_code == 403
