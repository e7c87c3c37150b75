"""Asking a sidecar that cannot be reached: each way of not reaching it has a finding of its own."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.doctor import sidecar
from agent.doctor.evidence import SidecarAnswer

TIMEOUT_S = 10.0


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    """The URL of a server that answers everything with this."""

    class Same(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask(url: str, token: str | None = None, timeout_s: float = TIMEOUT_S) -> SidecarAnswer:
    return sidecar.ask(url, token, allow_plain_http=False, timeout_s=timeout_s).answer


def test_a_name_that_nobody_knows() -> None:
    assert ask("https://sidecar.invalid") is SidecarAnswer.NAME_UNKNOWN  # RFC 6761: nobody ever will


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ask(f"http://127.0.0.1:{port}") is SidecarAnswer.CONNECTION_REFUSED


def test_a_host_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ask(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2) is SidecarAnswer.UNREACHABLE


def test_plain_http_where_tls_is_wanted() -> None:
    with answering(200, b"hello") as url:
        assert ask(url.replace("http:", "https:")) is SidecarAnswer.TLS


@pytest.mark.parametrize(
    ("status", "body", "location", "expected"),
    [
        (503, b"no healthy upstream", None, SidecarAnswer.FAILING),
        (404, b"", None, SidecarAnswer.NOT_A_SIDECAR),
        (302, b"", "https://login.example/", SidecarAnswer.NOT_A_SIDECAR),
        (200, b"<html>Welcome to nginx!</html>", None, SidecarAnswer.NOT_A_SIDECAR),
        (200, b'{"status": "ok"}', None, SidecarAnswer.WELL),
    ],
)
def test_what_answers_is_told_from_a_sidecar(
    status: int, body: bytes, location: str | None, expected: SidecarAnswer
) -> None:
    with answering(status, body, **({} if location is None else {"Location": location})) as url:
        found = sidecar.ask(url, None, allow_plain_http=False)
    assert found.answer is expected
    assert expected is SidecarAnswer.WELL or f" {status} " in found.detail


def test_one_that_is_well_and_takes_no_requests_of_agents_is_no_sidecar() -> None:
    with answering(200, b'{"status": "ok", "info": {"version": "1.2"}}') as url:
        found = sidecar.ask(url, "hf_token", allow_plain_http=False)
    assert (found.answer, found.version) == (SidecarAnswer.FAILING, "1.2")
