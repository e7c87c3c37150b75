"""Who may do what: every route walked with every role. What is not allowed is refused, and changes nothing.

A reader that is limited to an owner gets only what belongs to that owner, whatever it asks for.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import sqlalchemy as sa

from holdfast.volumes import Reason
from sidecar.api import RESOURCES
from sidecar.api.auth import PEOPLE, Scope, allows
from sidecar.api.endpoint import Route
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import audit, metadata
from tests.sidecar.test_contract import path_of, problem_of
from tests.sidecar.world import Agent, Item, World, listed

LIMITED = "reader of anna"
ROLES = (*Scope, LIMITED)
ROUTES = [route for resource in RESOURCES for route in resource.routes if route.scope is not None]
by_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


@dataclass(frozen=True)
class Household:
    """Two owners, each with an agent, a volume and a library of their own; ``things`` are ids of bert's."""

    world: World
    tokens: Mapping[str, str]
    anna: Item
    bert: Item
    anna_volume: str
    things: Mapping[str, str]

    def ask(self, role: str, method: str, path: str, **request: Any) -> httpx2.Response:
        client = self.world.client(self.tokens[role])
        client.base_url = "http://sidecar"
        return client.request(method, path, **request)


@pytest.fixture(scope="module")
def household(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    file = tmp_path_factory.mktemp("roles") / "catalog.sqlite3"
    shutil.copy(sqlite_template, file)
    engine = connect(f"sqlite:///{file}")
    with World(engine) as world:
        yield furnished(world)
    engine.dispose()


def furnished(world: World) -> Household:
    agents = {owner: Agent(world, f"nas of {owner}", f"{owner}.home") for owner in ("anna", "bert")}
    libraries = {}
    for owner, agent in agents.items():
        agent.heartbeat()
        libraries[owner] = world.library(agent, name=f"Photos of {owner}", owner=owner)
        agent.send(listed("trip", f"{owner} 1.jpg", f"{owner} 2.jpg"))
        agent.becomes(Reason.NOT_MOUNTED, None)
    made = world.post("/tokens", {"scope": "reader", "name": "anna's frame", "owner": "anna"})
    tokens: dict[str, str] = {
        scope: agents["bert"].token if scope is Scope.AGENT else world.token(scope) for scope in Scope
    }
    webhook = world.post("/webhooks", {"url": "http://127.0.0.1:9/hook"})
    (asset, _) = world.assets(owner="bert")
    things = {
        "library": libraries["bert"]["id"],
        "asset": asset["id"],
        "volume": agents["bert"].volume,
        "agent": agents["bert"].id,
        "token": made["id"],
        "webhook": webhook["id"],
        "delivery": world.post(f"/webhooks/{webhook['id']}/test", {})["id"],
    }
    tokens |= {LIMITED: made["token"]}
    return Household(world, tokens, libraries["anna"], libraries["bert"], agents["anna"].volume, things)


def real_path(home: Household, route: Route) -> str:
    """A path of this route that names things that there are, as far as there are any."""

    def fill(found: re.Match[str]) -> str:
        return home.things.get(found[1], found[0])

    return re.sub(r"<(\w+)>", fill, path_of(route) if "<int:" in route.path or "<hold>" in route.path else route.path)


def state(engine: sa.Engine) -> str:
    """A digest of everything in the database but the audit log."""
    digest = hashlib.sha256()
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table is not audit:
                digest.update(repr(sorted(map(repr, connection.execute(sa.select(table))))).encode())
    return digest.hexdigest()


def may(role: str, route: Route) -> bool:
    """What the documentation says (docs/access.md)."""
    assert route.scope is not None
    return (
        (route.limited and allows(Scope.READER, route.scope)) if role == LIMITED else allows(Scope(role), route.scope)
    )


@by_route
def test_what_a_role_may_not_do_is_refused_and_changes_nothing(household: Household, route: Route) -> None:
    before = state(household.world.engine)
    for role in ROLES:
        if not may(role, route):
            answer = household.ask(role, route.method, real_path(household, route), json={})
            assert (problem_of(answer, route).code, answer.status_code) == ("forbidden", 403), role
    assert state(household.world.engine) == before


@by_route
def test_what_a_role_may_do_is_not_forbidden(household: Household, route: Route) -> None:
    for role in ROLES:
        if may(role, route):
            answer = household.ask(role, route.method, path_of(route), content=b"{")
            assert answer.status_code not in (401, 403, 500), (role, answer.text)


def test_what_changes_something_is_not_for_readers() -> None:
    for route in ROUTES:
        if route.method != "GET" and route.scope in PEOPLE and not route.reads:
            assert route.scope is not Scope.READER or route.path.endswith(("/validate", "/preview", "/check"))
            assert not route.limited or route.path.endswith(("/validate", "/preview", "/check"))


@by_route
def test_a_limited_reader_is_shown_nothing_of_others(household: Household, route: Route) -> None:
    if not route.limited or route.path.endswith("/upload-check"):  # there the owner is named
        return
    if "<" in route.path:
        needed = {one.name: "/x" for one in msgspec.structs.fields(route.query) if one.required} if route.query else {}
        answer = household.ask(LIMITED, route.method, real_path(household, route), params=needed, json={})
        assert problem_of(answer, route).code == "not-found"
        return
    body = {"ids": [household.things["asset"]], "paths": ["/mnt/usb/trip/bert 1.jpg", "/mnt/usb/trip/anna 1.jpg"]}
    answer = household.ask(LIMITED, route.method, route.path, **({} if route.method == "GET" else {"json": body}))
    assert answer.status_code == 200
    nothing = '"path_checksum":null,"content_checksum":null,"assets":[]'
    shown = answer.text.replace(f'"id":"{household.things["asset"]}","path":null,{nothing}', "")
    shown = shown.replace(f'"path":"/mnt/usb/trip/bert 1.jpg",{nothing}', "")
    assert "anna" in shown or route.path.endswith(("/volumes", "/statistics"))
    for word in ("bert", *household.things.values()):
        assert word not in shown


def test_a_limited_reader_cannot_ask_for_another_owner(household: Household) -> None:
    for path in ("/api/v1/libraries", "/api/v1/assets", "/api/v1/statistics"):
        assert household.ask(LIMITED, "GET", path, params={"owner": "anna"}).status_code == 200
        assert household.ask(LIMITED, "GET", path, params={"owner": "bert"}).status_code == 403
    for owner, status in (("anna", 200), ("bert", 403)):
        body = {"owner": owner, "content_checksums": []}
        assert household.ask(LIMITED, "POST", "/api/v1/assets/upload-check", json=body).status_code == status
    others = household.ask(LIMITED, "GET", "/api/v1/assets", params={"library": household.bert["id"]})
    assert others.json()["items"] == []
    assert len(household.ask(LIMITED, "GET", "/api/v1/assets").json()["items"]) == 2


def test_only_a_reader_can_be_limited(household: Household) -> None:
    for scope in ("enrol", "operator", "admin"):
        answer = household.world.admin.post("/tokens", json={"scope": scope, "name": "x", "owner": "anna"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/owner")


def test_a_limited_reader_follows_its_part_of_the_feed_and_misses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = furnished(world)
    # Small enough that pages of others' things lie between.
    monkeypatch.setattr("sidecar.catalog.feed.OWNER_WINDOW", 3)

    def followed(since: str | None) -> tuple[dict[str, str], str]:
        found = {}
        while True:
            query = {"limit": 1, **({} if since is None else {"since": since})}
            page = home.ask(LIMITED, "GET", "/api/v1/changes", params=query).json()
            found |= {one["id"]: one["kind"] for one in page["items"]}
            since = str(page["next"])
            if not page["has_more"]:
                return found, since

    seen, since = followed(None)
    owned = {one["id"] for one in world.assets(owner="anna")}
    assert set(seen) == {home.anna["id"], *owned, home.anna_volume}
    world.patch(f"/assets/{home.things['asset']}", {"trashed": True})
    seen, since = followed(since)
    assert seen == {}
    world.patch(f"/assets/{min(owned)}", {"trashed": True})
    world.patch(f"/libraries/{home.bert['id']}", {"name": "Bert's"})
    seen, _ = followed(since)
    assert seen == {min(owned): "asset.updated"}
