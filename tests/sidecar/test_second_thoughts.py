"""What was dismissed by mistake, or is doubted, is looked at again: the grant ends, and the agent begins anew."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.assignments import FENCE_HEADER, BelievedPage
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.watched import fill, lose, names, shifted, statuses, the_hold
from tests.sidecar.world import Agent, Item, Problem, World, checked, listed


def decide(world: World, verb: str) -> Item:
    one = the_hold(world)
    return dict(world.post(f"/holds/{one['id']}/{verb}", {"digest": one["digest"]}))


def recheck(world: World, agent: Agent) -> None:
    answer = checked(world.admin.post(f"/volumes/{agent.volume}/recheck"))
    assert answer.status_code == 202
    assert answer.json()["id"] == agent.volume


def believed(agent: Agent) -> set[str]:
    """What an agent that begins anew learns first."""
    agent.heartbeat()
    agent.begin_anew()
    headers = {FENCE_HEADER: str(agent.fence)}
    answer = checked(agent.client.get(f"/agent/streams/{agent.volume}/known", headers=headers))
    page = msgspec.json.decode(answer.content, type=BelievedPage)
    return {f"{one.directory}/{each.name}" for one in page.directories for each in one.files}


def test_r20_what_was_dismissed_by_mistake_is_asked_about_again(world: World, agent: Agent) -> None:
    gone = fill(agent, "trip", 300)[:150]
    lose(agent, "trip", gone)
    first = decide(world, "dismiss")
    assert "recheck" in str(first["advice"])
    assert statuses(world) == {"present": 300}
    recheck(world, agent)
    assert {f"trip/{name}" for name in gone} <= believed(agent), "the agent learns of files that it does not have"
    lose(agent, "trip", gone)
    second = decide(world, "approve")
    assert second["id"] != first["id"]
    assert set(world.by_path(status="missing")) == {f"/mnt/usb/trip/{name}" for name in gone}


def test_r20_times_that_were_dismissed_by_mistake_are_asked_about_again(world: World, agent: Agent) -> None:
    made = fill(agent, "trip", 300)
    agent.send(shifted("trip", made))
    decide(world, "dismiss")
    recheck(world, agent)
    believed(agent)
    agent.send(shifted("trip", made))
    decide(world, "approve")
    assert {one["modified_at"] for one in world.assets()} == {"1970-01-01T01:00:01Z"}, "an hour later"


def test_r26_what_is_found_after_all_stays_present(world: World, agent: Agent) -> None:
    gone = fill(agent, "trip", 300)[:150]
    lose(agent, "trip", gone)
    decide(world, "dismiss")
    recheck(world, agent)
    believed(agent)
    agent.send(listed("trip", *names(300)))
    assert statuses(world) == {"present": 300}
    assert world.get("/holds", state="open")["items"] == []


def test_r20_what_waits_in_an_open_hold_stays_in_it(world: World, agent: Agent) -> None:
    gone = fill(agent, "trip", 300)[:150]
    lose(agent, "trip", gone)
    before = the_hold(world)
    recheck(world, agent)
    believed(agent)
    lose(agent, "trip", gone)
    assert the_hold(world) == before


def test_r33_another_look_changes_nothing_by_itself(world: World, agent: Agent) -> None:
    fill(agent, "trip", 3)
    before, (_, since) = world.assets(), world.changes()
    recheck(world, agent)
    with pytest.raises(Problem) as error:
        agent.send(listed("trip", "new.jpg"))
    assert error.value.code == "two-writers", "nothing of before is taken until the agent has begun anew"
    assert world.assets() == before
    assert world.changes(since)[0] == []


def test_a_volume_that_nobody_knows_cannot_be_looked_at(world: World, agent: Agent) -> None:
    answer = world.admin.post("/volumes/vol_" + "0" * 32 + "/recheck")
    assert answer.status_code == 404
    assert world.client(world.token("reader")).post(f"/volumes/{agent.volume}/recheck").status_code == 403
