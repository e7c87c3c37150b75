"""The agent of the simulator: the real engine, shipper, state machine and bindings, without processes and threads.

What the supervisor leaves to the kernel's scheduler is here one method each, so that the simulator decides in which
order things happen. A crash drops everything that a process keeps in memory; stores and registry stay.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from agent import bindings, mounts
from agent.doubts import Doubt
from agent.engine import Engine, EngineSettings
from agent.filesystems import traits
from agent.locating import locate
from agent.looks import Attachment
from agent.messages import Inspected
from agent.outbox import Outbox
from agent.ports import Mount, Probe, Trouble, Unreachable, Uplink
from agent.registry import Registry
from agent.scopes import Scopes
from agent.shipping import Shipper
from agent.store import Lease, Store
from agent.testing.faults import Hung
from agent.testing.files import FakeFiles
from agent.testing.host import FakeHost
from agent.testing.mounts import FakeMounts, probe
from agent.testing.watch import FakeWatch
from agent.volume import Adopted, Attach, Detach, Doubtful, Gone, Guard, Sighting, Unprobed, advance, status_of
from holdfast import ids
from holdfast.assignments import Assignment, Heartbeat
from holdfast.volumes import Reason

SETTINGS = EngineSettings(rescan_s=300.0)
RETRY_S = 5.0


@dataclass
class Disk:
    """What survives a crash, besides the registry: the stores of the volumes, on the agent's own disk."""

    registry: Registry = field(default_factory=Registry)
    stores: dict[str, Store] = field(default_factory=dict)


