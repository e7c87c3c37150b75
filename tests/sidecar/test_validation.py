"""Import paths and patterns checked before anything is saved, with the agent's own word."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
import sqlalchemy as sa

from holdfast.assignments import Answered, Assignment, Heartbeat
from sidecar.api import validation
from sidecar.catalog.tables import inquiry
from sidecar.worker import Worker
from tests.sidecar.world import JSON, Agent, Problem, World, checked, new_id

MISSING = "/mnt/none does not exist on the agent's host."


@contextmanager
def answering(agent: Agent, answers: dict[str, str | None]) -> Iterator[list[str]]:
    """An agent that waits for an assignment with questions, and answers those that it can."""
    asked: list[str] = []
    known = agent.client.get("/agent/assignment").headers["ETag"]

    def serve() -> None:
        tag = known
        while not asked:
            waiting = {"If-None-Match": tag, "Prefer": "wait=10"}
            answer = checked(agent.client.get("/agent/assignment", headers=waiting))
            assignment = msgspec.json.decode(answer.content, type=Assignment)
            tag = answer.headers["ETag"]
            asked.extend(one.path for one in assignment.questions)
            said = [
                Answered(question=one.id, message=answers[one.path])
                for one in assignment.questions
                if one.path in answers
            ]
            beat = Heartbeat(volumes=[agent.status], bindings=agent.bindings, answers=said, version="1.0")
            checked(agent.client.post("/agent/heartbeat", content=msgspec.json.encode(beat), headers=JSON))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        thread.join(30)


def test_the_agent_is_asked_and_nothing_is_saved(world: World, agent: Agent) -> None:
    made = world.library(agent)
    before = world.get(f"/libraries/{made['id']}")
    wanted = [
        {"agent": "nas", "path": "/mnt/photos"},
        {"agent": "nas", "path": "/mnt/none"},
        {"agent": "nas", "path": "relative"},
        {"agent": "nobody", "path": "/mnt/photos"},
        {"agent": "nas", "path": "/mnt/photos"},
    ]
    body = {"import_paths": wanted, "exclusion_patterns": ["**/Raw/**", "!(x)"]}
    with answering(agent, {"/mnt/photos": None, "/mnt/none": MISSING}) as asked:
        found = world.post(f"/libraries/{made['id']}/validate", body)
    assert sorted(asked) == ["/mnt/none", "/mnt/photos"]
    first, second, *others = found["import_paths"]
    assert first == {"path": "/mnt/photos", "agent": agent.id, "is_valid": True, "message": None}
    assert second == {"path": "/mnt/none", "agent": agent.id, "is_valid": False, "message": MISSING}
    assert [one["is_valid"] for one in others] == [False, False, False]
    assert "absolute" in others[0]["message"]
    assert "no such agent" in others[1]["message"]
    assert "twice" in others[2]["message"]
    assert [(one["pattern"], one["is_valid"]) for one in found["exclusion_patterns"]] == [
        ("**/Raw/**", True),
        ("!(x)", False),
    ]
    assert world.get(f"/libraries/{made['id']}") == before
    assert agent.client.get("/agent/assignment").json()["questions"] == []
    assert world.value(sa.select(sa.func.count()).select_from(inquiry)) == 0


def test_without_a_body_what_the_library_has_is_looked_at(world: World, agent: Agent) -> None:
    made = world.library(agent)
    with answering(agent, {"/mnt/usb": "It is broken."}):
        found = world.post(f"/libraries/{made['id']}/validate", {})
    assert [(one["path"], one["message"]) for one in found["import_paths"]] == [("/mnt/usb", "It is broken.")]
    assert {one["is_valid"] for one in found["exclusion_patterns"]} == {True}


def test_an_agent_that_is_away_is_not_waited_for(world: World, agent: Agent) -> None:
    made = world.library(agent)
    acting = Worker(world.engine, 30.0, new_id(), 15.0)
    acting.step(0.0)
    acting.step(31.0)
    (one,) = world.post(f"/libraries/{made['id']}/validate", {})["import_paths"]
    assert one["is_valid"] is None
    assert "not heard of" in one["message"]


def test_an_agent_that_does_not_answer_makes_it_unknown(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "WAIT_S", 0.2)
    made = world.library(agent)
    (one,) = world.post(f"/libraries/{made['id']}/validate", {})["import_paths"]
    assert one["is_valid"] is None
    assert "not answered" in one["message"]
    assert agent.client.get("/agent/assignment").json()["questions"] == []


def test_an_agent_answers_its_own_questions_only(world: World, agent: Agent) -> None:
    other = Agent(world, "other", "other.home")
    other.heartbeat()
    made = world.library(agent)
    with answering(agent, {"/mnt/usb": None}) as asked:
        found = world.post(f"/libraries/{made['id']}/validate", {})
        assert asked == ["/mnt/usb"]
    assert found["import_paths"][0]["is_valid"] is True
    assert other.client.get("/agent/assignment").json()["questions"] == []
    stray = Answered(question="inq_" + "0" * 32, message="x" * 20_000)
    beat = Heartbeat(volumes=[], answers=[stray], version="1.0")
    answer = other.client.post("/agent/heartbeat", content=msgspec.json.encode(beat), headers=JSON)
    assert answer.status_code == 422


def test_there_is_a_limit(world: World, agent: Agent) -> None:
    made = world.library(agent)
    many = [{"agent": "nas", "path": f"/{number}"} for number in range(129)]
    with pytest.raises(Problem) as error:
        world.post(f"/libraries/{made['id']}/validate", {"import_paths": many})
    assert error.value.code == "invalid-body"
