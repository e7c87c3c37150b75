"""Asking the agent on its status socket."""

from __future__ import annotations

import socket

import msgspec

from holdfast.status import AgentStatus

ANSWER_WAIT_S = 2.0


def read_status(path: str) -> AgentStatus | None:
    """The agent's status, or None when it does not answer (not started yet, or just ending)."""
    pieces = []
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_WAIT_S)
            connection.connect(path)
            while piece := connection.recv(65536):
                pieces.append(piece)
    except OSError:
        return None
    try:
        return msgspec.json.decode(b"".join(pieces), type=AgentStatus)
    except msgspec.DecodeError:
        return None  # it ended in the middle of its answer
