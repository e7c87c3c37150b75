"""The HTTP client: what it sends, and what it makes of every answer."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import msgspec
import pytest

from agent.ports import Refused, Unreachable
from agent.uplink import BadUrl, HttpUplink, check_url, enrol
from holdfast.assignments import Assignment, EnrolRequest, EnrolResponse, Heartbeat, HeartbeatResponse, RenewedToken
from holdfast.problems import CONTENT_TYPE, DOCS, Problem
from holdfast.reports import Receipt

URL = "https://photos.example:8420"
HEARTBEAT = Heartbeat(volumes=[], version="0.1.0")
ANSWER = HeartbeatResponse(catalog="cat_1", revision=3, server_time=1.0, heartbeat_s=30.0)
ASSIGNMENT = Assignment(revision=3, catalog="cat_1", volumes=[], import_paths=[])

Reply = Callable[[httpx2.Request], httpx2.Response]
Connect = Callable[..., HttpUplink]


def answering(status: int, body: object = None, **headers: str) -> Reply:
    def reply(request: httpx2.Request) -> httpx2.Response:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return httpx2.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return reply


def problem(status: int, code: str, expected: int | None = None) -> Reply:
    body = Problem(type=f"{DOCS}{code}", title="T", status=status, detail="what to do", expected=expected)
    return answering(status, body, Content_Type=CONTENT_TYPE)


@pytest.fixture
def connect() -> Iterator[Connect]:
    """An uplink whose requests this function answers."""
    made: list[HttpUplink] = []

    def make(reply: Reply, requests: list[httpx2.Request] | None = None) -> HttpUplink:
        def answer(request: httpx2.Request) -> httpx2.Response:
            if requests is not None:
                requests.append(request)
            return reply(request)

        made.append(HttpUplink(URL, "secret", transport=httpx2.MockTransport(answer)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_heartbeat_is_posted_with_the_token(connect: Connect) -> None:
    requests: list[httpx2.Request] = []
    assert connect(answering(200, ANSWER), requests).heartbeat(HEARTBEAT) == ANSWER
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/api/v1/agent/heartbeat")
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(request.content, type=Heartbeat) == HEARTBEAT


def test_the_first_assignment_is_asked_for_without_a_revision(connect: Connect) -> None:
    requests: list[httpx2.Request] = []
    assert connect(answering(200, ASSIGNMENT), requests).assignment(None, 0) == ASSIGNMENT
    assert "If-None-Match" not in requests[0].headers
    assert "Prefer" not in requests[0].headers


def test_a_known_assignment_is_waited_for(connect: Connect) -> None:
    requests: list[httpx2.Request] = []
    assert connect(answering(304, b""), requests).assignment(3, 25) is None
    assert requests[0].headers["If-None-Match"] == '"3"'
    assert requests[0].headers["Prefer"] == "wait=25"
    assert requests[0].extensions["timeout"]["read"] > 25, "the wait comes on top of the time an answer may take"


def test_a_report_is_sent_as_it_lies_in_the_outbox(connect: Connect) -> None:
    requests: list[httpx2.Request] = []
    receipt = Receipt(sequence=7, applied=True, expected=8)
    body = gzip.compress(b"{}")
    assert connect(answering(200, receipt), requests).send("vol_1", 7, body, 3) == receipt
    (request,) = requests
    assert (request.method, request.url.path) == ("PUT", "/api/v1/agent/streams/vol_1/reports/7")
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.headers["Holdfast-Fence"] == "3"
    assert request.content == body


def test_a_new_token_is_kept_before_it_is_used(connect: Connect) -> None:
    requests: list[httpx2.Request] = []
    kept: list[tuple[str, int]] = []
    both = {"/api/v1/agent/token": RenewedToken(token="next"), "/api/v1/agent/assignment": ASSIGNMENT}
    uplink = connect(lambda request: answering(200, both[request.url.path])(request), requests)
    uplink.renew(lambda token: kept.append((token, len(requests))))
    # The old one first, to see whether anything can be kept; then the new one, once it is there.
    assert kept == [("secret", 0), ("next", 1)]
    uplink.assignment(None, 0)
    assert [one.headers["Authorization"] for one in requests] == ["Bearer secret", "Bearer next"]


def test_where_no_token_can_be_kept_none_is_asked_for(connect: Connect) -> None:
    def keep(token: str) -> None:
        raise OSError("the disk is full")

    requests: list[httpx2.Request] = []
    uplink = connect(answering(200, ASSIGNMENT), requests)
    with pytest.raises(OSError, match="full"):
        uplink.renew(keep)
    assert requests == []
    uplink.assignment(None, 0)
    assert requests[0].headers["Authorization"] == "Bearer secret"


def test_enrolling_uses_the_one_time_token() -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == "Bearer once"
        assert msgspec.json.decode(request.content, type=EnrolRequest).name == "nas"
        return httpx2.Response(200, json={"agent": "agt_1", "token": "lasting", "news": "from a later version"})

    request = EnrolRequest(name="nas", host="nas.local", version="0.1.0")
    response = enrol(URL, "once", request, transport=httpx2.MockTransport(reply))
    assert response == EnrolResponse(agent="agt_1", token="lasting")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_time_may_heal_is_unreachable(connect: Connect, status: int) -> None:
    with pytest.raises(Unreachable, match="what to do") as unreachable:
        connect(problem(status, "busy")).heartbeat(HEARTBEAT)
    assert unreachable.value.retry_after_s is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("120", 120, 120), (formatdate(4_000_000_000, usegmt=True), 3600, 3600), (formatdate(0, usegmt=True), 0, 0)],
)
def test_the_wish_to_come_back_later_is_heard(connect: Connect, text: str, low: float, high: float) -> None:
    with pytest.raises(Unreachable) as unreachable:
        connect(answering(503, b"", Retry_After=text)).heartbeat(HEARTBEAT)
    assert unreachable.value.retry_after_s is not None
    assert low <= unreachable.value.retry_after_s <= high


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9"])
def test_a_wish_that_makes_no_sense_is_none(connect: Connect, text: str) -> None:
    with pytest.raises(Unreachable) as unreachable:
        connect(answering(429, b"", Retry_After=text)).heartbeat(HEARTBEAT)
    assert unreachable.value.retry_after_s is None


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (403, "forbidden"), (422, "invalid-report")])
def test_what_will_stay_wrong_is_refused(connect: Connect, status: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        connect(problem(status, code)).send("vol_1", 1, b"", 3)
    assert (refused.value.status, refused.value.code, refused.value.detail) == (status, code, "what to do")
    assert refused.value.expected is None


def test_r32_a_hole_is_refused_with_the_number_expected(connect: Connect) -> None:
    with pytest.raises(Refused) as refused:
        connect(problem(409, "sequence-mismatch", expected=5)).send("vol_1", 9, b"", 3)
    assert refused.value.expected == 5


def test_a_stranger_at_this_address_is_refused(connect: Connect) -> None:
    with pytest.raises(Refused) as refused:
        connect(answering(404, b"<h1>nginx</h1>")).heartbeat(HEARTBEAT)
    assert refused.value.code == "not-a-sidecar"
    with pytest.raises(Refused) as refused:
        connect(answering(301, b"", Location="https://elsewhere.example/")).heartbeat(HEARTBEAT)
    assert refused.value.code == "redirect"


def test_a_page_with_status_200_is_no_answer(connect: Connect) -> None:
    with pytest.raises(Unreachable, match="not a sidecar's"):
        connect(answering(200, b"<h1>Please log in to this network</h1>")).heartbeat(HEARTBEAT)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("cut"),
        httpx2.DecodingError("bad gzip"),
    ],
)
def test_a_failing_network_is_unreachable(connect: Connect, error: httpx2.RequestError) -> None:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise error

    with pytest.raises(Unreachable, match=type(error).__name__):
        connect(fail).heartbeat(HEARTBEAT)


@pytest.mark.parametrize(
    "url",
    [
        "photos.example",
        "ftp://photos.example",
        "https://",
        "https://user:pw@photos.example",
        "https://photos.example/?token=1",
        "http://photos.example",
        "http://192.168.1.10:8420",
        "http://127.0.0.1.photos.example",
        "http://localhost.photos.example",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(BadUrl):
        HttpUplink(url, "secret")


@pytest.mark.parametrize(
    "url", ["http://localhost:8420", "http://127.0.0.1", "http://[::1]:8420/", "https://x.example"]
)
def test_plain_http_stays_on_this_machine(url: str) -> None:
    assert check_url(url) == url.rstrip("/")


def test_plain_http_elsewhere_needs_to_be_allowed() -> None:
    assert check_url("http://192.168.1.10:8420", allow_plain_http=True) == "http://192.168.1.10:8420"


def test_a_sidecar_below_a_path_of_a_proxy(connect: Connect) -> None:
    paths: list[str] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.path)
        return httpx2.Response(200, content=msgspec.json.encode(ANSWER))

    uplink = HttpUplink(f"{URL}/holdfast/", "secret", transport=httpx2.MockTransport(reply))
    uplink.heartbeat(HEARTBEAT)
    uplink.close()
    assert paths == ["/holdfast/api/v1/agent/heartbeat"]


class _Sidecar(BaseHTTPRequestHandler):
    """Answers heartbeats over a real socket."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = msgspec.json.encode(ANSWER)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_several_threads_share_one_uplink_over_real_sockets() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sidecar) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        uplink = HttpUplink(f"http://127.0.0.1:{server.server_port}", "secret")
        answers: list[HeartbeatResponse] = []
        threads = [
            threading.Thread(target=lambda: answers.extend(uplink.heartbeat(HEARTBEAT) for _ in range(10)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        uplink.close()
        server.shutdown()
        serving.join()
    assert answers == [ANSWER] * 40


def test_nobody_listening_and_nobody_answering_are_unreachable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        closed = HttpUplink(url, "secret")
        with pytest.raises(Unreachable, match="ConnectError"):
            closed.heartbeat(HEARTBEAT)
        closed.close()
        silent.listen()
        slow = HttpUplink(url, "secret", timeout_s=0.05)
        with pytest.raises(Unreachable, match="ReadTimeout"):
            slow.heartbeat(HEARTBEAT)
        slow.close()
