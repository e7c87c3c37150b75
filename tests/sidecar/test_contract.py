"""The contract of the API as a whole, walked over every route there is.

Every error is ``application/problem+json`` with ``type``, ``title``, ``status`` and ``detail``; its type is one that
the OpenAPI document names for that route. What is not known is refused.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from openapi_spec_validator import validate

from holdfast import ids
from holdfast.problems import CONTENT_TYPE, DOCS, Problem
from sidecar.api import RESOURCES
from sidecar.api.auth import Scope, allows
from sidecar.api.endpoint import Route
from sidecar.api.openapi import document, problems_of
from sidecar.api.problems import TYPES
from sidecar.api.reference import markdown
from sidecar.api.uploads import UploadBody
from sidecar.asset import Availability, Status
from sidecar.catalog.engine import connect
from tests.sidecar.world import Agent, World, new_id

ROUTES = [route for resource in RESOURCES for route in resource.routes]
# Bodies that have to say something, such as would fit.
FITTING = {
    UploadBody: {
        "path": "/data/a.jpg",
        "size": 1,
        "modified_at": "2026-05-01T10:00:00Z",
        "content_checksum": "sha1:2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    }
}
every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
guarded = pytest.mark.parametrize(
    "route", [one for one in ROUTES if one.scope is not None], ids=lambda route: f"{route.method} {route.path}"
)


@pytest.fixture(scope="module")
def walked(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One sidecar for all walks: none of them changes anything."""
    file = tmp_path_factory.mktemp("contract") / "catalog.sqlite3"
    shutil.copy(sqlite_template, file)
    engine = connect(f"sqlite:///{file}")
    with World(engine) as made:
        yield made
    engine.dispose()


def path_of(route: Route) -> str:
    """A path of this route that names nothing that there is."""

    def fill(found: re.Match[str]) -> str:
        return "1" if found[1] else ids.to_text(found[2], new_id())

    return re.sub(r"<(?:(int):)?(\w+)>", fill, route.path)


def ask(world: World, route: Route, token: str | None, path: str | None = None, **request: object) -> httpx2.Response:
    client = world.client(token)
    client.base_url = "http://sidecar"
    return client.request(route.method, path or path_of(route), **request)  # type: ignore[arg-type]


def problem_of(answer: httpx2.Response, route: Route | None = None) -> Problem:
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    found = msgspec.json.decode(answer.content, type=Problem)
    assert found.status == answer.status_code
    assert found.type == DOCS + found.code
    assert found.title == TYPES[found.code].title
    assert found.detail
    if route is not None:
        assert found.code in problems_of(route), f"{found.code} is not announced"
    return found


def good_token(world: World, route: Route) -> str | None:
    if route.scope is Scope.AGENT:
        return Agent(world, f"agent {new_id().hex()}").token
    return None if route.scope is None else world.token(route.scope)


@guarded
def test_without_a_token_nobody_comes_in(walked: World, route: Route) -> None:
    for token, codes in ((None, ("unauthorized",)), ("hf_wrong", ("unauthorized", "too-many-tries"))):
        answer = ask(walked, route, token)
        assert problem_of(answer, route).code in codes
        assert answer.status_code == 429 or answer.headers["WWW-Authenticate"].startswith("Bearer ")


@guarded
def test_a_token_of_another_scope_is_not_enough(walked: World, route: Route) -> None:
    assert route.scope is not None
    for held in (Scope.ENROL, Scope.READER, Scope.OPERATOR):
        if not allows(held, route.scope):
            answer = ask(walked, route, walked.token(held))
            assert problem_of(answer, route).code == "forbidden"


@every_route
def test_an_unknown_query_parameter_is_refused(walked: World, route: Route) -> None:
    answer = ask(walked, route, good_token(walked, route), params={"nonsense": "1"})
    found = problem_of(answer, route)
    assert found.code == "bad-query"
    assert found.errors[0].pointer == "/nonsense"


@every_route
def test_a_parameter_given_twice_is_refused(walked: World, route: Route) -> None:
    for name in route.query.__struct_fields__ if route.query else ():
        answer = ask(walked, route, good_token(walked, route), f"{path_of(route)}?{name}=1&{name}=1")
        assert problem_of(answer, route).code == "bad-query"


@every_route
def test_what_does_not_exist_is_not_found(walked: World, route: Route) -> None:
    if "<" not in route.path or route.raw:
        return
    token = good_token(walked, route)
    assert problem_of(ask(walked, route, token, json=FITTING.get(route.body, {})), route).code == "not-found"
    if "<int:" not in route.path:
        nonsense = re.sub(r"<\w+>", "nonsense", route.path)
        assert problem_of(ask(walked, route, token, nonsense, json={}), route).code == "not-found"


