"""The agent's session with its sidecar, in threads of its own: heartbeats, assignments, and one shipper a volume.

The supervisor never waits for the network. It leaves the newest heartbeat here and is woken when there is an
assignment. Heartbeats do not queue: only the newest matters, and it overtakes every backlog of reports.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Mapping

import structlog
from msgspec import structs

from agent.backoff import wait_s
from agent.outbox import Outbox
from agent.ports import Clock, Refused, Unreachable, Uplink
from agent.shipping import Delivery, Shipper
from agent.store import JournalUnusable, Lease, Store, new_journal_id
from holdfast.assignments import Assignment, Heartbeat, HeartbeatResponse

_log = structlog.get_logger("agent.session")

# How long the sidecar may hold the question for a new assignment.
_ASSIGNMENT_WAIT_S = 25.0
# Used until the sidecar has said how often it wants to hear from us.
_HEARTBEAT_S = 10.0
# How long to leave a journal alone that cannot be opened or written.
_JOURNAL_RETRY_S = 5.0


class Session:
    """Runs until :meth:`close`. ``on_assignment`` is called in a thread of the session; so are ``on_turn``, when the
    standing of a journal has changed, and ``on_overtaken``, when the sidecar has heard of volumes what seems later.
    ``keep_token`` writes a new token down."""

    def __init__(
        self,
        uplink: Uplink,
        clock: Clock,
        on_assignment: Callable[[Assignment], None],
        keep_token: Callable[[str], None] = lambda token: None,
    ) -> None:
        self._uplink = uplink
        self._clock = clock
        self._on_assignment = on_assignment
        self._keep_token = keep_token
        self._renewal_wanted = False
        self.renewals = 0
        self._assignment: Assignment | None = None
        self._stopping = threading.Event()
        self._connected = threading.Event()  # ends the waits of the others: the sidecar is back
        self._news = threading.Condition()
        self._heartbeat: Heartbeat | None = None
        self._version = 0
        self._shippers: dict[str, _ShipperThread] = {}
        self._leases: dict[str, Lease] = {}
        self._catalog: str | None = None
        self.on_turn: Callable[[], None] = lambda: None
        self.on_overtaken: Callable[[Mapping[str, int]], None] = lambda versions: None
        self.problem: str | None = "not connected yet"
        # Since the start, for whoever measures.
        self.heartbeats = self.heartbeat_failures = 0
        self.heartbeat_at: float | None = None
        self._threads = [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._ask, name="assignment", daemon=True),
        ]

    def start(self) -> None:
        """Begin to talk."""
        for thread in self._threads:
            thread.start()

    def publish(self, heartbeat: Heartbeat) -> None:
        """This is how things are now: tell it at once."""
        with self._news:
            self._heartbeat = heartbeat
            self._version += 1
            self._news.notify_all()

    def renew_token(self) -> None:
        """Get another token from the sidecar, as soon as it answers."""
        with self._news:
            self._renewal_wanted = True
            self._version += 1
            self._news.notify_all()

    def ship(self, volume: str, store_path: str) -> None:
        """There may be something in the outbox of this volume."""
        shipper = self._shippers.get(volume)
        if shipper is None:
            shipper = _ShipperThread(self._uplink, self._clock, volume, store_path, self.on_turn)
            self._shippers[volume] = shipper
            if (lease := self._leases.get(volume)) is not None:
                shipper.grant(lease)
            shipper.start()
        shipper.wake()

    def pending(self, volume: str) -> int:
        """How many files' observations of this volume wait to be delivered, as of the last step."""
        shipper = self._shippers.get(volume)
        return 0 if shipper is None else shipper.pending

    def turn(self, volume: str) -> int:
        """How often the standing of the journal of this volume has changed; 0 when that is not known yet."""
        shipper = self._shippers.get(volume)
        return 0 if shipper is None else shipper.turn

    def is_held_back(self, volume: str) -> bool:
        """Whether another agent is the writer of this volume, as the sidecar has last said."""
        lease = self._leases.get(volume)
        return lease is not None and lease.fence is None

    def shipping_problem(self, volume: str) -> str | None:
        """Why nothing of this volume gets through, if nothing does."""
        shipper = self._shippers.get(volume)
        return None if shipper is None else shipper.problem

    def acknowledged(self, volume: str) -> tuple[int, float | None]:
        """How many reports of this volume the sidecar has acknowledged since the start, and when it last did (Unix
        time)."""
        shipper = self._shippers.get(volume)
        return (0, None) if shipper is None else (shipper.acknowledged, shipper.acknowledged_at)

    def close(self, timeout_s: float) -> None:
        """Stop talking; a request that is under way is left to itself after this long."""
        self._stopping.set()
        self._connected.set()
        with self._news:
            self._news.notify_all()
        for shipper in self._shippers.values():
            shipper.stop()
        for shipper in self._shippers.values():
            shipper.join(timeout_s)

    def _beat(self) -> None:
        failures, sent, every_s = 0, 0, _HEARTBEAT_S
        while not self._stopping.is_set():
            with self._news:
                if self._heartbeat is None or (self._version == sent and failures == 0):
                    self._news.wait(every_s)
                heartbeat, version = self._heartbeat, self._version
            if heartbeat is None or self._stopping.is_set():
                continue
            try:
                answer = self._uplink.heartbeat(self._with_figures(heartbeat))
            except (Unreachable, Refused) as error:
                failures += 1
                self.heartbeat_failures += 1
                self._lost(str(error), failures)
                retry = error.retry_after_s if isinstance(error, Unreachable) else None
                self._wait(wait_s(failures, random.random(), retry), version)
                continue
            self.heartbeats += 1
            self.heartbeat_at = self._clock.now().wall
            if failures or self.problem is not None:
                _log.info("sidecar.connected", catalog=answer.catalog)
                self._connected.set()
                for shipper in list(self._shippers.values()):
                    shipper.hurry()
            failures, sent, every_s, self.problem = 0, version, answer.heartbeat_s, None
            self._take_leases(heartbeat, answer)
            if answer.overtaken:
                self.on_overtaken(answer.overtaken)
            if answer.renew_token or self._renewal_wanted:
                self._renew()

    def _with_figures(self, heartbeat: Heartbeat) -> Heartbeat:
        """How much waits changes all the time, and is told when something else is, or it is time."""
        volumes = [structs.replace(one, pending=self.pending(one.volume)) for one in heartbeat.volumes]
        return structs.replace(heartbeat, volumes=volumes)

    def _take_leases(self, heartbeat: Heartbeat, answer: HeartbeatResponse) -> None:
        self._catalog = answer.catalog
        for one in heartbeat.volumes:
            lease = self._leases[one.volume] = Lease(answer.catalog, answer.grants.get(one.volume))
            shipper = self._shippers.get(one.volume)
            if shipper is not None:
                shipper.grant(lease)

    def _renew(self) -> None:
        """Get another token. Without it the old one opens for a while yet, and the next heartbeat tries again."""
        try:
            self._uplink.renew(self._keep_token)
        except (Unreachable, Refused, OSError) as error:
            _log.warning("token.not_renewed", problem=str(error))
            return
        self._renewal_wanted = False
        self.renewals += 1
        _log.info("token.renewed")

    def _ask(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                assignment = self._uplink.assignment(self._known_revision(), _ASSIGNMENT_WAIT_S)
            except (Unreachable, Refused) as error:
                failures += 1
                retry = error.retry_after_s if isinstance(error, Unreachable) else None
                self._connected.clear()
                self._connected.wait(wait_s(failures, random.random(), retry))
                continue
            failures = 0
            if assignment is not None:
                self._assignment = assignment
                self._on_assignment(assignment)

    def _known_revision(self) -> int | None:
        """The revision of the assignment, if it is one of the catalog that answers now. In a catalog that was set back
        the same number may stand for something else."""
        known, catalog = self._assignment, self._catalog
        return None if known is None or catalog not in (None, known.catalog) else known.revision

    def _wait(self, seconds: float, version: int) -> None:
        """Wait before trying again; something new to say is worth trying at once."""
        with self._news:
            self._news.wait_for(lambda: self._version != version or self._stopping.is_set(), seconds)

    def _lost(self, problem: str, failures: int) -> None:
        if problem != self.problem or failures == 1:
            _log.warning("sidecar.lost", problem=problem)
        self.problem = problem


class _ShipperThread(threading.Thread):
    """Drives one :class:`~agent.shipping.Shipper`."""

    def __init__(self, uplink: Uplink, clock: Clock, volume: str, store_path: str, on_turn: Callable[[], None]) -> None:
        super().__init__(name=f"ship-{volume}", daemon=True)
        self._uplink = uplink
        self._clock = clock
        self._volume = volume
        self._store_path = store_path
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._on_turn = on_turn
        self._granted: Lease | None = None
        self._stopping = False
        self.turn = 0
        self.pending = 0
        self.acknowledged = 0
        self.acknowledged_at: float | None = None
        self.problem: str | None = None

    def grant(self, lease: Lease) -> None:
        """What the sidecar says about who is the writer."""
        if lease != self._granted:
            self._granted = lease
            self._hurry.set()
            self._wake.set()

    def wake(self) -> None:
        """Look into the outbox."""
        self._wake.set()

    def hurry(self) -> None:
        """The sidecar is back: do not wait any longer."""
        self._hurry.set()

    def stop(self) -> None:
        """End after the step that is under way."""
        self._stopping = True
        self._hurry.set()
        self._wake.set()

    def run(self) -> None:
        """Deliver until stopped. A journal that cannot be used now, because its disk is full, may be usable later."""
        while not self._stopping:
            try:
                self._deliver()
            except (sqlite3.Error, JournalUnusable) as error:
                self._note(str(error))
                self._hurry.wait(_JOURNAL_RETRY_S)
                self._hurry.clear()

    def _deliver(self) -> None:
        store = Store(self._store_path, self._volume, durable=True)
        try:
            outbox = Outbox(store)
            shipper = Shipper(store, self._uplink, self._clock, chance=random.random, new_journal=new_journal_id)
            taken: Lease | None = None
            while not self._stopping:
                self._wake.clear()
                if self._granted != taken:
                    shipper.lease = taken = self._granted
                step = shipper.step()
                self._note(shipper.problem)
                if shipper.mistake is not None:
                    _log.error("shipping.mistaken", volume=self._volume, problem=shipper.mistake)
                    shipper.mistake = None
                if shipper.acknowledged > self.acknowledged:
                    self.acknowledged, self.acknowledged_at = shipper.acknowledged, self._clock.now().wall
                self.pending = outbox.pending()[0]
                if (turn := store.turn()) != self.turn:
                    self.turn = turn
                    self._on_turn()
                if step.delivery is Delivery.NOTHING or step.is_last:
                    self._wake.wait()
                elif step.delivery is not Delivery.SENT:
                    # New observations do not make the sidecar come back sooner; that it has come back does.
                    self._hurry.wait(step.wait_s)
                    self._hurry.clear()
        finally:
            store.close()

    def _note(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            _log.warning("shipping.stalled", volume=self._volume, problem=problem)
        elif problem is None and self.problem is not None:
            _log.info("shipping.resumed", volume=self._volume)
        self.problem = problem
