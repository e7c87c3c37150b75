"""Attacks on the sidecar's door, byte by byte against the real server: smuggling, oversized and doubled headers, paths
that lead elsewhere, names that a browser, a log or a terminal would obey."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from holdfast.problems import CONTENT_TYPE
from sidecar.api import RESOURCES
from sidecar.cli import main
from tests.sidecar.test_cli import Served
from tests.sidecar.world import Agent, World, listed

ROUTES = [route for resource in RESOURCES for route in resource.routes]
EVIL = "a\r\nSet-Cookie: x=1\r\n\r\n<script>\x1b[2J\x07=cmd()'\"\u202e.jpg"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"))
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.process.terminate()
        made.process.wait(60)


def speak(served: Served, *said: bytes) -> bytes:
    """Say this on one connection, and hear all that is answered until its end."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        heard = b""
        try:
            for one in said:
                connection.sendall(one)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                heard += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # it would hear no more of it, which is an answer
        return heard


def statuses(heard: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"(?:^|\r\n\r\n|[}\n])HTTP/1\.[01] (\d{3}) ", heard)]


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
PUT = b"PUT /api/v1/agent/streams/vol_1/reports/1 HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        GET + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        GET + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        PUT + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\n{}{}",
        PUT + b"Content-Length: 4, 40\r\n\r\n{}{}",
        PUT + b"Content-Length: -1\r\n\r\n",
        PUT + b"Content-Length: +4\r\n\r\n{}{}",
        PUT + b"Content-Length: 0x4\r\n\r\n{}{}",
        PUT + b"Content-Length: 4e1\r\n\r\n{}{}",
        PUT + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        PUT
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nxx\r\n0\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nxx\r\n0\r\n\r\n",
        GET + b"X-Nul: a\0b\r\n\r\n",
        GET + b"X-Fold: a\r\n b: c\r\n\r\n",
        GET + b"Bad Name: a\r\n\r\n",
        GET + b" Leading: a\r\n\r\n",
        b"GET  /healthz  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /health\0z HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda said: repr(said[-60:])[:50],
)
def test_a_request_that_can_be_read_two_ways_is_read_in_none(served: Served, request_: bytes) -> None:
    heard = statuses(speak(served, request_))
    # Refused, or hung up on; and no part of it is taken for a request that is good.
    assert all(400 <= status < 500 or status == 501 or status == 505 for status in heard), heard
    assert statuses(speak(served, GET + b"\r\n")) == [200], "it serves on"


def test_a_doubled_token_is_none(served: Served) -> None:
    token = (served.state / "admin.token").read_text().strip().encode()
    good = b"Authorization: Bearer " + token + b"\r\n"
    ask = b"GET /api/v1/tokens HTTP/1.1\r\nHost: x\r\n"
    assert statuses(speak(served, ask + good + b"\r\n")) == [200]
    assert statuses(speak(served, ask + good + b"Authorization: Bearer hf_x\r\n\r\n")) == [401]
    assert statuses(speak(served, ask + b"Authorization: Bearer hf_x\r\n" + good + b"\r\n")) == [401]


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/healthz",
        "/%2f%2fevil.example/healthz",
        "/healthz/",
        "/api/v1/libraries/",
        "/api/v1//libraries",
        "/api/v1/../../etc/passwd",
        "/api/v1/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/libraries/..%2f..%2ftokens",
        "/api/v1/assets/%00",
        "/static/../sidecar.toml",
        "/\\evil.example",
        "/healthz%0d%0aSet-Cookie:%20x=1",
        "http://evil.example/healthz",
    ],
)
def test_no_path_leads_elsewhere(served: Served, path: str) -> None:
    heard = speak(served, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())
    (status,) = statuses(heard)
    head = heard.partition(b"\r\n\r\n")[0].lower()
    assert status in (200, 400, 401, 404)
    assert b"\r\nlocation:" not in head
    assert b"set-cookie" not in head
    # The API answers with a problem; what is not of the API, with a page that can run nothing.
    assert status in (200, 400) or CONTENT_TYPE.encode() in head or b"\r\ncontent-security-policy:" in head


def test_a_name_that_would_be_obeyed_stays_a_name(world: World, agent: Agent) -> None:
    """In JSON it is quoted, no header has it, and no browser takes it for a page."""
    library = world.library(agent, name=EVIL[:60])
    agent.send(listed("", EVIL))
    answer = world.admin.get("/assets", params={"library": library["id"]})
    assert answer.json()["items"][0]["file_name"] == EVIL
    for bad in ("\r", "\x1b", "\x07"):
        assert bad not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("route", [one for one in ROUTES if one.scope is None], ids=lambda route: route.path)
def test_nothing_is_guessed_from_what_is_sent(world: World, route: object) -> None:
    answer = world.app.test_client().get(getattr(route, "path"))  # noqa: B009
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("encoding", ["zstd", "br", "deflate", "gzip, gzip", "x-gzip", "GZIP\t", "identity, gzip"])
def test_no_other_compression_is_read(agent: Agent, encoding: str) -> None:
    path = f"/agent/streams/{agent.volume}/reports/1"
    answer = agent.client.put(path, content=b"\x28\xb5\x2f\xfd" + b"\0" * 100, headers={"Content-Encoding": encoding})
    assert answer.json()["type"].endswith("/unsupported-encoding")


def test_a_terminal_obeys_nothing_that_a_token_is_called(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path)]
    assert CliRunner().invoke(main, ["migrate", *state]).exit_code == 0
    made = CliRunner().invoke(main, ["tokens", "create", "--scope", "reader", "--name", EVIL, *state])
    assert made.exit_code == 0, made.output
    for command in (["tokens", "list"], ["audit"], ["audit", "--json"]):
        told = CliRunner().invoke(main, [*command, *state])
        assert told.exit_code == 0, told.output
        # What changes the direction of writing is for people's eyes; JSON is not.
        obeyed = r"[\x00-\x08\x0b-\x1f\x7f]" if "--json" in command else r"[\x00-\x08\x0b-\x1f\x7f\u202e]"
        assert not re.search(obeyed, told.output), command
        assert "--json" in command or len(told.output.splitlines()) == 1, "a name makes no lines of its own"
    (entry,) = json.loads(told.output)
    assert json.loads(entry["body"])["name"] == EVIL
