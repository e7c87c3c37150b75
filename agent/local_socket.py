"""The agent's two local sockets: one tells its status, one takes requests and answers each. Both do, whatever storage
does."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import msgspec

from agent.ports import Marker
from holdfast.status import AgentStatus

# Large enough for the status of an agent with thousands of volumes, so that sending it never waits for the reader.
_SEND_BYTES = 4 * 1024 * 1024
_REQUEST_BYTES_MAX = 4096


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request of the local user: ``scan`` one volume, or all of them; ``release`` one, so that it can be unmounted;
    ``accept`` one as it is now; ``enrol`` a path, as a ``plain`` directory or with the ``marker`` that was written
    there; ``rotate-token``, the agent's own."""

    verb: str
    volume: str | None = None
    path: str | None = None
    plain: bool = False
    marker: Marker | None = None


class Reply(msgspec.Struct, frozen=True):
    """What became of a request: nothing stands against it, or a sentence that says what does."""

    refusal: str = ""


class RequestRefused(Exception):
    """The agent does not do what it was asked for. The text is a sentence for people."""


# The address that an answer goes to; nobody waits for one when there is none.
Asker = bytes | str | None


def control_path(status_path: str) -> str:
    """The request socket stands beside the status socket."""
    return f"{status_path}.control"


class LocalSockets:
    """Both sockets, listening. Only the agent's own user, and root, can reach them."""

    def __init__(self, path: str) -> None:
        self._paths = (path, control_path(path))
        for one in self._paths:
            with suppress(FileNotFoundError):
                os.unlink(one)  # left behind by an agent that was killed; a running one holds the state's lock
        self.status = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.requests = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        before = os.umask(0o177)
        try:
            self.status.bind(self._paths[0])
            self.requests.bind(self._paths[1])
        finally:
            os.umask(before)
        self.status.listen(16)
        self.status.setblocking(False)
        self.requests.setblocking(False)

    def answer(self, status: AgentStatus) -> None:
        """Tell the status to whoever has connected."""
        document = msgspec.json.encode(status)
        while True:
            try:
                reader, _ = self.status.accept()
            except BlockingIOError:
                return
            with reader:
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
                reader.setblocking(False)
                try:
                    reader.send(document)
                except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                    continue

    def read_requests(self) -> list[tuple[Request, Asker]]:
        """The requests that wait, and who asks; what is not a request is refused here already."""
        found: list[tuple[Request, Asker]] = []
        while True:
            try:
                packet, asker = self.requests.recvfrom(_REQUEST_BYTES_MAX)
            except BlockingIOError:
                return found
            try:
                found.append((msgspec.json.decode(packet, type=Request), asker))
            except msgspec.DecodeError as error:
                self.reply(asker, Reply(f"The running agent does not know this request ({error}). Restart it."))

    def reply(self, asker: Asker, reply: Reply) -> None:
        """Answer a request. Who does not wait for the answer misses it."""
        if asker:
            with suppress(OSError):
                self.requests.sendto(msgspec.json.encode(reply), asker)

    def close(self) -> None:
        """Stop listening."""
        self.status.close()
        self.requests.close()
        for one in self._paths:
            with suppress(FileNotFoundError):
                os.unlink(one)


def ask_status(path: str, timeout_s: float = 5.0) -> AgentStatus:
    """The status of the agent that listens here. Raises :class:`OSError` when none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_s)
        client.connect(path)
        document = b"".join(iter(lambda: client.recv(65536), b""))
    return msgspec.json.decode(document, type=AgentStatus)


def send_request(path: str, request: Request, timeout_s: float = 5.0) -> None:
    """Ask the agent whose status socket is here for something, and wait for its word.

    Raises :class:`RequestRefused`, and :class:`OSError` when there is no agent or none that answers.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout_s)
        client.bind("")  # an address of the kernel's choice, for the answer
        client.connect(control_path(path))
        client.send(msgspec.json.encode(request))
        reply = msgspec.json.decode(client.recv(_REQUEST_BYTES_MAX), type=Reply)
    if reply.refusal:
        raise RequestRefused(reply.refusal)
