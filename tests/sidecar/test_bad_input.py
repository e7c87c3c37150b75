"""Bad input, made up by machines: requests of every shape to every route with every role, and reports with something
wrong in them.

No 5xx; every error is a documented problem; what is refused changes nothing. HOLDFAST_FUZZ=1000 tries as many requests
of each kind, of other shapes every time.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import jsonschema
import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from holdfast.assignments import FENCE_HEADER
from holdfast.problems import CONTENT_TYPE
from holdfast.reports import INFLATED_BYTES_MAX, Report, ScanFinished, ScanStarted
from sidecar import catalog
from sidecar.api import RESOURCES
from sidecar.api.auth import Scope
from sidecar.api.endpoint import Route
from sidecar.api.openapi import document, problems_of
from sidecar.api.problems import TYPES
from sidecar.asset import Status
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import asset, asset_transition, gap, scan
from tests.mariadb import MARIADB
from tests.needs import needs
from tests.sidecar.test_contract import problem_of
from tests.sidecar.test_roles import ROLES, Household, furnished, may, state
from tests.sidecar.world import JSON, Agent, World, absent, listed, moved, new_id, unreadable

ROUTES = [route for resource in RESOURCES for route in resource.routes]
DOCUMENT = msgspec.json.decode(msgspec.json.encode(document(ROUTES)))
FUZZ = int(os.environ.get("HOLDFAST_FUZZ", "0"))
EXAMPLES = FUZZ or 6
# A request that waits for news waits for as long as it asks for; that is no fault, and takes its time.
WAITS = {"wait", "prefer"}
fuzzed = settings(
    derandomize=not FUZZ,
    database=None,
    phases=[Phase.generate] if not FUZZ else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def schemas() -> Any:
    """The API as schemathesis sees it."""
    try:
        import schemathesis
    except ImportError:
        needs(False, "needs schemathesis")
    return schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module", params=["sqlite", MARIADB])
def household(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """A catalog with something of everything. What is granted may change it, and it goes on from there."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('bad input')}/catalog.sqlite3"
    else:
        url = request.getfixturevalue("mariadb").fresh_database()
    engine = connect(url)
    catalog.migrate(engine)
    with World(engine) as world, pytest.MonkeyPatch.context() as patch:
        # No agent is there to look at what is to be validated.
        patch.setattr("sidecar.api.validation.WAIT_S", 0.0)
        yield furnished(world)
    engine.dispose()


