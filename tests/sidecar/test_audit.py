"""The audit log: what people change or try to change is in it, whatever endpoint they use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import sidecar.cli
from sidecar.api import RESOURCES
from sidecar.api.auth import PEOPLE, Scope
from sidecar.api.endpoint import Route
from sidecar.catalog import audit
from sidecar.catalog.audit import BODY_CHARS_MAX, Deed
from sidecar.catalog.engine import transact
from sidecar.cli import main
from sidecar.errors import CatalogUnavailable
from tests.sidecar.test_contract import path_of
from tests.sidecar.world import Agent, Item, World

ROUTES = [route for resource in RESOURCES for route in resource.routes]
WRITES = [route for route in ROUTES if route.is_audited]
DAY_US = 86_400_000_000


def entries(world: World, **query: object) -> list[Item]:
    return list(world.get("/audit", **query)["items"])


def test_every_write_of_people_is_audited_and_nothing_else() -> None:
    for route in ROUTES:
        of_people = route.scope in PEOPLE and route.method != "GET"
        lets_in = route.scope is Scope.ENROL or route.path == "/api/v1/agent/token"
        assert route.is_audited == ((of_people and not route.reads) or lets_in), route.path
    # Those that only read, and would drown everything else.
    reading = {route.path.removeprefix("/api/v1") for route in ROUTES if route.reads}
    assert reading == {
        "/assets/<asset>/check",
        "/assets/upload-check",
        "/assets/lookup",
        "/libraries/<library>/preview",
        "/libraries/<library>/validate",
        "/libraries/validate",
    }


@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.path}")
def test_a_refused_write_is_in_the_log(world: World, route: Route) -> None:
    client = world.client(world.token("reader"))
    client.base_url = "http://sidecar"
    client.request(route.method, path_of(route), json={})
    (entry,) = entries(world, action=route.function.__name__)
    assert (entry["who"], entry["scope"], entry["status"], entry["problem"]) == ("reader", "reader", 403, "forbidden")
    assert re.fullmatch(re.sub(r"<[^/]*>", "[^/]+", route.path), entry["target"])


def test_who_when_what_and_the_outcome(world: World) -> None:
    token = world.post("/tokens", {"scope": "operator", "name": "bert's laptop"})
    client = world.client(token["token"])
    made = client.post("/libraries", json={"name": "Trip", "owner": "bert"})
    assert made.status_code == 201
    assert client.patch(f"/libraries/{made.json()['id']}", json={"name": ""}).status_code == 422
    assert client.get("/libraries").status_code == 200
    refused, created = entries(world, token=token["id"])
    assert (created["who"], created["token_id"], created["action"]) == ("bert's laptop", token["id"], "create_library")
    assert (created["target"], created["status"], created["problem"]) == ("/api/v1/libraries", 201, None)
    assert created["made"] == made.headers["Location"]
    assert json.loads(created["body"])["name"] == "Trip"
    assert (refused["action"], refused["status"], refused["problem"]) == ("change_library", 422, "invalid-body")
    assert refused["at"] >= created["at"]


def test_no_secret_is_in_the_log(world: World) -> None:
    token = world.post("/tokens", {"scope": "reader", "name": "frame"})
    rotated = world.post(f"/tokens/{token['id']}/rotate", {})
    hook = world.post("/webhooks", {"url": "http://127.0.0.1:9/"})
    told = json.dumps(entries(world))
    assert all(secret not in told for secret in (token["token"], rotated["token"], hook["secret"]))


def test_the_enrolment_of_an_agent_is_in_the_log(world: World) -> None:
    Agent(world)
    (entry,) = entries(world, action="enrol_agent")
    assert (entry["scope"], entry["status"]) == ("enrol", 201)


def test_nothing_is_changed_that_cannot_be_logged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise CatalogUnavailable("no")

    monkeypatch.setattr("sidecar.catalog.audit.begin", fail)
    assert world.admin.post("/libraries", json={"owner": "anna"}).status_code == 503
    monkeypatch.undo()
    assert world.get("/libraries")["items"] == []


def test_what_was_begun_and_never_ended_shows_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise CatalogUnavailable("the sidecar dies here")

    monkeypatch.setattr("sidecar.catalog.audit.end", die)
    assert world.admin.post("/libraries", json={"owner": "anna"}).status_code == 201
    (entry,) = entries(world)
    assert (entry["action"], entry["status"], entry["problem"]) == ("create_library", None, None)


def test_a_fault_of_the_program_is_in_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("sidecar.catalog.libraries.create", fail)
    assert world.admin.post("/libraries", json={"owner": "anna"}).status_code == 500
    (entry,) = entries(world)
    assert (entry["status"], entry["problem"]) == (500, "internal")


def test_the_log_is_read_page_by_page_the_newest_first(world: World) -> None:
    for number in range(5):
        world.post("/libraries", {"owner": "anna", "name": str(number)})
    names, cursor = [], {}
    while True:
        page = world.get("/audit", limit=2, **cursor)
        names += [json.loads(one["body"])["name"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert names == ["4", "3", "2", "1", "0"]
    answer = world.admin.get("/audit", params={**cursor, "action": "create_library"})
    assert answer.json()["type"].endswith("/bad-cursor")


def test_an_entry_is_written_once_and_long_bodies_are_cut(world: World) -> None:
    def write(at: int, body: str) -> None:
        deed = Deed(None, "the command line", "console", "restored", "", body)
        entry = audit.new_entry(at)
        for _ in range(2):  # a transaction may be run after itself
            transact(world.engine, lambda connection: audit.begin(connection, deed, entry, at))

    now = 2_000_000_000_000_000
    write(now, "short")
    write(now + 1_000_000, "x" * 3 * BODY_CHARS_MAX)
    assert [len(one["body"]) for one in entries(world)] == [BODY_CHARS_MAX, len("short")]


def test_the_command_line_shows_it_and_is_in_it(world: World, database: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, [*arguments, "--database", database, "--state", str(tmp_path)])
        return done.output

    world.post("/libraries", {"owner": "anna", "name": "Tr\x1bip"})
    made = world.post("/tokens", {"scope": "reader", "name": "frame"})["id"]
    run("tokens", "revoke", made)
    run("tokens", "revoke", made)
    lines = [line.split("\t") for line in run("audit").splitlines()]
    assert [line[2:5] for line in lines] == [
        ["revoke_token", made, "not-found"],
        ["revoke_token", made, "done"],
        ["create_token", "/api/v1/tokens", "done"],
        ["create_library", "/api/v1/libraries", "done"],
    ]
    assert lines[0][1].startswith("the command line, ")
    assert "\x1b" not in run("audit")
    (told,) = msgspec.json.decode(run("audit", "--json", "--limit", "1"))
    assert told["action"] == "revoke_token"
    assert len(run("audit", "--action", "create_library").splitlines()) == 1


def test_every_verb_that_writes_leaves_a_trail() -> None:
    # serve writes the first token of all, when there is nobody yet who could have asked for it.
    # backup notes when it was made, which changes nothing.
    exempt = {"common.py", "serve.py", "backup.py"}
    verbs = {one.name: one.read_text(encoding="utf-8") for one in Path(sidecar.cli.__file__).parent.glob("*.py")}
    writing = {name for name, text in verbs.items() if "transact(" in text} - exempt
    assert writing
    assert {name for name in writing if "with audited(" not in verbs[name] and ", audited(" not in verbs[name]} == set()


def test_the_command_line_sets_and_says_so(world: World, database: str, tmp_path: Path) -> None:
    place = ["--database", database, "--state", str(tmp_path)]
    assert CliRunner().invoke(main, ["settings", "set", "guard_files", "70", *place]).exit_code == 0
    (entry,) = entries(world, action="change_settings")
    assert (entry["scope"], entry["status"], json.loads(entry["body"])) == ("console", 200, {"guard_files": 70})


def test_the_command_line_limits_and_rotates_tokens(world: World, database: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*arguments, "--database", database, "--state", str(tmp_path)])
        return done.exit_code, done.output.strip()

    _, text = run("tokens", "create", "--scope", "reader", "--name", "frame", "--owner", "anna")
    (made,) = [one for one in world.get("/tokens")["items"] if one["name"] == "frame"]
    assert made["owner"] == "anna"
    assert run("tokens", "create", "--scope", "admin", "--name", "x", "--owner", "anna")[0] == 64
    code, other = run("tokens", "rotate", made["id"], "--overlap", "0")
    assert code == 0
    assert world.client(text).get("/libraries").status_code == 401
    assert world.client(other).get("/libraries").status_code == 200
    assert world.client(other).get("/holds").status_code == 403
    file = tmp_path / "frame.token"
    assert run("tokens", "rotate", made["id"], "--file", str(file)) == (0, made["id"])
    assert world.client(file.read_text().strip()).get("/libraries").status_code == 200
    # A file that is there already is kept, and so is the secret.
    assert run("tokens", "rotate", made["id"], "--file", str(file))[0] == 73
    assert world.client(file.read_text().strip()).get("/libraries").status_code == 200
    admin = next(one["id"] for one in world.get("/tokens")["items"] if one["scope"] == "admin")
    assert run("tokens", "rotate", admin)[0] == 0
    assert run("tokens", "rotate", "tok_nonsense")[0] == 64
    told = [(one["action"], one["status"], json.loads(one["body"])) for one in entries(world, action="rotate_token")]
    assert [body["overlap_s"] for _, _, body in told] == [3600, 3600, 0]


def test_a_rotated_token_and_the_one_before_it(world: World) -> None:
    made = world.post("/tokens", {"scope": "reader", "name": "frame", "owner": "anna"})

    def opens(text: str) -> bool:
        return world.client(text).get("/libraries").status_code == 200

    first = world.post(f"/tokens/{made['id']}/rotate", {"overlap_s": 60})
    assert (first["id"], first["scope"], first["owner"]) == (made["id"], "reader", "anna")
    assert opens(made["token"])
    assert opens(first["token"])
    assert world.get(f"/tokens/{made['id']}")["previous_until"] is not None
    second = world.post(f"/tokens/{made['id']}/rotate", {"overlap_s": 0})
    assert [opens(one["token"]) for one in (made, first, second)] == [False, False, True]
    world.admin.delete(f"/tokens/{made['id']}")
    assert not opens(second["token"])
    assert world.admin.post(f"/tokens/{made['id']}/rotate", json={}).status_code == 404
