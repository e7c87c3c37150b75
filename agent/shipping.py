"""Delivering one volume's outbox, report by report, until the sidecar has acknowledged each (R32).

The shipper is a step function over outbox and uplink; the supervisor runs one in a thread for each volume, and the
simulator runs the same one. One report is in flight at a time: the stream has an order.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from agent.backoff import wait_s
from agent.outbox import Outbox
from agent.ports import Clock, Refused, Unreachable, Uplink


class Delivery(Enum):
    """What a step came to."""

    SENT = "sent"
    NOTHING = "nothing"
    LATER = "later"
    STOPPED = "stopped"


class Step(NamedTuple):
    """``wait_s`` is how long to wait before the next step, when the delivery is LATER. ``problem`` is for people."""

    delivery: Delivery
    wait_s: float = 0.0
    problem: str | None = None


class Shipper:
    """Sends what is sealed, seals what is next. ``chance`` gives uniform random numbers in [0, 1), ``new_journal``
    the id of another incarnation of the journal."""

    def __init__(
        self,
        outbox: Outbox,
        uplink: Uplink,
        volume: str,
        clock: Clock,
        *,
        chance: Callable[[], float],
        new_journal: Callable[[], str],
    ) -> None:
        self._outbox = outbox
        self._uplink = uplink
        self._volume = volume
        self._clock = clock
        self._chance = chance
        self._new_journal = new_journal
        self._failures = 0
        self.problem: str | None = None

    def step(self) -> Step:
        """Deliver one report, if there is one.

        A stream stops, visibly, when the sidecar refuses a report: to skip it would lose what it says. It is tried
        again later, in case the refusal was the sidecar's mistake and was mended there.
        """
        sealed = self._outbox.seal(self._clock.now().wall)
        if sealed is None:
            return Step(Delivery.NOTHING)
        try:
            receipt = self._uplink.send(self._volume, sealed.sequence, sealed.body)
        except Unreachable as error:
            self._failures += 1
            return self._later(str(error), wait_s(self._failures, self._chance(), error.retry_after_s))
        except Refused as error:
            if error.code == "sequence-mismatch" and error.expected is not None and error.expected > sealed.sequence:
                # Committed before, and the answer was lost.
                return self._acknowledge(sealed.sequence)
            if error.code == "stream-diverged":
                return self._begin_anew()
            self._failures += 1
            step = self._later(str(error), wait_s(self._failures + 4, self._chance()))
            return step._replace(delivery=Delivery.STOPPED)
        if not receipt.applied and receipt.expected > sealed.sequence + 1:
            # The sidecar has seen later reports of this journal than the journal itself remembers.
            return self._begin_anew()
        return self._acknowledge(receipt.sequence)

    def _begin_anew(self) -> Step:
        self._outbox.begin_anew(self._new_journal())
        return Step(Delivery.LATER, 0.0)

    def _acknowledge(self, sequence: int) -> Step:
        self._outbox.acknowledge(sequence)
        self._failures = 0
        self.problem = None
        return Step(Delivery.SENT)

    def _later(self, problem: str, wait: float) -> Step:
        self.problem = problem
        return Step(Delivery.LATER, wait, problem)
