"""The catalog is restored from a backup: nothing is removed because of it, and nothing gets past the guard (R35)."""

from __future__ import annotations

import pytest

from sidecar.catalog import clock
from sidecar.catalog.engine import transact
from tests.sidecar.backup import Backup
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.watched import fill, lose, names, statuses, the_hold
from tests.sidecar.world import Agent, Problem, World, checked, listed, new_id


def say_so(world: World) -> None:
    transact(world.engine, lambda connection: clock.renew(connection, new_id()))


def begin_anew(agent: Agent) -> None:
    """The agent hears of another catalog, and begins a stream of another incarnation."""
    agent.heartbeat()
    agent.begin_anew()


def test_r35_a_catalog_that_nobody_spoke_of_refuses_what_it_has_forgotten(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    backup = Backup(world.engine)
    agent.send(listed("", "b.jpg"))
    _, since = world.changes()
    backup.restore()
    with pytest.raises(Problem) as error:
        checked(agent.put(agent.report(listed("", "c.jpg"))))
    assert (error.value.code, error.value.body["expected"]) == ("sequence-mismatch", 2)
    with pytest.raises(Problem) as error:
        world.get("/changes", since=since)
    assert error.value.code == "cursor-expired"
    assert set(world.by_path()) == {"/mnt/usb/a.jpg"}


def test_r35_what_is_asked_of_an_agent_is_never_taken_for_what_it_knows(world: World, agent: Agent) -> None:
    """Neither is what was asked before the catalog was set back in silence, nor what is asked since."""
    (library,) = world.get("/libraries")["items"]
    backup = Backup(world.engine)

    def asked(pattern: str, known: str | None) -> tuple[list[str], str]:
        world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": [pattern]})
        answer = agent.client.get("/agent/assignment", headers={"If-None-Match": known} if known else {})
        assert answer.status_code == 200
        return answer.json()["import_paths"][0]["exclusion_patterns"], answer.headers["ETag"]

    assert agent.client.get("/agent/assignment").status_code == 200
    patterns, tag = asked("**/before/**", None)
    assert patterns == ["**/before/**"]
    backup.restore()
    answer = agent.client.get("/agent/assignment", headers={"If-None-Match": tag})
    assert answer.json()["import_paths"][0]["exclusion_patterns"] != ["**/before/**"]
    backup.restore()
    assert asked("**/after/**", tag)[0] == ["**/after/**"]


def test_r35_it_is_told_again_and_keeps_every_id(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg", "b.jpg"))
    before = world.by_path()
    backup = Backup(world.engine)
    lose(agent, "", ["b.jpg"])
    agent.send(listed("", "c.jpg"))
    backup.restore()
    say_so(world)
    begin_anew(agent)
    assert {one["status"] for one in world.assets()} == {"present"}, "what the backup has is there until it is proven"
    agent.send(listed("", "a.jpg", "c.jpg"))
    assert world.by_path()["/mnt/usb/b.jpg"]["status"] == "present", "that it was not told of proves nothing"
    lose(agent, "", ["b.jpg"])
    after = world.by_path()
    assert {path: one["status"] for path, one in after.items()} == {
        "/mnt/usb/a.jpg": "present",
        "/mnt/usb/b.jpg": "missing",
        "/mnt/usb/c.jpg": "present",
    }
    assert {path: after[path]["id"] for path in before} == {path: one["id"] for path, one in before.items()}


@pytest.mark.parametrize("lost_before", [0, 60])
def test_r35_a_restored_catalog_is_no_way_around_the_guard(world: World, agent: Agent, lost_before: int) -> None:
    """Of all that is lost before the backup, after it, and after it was restored, one budget shows."""
    gone = fill(agent, "trip", 600)
    lose(agent, "trip", gone[:lost_before])
    backup = Backup(world.engine)
    lose(agent, "trip", gone[lost_before:100])
    assert statuses(world) == {"missing": 100, "present": 500}
    backup.restore()
    say_so(world)
    begin_anew(agent)
    lose(agent, "trip", gone[lost_before:180], in_pieces_of=20)
    assert statuses(world) == {"missing": 100, "present": 500}
    assert the_hold(world)["files"] == 80


def test_r35_a_hold_that_was_approved_after_the_backup_is_asked_about_again(world: World, agent: Agent) -> None:
    lose(agent, "trip", fill(agent, "trip", 300)[:150])
    one = the_hold(world)
    backup = Backup(world.engine)
    world.post(f"/holds/{one['id']}/approve", {"digest": one["digest"]})
    assert statuses(world) == {"missing": 150, "present": 150}
    backup.restore()
    say_so(world)
    begin_anew(agent)
    assert statuses(world) == {"present": 300}
    assert the_hold(world) == one
    agent.send(listed("trip", *names(150, 150)))
    lose(agent, "trip", names(150))
    assert the_hold(world) == one, "what is proven anew waits there already"