class SimulatedAgent:
    """One agent process."""

    def __init__(self, host: FakeHost, uplink: Uplink, kept: Disk, rng: random.Random) -> None:
        self._host = host
        self._uplink = uplink
        self._kept = kept
        self._random = rng
        self._mounts = FakeMounts(host)
        self._engines: dict[str, Engine] = {}
        self._watches: dict[str, FakeWatch] = {}
        self._shippers: dict[str, Shipper] = {}
        self._leases: dict[str, Lease] = {}
        self._probes: dict[int, Probe | Trouble] = {}
        self._doubted: dict[str, set[str]] = {}
        self._retry_at: dict[str, float] = {}
        self._revision: int | None = None
        self._catalog: str | None = None
        registry = kept.registry
        if registry.assignment is not None:
            bindings.adopt_assignment(registry, registry.assignment, self._wall())
        for volume_id in list(registry.volumes):
            self._apply(volume_id, Gone(Reason.NOT_YET_VERIFIED))

    @property
    def registry(self) -> Registry:
        """What it remembers."""
        return self._kept.registry

    def engines(self) -> dict[str, Engine]:
        """The engines of the volumes that are attached or were."""
        return self._engines

    def crash(self) -> None:
        """Give the kernel back what a dying process gives back: its watches."""
        for watch in self._watches.values():
            watch.close()

    # One step each

    def look(self) -> None:
        """Look for every volume in the mount table."""
        table = self._mounts.table()
        self._mounts.changed()
        for volume in bindings.in_use(self.registry):
            if self._must_wait(volume.id):
                continue
            for _ in range(2 + len(table)):
                sighting = locate(self.registry.volumes[volume.id], table, self._unique_ids(table), self._probes)
                if not isinstance(sighting, Unprobed):
                    break
                for mount in sighting.mounts:
                    self._probe(mount)
            else:
                raise AssertionError("bug: a mount that is probed stays unprobed")
            self._apply(volume.id, sighting)

    def beat(self) -> None:
        """Tell the states."""
        registry = self.registry
        statuses = [status_of(volume) for volume in bindings.in_use(registry)]
        heartbeat = Heartbeat(volumes=statuses, bindings=list(registry.bindings.values()), version="simulated")
        try:
            answer = self._uplink.heartbeat(heartbeat)
        except Unreachable:
            return
        for status in statuses:
            self._leases[status.volume] = Lease(answer.catalog, answer.grants.get(status.volume))
            if status.volume in self._shippers:
                self._shippers[status.volume].lease = self._leases[status.volume]

    def ask(self) -> None:
        """Ask for the assignment, and bind what is new in it."""
        try:
            assignment = self._uplink.assignment(self._revision, 0.0)
        except Unreachable:
            return
        if assignment is not None:
            self._take(assignment)
        self._bind()

    def work(self, volume_id: str) -> None:
        """One step of an engine: hints, if any wait, and what is due."""
        engine = self._engines.get(volume_id)
        if engine is None or not engine.attached:
            return
        try:
            doubt = engine.hint(self._watches[volume_id].read())
            due = engine.due()
            if doubt is None and due is not None and due <= self._host.clock.now().boot:
                doubt = engine.work()
        except Hung:
            doubt = Doubt(Reason.HUNG, "no answer")
            engine.detach()
        self._settle_doubt(volume_id, doubt)

    def ship(self, volume_id: str) -> bool:
        """Deliver one report; whether there was one and it was taken."""
        store = self._kept.stores.get(volume_id)
        if store is None:
            return False
        shipper = self._shippers.get(volume_id)
        if shipper is None:
            shipper = self._shippers[volume_id] = Shipper(
                store,
                self._uplink,
                self._host.clock,
                chance=self._random.random,
                new_journal=lambda: self._new_id("journal"),
            )
            shipper.lease = self._leases.get(volume_id)
        step = shipper.step()
        if volume_id in self._engines:
            self._engines[volume_id].consult()
        return step.delivery.value == "sent"

    def stalled(self) -> list[str]:
        """What the shippers cannot deliver, and why."""
        return [shipper.problem for shipper in self._shippers.values() if shipper.problem is not None]

    def pending(self) -> int:
        """Files whose observations wait."""
        return sum(Outbox(store).pending()[0] for store in self._kept.stores.values())

    def scan(self) -> None:
        """Scan every volume that is attached."""
        for engine in self._engines.values():
            if engine.attached:
                engine.scan()

    def due(self) -> list[float]:
        """When the engines have something to do."""
        times = [engine.due() for engine in self._engines.values()]
        return [time for time in (*times, *self._retry_at.values()) if time is not None]

    # Details

    def _unique_ids(self, table: list[Mount]) -> dict[int, int]:
        found = {}
        for mount in table:
            if not mounts.covered(table, mount) and (unique := self._mounts.unique_id(mount.mount_point)) is not None:
                found[mount.mount_id] = unique
        return found

    def _probe(self, mount: Mount) -> None:
        unique = self._mounts.unique_id(mount.mount_point)
        if unique is None:
            return
        try:
            self._probes[unique] = probe(self._host, mount)
        except Hung:
            self._probes[unique] = Trouble(110, mount.mount_point)

    def _must_wait(self, volume_id: str) -> bool:
        """Whether a volume that was doubted is left alone a little longer; a retry probes everything anew."""
        retry = self._retry_at.get(volume_id)
        if retry is None:
            return False
        if self._host.clock.now().boot < retry:
            return True
        del self._retry_at[volume_id]
        self._probes.clear()
        return False

    def _apply(self, volume_id: str, sighting: Sighting) -> None:
        before = self.registry.volumes[volume_id]
        after, effects = advance(before, sighting, self._host.boot_id, self._wall())
        self.registry.volumes[volume_id] = after
        if isinstance(sighting, Doubtful):
            self._retry_at[volume_id] = self._host.clock.now().boot + RETRY_S
        for effect in effects:
            engine = self._engines.get(volume_id)
            if engine is not None and isinstance(effect, Guard):
                engine.guard(guarded=True)
            elif engine is not None:
                engine.detach()
            if isinstance(effect, Detach) and effect.volume.epoch is not None:
                self._probes.pop(effect.volume.epoch.mount_id, None)
            if isinstance(effect, Attach):
                self._attach(volume_id, effect)

    def _attach(self, volume_id: str, effect: Attach) -> None:
        epoch = effect.volume.epoch
        if epoch is None:
            raise AssertionError("bug: attached without an epoch")
        if volume_id not in self._kept.stores:
            self._kept.stores[volume_id] = Store(":memory:", volume_id, self._new_id("journal"))
        engine = Engine(self._kept.stores[volume_id], self._host.clock, SETTINGS, self._random.randbytes)
        engine.assign(Scopes(bindings.scopes(self.registry, volume_id)))
        self._engines[volume_id] = engine
        mount_point, mount_id = effect.mount.mount_point, epoch.mount_id
        watch = self._watches[volume_id] = FakeWatch(self._host, mount_point, mount_id, queue_limit=64)
        files = FakeFiles(self._host, mount_point, mount_id, marker=effect.volume.marker)
        reliable = traits(effect.mount.fs_type)
        try:
            doubt = engine.attach(
                Attachment(epoch, files, reliable, mount_point, effect.volume.concern is not None),
                watch,
                sorted(self._doubted.get(volume_id, ())),
                accepted=effect.volume.accepted,
            )
        except Hung:
            engine.detach()
            doubt = Doubt(Reason.HUNG, mount_point)
        if doubt is None:
            self._doubted.pop(volume_id, None)
            self._apply(volume_id, Adopted(epoch))
        else:
            self._settle_doubt(volume_id, doubt)

    def _settle_doubt(self, volume_id: str, doubt: Doubt | None) -> None:
        if doubt is None:
            return
        if doubt.directory is not None:
            self._doubted.setdefault(volume_id, set()).add(doubt.directory)
        where = self.registry.volumes[volume_id].last_mounted_at or ""
        self._apply(volume_id, Doubtful(doubt.reason, where, doubt.detail))

    def _take(self, assignment: Assignment) -> None:
        self._revision = assignment.revision
        bindings.adopt_assignment(self.registry, assignment, self._wall())
        for volume_id, engine in self._engines.items():
            engine.assign(Scopes(bindings.scopes(self.registry, volume_id)))

    def _bind(self) -> None:
        table = self._mounts.table()
        for path in bindings.unbound(self.registry):
            found = Inspected(path.id, path.path, None)
            mount = bindings.mount_of(table, found)
            if mount is None or path.path != mount.mount_point:
                continue  # the disk is not there: it would be bound to the bare mount point
            self._probe(mount)
            unique = self._mounts.unique_id(mount.mount_point)
            result = None if unique is None else self._probes.get(unique)
            if isinstance(result, Probe):
                bindings.bind(self.registry, found, mount, result, lambda: self._new_id("volume"), self._wall())

    def _new_id(self, what: str) -> str:
        return ids.to_text(what, ids.new(int(self._wall() * 1000), self._random.randbytes(10)))

    def _wall(self) -> float:
        return self._host.clock.now().wall
