"""What the supervisor and a worker say to each other, one msgpack message per packet of their socket."""

from __future__ import annotations

import select
import socket

import msgspec

from agent.ports import Marker, Mount, Probe
from agent.scopes import Scope
from agent.settings import EngineSettings
from holdfast.scans import EndedScan, ScanProgress, WantedScan
from holdfast.volumes import Epoch, Identity, Reason

# A packet larger than the socket buffer cannot be sent at all; only a volume with very many import paths comes near.
PACKET_BYTES_MAX = 4 * 1024 * 1024


class ProbeMount(msgspec.Struct, frozen=True, tag="probe-mount"):
    """Read the identity of this mount; answered by :class:`Probed`."""

    mount: Mount
    unique_id: int


class Inspect(msgspec.Struct, frozen=True, tag="inspect"):
    """Look at a host path that is to become an import path, and must lie below one of ``roots``; answered by
    :class:`Inspected`. With ``shown_at``, it is said to be what a union shows there, which is looked at too.
    ``managed`` are directories that it must neither lie in nor contain."""

    import_path: str
    path: str
    roots: list[str]
    shown_at: str | None = None
    managed: list[str] = []


class AskBranches(msgspec.Struct, frozen=True, tag="ask-branches"):
    """Ask a union for its branches; answered by :class:`Branches`."""

    unique_id: int
    mount_point: str


class Adopt(msgspec.Struct, frozen=True, tag="adopt"):
    """Take over a verified volume; answered by :class:`Ready` or :class:`Doubted`.

    ``guarded``: there is a concern, so that nothing may be called absent. ``accepted``: a person says that what is
    there now is true, however little it is. ``marker``: what the marker file has to say, where there is one.
    ``missed``: as :class:`Seek` says. ``wanted``: the scans that are asked for.
    """

    volume: str
    store_path: str
    mount: Mount
    identity: Identity
    epoch: Epoch
    scopes: list[Scope]
    look_first: list[str]  # directories that were doubted before
    settings: EngineSettings
    guarded: bool = False
    accepted: bool = False
    marker: Marker | None = None
    missed: list[int] | None = []
    wanted: list[WantedScan] = []


class Guard(msgspec.Struct, frozen=True, tag="guard"):
    """There is a concern about the volume now: look on, and call nothing absent. Or there is none any more."""

    guarded: bool


class Assign(msgspec.Struct, frozen=True, tag="assign"):
    """The import paths of the volume changed."""

    scopes: list[Scope]


class Seek(msgspec.Struct, frozen=True, tag="seek"):
    """New files of these sizes may be some that are missed elsewhere; None: those of any size."""

    missed: list[int] | None


class Consult(msgspec.Struct, frozen=True, tag="consult"):
    """The standing of the journal to the catalog has changed."""


class Rescan(msgspec.Struct, frozen=True, tag="rescan"):
    """Scan everything again."""


class Want(msgspec.Struct, frozen=True, tag="want"):
    """These scans of the volume are asked for, and no others."""

    scans: list[WantedScan]


class Release(msgspec.Struct, frozen=True, tag="release"):
    """Let go of the volume at once: nothing of it may be open when this is done; answered by :class:`LetGo`."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Let go, and end."""


ToWorker = ProbeMount | Inspect | AskBranches | Adopt | Guard | Assign | Seek | Consult | Rescan | Want | Release | Stop


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """What is at the root of a mount; an errno when it could not be read."""

    unique_id: int
    probe: Probe | None
    errno: int = 0


class Inspected(msgspec.Struct, frozen=True, tag="inspected"):
    """What an import path is: its canonical path, or the sentence that says why it cannot be used, with the errno
    behind that if there is one."""

    import_path: str
    canonical: str
    refusal: str | None
    errno: int = 0


class Branches(msgspec.Struct, frozen=True, tag="branches"):
    """The branches of a union as host paths, or the errno that it answered with."""

    unique_id: int
    paths: list[str]
    errno: int = 0


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The volume of this epoch was looked at and is in order."""

    epoch: Epoch


class Doubted(msgspec.Struct, frozen=True, tag="doubted"):
    """The volume of this epoch is not in order; the worker has let go of it."""

    epoch: Epoch
    reason: Reason
    detail: str
    directory: str | None = None


class Reading(msgspec.Struct, frozen=True, tag="reading"):
    """What the worker is doing; sent while it works, and once before it rests.

    ``busy``: it may be in a call that storage can block. ``spooled``: there is something new to be told.
    """

    busy: bool
    spooled: bool
    scan: ScanProgress | None
    scans_finished: int
    watching: str
    watched_directories: int
    spool_full: bool = False  # looking waits until some of it is told
    last_scan: EndedScan | None = None


class LetGo(msgspec.Struct, frozen=True, tag="let-go"):
    """Nothing of the volume is open any more."""


FromWorker = Probed | Inspected | Branches | Ready | Doubted | Reading | LetGo

_encode = msgspec.msgpack.Encoder().encode
_decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
_decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


class Line:
    """One end of the packet socket between a supervisor and a worker."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Both ends: the supervisor's, which never blocks, and the worker's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET_BYTES_MAX)
        ours.setblocking(False)
        return ours, theirs

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._socket.fileno()

    def send(self, message: ToWorker | FromWorker) -> None:
        """Send one message. Raises :class:`OSError` when the other end is gone, or takes nothing any more."""
        self._socket.send(_encode(message))

    def receive_from_worker(self) -> list[FromWorker] | None:
        """All messages that wait, without blocking; None when the worker has closed its end."""
        return None if (packets := self._packets()) is None else [_decode_from_worker(one) for one in packets]

    def receive_to_worker(self) -> ToWorker | None:
        """The next message, waiting for it; None when the supervisor is gone."""
        packet = self._socket.recv(PACKET_BYTES_MAX)
        return _decode_to_worker(packet) if packet else None

    def has_message(self) -> bool:
        """Whether a message waits, or the other end is gone."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _packets(self) -> list[bytes] | None:
        packets: list[bytes] = []
        while True:
            try:
                packet = self._socket.recv(PACKET_BYTES_MAX)
            except BlockingIOError:
                return packets
            except ConnectionResetError:
                packet = b""
            if not packet:
                return packets or None
            packets.append(packet)


def has_news(descriptor: int) -> bool:
    """Whether a message waits on the line with this descriptor."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
