"""Reading costs the same however much there is: what every question makes the database read, by its count and plan.

The catalog of these tests is small, and so is the window that a page may look through; what reads more than a few
windows of it would read all of a catalog of ten million.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.assignments import FENCE_HEADER
from sidecar.api import RESOURCES
from sidecar.api.endpoint import Route
from sidecar.asset import Status
from sidecar.catalog import asset_rows, assets, lanes, path_checksums, previewing, rules, seeking
from sidecar.catalog import feed as feed_module
from tests.sidecar import crowd
from tests.sidecar.counting import Sent, cost, excesses, selects
from tests.sidecar.crowd import Crowd
from tests.sidecar.growth import GROWING, analyzed, grow
from tests.sidecar.world import World, checked

ROWS = 12_000
WINDOW = 400
PAGE = 50
# What a page costs besides the window: each of its rows with the few others that are shown with it, read and sorted.
BOUND = 5 * (WINDOW + 8 * PAGE)
# However much there is, a request asks so many questions.
QUESTIONS = 60

Query = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """A request to a route: what its variables are, its query, its body, and who asks."""

    values: dict[str, str] = field(default_factory=dict)
    query: Query = field(default_factory=dict)
    body: Any = None
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of some thousands is to these as ten million are to the real ones."""
    monkeypatch.setattr(lanes, "WINDOW", WINDOW)
    monkeypatch.setattr(feed_module, "OWNER_WINDOW", WINDOW)
    monkeypatch.setattr(rules, "BATCH", WINDOW)
    monkeypatch.setattr(previewing, "JUDGED", 4 * WINDOW)
    monkeypatch.setattr(seeking, "SIZES_MAX", WINDOW)
    monkeypatch.setattr(asset_rows, "PAGE", WINDOW // 2)
    monkeypatch.setattr(assets, "_FEW", WINDOW // 4)
    monkeypatch.setattr(assets, "ALIKE_MAX", 5)


def readers() -> list[Route]:
    """The routes that change nothing."""
    return [route for one in RESOURCES for route in one.routes if route.method == "GET" or route.reads]


def examples(world: World, made: Crowd, grown: dict[str, str]) -> dict[str, list[Example]]:
    """Requests to every route, by method and path; between them they use every filter."""
    first, second, _ = (one["id"] for one in made.libraries)
    large, little = made.agents[0].volume, made.agents[1].volume
    asset = ids.to_text("asset", crowd.asset_id(0))
    some = range(0, ROWS, ROWS // PAGE)
    lookups = {
        "ids": [ids.to_text("asset", crowd.asset_id(one)) for one in some],
        "paths": [
            "/one/2003/trip-00003/IMG_0001.jpg",
            "/mnt/usb/photos/2003/trip-00003/IMG_0001.jpg",
            "/uploads/x.jpg",
        ],
        "path_checksums": ["A" * 27 + "="],
        "content_checksums": [crowd.content_of(one) or crowd.COMMON for one in some[::3]],
    }
    ben = checked(world.admin.post("/tokens", json={"name": "ben", "scope": "reader", "owner": "ben"})).json()["token"]
    agent, fence = made.agents[0].token, {FENCE_HEADER: str(made.agents[0].fence)}
    late = "2020-09-13T12:27:00Z"
    lists: list[Query] = [
        {},
        {"library": first},
        {"library": first, "kind": "video"},
        {"library": first, "status": "missing"},
        {"library": first, "status": "removed", "kind": "video"},
        {"library": first, "volume": little},
        {"library": second, "path_prefix": "/one"},
        {"owner": "anna"},
        {"owner": "anna", "trashed": "true"},
        {"owner": "ben", "status": "present"},
        {"status": "missing"},
        {"status": "excluded", "trashed": "true"},
        {"availability": "online"},
        {"availability": "unavailable"},
        {"availability": "online", "kind": "video", "trashed": "true"},
        {"volume": large},
        {"volume": large, "status": "missing", "trashed": "true"},
        {"volume": little},
        {"path_prefix": "/one"},
        {"path_prefix": "/one/2003"},
        {"path_prefix": "/one/2003/trip-00003", "kind": "video"},
        {"path_prefix": "/uploads"},
        {"kind": "video"},
        {"trashed": "true"},
        {"trashed": "false"},
        {"content": crowd.COMMON},
        {"content": crowd.content_of(2)},
        {"content": crowd.COMMON, "owner": "ben"},
        {"updated_since": late},
        {"updated_since": late, "library": second},
        {"updated_since": late, "status": "removed", "trashed": "true"},
        {"updated_since": late, "content": crowd.COMMON},
    ]
    found: dict[str, list[Example]] = {
        "/assets": [Example(query=one) for one in lists] + [Example(token=ben)],
        "/changes": [Example(), Example(token=ben)],
        "/libraries": [Example(), Example(query={"owner": "anna"}), Example(token=ben)],
        "/libraries/<library>/explain": [Example(query={"path": "/mnt/usb/photos/a.jpg"})],
        "/libraries/<library>/validate": [Example(body={"import_paths": [], "exclusion_patterns": ["*.tmp"]})],
        "/libraries/validate": [Example(body={"import_paths": [], "exclusion_patterns": ["*.tmp"]})],
        "/libraries/<library>/preview": [Example(body={"exclusion_patterns": ["*.tmp"]})],
        "/assets/<asset>/check": [Example(query={"wait": 0}, values={"asset": asset})],
        "/assets/lookup": [Example(body={name: wanted}) for name, wanted in lookups.items()],
        "/assets/upload-check": [
            Example(body={"owner": "ben", "content_checksums": lookups["content_checksums"]}),
        ],
        "/holds": [
            Example(),
            Example(query={"state": "dismissed"}),
            Example(query={"volume": large}),
            Example(query={"volume": large, "state": "dismissed"}),
        ],
        "/jobs": [
            Example(),
            Example(query={"state": "failed"}),
            Example(query={"library": first}),
            Example(query={"library": first, "state": "failed"}),
        ],
        "/audit": [
            Example(),
            Example(query={"action": "change_asset"}),
            Example(query={"token": grown["token"]}),
            Example(query={"token": grown["token"], "action": "change_asset"}),
        ],
        "/statistics": [Example(), Example(query={"owner": "anna", "volume": large}), Example(token=ben)],
        "/agent/assignment": [Example(token=agent)],
        "/agent/streams/<volume>/known": [Example(token=agent, headers=fence)],
        "/volumes": [Example(), Example(token=ben)],
    }
    plain = {"library": first, "volume": large, "asset": asset, "agent": made.agents[0].id, **grown}
    for route in readers():
        path = short(route)
        given = found.get(path)
        if given is None and route.query is not None and set(route.query.__struct_fields__) - {"limit", "cursor"}:
            continue  # a list with filters: somebody must say what is asked of it
        if given is None and route.body is not None:
            continue
        found[path] = [replace(one, values=plain | one.values) for one in given or [Example()]]
    return found


def short(route: Route) -> str:
    return route.path.removeprefix("/api/v1")


@pytest.fixture
def made(world: World) -> Crowd:
    return crowd.fill(world, ROWS)


def ask(world: World, route: Route, one: Example, cursor: str | None) -> Any:
    """Send a request; pages are of :data:`PAGE`."""
    path = re.sub(r"<(\w+)>", lambda name: one.values[name[1]], route.path)
    query = dict(one.query)
    if route.query is not None and "limit" in route.query.__struct_fields__:
        query["limit"] = PAGE
    if cursor is not None:
        query["since" if path.endswith("/changes") else "cursor"] = cursor
    client = world.admin if one.token is None else world.client(one.token)
    sent = {} if one.body is None else {"json": one.body}
    answer = client.request(route.method, f"http://sidecar{path}", params=query, headers=one.headers, **sent)
    return checked(answer).json() if "json" in answer.headers["Content-Type"] else {}


def pages(world: World, route: Route, one: Example) -> Iterator[tuple[str, list[Sent]]]:
    """The questions that the first page asks, and those of some page that is far from it."""
    with selects(world.engine) as sent:
        answer = ask(world, route, one, None)
    yield "first page", sent
    for _ in range(4):
        cursor = answer.get("next_cursor") or (answer.get("next") if answer.get("has_more") else None)
        if cursor is None:
            return
        with selects(world.engine) as sent:
            answer = ask(world, route, one, cursor)
    yield "a later page", sent


def faults(world: World, route: Route, one: Example) -> Iterator[str]:
    """What is wrong with the questions of a request."""
    for name, sent in pages(world, route, one):
        where = f"{route.method} {short(route)} {one.query or ''} ({name})"
        if len(sent) > QUESTIONS:
            yield f"{where}: {len(sent)} questions"
        yield from (f"{where}: {excess}" for excess in excesses(world.engine, sent, GROWING, BOUND))


def test_no_question_reads_more_than_its_share(world: World, engine: sa.Engine, made: Crowd) -> None:
    grown = grow(world, made)
    while path_checksums.catch_up(engine, 60) < 1.0:
        pass
    analyzed(engine)
    known = examples(world, made, grown)
    for route in readers():
        assert short(route) in known, f"say in this test what is asked of {route.method} {short(route)}"
        told = {name for one in known[short(route)] for name in one.query}
        asked = set(route.query.__struct_fields__ if route.query else ()) - {"limit", "cursor", "since", "wait"}
        assert asked <= told, f"say in this test what is asked of {short(route)} by {asked - told}"
    found = [fault for route in readers() for one in known[short(route)] for fault in faults(world, route, one)]
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize(
    ("directory", "bound"), [(b"", 5 * ROWS), (crowd.ROOT, 5 * ROWS), (b"photos/2003/trip-00003", BOUND)]
)
def test_what_lies_below_a_directory_is_read_once(
    world: World, engine: sa.Engine, made: Crowd, directory: bytes, bound: int
) -> None:
    """When nobody may enter it any more, be it one folder or the half of a library."""
    analyzed(engine)
    place = made.place_of(0)
    assert place.volume is not None
    numbers = [one for one in range(ROWS) if made.place_of(one) == place]
    inside = [one for one in numbers if crowd.path_of(made, one).startswith(directory and directory + b"/")]
    present = {crowd.asset_id(one) for one in inside if crowd.status_of(made, one) is Status.PRESENT}
    with engine.connect() as connection, selects(engine) as sent:
        below = asset_rows.present_below(connection, place.library, place.volume, directory)
        found = [one.id for page in below for one in page]
    assert len(found) == len(present)
    assert set(found) == present
    assert sum(cost(engine, question).rows for question in sent) <= bound
