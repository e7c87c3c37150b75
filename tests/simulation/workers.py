"""Worker processes of the simulator: the real worker and the real line to it, without a process.

A worker gets the processor when the simulator says so. One that touches storage that hangs never comes back; one that
dies leaves its descriptors to the kernel.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
from collections.abc import Callable, Sequence

from msgspec import structs

from agent import mounts, places
from agent.messages import Adopt, FromWorker, Inspect, Inspected, Line, ToWorker
from agent.ports import Mount, Probe, Trouble
from agent.processes import Workers
from agent.store import JournalUnusable
from agent.testing.faults import Hung
from agent.testing.files import FakeFiles
from agent.testing.host import FakeHost
from agent.testing.mounts import probe
from agent.testing.watch import FakeWatch
from agent.worker import Worker
from holdfast import ids, paths
from tests.simulation.crashes import Crash, SimulatedStore, Weir

# So few that a full outbox and a lost event are things that happen.
SPOOL_BYTES_MAX = 6_000
QUEUED_EVENTS_MAX = 64


class SimulatedStorage:
    """Implements :class:`agent.worker.Storage` on a fake host. ``planned`` are the mount points of its fstab."""

    def __init__(self, host: FakeHost, rng: random.Random, weir: Weir, planned: Sequence[str]) -> None:
        self.clock = host.clock
        self._host = host
        self._random = rng
        self._weir = weir
        self._planned = planned

    def entropy(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def new_id(self, what: str) -> str:
        """An id of this host."""
        return ids.to_text(what, ids.new(int(self.clock.now().wall * 1000), self._random.randbytes(10)))

    def store(self, path: str, volume: str, *, durable: bool = False) -> SimulatedStore:
        return SimulatedStore(path, volume, self.new_id("journal"), self._weir, self._host.called, durable=durable)

    def probe(self, mount: Mount) -> Probe | Trouble:
        return probe(self._host, mount)

    def inspect(self, question: Inspect) -> Inspected:
        """As the real one, but for symbolic links, which no fake host has on the way to a mount point."""
        path = question.path
        mount = mounts.resolve(self._host.table(), paths.to_os(path))
        refusal = None if mount is None else places.refusal(paths.to_os(path), mount, self._planned)
        if refusal is not None:
            return Inspected(question.import_path, path, refusal)
        try:
            self._host.called("probe")
            node = self._host.place(paths.to_os(path)).look()
            number = node.denied or (0 if node.is_directory else errno.ENOTDIR)
        except OSError as error:
            number = error.errno or errno.EIO
        refusal = f"{path} cannot be read: {os.strerror(number)}." if number else None
        return Inspected(question.import_path, path, refusal, number)

    def branches(self, mount_point: str) -> list[str]:
        raise OSError(errno.ENODATA, mount_point)

    def files(self, order: Adopt, asked_to_let_go: Callable[[], bool]) -> FakeFiles:
        place, mount_id = order.mount.mount_point, order.epoch.mount_id
        return FakeFiles(self._host, place, mount_id, identity=order.identity, marker=order.marker)

    def watch(self, order: Adopt, about_to_ask: Callable[[], None]) -> tuple[FakeWatch | None, str]:
        return FakeWatch(self._host, order.mount.mount_point, order.epoch.mount_id, QUEUED_EVENTS_MAX), ""


class SimulatedWorker(Worker):
    """The worker, which does not wait by itself."""

    def has_work(self) -> bool:
        """Whether its turn would come now."""
        is_hinted = isinstance(self._watch, FakeWatch) and self._watch.has_hints()
        return self._line.has_message() or is_hinted or self._wait_s() == 0.0

    def due(self) -> float | None:
        """When it has something to do by itself."""
        return None if self._engine is None else self._engine.due()

    def come_to_rest(self) -> None:
        """What it says before it waits: nothing comes between that and its last work."""
        if self._said_busy and not self.has_work():
            self._say(busy=False)

    def die(self) -> None:
        """What the kernel does with the descriptors of a dead process."""
        if self._watch is not None:
            self._watch.close()
        if self._store is not None:
            self._store.close()
        self._line.close()

    def _wait(self, timeout_s: float | None) -> bool:
        if isinstance(self._watch, FakeWatch) and self._watch.has_hints():
            self._listen()
        return self._line.has_message()

    def _adopt(self, order: Adopt) -> None:
        super()._adopt(
            structs.replace(order, settings=structs.replace(order.settings, spool_bytes_max=SPOOL_BYTES_MAX))
        )


class SimulatedProcess:
    """What :class:`agent.processes.WorkerProcess` is to the supervisor."""

    def __init__(self, now: float, storage: SimulatedStorage, hangs_on: Callable[[], bool], pid: int) -> None:
        ours, theirs = Line.pair()
        self._line = Line(ours)
        self.worker = SimulatedWorker(Line(theirs), storage)
        self.heard_at = now
        self.busy = False
        self.pid = pid
        self._hangs_on = hangs_on
        self._is_over = self._hangs = self._is_given_up = False

    def turn(self) -> None:
        """Give it the processor once."""
        if self.is_over() or self._hangs:
            return
        try:
            if not self.worker.turn():
                self.die()
            else:
                self.worker.come_to_rest()
        except Hung:
            self._hangs = True
        except (Crash, OSError, sqlite3.Error, JournalUnusable):
            self.die()

    def has_work(self) -> bool:
        """Whether it has something to do now."""
        return not self.is_over() and not self._hangs and self.worker.has_work()

    def due(self) -> float | None:
        """When it has something to do by itself."""
        return None if self._is_over or self._hangs else self.worker.due()

    def die(self) -> None:
        """It ends."""
        if not self._is_over:
            self._is_over = True
            self.worker.die()

    def send(self, message: ToWorker) -> bool:
        try:
            self._line.send(message)
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            return False
        return True

    def receive(self, now: float) -> list[FromWorker] | None:
        messages = self._line.receive_from_worker()
        if messages:
            self.heard_at = now
        return messages

    def fileno(self) -> int:
        return self._line.fileno()

    def is_over(self) -> bool:
        # What hung for a while has lost its place in the fake world's call and cannot go on: it dies, which is
        # something that workers do.
        if self._hangs and not self._hangs_on():
            self.die()
        return self._is_over

    def give_up(self) -> None:
        self._is_given_up = True
        self._line.close()
        if not self._hangs or not self._hangs_on():
            self.die()

    def join(self, timeout_s: float) -> bool:
        return self._is_over


class SimulatedWorkers(Workers):
    """All worker processes of one agent."""

    def __init__(self, storage: SimulatedStorage, hangs_on: Callable[[], bool]) -> None:
        self._storage = storage
        self._hangs_on = hangs_on
        self._number = 0
        self.processes: list[SimulatedProcess] = []

    def warm(self, now: float) -> None:
        return

    def take(self, now: float) -> SimulatedProcess:  # type: ignore[override]
        self._number += 1
        process = SimulatedProcess(now, self._storage, self._hangs_on, self._number)
        self.processes.append(process)
        return process

    def give_up(self, worker: SimulatedProcess) -> None:  # type: ignore[override]
        worker.give_up()

    def reap(self) -> int:
        self.processes = [one for one in self.processes if not (one.is_over() and one._is_given_up)]
        return len(self.processes)

    def close(self) -> None:
        self.kill()

    def kill(self) -> None:
        """All of them die at once."""
        for one in self.processes:
            one.die()
            one._line.close()
        self.processes.clear()
