"""The supervisor: mounts, volume states and workers. It never touches a volume's files.

One thread, one poll. It reads the mount table and asks the kernel for mount ids, neither of which any storage can
block, and leaves everything else to workers and to the session. It holds no descriptor on any volume: one would be
enough to hang it for good, or to keep a disk from being unmounted.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
from msgspec import structs

from agent import bindings, registry, requests, unions
from agent.binder import Binder, Failed
from agent.config import AgentConfig, ConfigInvalid
from agent.engine import EngineSettings
from agent.errnos import doubt_reason
from agent.local_socket import LocalSockets, Request
from agent.locating import locate
from agent.messages import FromWorker, has_news
from agent.ports import Clock, Devices, Mount, Mounts
from agent.probing import Prober, unique_ids
from agent.processes import Workers
from agent.registry import Registry
from agent.session import Session
from agent.stewards import Steward
from agent.vigil import Vigil
from agent.volume import (
    Adopted,
    Attach,
    Detach,
    Doubtful,
    Effect,
    Gone,
    Guard,
    Lacking,
    Sighting,
    Unprobed,
    Verified,
    advance,
    status_of,
)
from holdfast import __version__, ids
from holdfast.assignments import Assignment, Heartbeat
from holdfast.status import AgentStatus
from holdfast.volumes import STATE_OF, Reason, VolumeState, VolumeStatus, sentence

_log = structlog.get_logger("agent.supervisor")

# What moves without a change of state (the generation of a btrfs) is written down this often.
_SAVE_S = 300.0
_RELEASED = "it was let go of so that it can be unmounted, and is taken up again within a minute"


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
        devices: Devices,
        workers: Workers | None = None,
    ) -> None:
        self._config = config
        self._registry = book
        self._mounts = table
        self._clock = clock
        self._boot_id = boot_id
        self._workers = workers or Workers()
        self._prober = Prober(self._workers, config.probe_deadline_s)
        self._vigil = Vigil(devices)
        self._saved_at = 0.0
        self._stewards: dict[str, Steward] = {}
        self._sockets = LocalSockets(config.socket_path)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._assignments: list[Assignment] = []
        new_volume = partial(self._new_id, "volume")
        self._binder = Binder(book, table, self._prober, new_volume, lambda: self._config.plain_directories)
        self._table: list[Mount] = []
        self._unique_ids: dict[int, int] = {}
        self._look_again = True
        self._distrust_ids = False
        self._stopping = False
        self._reload: Callable[[], AgentConfig] | None = None
        self._published: Heartbeat | None = None
        self._session = connect(self._on_assignment)
        self._session.on_turn = self.wake
        self._session.on_overtaken = self._on_overtaken
        self._overtaken: list[Mapping[str, int]] = []

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

    def _on_overtaken(self, versions: Mapping[str, int]) -> None:
        self._overtaken.append(versions)
        self.wake()

    # The loop

    def run(self, ready: Callable[[], object]) -> None:
        """Serve until stopped. ``ready`` is called when every known volume was looked for once."""
        self.begin()
        first = True
        while not self._stopping:
            self.turn()
            if first:
                first = False
                ready()
            self._wait()
        self._close()

    def begin(self) -> None:
        """Take up what the last run has left."""
        if self._registry.assignment is not None:
            bindings.adopt_assignment(self._registry, self._registry.assignment, self._clock.now().wall)
        bindings.raise_versions(self._registry, self._clock.now().wall)
        # Nothing is attached yet, whatever the last run has left in the registry.
        for volume in list(self._registry.volumes.values()):
            self._apply(volume.id, Gone(Reason.NOT_YET_VERIFIED))
        self._session.start()

    def turn(self) -> None:
        """Go round once: take in what is new, and do what follows from it."""
        now = self._clock.now().boot
        changed = self._mounts.changed()
        if changed:
            self._look_again = True
            self._distrust_ids = self._mounts.recycles_ids
        self._take_configuration()
        self._take_assignments()
        while self._overtaken:
            bindings.overtake(self._registry, self._overtaken.pop(0))
        self._take_messages(now)
        for steward in self._stewards.values():
            if steward.retry_is_due(now):
                self._prober.forget(steward.doubted_mounts)
                self._look_again = True
        self._look_again = self._prober.retry(now) or self._look_again
        if self._vigil.due <= now:
            self._watch_devices(now)
        if self._look_again:
            self._look_again = False
            self._look(now)
        self._see(changed=changed)
        self._binder.inspect_unbound(self._config.roots, now)
        self._bind(now)
        self._judge_unions()
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
                self._obey(request)

    def _timeout_ms(self) -> int | None:
        if self._look_again:
            return 0
        now = self._clock.now().boot
        times = [self._prober.due(), self._binder.due(), *(steward.due() for steward in self._stewards.values())]
        if self._stewards:
            times.append(self._vigil.due)
        if bindings.unbound(self._registry):
            times.append(self._binder.inspect_at)
        soonest = min((time for time in times if time is not None), default=None)
        return None if soonest is None else max(0, int((soonest - now) * 1000) + 1)

    # Storage

    def _look(self, now: float) -> None:
        """Look for every volume in the mount table."""
        before, self._table = self._table, self._mounts.table()
        volumes = bindings.in_use(self._registry)
        if self._distrust_ids:
            self._distrust_ids = False
            unchanged = {mount.mount_id for mount in self._table if mount in before}
            # Where only clones are looked for, unchanged lines are believed: else no disk could ever sleep.
            kept = unchanged if all(volume.epoch is not None for volume in volumes) else set()
            self._prober.forget(self._prober.probes.keys() - kept)
            self._vigil.forget_all_but(unchanged)
        shapes = {(volume.identity.fs_type, volume.identity.root) for volume in volumes}
        places = {volume.last_mounted_at for volume in volumes}
        interesting = [m for m in self._table if (m.fs_type, m.root) in shapes or m.mount_point in places]
        self._unique_ids = unique_ids(self._mounts, self._table, interesting)
        self._vigil.look(volumes, self._table, self._unique_ids, now)
        for volume in volumes:
            if volume.id not in self._stewards:
                self._stewards[volume.id] = Steward(volume.id, self._workers, self._config.patience_s)
                # What an earlier run has left to be told, it may tell although the storage is away now.
                self._session.ship(volume.id, self._store_path(volume.id))
            steward = self._stewards[volume.id]
            sighting = locate(volume, self._table, self._unique_ids, self._prober.probes, self._vigil.vitals)
            if sighting == Gone(Reason.NOT_MOUNTED):
                sighting = self._vigil.explain(volume)
            if isinstance(sighting, Unprobed):
                for mount in sighting.mounts:
                    self._prober.probe(mount, self._unique_ids[mount.mount_id], now)
                continue
            if isinstance(sighting, Gone):
                steward.left()
            if not (isinstance(sighting, Verified) and steward.must_wait(sighting.probe.mount_id, now)):
                self._apply(volume.id, sighting)
        for volume_id in self._stewards.keys() - {volume.id for volume in volumes}:
            self._apply(volume_id, Gone(Reason.NOT_YET_VERIFIED))
            self._stewards.pop(volume_id).close()

    def _watch_devices(self, now: float) -> None:
        """The slow beat: what no change of the mount table tells."""
        volumes = bindings.in_use(self._registry)
        is_news = self._vigil.look(volumes, self._table, self._unique_ids, now)
        self._look_again = self._look_again or is_news or self._mounts.table() != self._table
        for volume_id, note in self._vigil.notes.items():
            self._apply(volume_id, note)
        if self._vigil.age(self._registry.volumes) and now - self._saved_at > _SAVE_S:
            self._saved_at = now
            self._save()

    def _obey(self, request: Request) -> None:
        """A local person has said something."""
        todo = requests.obey(self._registry, request, self._mounts.table())
        now = self._clock.now().boot
        for volume_id in self._stewards.keys() & set(todo.release):
            volume = self._registry.volumes[volume_id]
            self._stewards[volume_id].stay_away(now)
            self._apply(volume_id, Doubtful(Reason.NOT_YET_VERIFIED, volume.mounted_at or "", _RELEASED))
        for volume_id in self._stewards.keys() & set(todo.scan):
            self._stewards[volume_id].rescan()
        for volume_id in todo.verify:
            volume = self._registry.volumes[volume_id]
            if volume.epoch is not None:
                self._prober.forget([volume.epoch.mount_id])
                self._apply(volume_id, Doubtful(Reason.NOT_YET_VERIFIED, volume.mounted_at or "", ""))
            if volume_id in self._stewards:
                self._stewards[volume_id].try_again(now)
        if todo.rebind or todo.scan:
            self._binder.hurry()
        if todo.rebind or todo.verify:
            self._look_again = True
            self._save()

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
            case Detach(volume) if steward is not None:
                steward.release()
                # What was found here is from before the attachment, and says nothing about how it was left.
                self._prober.forget([] if volume.epoch is None else [volume.epoch.mount_id])
            case Guard(volume) if steward is not None and not steward.guard():
                # It must not go on unguarded, and whoever takes no message does not answer either.
                self._apply(volume_id, Doubtful(Reason.HUNG, volume.mounted_at or "", ""))
            case Attach(volume, mount) if steward is not None:
                if volume.epoch is not None:
                    self._vigil.begin(mount, volume.epoch.mount_id)
                steward.adopt(
                    volume,
                    mount,
                    store_path=self._store_path(volume_id),
                    scopes=bindings.scopes(self._registry, volume_id),
                    # A union that is scanned itself proves nothing until it has told that all its branches are there.
                    lacking=volume_id in self._registry.unions,
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
        self._binder.hurry()
        _log.info("configuration.reloaded", roots=self._config.roots)

    def _take_assignments(self) -> None:
        while self._assignments:
            assignment = self._assignments.pop(0)
            bindings.adopt_assignment(self._registry, assignment, self._clock.now().wall)
            self._save()
            self._look_again = True
            self._binder.hurry()
            for volume_id, steward in self._stewards.items():
                steward.assign(bindings.scopes(self._registry, volume_id))

    def _see(self, *, changed: bool) -> None:
        self._binder.see(self._table, changed=changed)
        for volume_id in self._binder.uncovered():
            if volume_id in self._stewards:
                self._stewards[volume_id].rescan()

    def _bind(self, now: float) -> None:
        """Bind the import paths that were looked at, and take up what bound ones show newly."""
        if not self._binder.step(now, self._clock.now().wall):
            return
        self._save()
        self._look_again = True
        for volume_id, steward in self._stewards.items():
            steward.assign(bindings.scopes(self._registry, volume_id))

    # Unions

    def _judge_unions(self) -> None:
        """A union that lacks a branch says so, and goes on; the branch speaks for itself."""
        for volume in bindings.in_use(self._registry):
            lost = self._binder.lost(volume) if unions.is_union(volume.identity.fs_type) else None
            steward = self._stewards.get(volume.id)
            if lost is None or steward is None or volume.epoch is None:
                continue
            steward.lack(bool(lost))
            if lost and volume.reason in (Reason.VERIFIED, Reason.BRANCH_LOST):
                self._apply(volume.id, Lacking(volume.epoch, lost))
            elif not lost and volume.reason is Reason.BRANCH_LOST:
                self._apply(volume.id, Adopted(volume.epoch))

    def _fail_union(self, failed: Failed) -> None:
        """A union does not answer any more: whatever is shown through it cannot be opened."""
        for volume in bindings.in_use(self._registry):
            if volume.epoch is not None and volume.epoch.mount_id == failed.unique_id:
                self._apply(volume.id, Doubtful(doubt_reason(failed.trouble), volume.mounted_at or "", ""))
        self._prober.forget([failed.unique_id])

    # Messages

    def _take_messages(self, now: float) -> None:
        for descriptor, question in list(self._prober.lines().items()):
            if has_news(descriptor):
                self._take_answers(self._prober.answer(question, now))
        self._take_answers(self._prober.overdue(now))
        for volume_id, steward in list(self._stewards.items()):
            steward.consult(self._session.turn(volume_id))
            news = steward.read(now)
            if news.spooled:
                self._session.ship(volume_id, self._store_path(volume_id))
            for sighting in news.sightings:
                self._apply(volume_id, sighting)
            if news.sightings and not isinstance(news.sightings[-1], Adopted):
                self._look_again = True

    def _take_answers(self, answers: Sequence[FromWorker]) -> None:
        for answer in answers:
            if failed := self._binder.take(answer):
                self._fail_union(failed)
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
                    self._shown(status),
                    self._session.shipping_problem(status.volume),
                    self._registry.volumes[status.volume].matched,
                )
                for status in self._statuses()
                if status.volume in self._stewards
            ],
            bindings=list(self._registry.bindings.values()),
        )

    def _shown(self, status: VolumeStatus) -> VolumeStatus:
        """A volume as people see it here. That another agent is its writer is no fact about the storage, and so the
        sidecar is not told."""
        status = structs.replace(status, pending=self._session.pending(status.volume))
        if status.state is not VolumeState.ONLINE or not self._session.is_held_back(status.volume):
            return status
        reason = Reason.TWO_WRITERS
        return structs.replace(
            status, state=STATE_OF[reason], reason=reason, detail=sentence(reason, status.mounted_at or "")
        )

    # The state directory

    def _save(self) -> None:
        registry.save(os.path.join(self._config.state_dir, "registry.json"), self._registry)

    def _store_path(self, volume_id: str) -> str:
        return os.path.join(self._config.state_dir, "journals", f"{volume_id}.sqlite3")

    def _new_id(self, what: str) -> str:
        return ids.to_text(what, ids.new(int(self._clock.now().wall * 1000), os.urandom(10)))

    def _close(self) -> None:
        self._save()
        self._sockets.close()
        for steward in self._stewards.values():
            steward.close()
        self._prober.close()
        self._workers.close()
        self._session.close(timeout_s=5.0)
        os.close(self._wake_read)
        os.close(self._wake_write)
