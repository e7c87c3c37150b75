"""The worker: the process that does what nobody asks for.

It notices silent agents (rule R36), carries out what people decided about holds, lets absences show whose time of
grace is over (rule R24), begins the nightly work when it is due, and works off jobs.

Any number of workers may run, on any hosts; a lease in the database lets one of them act. All times are measured
on the worker's own monotonic clock, and the schedule is followed on that of the database.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine

from holdfast import ids
from sidecar import silence
from sidecar.catalog import agents, deciding, deletion, holds, jobs, leases, nightly, tidying, working
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.catalog.leases import Lease
from sidecar.courier import Courier
from sidecar.errors import CatalogUnavailable
from sidecar.logs import Log

NAME = "worker"
# A holder renews three times before it loses the lease; taking over a little late harms nobody.
LEASE_S = 15.0
RENEW_S = LEASE_S / 3
STEP_S = 1.0
# Batches of one job at a stretch: a job that takes an hour must not keep the worker from noticing anything else.
_JOB_BATCHES = 20
# Deletions that nobody carries on are looked for when the lease is taken, and this often.
_STUCK_S = 3600.0

T = TypeVar("T")

_log = Log(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A lease that somebody else holds, and since when it has looked like this."""

    lease: Lease | None
    since_s: float


class Worker:
    """One contender for the lease, and what it does while it holds it."""

    def __init__(self, engine: Engine, silent_after_s: float, holder: bytes, lease_s: float = LEASE_S) -> None:
        self._engine, self._silent_after_s, self._holder, self._lease_s = engine, silent_after_s, holder, lease_s
        self._held: Lease | None = None
        self._renewed_s = 0.0
        self._seen: _Seen | None = None
        self._pulses: dict[bytes, silence.Pulse] = {}
        self._stuck_at_s: float | None = None
        self._tidying: tidying.Place | None = None

    @property
    def is_acting(self) -> bool:
        """Whether it holds the lease, as far as it knows."""
        return self._held is not None

    def step(self, now_s: float) -> list[bytes]:
        """Do what is due. ``now_s`` is monotonic. Returns the agents that were found to be silent."""
        if self._held is None and not self._contend(now_s):
            return []
        with snapshot(self._engine) as connection:
            counts = agents.heartbeat_counts(connection)
            decided, ripe = holds.unfinished(connection), deciding.with_grace_over(connection)
            is_night, is_untidy = nightly.is_to_attend(connection), tidying.is_due(connection)
        found = self._look_for_silence(counts, now_s)
        for hold in decided:
            self._work_off(partial(deciding.carry_out, hold_id=hold), now_s)
        for volume in ripe:
            self._work_off(partial(deciding.end_grace, volume_id=volume), now_s)
        if is_night:
            self._work_off(nightly.attend, now_s)
        self._do_jobs(now_s)
        if is_untidy:
            self._tidy(now_s)
        return found

    def _do_jobs(self, now_s: float) -> None:
        if self._stuck_at_s is None or self._stuck_at_s <= now_s:
            self._stuck_at_s = now_s + _STUCK_S
            self._work_off(_take_up_stuck, now_s)
        with snapshot(self._engine) as connection:
            waiting = jobs.unfinished(connection)
        for job in waiting:
            try:
                self._work_off(partial(working.step, job_id=job), now_s, batches=_JOB_BATCHES)
            except CatalogUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other jobs
                _log.error("job.failed", error, job=ids.to_text("job", job))
                self._work_off(partial(_fail, job_id=job, error=error), now_s)

    def _tidy(self, now_s: float) -> None:
        """Some batches of tidying up; the rest in the next steps."""
        if self._tidying is None:
            self._tidying = self._under_lease(tidying.begin, now_s)
        for _ in range(_JOB_BATCHES):
            done = (
                None if self._tidying is None else self._under_lease(partial(tidying.go_on, place=self._tidying), now_s)
            )
            if done is None:
                return
            self._tidying, is_over = done
            if is_over:
                _log.info("catalog.tidied", **self._tidying.counts)
                self._tidying = None

    def _look_for_silence(self, counts: dict[bytes, int], now_s: float) -> list[bytes]:
        self._pulses = silence.observe(self._pulses, counts, now_s)
        due = silence.silent(self._pulses, now_s, self._silent_after_s)
        if not due and now_s - self._renewed_s < min(RENEW_S, self._lease_s / 3):
            return []
        return self._act(due, now_s)

    def _work_off(self, batch: Callable[..., bool], now_s: float, batches: int = sys.maxsize) -> None:
        """Do batches until there is nothing left or so many are done, each in a transaction that renews the lease.

        A large set takes minutes, in which the lease must be kept; whoever loses it leaves the rest to the other.
        """
        for _ in range(batches):
            if not self._under_lease(batch, now_s):
                break

    def _under_lease(self, batch: Callable[..., T], now_s: float) -> T | None:
        """Do one batch in a transaction that renews the lease. None when that is lost, and nothing was done."""

        def work(connection: Connection) -> tuple[bool, T | None]:
            held = self._held
            if held is None or not leases.renew(connection, NAME, held):
                return False, None
            return True, batch(connection, now=now_us(), entropy=os.urandom(10))

        is_held, found = transact(self._engine, work)
        if is_held:
            self._renewed_s = now_s
        elif self._held is not None:
            self._lost()
        return found

    def _lost(self) -> None:
        _log.warning("lease.lost", lease=NAME)
        self._held, self._seen, self._pulses, self._stuck_at_s, self._tidying = None, None, {}, None, None

    def _act(self, due: list[bytes], now_s: float) -> list[bytes]:
        """Renew the lease and do the work in one transaction, so that neither happens without the other."""
        held, entropy = self._held, os.urandom(10)
        if held is None:
            raise ValueError("bug: a worker without the lease acts")

        def work(connection: Connection) -> list[bytes] | None:
            if not leases.renew(connection, NAME, held):
                return None
            now = now_us()
            return [
                agent
                for number, agent in enumerate(due)
                if agents.fall_silent(connection, agent, self._pulses[agent].heartbeats, now, _spread(entropy, number))
            ]

        found = transact(self._engine, work)
        if found is None:
            self._lost()
            return []
        self._renewed_s = now_s
        return found

    def _contend(self, now_s: float) -> bool:
        """Look at the lease; take it when it has stood still for too long. True when it is ours."""
        with snapshot(self._engine) as connection:
            lease = leases.read(connection, NAME)
        if self._seen is None or self._seen.lease != lease:
            self._seen = _Seen(lease, now_s)
        if lease is not None and now_s - self._seen.since_s < self._lease_s:
            return False
        self._held = transact(self._engine, lambda connection: leases.take(connection, NAME, lease, self._holder))
        self._renewed_s = now_s
        if self._held is not None:
            _log.info("lease.taken", lease=NAME, fence=self._held.fence, holder=self._holder.hex())
        return self._held is not None