@every_route
def test_bodies_are_read_strictly(walked: World, route: Route) -> None:
    if route.body is None:
        return
    token = good_token(walked, route)
    for content in (b"", b"{", b"\xff\xfe"):
        assert problem_of(ask(walked, route, token, content=content), route).code == "malformed-json"
    unknown = problem_of(ask(walked, route, token, content=b'{"nonsense/~": 1}'), route)
    assert (unknown.code, unknown.status) == ("invalid-body", 422)
    wrong = problem_of(ask(walked, route, token, content=b"[]"), route)
    assert (wrong.code, wrong.errors[0].pointer) == ("invalid-body", "")
    large = ask(walked, route, token, content=b" " * (route.body_bytes_max + 1))
    assert problem_of(large, route).code == "too-large"


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_other_methods_are_refused(walked: World, path: str) -> None:
    # /assets/lookup is also an /assets/<asset>, of which there just is none of that name.
    offered = {one.method for one in ROUTES if re.fullmatch(re.sub(r"<[^/]*>", "[^/]+", one.path), path)}
    route = next(route for route in ROUTES if route.path == path)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - offered:
        client = walked.client(None)
        client.base_url = "http://sidecar"
        answer = client.request(method, path_of(route))
        assert problem_of(answer).code == "method-not-allowed"
        assert offered <= {one.strip() for one in answer.headers["Allow"].split(",")}


def test_unknown_paths_are_not_found(walked: World) -> None:
    assert problem_of(walked.admin.get("/nonsense")).code == "not-found"
    assert problem_of(walked.client(None).get("/nonsense")).code == "not-found"


def test_a_fault_of_the_program_is_told_to_nobody(
    walked: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("sidecar.catalog.libraries.page", fail)
    answer = walked.admin.get("/libraries")
    assert problem_of(answer).code == "internal"
    assert "secret" not in answer.text
    assert "the secret of the house" in caplog.text


def test_the_openapi_document_is_valid(walked: World) -> None:
    client = walked.client(None)
    client.base_url = "http://sidecar"
    served = client.get("/openapi.json").json()
    validate(served)
    assert served == msgspec.json.decode(msgspec.json.encode(document(ROUTES)))


def test_the_openapi_document_names_every_route_and_every_problem() -> None:
    described = document(ROUTES)
    for route in ROUTES:
        operation = described["paths"][re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)][route.method.lower()]
        assert operation["summary"], "the first line of an endpoint's docstring"
        for code in problems_of(route):
            assert code in operation["responses"][str(TYPES[code].status)]["description"]
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert all("." not in name for name in described["components"]["schemas"] if not name.startswith("holdfast"))


def test_the_reference_is_in_step_with_the_document() -> None:
    written = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == markdown(document(ROUTES)), "run: make reference"


def test_the_reference_has_every_call_and_leads_everywhere() -> None:
    made = markdown(document(ROUTES))
    headings = set(re.findall(r"^#+ (.*)$", made, re.MULTILINE))
    for route in ROUTES:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path.removeprefix("/api/v1"))
        assert f"{route.method} {path}" in headings
    anchors = {heading.lower() for heading in headings}
    assert {anchor for anchor in re.findall(r"\]\(#([^)]*)\)", made) if anchor not in anchors} == set()


@pytest.mark.parametrize("name", ["coming-from.md", "access.md", "webhooks.md", "holds.md"])
def test_calls_that_a_document_names_are_there(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
    if name == "coming-from.md":  # the last column is about us
        text = "\n".join(line.rstrip("| ").rpartition("|")[2] for line in text.splitlines() if line.startswith("|"))
    offered = {(one.method, re.sub(r"<[^>]*>", "{}", one.path.removeprefix("/api/v1"))) for one in ROUTES}
    named = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)", text)
    assert {
        (method, path) for method, path in named if (method, re.sub(r"\{\w+\}", "{}", path)) not in offered
    } == set()
    if name == "coming-from.md":
        assert len(named) > 10
        for word in ("status", "availability"):
            assert set(re.findall(rf"`GET /assets\?{word}=(\w+)`", text)) <= {*Status, *Availability}


def test_every_problem_is_one_that_some_route_announces() -> None:
    announced = {code for route in ROUTES for code in problems_of(route)}
    # The framework's own refusals belong to no route.
    assert set(TYPES) - announced == {"method-not-allowed", "bad-request"}


def test_health_needs_no_token_and_readiness_a_database(walked: World, tmp_path: Path) -> None:
    client = walked.client(None)
    client.base_url = "http://sidecar"
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    empty = connect(f"sqlite:///{tmp_path}/empty.sqlite3")
    from sidecar.api import create_app

    with httpx2.Client(transport=httpx2.WSGITransport(app=create_app(empty)), base_url="http://sidecar") as other:
        assert other.get("/healthz").status_code == 200
        answer = other.get("/readyz")
        assert problem_of(answer).code == "unavailable"
        assert answer.headers["Retry-After"]
    empty.dispose()
