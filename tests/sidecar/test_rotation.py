"""Tokens of agents get another secret, by the agent's wish or by order, and nobody is locked out meanwhile."""

from __future__ import annotations

import httpx2
import pytest
import sqlalchemy as sa

from sidecar.api import agent as agent_api
from sidecar.catalog import clock
from sidecar.catalog.tables import token as table
from tests.sidecar.test_audit import entries
from tests.sidecar.world import JSON, Agent, Item, Problem, World, checked


def with_token(world: World, agent: Agent, token: str) -> httpx2.Client:
    """The agent's client from now on."""
    agent.token, agent.client = token, world.client(token)
    return agent.client


def renew(agent: Agent) -> str:
    return str(checked(agent.client.post("/agent/token")).json()["token"])


def opens(world: World, token: str) -> bool:
    return world.client(token).get("/agent/assignment").status_code == 200


def row(world: World, agent: Agent) -> Item:
    (found,) = [one for one in world.get("/tokens")["items"] if one["name"] == f"agent {agent.name}"]
    return dict(found)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the sidecar's clock show that it is so much later."""
    shown = clock.now_us() + int(seconds * 1_000_000)
    for module in ("sidecar.api.auth", "sidecar.api.agent", "sidecar.api.tokens"):
        monkeypatch.setattr(f"{module}.now_us", lambda: shown)


def test_for_a_day_both_open_and_then_only_the_new_one(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = agent.token, renew(agent)
    assert opens(world, old)
    assert opens(world, new)
    later(monkeypatch, agent_api.RENEWAL_OVERLAP_S + 1)
    assert not opens(world, old)
    assert opens(world, new)


def test_it_stays_the_same_token_and_the_same_agent(world: World, agent: Agent) -> None:
    before = row(world, agent)
    with_token(world, agent, renew(agent))
    agent.heartbeat()
    after = row(world, agent)
    assert {**before, "previous_until": None} == {**after, "previous_until": None}
    assert agent.send() is not None, "the stream goes on"
    assert [one["id"] for one in world.get("/agents")["items"]] == [agent.id]


def test_an_answer_that_was_lost_locks_nobody_out(world: World, agent: Agent) -> None:
    old = agent.token
    lost = [renew(agent) for _ in range(3)]  # the agent knows none of them, and asks with the old one
    got = renew(agent)
    assert opens(world, old)
    assert opens(world, got)
    assert not any(opens(world, one) for one in lost), "a secret that nobody holds opens nothing"


def test_a_request_that_arrives_twice_locks_nobody_out(world: World, agent: Agent) -> None:
    old, first = agent.token, renew(agent)
    with_token(world, agent, first)
    with_token(world, agent, old)
    renew(agent)  # the network has kept a copy, and nobody hears its answer
    assert opens(world, old), "what the agent still has on its disk, or can ask with"


def test_with_the_old_token_the_heartbeat_tells_to_get_a_new_one(world: World, agent: Agent) -> None:
    old = agent.token
    assert agent.heartbeat()["renew_token"] is False
    new = renew(agent)
    assert agent.heartbeat()["renew_token"] is True
    with_token(world, agent, new)
    assert agent.heartbeat()["renew_token"] is False
    assert old != new


def test_an_old_token_gives_itself_no_more_time(world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    old = agent.token
    renew(agent)
    later(monkeypatch, agent_api.RENEWAL_OVERLAP_S - 10)
    renew(agent)
    later(monkeypatch, agent_api.RENEWAL_OVERLAP_S + 10)
    assert not opens(world, old)


def test_an_administrator_orders_it_and_sees_no_secret(world: World, agent: Agent) -> None:
    old = agent.token
    ordered = world.post(f"/tokens/{row(world, agent)['id']}/rotate", {})
    assert (ordered["scope"], ordered["token"]) == ("agent", None)
    assert agent.heartbeat()["renew_token"] is True
    new = renew(agent)
    assert opens(world, old)
    assert opens(world, new)
    with_token(world, agent, new)
    assert agent.heartbeat()["renew_token"] is False


def test_an_agent_that_never_comes_for_it_is_locked_out(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.post(f"/tokens/{row(world, agent)['id']}/rotate", {"overlap_s": 3600})
    later(monkeypatch, 3601)
    assert not opens(world, agent.token)
    answer = agent.client.post("/agent/token")
    assert answer.status_code == 401


@pytest.mark.parametrize("overlap_s", [0, 59])
def test_an_agent_is_given_time(world: World, agent: Agent, overlap_s: int) -> None:
    with pytest.raises(Problem) as error:
        world.post(f"/tokens/{row(world, agent)['id']}/rotate", {"overlap_s": overlap_s})
    assert error.value.code == "not-rotatable"
    assert agent.heartbeat()["renew_token"] is False


def test_a_token_that_is_used_once_is_not_rotated(world: World) -> None:
    made = world.post("/tokens", {"scope": "enrol", "name": "nas"})
    with pytest.raises(Problem) as error:
        world.post(f"/tokens/{made['id']}/rotate", {})
    assert error.value.code == "not-rotatable"


def test_revoked_is_revoked_whatever_was_renewed(world: World, agent: Agent) -> None:
    old, new = agent.token, renew(agent)
    checked(world.admin.delete(f"/agents/{agent.id}"))
    assert not opens(world, old)
    assert not opens(world, new)


def test_it_is_written_down_and_no_secret_is(world: World, agent: Agent) -> None:
    new = renew(agent)
    (entry,) = entries(world, action="renew_token")
    assert (entry["who"], entry["scope"], entry["status"]) == (f"agent {agent.name}", "agent", 200)
    with world.engine.connect() as connection:
        stored = repr(connection.execute(sa.select(table)).all()) + repr(entries(world))
    assert new not in stored


def test_only_an_agent_can_ask(world: World) -> None:
    assert world.admin.post("/agent/token", headers=JSON).status_code == 403
