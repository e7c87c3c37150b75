"""A machine: a fake host, and on it the real supervisor with its registry and journals, which survive its crashes."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import cast

from agent import registry
from agent.config import AgentConfig
from agent.local_socket import Request
from agent.ports import Marker, Uplink
from agent.processes import Workers
from agent.registry import Registry
from agent.session import Session
from agent.supervisor import Supervisor
from agent.testing.devices import FakeDevices
from agent.testing.host import FakeHost
from agent.testing.mounts import FakeMounts
from agent.volume import Volume
from holdfast.assignments import Assignment
from tests.simulation.crashes import Crash, Weir, bring_back, discard, keep
from tests.simulation.session import SimulatedSession
from tests.simulation.workers import SimulatedStorage, SimulatedWorkers

# A disk that hangs is noticed after this long.
PATIENCE_S = 8.0
RESCAN_S = 300.0


class SimulatedSupervisor(Supervisor):
    """The supervisor; its registry is written in passages of the weir, and its ids come from the seed."""

    weir: Weir
    storage: SimulatedStorage

    def _save(self) -> None:
        self.weir.passage("registry, before it is replaced")
        super()._save()
        self.weir.passage("registry, after it was replaced")

    def _new_id(self, what: str) -> str:
        return self.storage.new_id(what)


class Machine:
    """One host and its agent. ``planned`` are the mount points of its fstab."""

    def __init__(
        self, name: str, host: FakeHost, agent: str, uplink: Uplink, place: str, rng: random.Random, planned: list[str]
    ) -> None:
        self.name = name
        self.host = host
        self.agent = agent
        self.place = place
        self.weir = Weir()
        self.crashes = 0
        self._uplink = uplink
        self._random = rng
        self.storage = SimulatedStorage(host, rng, self.weir, planned)
        os.makedirs(os.path.join(place, "journals"))
        registry.save(self._registry_path(), Registry(agent=agent))
        self.start()

    # The agent's life

    def start(self) -> None:
        """Start the agent."""
        config = AgentConfig(
            state_dir=self.place, roots=["/mnt"], patience_s=PATIENCE_S, rescan_s=RESCAN_S, probe_deadline_s=PATIENCE_S
        )
        book = registry.load(self._registry_path())
        self.workers = SimulatedWorkers(self.storage, self._hangs)
        self.mounts = FakeMounts(self.host)

        def connect(on_assignment: Callable[[Assignment], None]) -> Session:
            self.session = SimulatedSession(self._uplink, self.storage, self._random, on_assignment)
            return cast(Session, self.session)

        self.supervisor = SimulatedSupervisor(
            config,
            book,
            self.mounts,
            self.host.clock,
            connect,
            self.host.boot_id,
            FakeDevices(self.host),
            cast(Workers, self.workers),
        )
        self.supervisor.weir, self.supervisor.storage = self.weir, self.storage
        self.is_begun = False

    def kill(self) -> None:
        """The agent dies; nothing is said or written any more."""
        self.crashes += 1
        self.weir.disarm()
        self.workers.kill()
        self.session.close()
        self.mounts.close()
        self.supervisor._sockets.close()
        self.supervisor.inbox.close()

    def restart(self) -> None:
        """Kill the agent and start it again."""
        self.kill()
        self.start()

    def reboot(self) -> None:
        """The machine starts anew."""
        self.kill()
        self.host.clock.reboot()
        self.host.reboot()
        self.start()

    def lose_power(self) -> None:
        """The same, with a power cut before: what was not on the disk yet is lost."""
        self.kill()
        for path in self.journals():
            if os.path.exists(f"{path}.durable"):
                bring_back(path, f"{path}.durable")
        self.host.clock.reboot()
        self.host.reboot()
        self.start()

    # What may happen to its files; each ends its run

    def lose_journals(self) -> None:
        """Every journal is lost."""
        self.kill()
        for path in self.journals():
            discard(path)
            discard(f"{path}.durable")
        self.start()

    def lose_everything(self) -> None:
        """Registry and journals are lost."""
        self.kill()
        for path in self.journals():
            discard(path)
            discard(f"{path}.durable")
        registry.save(self._registry_path(), Registry(agent=self.agent))
        self.start()

    def back_up(self) -> None:
        """Copy the state directory as it is."""
        for path in self.journals():
            keep(path, f"{path}.backup")
        keep(self._registry_path(), f"{self._registry_path()}.backup")

    def restore(self, *, whole: bool) -> bool:
        """Set the journals back to the copy, and the registry too if ``whole``; whether there is one."""
        if not os.path.exists(f"{self._registry_path()}.backup"):
            return False
        self.kill()
        for path in self.journals():
            if os.path.exists(f"{path}.backup"):
                bring_back(path, f"{path}.backup")
            else:
                discard(path)
        if whole:
            keep(f"{self._registry_path()}.backup", self._registry_path())
        self.start()
        return True

    # One step each. What crashes in them kills the agent

    def turn(self) -> None:
        """The supervisor goes round once."""
        self._guarded(self._turn)

    def work(self, index: int) -> None:
        """A worker gets the processor."""
        if self.workers.processes:
            self.workers.processes[index % len(self.workers.processes)].turn()

    def beat(self) -> None:
        """A heartbeat."""
        self._guarded(self.session.beat)

    def ask(self) -> None:
        """The question for the assignment."""
        self._guarded(self.session.ask)

    def deliver(self) -> int:
        """One step of every shipper that would take one; how many did."""
        taken = 0
        for volume in sorted(self.session.ships):
            if volume in self.session.ships and self.session.may_deliver(volume):
                self._guarded(partial(self.session.deliver, volume))
                taken += 1
        return taken

    def request(
        self, verb: str, volume: str | None = None, *, path: str | None = None, marker: Marker | None = None
    ) -> None:
        """A person says something at the command line."""
        self._guarded(lambda: self.supervisor._obey(Request(verb, volume, path, marker=marker)))

    def run_ready(self) -> bool:
        """Let everything go on that can go on now; whether anything could."""
        before = self.supervisor._published
        self.turn()
        is_busy = self.supervisor._published is not before or self.supervisor._look_again
        for process in list(self.workers.processes):
            if process.has_work():
                process.turn()
                is_busy = True
        if self.session.must_beat():
            self.beat()
            is_busy = True
        if self.session.must_ask():
            self.ask()
            is_busy = True
        return bool(self.deliver()) or is_busy

    def due(self) -> float | None:
        """When something goes on by itself, but for what goes on for ever: heartbeats, and the look at devices."""
        supervisor = self.supervisor
        times = [process.due() for process in self.workers.processes]
        times += [supervisor._prober.due(), *(one.due() for one in supervisor._stewards.values())]
        times += self.session.due()
        if self.session.problem is not None:
            times += [self.session.beat_at, self.session.ask_at]
        return min((time for time in times if time is not None), default=None)

    # What is known of it

    @property
    def book(self) -> Registry:
        """The registry in memory."""
        return self.supervisor._registry

    def volumes(self) -> list[Volume]:
        """The volumes in use."""
        return list(self.book.volumes.values())

    def journals(self) -> list[str]:
        """The files of all journals."""
        place = os.path.join(self.place, "journals")
        return [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".sqlite3")]

    def has_told(self) -> bool:
        """Whether each of the journals has sent a report since it was begun."""
        found = []
        for path in self.journals():
            with contextlib.closing(sqlite3.connect(path)) as journal:
                ((number,),) = journal.execute("SELECT value FROM meta WHERE key = 'next_sequence'")
                found.append(number > 1)
        return all(found)

    def pending(self) -> int:
        """Files whose observations wait."""
        return sum(ship.waiting()[0] for ship in self.session.ships.values())

    def resting(self) -> list[str]:
        """The volumes with candidates that only another mount can prove gone."""
        found = []
        for volume, ship in self.session.ships.items():
            if (
                ship.store is not None
                and ship.store.db.execute("SELECT 1 FROM candidate WHERE rest = 1 LIMIT 1").fetchone()
            ):
                found.append(volume)
        return found

    def candidates(self) -> int:
        """Files that were missed once."""
        return sum(
            int(ship.store.db.execute("SELECT COUNT(*) FROM candidate").fetchone()[0])
            for ship in self.session.ships.values()
            if ship.store is not None
        )

    def close(self) -> None:
        """Throw it away."""
        self.kill()

    # Details

    def _turn(self) -> None:
        if not self.is_begun:
            self.is_begun = True
            self.supervisor.begin()
        with suppress(BlockingIOError):
            self.supervisor.inbox.rest()
        self.supervisor.turn()

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (Crash, OSError, sqlite3.Error):
            # An exception that nobody expects ends the process, and systemd starts it again.
            self.restart()

    def _hangs(self) -> bool:
        return any(disk.faults.hung for disk in self.host.disks)

    def _registry_path(self) -> str:
        return os.path.join(self.place, "registry.json")
