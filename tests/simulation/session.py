"""The agent's session without threads: the real shippers, and the same answers to the supervisor.

What :class:`agent.session.Session` does in a thread each is here one method each, so that the simulator decides in
which order heartbeats, questions and reports are on their way.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping

from msgspec import structs

from agent.backoff import wait_s
from agent.outbox import Outbox
from agent.ports import Refused, Unreachable, Uplink
from agent.shipping import Delivery, Shipper
from agent.store import JournalUnusable, Lease
from holdfast.assignments import Assignment, Heartbeat
from tests.simulation.crashes import SimulatedStore
from tests.simulation.workers import SimulatedStorage

HEARTBEAT_S = 10.0
_ASK_S = 25.0
_JOURNAL_RETRY_S = 5.0


class Ship:
    """One shipper with its store, and when its thread would go on."""

    def __init__(self, storage: SimulatedStorage, uplink: Uplink, volume: str, path: str, rng: random.Random) -> None:
        self._make = lambda: storage.store(path, volume, durable=True)
        self._uplink, self._storage, self._random = uplink, storage, rng
        self.store: SimulatedStore | None = None
        self.shipper: Shipper | None = None
        self.granted: Lease | None = None
        self.taken: Lease | None = None
        self.is_awake = True
        self.later: float | None = None
        self.turn = 0
        self.pending = 0

    def open(self) -> tuple[SimulatedStore, Shipper]:
        """The store and the shipper; they are opened by the thread itself, and anew when that has failed."""
        if self.store is None or self.shipper is None:
            self.store = self._make()
            self.shipper = Shipper(
                self.store,
                self._uplink,
                self._storage.clock,
                chance=self._random.random,
                new_journal=lambda: self._storage.new_id("journal"),
            )
            self.taken = None
        return self.store, self.shipper

    def close(self) -> None:
        """Close the store."""
        if self.store is not None:
            self.store.close()
        self.store = self.shipper = None

    def waiting(self) -> tuple[int, int]:
        """How many files wait to be told, and how many bytes."""
        return (0, 0) if self.store is None else Outbox(self.store).pending()


class SimulatedSession:
    """Implements what the supervisor uses of a session."""

    def __init__(
        self,
        uplink: Uplink,
        storage: SimulatedStorage,
        rng: random.Random,
        on_assignment: Callable[[Assignment], None],
    ) -> None:
        self._uplink = uplink
        self._storage = storage
        self._random = rng
        self._on_assignment = on_assignment
        self._assignment: Assignment | None = None
        self._heartbeat: Heartbeat | None = None
        self._leases: dict[str, Lease] = {}
        self._catalog: str | None = None
        self._failures = 0
        self._offered: int | None = None
        self._asking_fails = False
        self.ships: dict[str, Ship] = {}
        self.is_news = False
        self.beat_at = 0.0
        self.ask_at = 0.0
        self.on_turn: Callable[[], None] = lambda: None
        self.on_overtaken: Callable[[Mapping[str, int]], None] = lambda versions: None
        self.problem: str | None = "not connected yet"

    # What the supervisor asks

    def start(self) -> None:
        return

    def publish(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self.is_news = True

    def ship(self, volume: str, store_path: str) -> None:
        if volume not in self.ships:
            ship = self.ships[volume] = Ship(self._storage, self._uplink, volume, store_path, self._random)
            ship.granted = self._leases.get(volume)
        self.ships[volume].is_awake = True

    def pending(self, volume: str) -> int:
        return self.ships[volume].pending if volume in self.ships else 0

    def turn(self, volume: str) -> int:
        return self.ships[volume].turn if volume in self.ships else 0

    def is_held_back(self, volume: str) -> bool:
        lease = self._leases.get(volume)
        return lease is not None and lease.fence is None

    def shipping_problem(self, volume: str) -> str | None:
        shipper = self.ships[volume].shipper if volume in self.ships else None
        return None if shipper is None else shipper.problem

    def close(self, timeout_s: float = 0.0) -> None:
        for ship in self.ships.values():
            ship.close()
        self.ships.clear()

    # What its threads do

    def beat(self) -> None:
        """Tell the newest heartbeat."""
        if self._heartbeat is None:
            return
        heartbeat, now = self._heartbeat, self._now()
        volumes = [structs.replace(one, pending=self.pending(one.volume)) for one in heartbeat.volumes]
        try:
            answer = self._uplink.heartbeat(structs.replace(heartbeat, volumes=volumes))
        except (Unreachable, Refused) as error:
            self._failures += 1
            self.problem = str(error)
            self.beat_at = now + wait_s(self._failures, self._random.random())
            return
        if self._failures or self.problem is not None:
            for ship in self.ships.values():
                ship.later = None if ship.later is None else now
            self.ask_at = min(self.ask_at, now)
        self._failures, self.problem, self.is_news = 0, None, False
        self.beat_at = now + HEARTBEAT_S
        if answer.overtaken:
            self.on_overtaken(answer.overtaken)
        self._catalog, self._offered = answer.catalog, answer.revision
        for one in heartbeat.volumes:
            lease = self._leases[one.volume] = Lease(answer.catalog, answer.grants.get(one.volume))
            if one.volume in self.ships and lease != self.ships[one.volume].granted:
                ship = self.ships[one.volume]
                ship.granted, ship.is_awake, ship.later = lease, True, None

    def ask(self) -> None:
        """Ask for the assignment. The real one is held until there is news, or for as long as :data:`_ASK_S`."""
        now = self._now()
        try:
            assignment = self._uplink.assignment(self._known_revision(), 0.0)
        except (Unreachable, Refused):
            self._asking_fails = True
            self.ask_at = now + wait_s(1, self._random.random())
            return
        self._asking_fails, self._offered = False, None
        self.ask_at = now + _ASK_S
        if assignment is not None:
            self._assignment = assignment
            self._on_assignment(assignment)

    def _known_revision(self) -> int | None:
        known, catalog = self._assignment, self._catalog
        return None if known is None or catalog not in (None, known.catalog) else known.revision

    def deliver(self, volume: str) -> bool:
        """One step of a shipper, if its thread would take one; whether it did."""
        ship, now = self.ships[volume], self._now()
        if not self.may_deliver(volume):
            return False
        ship.is_awake, ship.later = False, None
        try:
            store, shipper = ship.open()
            if ship.granted != ship.taken:
                shipper.lease = ship.taken = ship.granted
            step = shipper.step()
            ship.pending = ship.waiting()[0]
            turn = store.turn()
        except (sqlite3.Error, JournalUnusable):
            ship.close()
            ship.later = now + _JOURNAL_RETRY_S
            return True
        if turn != ship.turn:
            ship.turn = turn
            self.on_turn()
        if step.delivery is Delivery.SENT:
            ship.is_awake = ship.is_awake or not step.is_last
        elif step.delivery is not Delivery.NOTHING:
            ship.later = now + step.wait_s
        return True

    # When they would

    def may_deliver(self, volume: str) -> bool:
        """Whether the shipper of a volume has something to do now."""
        ship = self.ships[volume]
        return ship.later <= self._now() if ship.later is not None else ship.is_awake

    def must_beat(self) -> bool:
        """Whether a heartbeat is to be sent now."""
        now = self._now()
        return self._heartbeat is not None and (now >= self.beat_at or (self.is_news and not self._failures))

    def must_ask(self) -> bool:
        """Whether the question for an assignment would come back with news, or is to be asked again."""
        is_news = self._offered is not None and self._offered != self._known_revision()
        return self._now() >= self.ask_at or (is_news and not self._asking_fails)

    def due(self) -> list[float]:
        """When the shippers try again."""
        return [ship.later for ship in self.ships.values() if ship.later is not None]

    def _now(self) -> float:
        return self._storage.clock.now().boot
