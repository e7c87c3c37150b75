"""How QEMU is spoken to, and a program in its guest: a line of JSON each way, over a socket."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]


class Monitor:
    """One such line: QMP, or the protocol of the QEMU guest agent."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._patience_s = patience_s
        self._received = b""
        self._events: deque[Message] = deque()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))

    def close(self) -> None:
        self._socket.close()

    def greet(self) -> None:
        """QMP begins with a greeting, and wants one."""
        self._next()
        self.ask("qmp_capabilities")

    def agree(self) -> None:
        """Let the guest agent forget what was begun, and pass over what it has answered until now."""
        number = secrets.randbelow(1 << 31)
        self._send("guest-sync", {"id": number})
        while self._next().get("return") != number:
            pass

    def ask(self, command: str, arguments: Message | None = None) -> Any:
        """What it answers to a command, which has to succeed."""
        self._send(command, arguments or {})
        while "return" not in (message := self._next()):
            if "error" in message:
                raise AssertionError(f"{command} {arguments}: {message['error']}")
            self._events.append(message)
        return message["return"]

    def event(self, name: str, wanted: Callable[[Message], bool] = lambda about: True) -> Message:
        """The next event of this name that is wanted; those before it are forgotten."""
        while True:
            message = self._events.popleft() if self._events else self._next()
            if message.get("event") == name and wanted(message.get("data", {})):
                return message

    def _send(self, command: str, arguments: Message) -> None:
        line = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        self._socket.settimeout(self._patience_s)
        self._socket.sendall(line.encode())

    def _next(self) -> Message:
        deadline = time.monotonic() + self._patience_s
        while True:
            line, end, rest = self._received.partition(b"\n")
            if end:
                self._received = rest
                with contextlib.suppress(ValueError):  # a guest that was reset broke off in the middle of a line
                    message: Message = json.loads(line)
                    return message
                continue
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            more = self._socket.recv(1 << 16)
            if not more:
                raise AssertionError("QEMU has ended")
            self._received += more
