"""What systemd is told, and what it asks."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent.linux import systemd


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[socket.socket, str]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@holdfast-test-{os.getpid()}"
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    request.addfinalizer(receiver.close)
    receiver.bind(address.replace("@", "\0", 1))
    receiver.settimeout(5)
    return receiver, address


def test_all_assignments_go_in_one_datagram(listening: tuple[socket.socket, str]) -> None:
    receiver, address = listening
    assert systemd.notify("READY=1", "STATUS=zwei Platten", environment={"NOTIFY_SOCKET": address})
    assert receiver.recv(1000) == b"READY=1\nSTATUS=zwei Platten"


def test_away_from_systemd_nobody_is_told() -> None:
    assert not systemd.notify("READY=1", environment={})
    assert systemd.watchdog_s({}) is None


def test_a_socket_that_nobody_serves_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        systemd.notify("READY=1", environment={"NOTIFY_SOCKET": str(tmp_path / "nobody")})


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_for_the_process_it_names(environment: dict[str, str], seconds: float | None) -> None:
    assert systemd.watchdog_s(environment) == seconds


def test_readiness_is_told_once_and_the_summary_when_it_changes(listening: tuple[socket.socket, str]) -> None:
    receiver, address = listening
    service = systemd.Service({"NOTIFY_SOCKET": address})
    for summary in ("1 of 1 volumes available", "1 of 1 volumes available", "0 of 1 volumes available; nas: stale"):
        service.alive(1.0, summary)
    assert receiver.recv(1000) == b"READY=1\nSTATUS=1 of 1 volumes available"
    assert receiver.recv(1000) == b"STATUS=0 of 1 volumes available; nas: stale"
    assert service.due() is None


def test_the_watchdog_is_fed_twice_as_often_as_it_asks(listening: tuple[socket.socket, str]) -> None:
    receiver, address = listening
    service = systemd.Service({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
    for now in (100.0, 129.0, 130.0):
        service.alive(now, "")
    assert receiver.recv(1000) == b"READY=1\nWATCHDOG=1"
    assert receiver.recv(1000) == b"WATCHDOG=1"
    assert service.due() == 160.0


def test_a_manager_that_is_away_is_told_later(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    service = systemd.Service({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
    service.alive(100.0, "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(5)
        service.alive(101.0, "")
        assert receiver.recv(1000) == b"READY=1\nWATCHDOG=1"
