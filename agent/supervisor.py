"""The supervisor: mounts, volume states and workers. It never touches a volume's files.

One thread, one poll. It reads the mount table and asks the kernel for mount ids, neither of which any storage can
block, and leaves everything else to workers and to the session. It holds no descriptor on any volume: one would be
enough to hang it for good, or to keep a disk from being unmounted.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence

import structlog

from agent import bindings, mounts, registry
from agent.config import AgentConfig, ConfigInvalid
from agent.engine import EngineSettings
from agent.filesystems import PSEUDO
from agent.local_socket import LocalSockets
from agent.messages import FromWorker, Inspected
from agent.ports import Clock, Mount, Mounts
from agent.probing import Prober
from agent.processes import Workers
from agent.registry import Registry
from agent.session import Session
from agent.stewards import Steward
from agent.volume import Adopted, Attach, Detach, Effect, Gone, Sighting, Unprobed, Verified, advance, locate, status_of
from holdfast import __version__, ids
from holdfast.assignments import Assignment, Heartbeat
from holdfast.status import AgentStatus
from holdfast.volumes import Reason, VolumeStatus

_log = structlog.get_logger("agent.supervisor")

# Import paths that were refused are looked at again this often, and at every change of the mount table.
_REBIND_S = 30.0


class Supervisor:
    """Runs one agent until :meth:`stop`. Construct, then :meth:`run`; :meth:`wake` may be called from any thread."""

    def __init__(
        self,
        config: AgentConfig,
        book: Registry,
        table: Mounts,
        clock: Clock,
        connect: Callable[[Callable[[Assignment], None]], Session],
        boot_id: str,
    ) -> None:
        self._config = config
        self._registry = book
        self._mounts = table
        self._clock = clock
        self._boot_id = boot_id
        self._workers = Workers()
        self._prober = Prober(self._workers, config.probe_deadline_s)
        self._stewards: dict[str, Steward] = {}
        self._sockets = LocalSockets(config.socket_path)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._assignments: list[Assignment] = []
        self._inspected: dict[str, Inspected] = {}
        self._table: list[Mount] = []
        self._unique_ids: dict[int, int] = {}
        self._look_again = True
        self._rebind_at = 0.0
        self._stopping = False
        self._reload: Callable[[], AgentConfig] | None = None
        self._published: Heartbeat | None = None
        self._session = connect(self._on_assignment)

    # From other threads and signal handlers

    def wake(self) -> None:
        """Make the loop go round."""
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            return  # it is full of wake-ups already

    def stop(self) -> None:
        """End the loop."""
        self._stopping = True
        self.wake()

    def reload(self, config: Callable[[], AgentConfig]) -> None:
        """Take a new configuration (its roots) at the next turn."""
        self._reload = config
        self.wake()

    def _on_assignment(self, assignment: Assignment) -> None:
        self._assignments.append(assignment)
        self.wake()

    # The loop

    def run(self, ready: Callable[[], object]) -> None:
        """Serve until stopped. ``ready`` is called when every known volume was looked for once."""
        if self._registry.assignment is not None:
            bindings.adopt_assignment(self._registry, self._registry.assignment, self._clock.now().wall)
        # Nothing is attached yet, whatever the last run has left in the registry.
        for volume in list(self._registry.volumes.values()):
            self._apply(volume.id, Gone(Reason.NOT_YET_VERIFIED))
        self._session.start()
        first = True
        while not self._stopping:
            self._turn()
            if first:
                first = False
                ready()
            self._wait()
        self._close()

    def _turn(self) -> None:
        now = self._clock.now().boot
        if self._mounts.changed():
            self._look_again = True
            self._rebind_at = now
        self._take_configuration()
        self._take_assignments()
        self._take_messages(now)
        for steward in self._stewards.values():
            if steward.retry_is_due(now):
                self._prober.forget(steward.doubted_mounts)
                self._look_again = True
        self._look_again = self._prober.retry(now) or self._look_again
        if self._look_again:
            self._look_again = False
            self._look(now)
        if self._rebind_at <= now:
            self._rebind_at = now + _REBIND_S
            self._inspect_unbound(now)
        self._bind_inspected(now)
        self._workers.warm(now)
        self._workers.reap()
        self._publish()

    def _wait(self) -> None:
        poll = select.poll()
        # Every other descriptor says what is to be done when its turn comes; the poll only has to end.
        poll.register(self._mounts.fileno(), select.POLLPRI | select.POLLERR)
        descriptors = [self._wake_read, self._sockets.status.fileno(), self._sockets.requests.fileno()]
        descriptors.extend(self._prober.lines())
        descriptors.extend(one.fileno() for one in self._stewards.values() if one.worker is not None)
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._timeout_ms())}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if self._sockets.status.fileno() in ready:
            self._sockets.answer(self.status())
        if self._sockets.requests.fileno() in ready:
            for request in self._sockets.read_requests():
                for volume, steward in self._stewards.items():
                    if request.verb == "scan" and request.volume in (None, volume):
                        steward.rescan()

    def _timeout_ms(self) -> int | None:
        if self._look_again:
            return 0
        now = self._clock.now().boot
        times = [self._prober.due(), *(steward.due() for steward in self._stewards.values())]
        if bindings.unbound(self._registry):
            times.append(self._rebind_at)
        soonest = min((time for time in times if time is not None), default=None)
        return None if soonest is None else max(0, int((soonest - now) * 1000) + 1)

    # Storage

    def _look(self, now: float) -> None:
        """Look for every volume in the mount table."""
        self._table = self._mounts.table()
        volumes = bindings.in_use(self._registry)
        shapes = {(volume.identity.fs_type, volume.identity.root) for volume in volumes}
        places = {volume.last_mounted_at for volume in volumes}
        self._unique_ids = self._ids_of(
            [m for m in self._table if (m.fs_type, m.root) in shapes or m.mount_point in places]
        )
        if self._mounts.recycles_ids:
            self._prober.probes.clear()
        for volume in volumes:
            steward = self._stewards.get(volume.id) or self._engage(volume.id)
            sighting = locate(volume, self._table, self._unique_ids, self._prober.probes)
            if isinstance(sighting, Unprobed):
                for mount in sighting.mounts:
                    self._prober.probe(mount, self._unique_ids[mount.mount_id], now)
            elif not (isinstance(sighting, Verified) and steward.must_wait(sighting.probe.mount_id, now)):
                self._apply(volume.id, sighting)
        for volume_id in self._stewards.keys() - {volume.id for volume in volumes}:
            self._apply(volume_id, Gone(Reason.NOT_YET_VERIFIED))
            self._stewards.pop(volume_id).close()

    def _engage(self, volume_id: str) -> Steward:
        steward = Steward(volume_id, self._workers, self._config.patience_s)
        self._stewards[volume_id] = steward
        return steward

    def _ids_of(self, interesting: Sequence[Mount]) -> dict[int, int]:
        found = {}
        for mount in interesting:
            if mount.fs_type not in PSEUDO and not mounts.covered(self._table, mount):
                unique_id = self._mounts.unique_id(mount.mount_point)
                if unique_id is not None:
                    found[mount.mount_id] = unique_id
        return found

    def _apply(self, volume_id: str, sighting: Sighting) -> None:
        """Let a sighting change the state of a volume, and do what follows."""
        before = self._registry.volumes[volume_id]
        after, effects = advance(before, sighting, self._boot_id, self._clock.now().wall)
        if after == before and not effects:
            return
        self._registry.volumes[volume_id] = after
        self._save()
        if after.reason is not before.reason:
            _log.info("volume.changed", volume=volume_id, state=after.state, reason=after.reason, detail=after.detail)
        for effect in effects:
            self._carry_out(volume_id, effect)

    def _carry_out(self, volume_id: str, effect: Effect) -> None:
        steward = self._stewards.get(volume_id)
        match effect:
            case Detach() if steward is not None:
                steward.release()
            case Attach(volume, mount) if steward is not None:
                steward.adopt(
                    volume,
                    mount,
                    store_path=self._store_path(volume_id),
                    scopes=bindings.scopes(self._registry, volume_id),
                    settings=EngineSettings(
                        settle_s=self._config.settle_s,
                        confirm_delay_s=self._config.confirm_delay_s,
                        rescan_s=self._config.rescan_s,
                    ),
                    now=self._clock.now().boot,
                )
            case _:
                pass

    # Import paths

    def _take_configuration(self) -> None:
        """A new configuration, when there is one: its roots, and the waits of engines that start from now on."""
        reload, self._reload = self._reload, None
        if reload is None:
            return
        try:
            self._config = reload()
        except ConfigInvalid as error:
            _log.error("configuration.refused", problem=str(error))
            return
        self._rebind_at = 0.0
        _log.info("configuration.reloaded", roots=self._config.roots)

    def _take_assignments(self) -> None:
        while self._assignments:
            assignment = self._assignments.pop(0)
            bindings.adopt_assignment(self._registry, assignment, self._clock.now().wall)
            self._save()
            self._look_again = True
            self._rebind_at = 0.0
            for volume_id, steward in self._stewards.items():
                steward.assign(bindings.scopes(self._registry, volume_id))

    def _inspect_unbound(self, now: float) -> None:
        for path in bindings.unbound(self._registry):
            self._prober.inspect(path.id, path.path, self._config.roots, now)

    def _bind_inspected(self, now: float) -> None:
        """Bind the import paths that were inspected, once the mount they lie on was probed."""
        for import_path, found in list(self._inspected.items()):
            mount = bindings.mount_of(self._table, found)
            unique_id = None if mount is None else self._mounts.unique_id(mount.mount_point)
            probe = None if unique_id is None else self._prober.probes.get(unique_id)
            if mount is not None and unique_id is not None and probe is None:
                self._prober.probe(mount, unique_id, now)
                continue
            del self._inspected[import_path]
            before = self._registry.bindings.get(import_path)
            wall = self._clock.now().wall
            binding = bindings.bind(self._registry, found, mount, probe, lambda: self._new_id("volume"), wall)
            if binding != before:
                _log.info("import_path.inspected", import_path=import_path, state=binding.state, detail=binding.message)
                self._save()
                self._look_again = True
            if binding.volume in self._stewards:
                self._stewards[binding.volume].assign(bindings.scopes(self._registry, binding.volume))

    # Messages

    def _take_messages(self, now: float) -> None:
        for descriptor, question in list(self._prober.lines().items()):
            if _has_news(descriptor):
                self._take_answers(self._prober.answer(question, now))
        self._take_answers(self._prober.overdue(now))
        for volume_id, steward in list(self._stewards.items()):
            news = steward.read(now)
            if news.spooled:
                self._session.ship(volume_id, self._store_path(volume_id))
            for sighting in news.sightings:
                self._apply(volume_id, sighting)
            if news.sightings and not isinstance(news.sightings[-1], Adopted):
                self._look_again = True

    def _take_answers(self, answers: Sequence[FromWorker]) -> None:
        for answer in answers:
            if isinstance(answer, Inspected):
                self._inspected[answer.import_path] = answer
            self._look_again = True

    # Telling

    def _statuses(self) -> list[VolumeStatus]:
        return [status_of(volume) for volume in bindings.in_use(self._registry)]

    def _publish(self) -> None:
        heartbeat = Heartbeat(
            volumes=self._statuses(), bindings=list(self._registry.bindings.values()), version=__version__
        )
        if heartbeat != self._published:
            self._published = heartbeat
            self._session.publish(heartbeat)

    def status(self) -> AgentStatus:
        """Everything about this agent, as the status socket tells it."""
        return AgentStatus(
            version=__version__,
            agent=self._registry.agent or "",
            pid=os.getpid(),
            sidecar=self._session.problem or "connected",
            revision=0 if self._registry.assignment is None else self._registry.assignment.revision,
            volumes=[
                self._stewards[status.volume].reading(
                    status,
                    self._session.pending(status.volume),
                    self._session.shipping_problem(status.volume),
                )
                for status in self._statuses()
                if status.volume in self._stewards
            ],
            bindings=list(self._registry.bindings.values()),
        )

    # The state directory

    def _save(self) -> None:
        registry.save(os.path.join(self._config.state_dir, "registry.json"), self._registry)

    def _store_path(self, volume_id: str) -> str:
        return os.path.join(self._config.state_dir, "journals", f"{volume_id}.sqlite3")

    def _new_id(self, what: str) -> str:
        return ids.to_text(what, ids.new(int(self._clock.now().wall * 1000), os.urandom(10)))

    def _close(self) -> None:
        self._sockets.close()
        for steward in self._stewards.values():
            steward.close()
        self._prober.close()
        self._workers.close()
        self._session.close(timeout_s=5.0)
        os.close(self._wake_read)
        os.close(self._wake_write)


def _has_news(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
