"""The agent's local sockets: requests and their answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.local_socket import LocalSockets, Reply, Request, RequestRefused, control_path, send_request


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[tuple[str, LocalSockets]]:
    path = str(tmp_path / "agent.sock")
    listening = LocalSockets(path)
    listening.requests.settimeout(5)  # the supervisor polls, and never waits here
    yield path, listening
    listening.close()


def asked(path: str, request: Request) -> tuple[threading.Thread, list[str]]:
    """Ask from a thread; the list has the refusal when it has ended."""
    refusals: list[str] = []

    def ask() -> None:
        try:
            send_request(path, request)
        except RequestRefused as error:
            refusals.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, refusals


def served(listening: LocalSockets, reply: Reply) -> list[Request]:
    packet, asker = listening.requests.recvfrom(4096, socket.MSG_PEEK)
    assert packet
    assert asker
    listening.requests.setblocking(False)
    found = listening.read_requests()
    for _, one in found:
        listening.reply(one, reply)
    return [request for request, _ in found]


def test_a_request_is_answered_to_whoever_asked(sockets: tuple[str, LocalSockets]) -> None:
    path, listening = sockets
    for refusal in ("", "usb: it is away."):
        listening.requests.settimeout(5)
        thread, refusals = asked(path, Request("scan", "vol_1"))
        assert served(listening, Reply(refusal)) == [Request("scan", "vol_1")]
        thread.join()
        assert refusals == ([refusal] if refusal else [])


def test_what_is_no_request_is_refused_and_stops_nobody(sockets: tuple[str, LocalSockets]) -> None:
    path, listening = sockets
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.bind("")
        client.connect(control_path(path))
        client.send(b'{"verb": "scan", "colour": "blue"}')
        client.send(b"\xff")
        assert served(listening, Reply()) == []
        for _ in range(2):
            assert b"does not know this request" in client.recv(4096)


def test_who_does_not_wait_for_the_answer_is_no_trouble(sockets: tuple[str, LocalSockets]) -> None:
    path, listening = sockets
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone,
    ):
        gone.bind("")
        for client in (nameless, gone):
            client.connect(control_path(path))
            client.send(b'{"verb": "scan"}')
    listening.requests.setblocking(False)
    found = listening.read_requests()
    assert [request.verb for request, _ in found] == ["scan", "scan"]
    for _, asker in found:
        listening.reply(asker, Reply())


def test_an_agent_that_is_away_or_silent_is_an_error(tmp_path: Path, sockets: tuple[str, LocalSockets]) -> None:
    with pytest.raises(OSError):
        send_request(str(tmp_path / "nobody.sock"), Request("scan"))
    with pytest.raises(TimeoutError):
        send_request(sockets[0], Request("scan"), timeout_s=0.01)
