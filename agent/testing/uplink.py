"""A network that loses things, and a sidecar in memory that keeps the rules of the stream."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent.ports import Refused, Unreachable, Uplink
from holdfast import reports
from holdfast.assignments import Assignment, BelievedPage, Heartbeat, HeartbeatResponse
from holdfast.reports import Receipt, Report

T = TypeVar("T")


@dataclass
class Network:
    """How bad it is: the chance (0 to 1) of each of these, for every call. ``down`` loses every request."""

    down: bool = False
    lost_request: float = 0.0  # the sidecar never hears of it
    lost_response: float = 0.0  # the sidecar did it, and the agent never hears of that
    duplicate: float = 0.0  # the sidecar gets it twice
    late: float = 0.0  # the agent gives up, and the sidecar gets it just before a later call


class FakeUplink:
    """Implements :class:`agent.ports.Uplink` over another uplink, with a network of this quality between them.

    ``called`` is told of every call; a fake host's ``called`` counts them among those of the other ports.
    """

    def __init__(
        self,
        beyond: Uplink,
        *,
        network: Network | None = None,
        seed: int = 0,
        called: Callable[[str], None] = lambda port: None,
    ) -> None:
        self.network = network or Network()
        self.outcomes: Counter[str] = Counter()
        self._beyond = beyond
        self._random = random.Random(seed)
        self._called = called
        self._under_way: list[Callable[[], object]] = []

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        """Tell all volume states."""
        self._called("uplink.heartbeat")
        return self._pass(lambda: self._beyond.heartbeat(heartbeat))

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        """The assignment, when it is newer than ``revision``. Time stands still here, so nothing is waited for."""
        self._called("uplink.assignment")
        return self._pass(lambda: self._beyond.assignment(revision, 0))

    def renew(self, keep: Callable[[str], None]) -> None:
        """Get another token."""
        self._called("uplink.renew")
        self._pass(lambda: self._beyond.renew(keep))

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        """Deliver one report."""
        self._called("uplink.send")
        return self._pass(lambda: self._beyond.send(volume, sequence, body, fence))

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        """A page of what the catalog believes."""
        self._called("uplink.known")
        return self._pass(lambda: self._beyond.known(volume, fence, cursor))

    def arrive(self) -> None:
        """Let everything that is late arrive now."""
        under_way, self._under_way = self._under_way, []
        for call in under_way:
            try:
                call()
            except (Refused, Unreachable):
                self.outcomes["late and unwanted"] += 1  # nobody waits for this answer any more

    def _pass(self, call: Callable[[], T]) -> T:
        outcome = self._draw()
        self.outcomes[outcome] += 1
        if outcome == "lost_request":
            raise Unreachable("the request was lost")
        if outcome == "late":
            self._under_way.append(call)
            raise Unreachable("no answer in time")
        self.arrive()
        if outcome == "duplicate":
            call()
        answer = call()
        if outcome == "lost_response":
            raise Unreachable("the response was lost")
        return answer

    def _draw(self) -> str:
        if self.network.down:
            return "lost_request"
        left = self._random.random()
        for outcome in ("lost_request", "lost_response", "duplicate", "late"):
            left -= getattr(self.network, outcome)
            if left < 0:
                return outcome
        return "delivered"


@dataclass
class Stream:
    """The reports of one volume, by the journal they belong to."""

    journal: str = ""
    reports: list[Report] = field(default_factory=list)


class FakeSidecar:
    """Implements :class:`agent.ports.Uplink` without a catalog: it takes what is right and remembers it."""

    def __init__(self, assignment: Assignment, server_time: float = 0.0) -> None:
        self.current = assignment
        self.server_time = server_time
        self.heartbeats: list[Heartbeat] = []
        self.streams: dict[str, Stream] = {}
        self.tokens = 0
        self.renew_token = False  # what heartbeats are answered with
        self.fences: dict[str, int] = {}  # 1 where nothing is said
        self.believed: dict[str, list[BelievedPage]] = {}  # nothing where nothing is said

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatResponse:
        """Take note of the volume states."""
        self.heartbeats.append(heartbeat)
        return HeartbeatResponse(
            catalog=self.current.catalog,
            revision=self.current.revision,
            server_time=self.server_time,
            heartbeat_s=30.0,
            grants={one.volume: self.fences.get(one.volume, 1) for one in heartbeat.volumes},
            renew_token=self.renew_token,
        )

    def assignment(self, revision: int | None, wait_s: float) -> Assignment | None:
        """The assignment, unless it is the one already known."""
        return None if revision == self.current.revision else self.current

    def renew(self, keep: Callable[[str], None]) -> None:
        """Give out one token after the other."""
        self.tokens += 1
        keep(f"token {self.tokens}")

    def known(self, volume: str, fence: int, cursor: str | None) -> BelievedPage:
        """The page of this number; the first without one."""
        self._check_fence(volume, fence)
        pages = self.believed.get(volume, [BelievedPage(directories=[], next_cursor=None)])
        return pages[int(cursor or 0)]

    def send(self, volume: str, sequence: int, body: bytes, fence: int) -> Receipt:
        """Take the next report of a stream. A repeat is harmless, a hole is refused, and so is what cannot be
        true. A new journal begins the stream anew."""
        self._check_fence(volume, fence)
        report = msgspec.json.decode(gzip.decompress(body), type=Report)
        try:
            reports.check(report)
        except reports.BadReport as error:
            raise Refused(422, "invalid-report", str(error)) from error
        if (report.volume, report.sequence) != (volume, sequence):
            raise Refused(422, "invalid-report", "the report is not the one that its address names")
        stream = self.streams.setdefault(volume, Stream())
        if report.journal != stream.journal:
            stream.journal = report.journal
            stream.reports = []
        expected = len(stream.reports) + 1
        if sequence > expected:
            raise Refused(409, "sequence-mismatch", f"report {expected} is expected", expected)
        if sequence == expected:
            stream.reports.append(report)
        return Receipt(sequence=sequence, applied=sequence == expected, expected=len(stream.reports) + 1)

    def _check_fence(self, volume: str, fence: int) -> None:
        if fence != self.fences.get(volume, 1):
            raise Refused(403, "two-writers", "this grant has ended")
