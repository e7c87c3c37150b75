"""What systemd asks of a service: notices about its state, and its watchdog.

Away from systemd all of it quietly does nothing.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping

import structlog

_log = structlog.get_logger("agent.systemd")


def notify(*assignments: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send assignments such as ``READY=1`` or ``STATUS=…`` to systemd, all in one datagram (sd_notify(3)).

    Answers whether there was anybody to tell. Raises :class:`OSError` when the socket is there and does not take
    it.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"  # the abstract name space
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(assignments).encode(), address)
    return True


def is_booted() -> bool:
    """Whether systemd runs this machine (sd_booted(3))."""
    try:
        return stat.S_ISDIR(os.lstat("/run/systemd/system").st_mode)
    except FileNotFoundError:
        return False


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd wants to hear ``WATCHDOG=1`` from this process at the latest, or None."""
    text = environment.get("WATCHDOG_USEC", "")
    if not text.isdigit() or int(text) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(text) / 1_000_000


class Service:
    """This process as systemd sees it: ready after the first word, then alive, with its state in one line."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        wanted = watchdog_s(environment)
        self._every_s = None if wanted is None else wanted / 2
        self._is_ready = False
        self._summary = ""
        self._due = 0.0

    def alive(self, now: float, summary: str) -> None:
        """Tell what is new, and feed the watchdog when that is due."""
        news = [] if self._is_ready else ["READY=1"]
        if summary != self._summary:
            news.append(f"STATUS={summary}")
        if self._every_s is not None and now >= self._due:
            news.append("WATCHDOG=1")
        if not news:
            return
        try:
            notify(*news, environment=self._environment)
        except OSError as error:
            # Only systemd's own view is stale then; its watchdog says the rest.
            _log.warning("systemd.not_told", problem=str(error))
            return
        self._is_ready, self._summary = True, summary
        if "WATCHDOG=1" in news and self._every_s is not None:
            self._due = now + self._every_s

    def due(self) -> float | None:
        """When the watchdog is to be fed next; None without one."""
        return None if self._every_s is None else self._due
