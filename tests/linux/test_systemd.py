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
