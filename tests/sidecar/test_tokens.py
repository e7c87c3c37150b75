"""Tokens: shown once, stored as digests, revocable; and what each scope may do."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa

from sidecar.api.auth import Scope, allows
from sidecar.catalog.tables import metadata
from sidecar.catalog.tables import token as table
from tests.sidecar.world import Problem, World


def test_a_token_is_shown_once_and_never_stored(world: World) -> None:
    made = world.post("/tokens", {"scope": "reader", "name": "immich"})
    assert made["token"].startswith("hf_")
    shown = world.get(f"/tokens/{made['id']}")
    assert (shown["name"], shown["scope"]) == ("immich", "reader")
    assert "token" not in shown
    with world.engine.connect() as connection:
        for one in metadata.sorted_tables:
            assert made["token"].encode() not in repr(connection.execute(sa.select(one)).all()).encode()


def test_a_revoked_token_is_good_for_nothing(world: World) -> None:
    made = world.post("/tokens", {"scope": "reader", "name": "immich"})
    client = world.client(made["token"])
    assert client.get("/libraries").status_code == 200
    assert world.admin.delete(f"/tokens/{made['id']}").status_code == 204
    assert client.get("/libraries").status_code == 401
    assert world.admin.delete(f"/tokens/{made['id']}").status_code == 404
    assert world.get(f"/tokens/{made['id']}")["revoked_at"] is not None


def test_the_header_of_photo_servers_will_do(world: World) -> None:
    client = world.client(None)
    assert client.get("/libraries", headers={"x-api-key": world.token("reader")}).status_code == 200
    assert client.get("/libraries", headers={"x-api-key": "hf_no"}).status_code == 401


@pytest.mark.parametrize("scope", ["agent", "root", ""])
def test_scopes_that_are_not_given_out(world: World, scope: str) -> None:
    with pytest.raises(Problem) as error:
        world.post("/tokens", {"scope": scope, "name": "x"})
    assert error.value.body["errors"][0]["pointer"] == "/scope"


def test_tokens_are_listed(world: World) -> None:
    for number in range(3):
        world.post("/tokens", {"scope": "reader", "name": str(number)})
    found = [one["name"] for one in world.get("/tokens")["items"]]
    assert found == ["admin", "0", "1", "2"]
    assert world.value(sa.select(sa.func.count()).select_from(table)) == 4


def test_people_have_ranks_and_agents_have_none() -> None:
    allowed = {(held, needed) for held, needed in itertools.product(Scope, repeat=2) if allows(held, needed)}
    ranks = [Scope.READER, Scope.OPERATOR, Scope.ADMIN]
    expected = {
        (held, needed) for held, needed in itertools.product(ranks, repeat=2) if held >= needed or held == needed
    }
    expected = {(h, n) for h, n in itertools.product(ranks, repeat=2) if ranks.index(h) >= ranks.index(n)}
    assert allowed == expected | {(Scope.AGENT, Scope.AGENT), (Scope.ENROL, Scope.ENROL)}
