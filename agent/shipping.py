"""Delivering one volume's outbox, report by report, until the sidecar has acknowledged each (R32).

The shipper is a step function over outbox and uplink; the supervisor runs one in a thread for each volume, and the
simulator runs the same one. One report is in flight at a time: the stream has an order. Nothing is sent without a
lease (R33), and none is taken up without a baseline.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from agent.backoff import wait_s
from agent.baseline import Baseline
from agent.outbox import Outbox, Sealed, flaw
from agent.ports import Clock, Refused, Unreachable, Uplink
from agent.sizing import Sizing
from agent.store import Lease, Standing, Store
from holdfast.reports import Receipt
from holdfast.volumes import Reason, sentence

# The uplink's refusals that end the lease, and those that say that a page's cursor is of no use any more.
_NOT_THE_WRITER = "two-writers"
_CURSOR_LOST = ("bad-cursor", "cursor-expired")
_IMPOSSIBLE = "invalid-report"
# A journal does not begin anew for its own mistakes more often than this: all of its volume is scanned and told again.
MISTAKE_EVERY_S = 3600.0


class Delivery(Enum):
    """What a step came to."""

    SENT = "sent"  # a report, or a page of the baseline: there may be more
    NOTHING = "nothing"
    LATER = "later"
    STOPPED = "stopped"


class Step(NamedTuple):
    """``wait_s`` is how long to wait before the next step, when the delivery is LATER. ``problem`` is for people.
    ``is_last``: nothing waited behind what was sent. Whatever has come since can wait until somebody says so: a volume
    that is read file by file would be told of each of them else, in reports that take a disk three writes each."""

    delivery: Delivery
    wait_s: float = 0.0
    problem: str | None = None
    is_last: bool = False


class Shipper:
    """Sends what is sealed, seals what is next. ``chance`` gives uniform random numbers in [0, 1), ``new_journal``
    the id of another incarnation of the journal.

    ``lease`` is what the sidecar has last said about the volume; None before it has said anything.
    """

    def __init__(
        self,
        store: Store,
        uplink: Uplink,
        clock: Clock,
        *,
        chance: Callable[[], float],
        new_journal: Callable[[], str],
    ) -> None:
        self.lease: Lease | None = None
        self.problem: str | None = None
        self.acknowledged = 0  # reports, since this shipper began
        self.mistake: str | None = None  # what was wrong with the last report of ours that was impossible
        self._mistake_at = float("-inf")
        self._store = store
        self._outbox = Outbox(store)
        self._baseline = Baseline(store)
        self._uplink = uplink
        self._clock = clock
        self._chance = chance
        self._new_journal = new_journal
        self._failures = 0
        self._cursor: str | None = None
        self._sizing = Sizing()

    def step(self) -> Step:
        """Deliver one report, if there is one, or learn one page of what the catalog believes.

        A stream stops, visibly, when the sidecar refuses a report: to skip it would lose what it says. It is tried
        again later, in case the refusal was the sidecar's mistake and was mended there. Where the mistake is our own,
        be it of an earlier version, it will never be taken: then the journal begins anew, as one that was lost (R34).
        """
        lease = self.lease
        if lease is None:
            return Step(Delivery.NOTHING)
        if lease.fence is None:
            return self._hold_back()
        held, standing = self._store.lease(), self._store.standing()
        if held != lease or standing is Standing.HELD_BACK:
            # Under the same fence nobody else has written, so that what waits is still the truth.
            keep = held.fence == lease.fence and standing in (Standing.WRITING, Standing.DRAINING)
            return self._begin(lease, keep=keep)
        if standing is Standing.BASELINE:
            return self._guarded(lambda: self._learn(lease.fence or 0))
        sealed = self._outbox.seal(self._clock.now().wall, self._sizing.files_max)
        if sealed is not None:
            return self._guarded(lambda: self._deliver(lease, sealed))
        if standing is Standing.DRAINING:
            self._baseline.drained()
            return Step(Delivery.SENT)
        return Step(Delivery.NOTHING)

    def _guarded(self, call: Callable[[], Step]) -> Step:
        """One call of the uplink, and what its refusal means wherever it happens."""
        try:
            return call()
        except Unreachable as error:
            self._failures += 1
            return self._later(str(error), wait_s(self._failures, self._chance(), error.retry_after_s))
        except Refused as error:
            if error.code == _NOT_THE_WRITER and self.lease is not None:
                self.lease = Lease(self.lease.catalog, None)  # until a heartbeat is answered otherwise
                return self._hold_back()
            if error.code in _CURSOR_LOST:
                self._cursor = None
            self._failures += 1
            step = self._later(str(error), wait_s(self._failures + 4, self._chance()))
            return step._replace(delivery=Delivery.STOPPED)

    def _deliver(self, lease: Lease, sealed: Sealed) -> Step:
        try:
            receipt = self._send(lease, sealed)
        except Refused as error:
            if error.code == "sequence-mismatch" and error.expected is not None:
                if error.expected < sealed.sequence:
                    # What was acknowledged is not there any more: the catalog was set back without a word.
                    return self._begin(lease, keep=True)
                # Committed before, and the answer was lost.
                return self._acknowledge(sealed, sealed.sequence)
            if error.code == "stream-diverged":
                return self._begin(lease, keep=False)
            if error.code == _IMPOSSIBLE and self._is_our_mistake(sealed):
                return self._begin(lease, keep=False)
            raise
        if not receipt.applied and receipt.expected > sealed.sequence + 1:
            # The sidecar has seen later reports of this journal than the journal itself remembers.
            return self._begin(lease, keep=False)
        return self._acknowledge(sealed, receipt.sequence)

    def _send(self, lease: Lease, sealed: Sealed) -> Receipt:
        began, is_taken = self._clock.now().boot, False
        try:
            receipt = self._uplink.send(self._store.volume, sealed.sequence, sealed.body, lease.fence or 0)
            is_taken = True
        finally:
            # Also where no answer came: it may have been too much to be taken while anybody waits for it.
            self._sizing.note(sealed.files, self._clock.now().boot - began, is_taken=is_taken)
        return receipt

    def _is_our_mistake(self, sealed: Sealed) -> bool:
        """Whether we find the report impossible too, and may begin anew for it."""
        now = self._clock.now().boot
        found = flaw(sealed.body)
        if found is None or now - self._mistake_at < MISTAKE_EVERY_S:
            return False
        self.mistake, self._mistake_at = found, now
        return True

    def _learn(self, fence: int) -> Step:
        """One page of the baseline."""
        page = self._uplink.known(self._store.volume, fence, self._cursor)
        self._baseline.believe(page.directories, last=page.next_cursor is None, has_rules=page.has_rules)
        self._cursor = page.next_cursor
        return self._went_well()

    def _begin(self, lease: Lease, *, keep: bool) -> Step:
        self._baseline.begin(lease, self._new_journal(), keep=keep)
        self._cursor = None
        return self._went_well()

    def _hold_back(self) -> Step:
        if self._store.standing() is not Standing.HELD_BACK:
            self._baseline.hold_back()
        self._failures = 0
        self.problem = sentence(Reason.TWO_WRITERS, "")
        return Step(Delivery.NOTHING, problem=self.problem)

    def _acknowledge(self, sealed: Sealed, sequence: int) -> Step:
        self._outbox.acknowledge(sequence)
        self.acknowledged += 1
        is_last = sealed.is_last and self._store.standing() is Standing.WRITING
        return self._went_well()._replace(is_last=is_last)

    def _went_well(self) -> Step:
        self._failures = 0
        self.problem = None
        return Step(Delivery.SENT)

    def _later(self, problem: str, wait: float) -> Step:
        self.problem = problem
        return Step(Delivery.LATER, wait, problem)