def run(engine: Engine, silent_after_s: float, stop: threading.Event) -> None:
    """Work until ``stop`` is set. A database that is away for a while is waited for."""
    holder = ids.new(time.time_ns() // 1_000_000, os.urandom(10))
    worker, courier = Worker(engine, silent_after_s, holder), Courier(engine)
    while not stop.is_set():
        try:
            for agent in worker.step(time.monotonic()):
                _log.warning("agent.silent", agent=ids.to_text("agent", agent))
            if worker.is_acting:
                courier.step()
        except CatalogUnavailable as error:
            _log.warning("catalog.unavailable", problem=error)
        stop.wait(STEP_S)
    courier.close()


def _take_up_stuck(connection: Connection, now: int, entropy: bytes) -> bool:
    for library in deletion.take_up_stuck(connection, ids.series(now // 1000, entropy), now):
        _log.warning("library.deletion_resumed", library=ids.to_text("library", library))
    return False


def _fail(connection: Connection, now: int, entropy: bytes, job_id: bytes, error: Exception) -> bool:
    working.fail(connection, job_id, error, now)
    return False


def _spread(entropy: bytes, number: int) -> bytes:
    """Entropy for the n-th series of ids of one transaction."""
    return (int.from_bytes(entropy, "big") ^ number << 40).to_bytes(len(entropy), "big")