def tries(home: Household, count: int) -> int:
    """The other database sees the same input, but less of it: what is read and checked before it is the same."""
    return FUZZ or (count if home.world.engine.dialect.name == "sqlite" else max(1, count // 3))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_request_breaks_anything(household: Household, schemas: Any, route: Route) -> None:
    from schemathesis import GenerationMode

    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
    operation = schemas[path][route.method]
    # The roles that may, half of the time.
    roles = [role for role in ROLES if route.scope is None or may(role, route)]

    known = state(household.world.engine)
    for mode in GenerationMode:

        @settings(fuzzed, max_examples=tries(household, EXAMPLES))
        @given(
            case=operation.as_strategy(generation_mode=mode),
            role=st.one_of(st.sampled_from(roles), st.sampled_from(ROLES)),
            is_real=st.booleans(),
        )
        def try_it(case: Any, role: str, is_real: bool) -> None:
            nonlocal known
            answer = ask(household, route, case, role, is_real)
            examine(route, answer)
            now = state(household.world.engine)
            assert answer.status_code < 400 or now == known, "a refused call has changed something"
            known = now

        # Where nothing can be sent, nothing can be wrong with it.
        with contextlib.suppress(Unsatisfiable):
            try_it()


def ask(home: Household, route: Route, case: Any, role: str, is_real: bool) -> httpx2.Response:
    """Send a request that schemathesis made up; ``is_real``: to things that there are."""

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        return home.things.get(name, str(case.path_parameters[name])) if is_real else str(case.path_parameters[name])

    query = [(name, as_text(value)) for name, value in (case.query or {}).items() if name not in WAITS]
    headers = {
        name: re.sub(r"[\r\n\0]", "", as_text(value)).encode("latin-1", "replace").decode("latin-1")
        for name, value in (case.headers or {}).items()
        if name.lower() not in {"authorization", "x-api-key", "content-length", *WAITS}
    }
    content: bytes | None = None
    if isinstance(case.body, bytes):
        content = case.body
    elif type(case.body).__name__ != "NotSet":
        content = json.dumps(case.body).encode()
    path = re.sub(r"<(?:\w+:)?(\w+)>", fill, route.path)
    answer = home.world.app.test_client().open(
        f"{path}?{urlencode(query, errors='replace')}",
        method=route.method,
        headers={**headers, "Authorization": f"Bearer {home.tokens[role]}"},
        data=content,
    )
    return httpx2.Response(answer.status_code, headers=list(answer.headers), content=answer.data)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def examine(route: Route, answer: httpx2.Response) -> None:
    """Every answer is one that the document announces."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        found = problem_of(answer)
        assert found.code in {*problems_of(route), "not-found", "method-not-allowed", "bad-request"}
        return
    responses = DOCUMENT["paths"][re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)][route.method.lower()]["responses"]
    content = responses[str(answer.status_code)].get("content")
    if content is None:
        assert answer.content == b""
        return
    if "text/plain" in content:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return
    schema = {**content["application/json"]["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.json())


@pytest.mark.parametrize(
    "route",
    [one for one in ROUTES if one.body is not None or one.raw],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_bodies_that_are_deep_or_wide_cost_nothing(household: Household, route: Route) -> None:
    role = next(role for role in ROLES if may(role, route))
    deep = 400_000
    # Both where it does not belong, and where whatever is there is skipped or kept.
    for content in (b"[" * deep, b'{"x":' * deep, b'{"observations":[' + b"[" * deep, b'{"x":' + b"[" * deep + b"}"):
        before = state(household.world.engine)
        client = household.world.client(household.tokens[role])
        client.base_url = "http://sidecar"
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: household.things.get(found[1], "1"), route.path)
        answer = client.request(route.method, path, content=content, headers=JSON)
        examine(route, answer)
        assert 400 <= answer.status_code < 500
        assert state(household.world.engine) == before


BAD = (None, True, -1, 2**63, 2**80, 1.5, 1e300, "", ".", "..", "a/../b", "/abs", "a//b", "a\0b", "\ud800", "é" * 5000)
bad_values = st.sampled_from([*BAD, [], {}, [[]], [None], {"type": "absent"}, "absent", [0] * 5])


@st.composite
def mangled(draw: st.DrawFn, report: Any) -> Any:
    """A report in which something, somewhere, was replaced, left out, put in, or doubled."""
    made = json.loads(json.dumps(report))
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(made))
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "insert", "double"])):
            case "replace":
                parent[key] = draw(bad_values)
            case "remove":
                del parent[key]
            case "insert" if isinstance(parent, dict):
                parent["nonsense"] = draw(bad_values)
            case "double" if isinstance(parent, list):
                parent.insert(key, parent[key])
            case _:
                parent[key] = [parent[key]]
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in a tree, as what it is in and under which key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def put(agent: Agent, sequence: int, body: bytes, encoding: str = "identity") -> httpx2.Response:
    path = f"/agent/streams/{agent.volume}/reports/{sequence}"
    headers = {**JSON, "Content-Encoding": encoding, FENCE_HEADER: str(agent.fence)}
    return agent.client.put(path, content=body, headers=headers)


def honest(agent: Agent, sequence: int) -> Report:
    """A report with something of every kind."""
    scan = "scn_" + "0" * 32
    return agent.report(
        ScanStarted(scan, "trip", "new"),
        listed("trip", "a.jpg", "b.jpg", f"{sequence}.jpg"),
        moved("trip", "album", ("a.jpg", "c.jpg")),
        unreadable("trip/deep"),
        absent("trip", "b.jpg"),
        ScanFinished(scan=scan, directory="trip", complete=True, directories=1, files=2, errors=0, duration_s=0.1),
        sequence=sequence,
    )


def test_r32_a_report_with_something_wrong_is_refused_whole_and_stops_the_stream(household: Household) -> None:
    agent = agent_of(household)
    sequence = 1
    refused = 0
    report = msgspec.to_builtins(honest(agent, sequence))

    @settings(fuzzed, max_examples=tries(household, 150))
    @given(made=mangled(report))
    def try_it(made: Any) -> None:
        nonlocal sequence, refused
        made = {**made, **{key: value for key, value in (("sequence", sequence),) if made.get("sequence") == 1}}
        before = state(household.world.engine)
        answer = put(agent, sequence, json.dumps(made).encode())
        assert answer.status_code < 500, answer.text
        if answer.status_code == 200:
            sequence += 1
            check_catalog(household.world.engine)  # so what was changed in it was not wrong
            return
        refused += 1
        found = problem_of(answer)
        assert found.code in ("invalid-report", "malformed-json"), found
        assert found.code == "malformed-json" or (found.errors and found.errors[0].message)
        assert state(household.world.engine) == before, "something was applied"
        after = put(agent, sequence + 1, msgspec.json.encode(honest(agent, sequence + 1)))
        assert (problem_of(after).code, problem_of(after).expected) == ("sequence-mismatch", sequence)

    try_it()
    assert refused > tries(household, EXAMPLES)
    # Once it is put right the stream goes on.
    assert put(agent, sequence, msgspec.json.encode(honest(agent, sequence))).json()["applied"] is True


def check_catalog(engine: sa.Engine) -> None:
    """Nothing is in the catalog that no file system can have, and nothing is missing without evidence."""
    with engine.connect() as connection:
        for path, size in connection.execute(sa.select(asset.c.path, asset.c.size)):
            assert b"\0" not in path
            assert not {b"", b".", b".."} & set(path.split(b"/")), path
            assert 0 <= size < 2**63
        lost = (asset_transition.c.to_status == Status.MISSING, asset_transition.c.evidence_id.is_(None))
        assert connection.execute(sa.select(sa.func.count()).where(*lost)).scalar_one() == 0
        directories = connection.execute(sa.union_all(sa.select(scan.c.directory), sa.select(gap.c.directory)))
        assert all(b".." not in one.split(b"/") and not one.startswith(b"/") for (one,) in directories)


def test_r32_a_report_damaged_on_its_way_is_refused_whole(household: Household) -> None:
    agent = agent_of(household)
    content = msgspec.json.encode(honest(agent, 1))
    body = gzip.compress(content)
    chance = random.Random(7)
    before = state(household.world.engine)
    for _ in range(tries(household, 200)):
        damaged = bytearray(body)
        if chance.random() < 0.3:
            damaged = damaged[: chance.randrange(len(damaged))]
        else:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        with contextlib.suppress(OSError, EOFError, zlib.error):
            # Some bits of the format mean nothing; the checksum says that all is well.
            assert gzip.decompress(damaged) == content
            continue
        found = problem_of(put(agent, 1, bytes(damaged), "gzip"))
        assert found.code in ("malformed-body", "malformed-json", "invalid-report")
    assert state(household.world.engine) == before
    assert put(agent, 1, body, "gzip").json()["applied"] is True


@pytest.mark.parametrize("filler", [b" ", b"[", b'"', b"0", b"\\u0000"], ids=repr)
def test_a_bomb_of_any_filling_is_refused_at_the_limit(household: Household, filler: bytes) -> None:
    agent = agent_of(household)
    before = state(household.world.engine)
    bomb = gzip.compress(b'{"volume": ' + filler * (4 * INFLATED_BYTES_MAX // len(filler)), 1)
    assert problem_of(put(agent, 1, bomb, "gzip")).code == "too-large"
    just_within = gzip.compress(b'{"volume": ' + filler * (INFLATED_BYTES_MAX // len(filler) - 100), 1)
    assert problem_of(put(agent, 1, just_within, "gzip")).code in ("malformed-json", "invalid-report")
    assert state(household.world.engine) == before


def agent_of(home: Household) -> Agent:
    """A new agent with a volume that is the writer of it, and a library there."""
    agent = Agent(home.world, f"nas {new_id().hex()}")
    agent.heartbeat()
    home.world.library(agent, "/mnt/usb")
    return agent


def test_every_problem_has_a_page() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert all(f"| `{code}` | {kind.status} |" in text for code, kind in TYPES.items())


def test_the_roles_that_are_tried_are_all_there_are() -> None:
    assert set(ROLES) >= set(Scope)
