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

from agent import bindings, registry, requests, statuses, unions
from agent.binder import Binder, Failed
from agent.config import AgentConfig, ConfigInvalid
from agent.errnos import doubt_reason
from agent.inbox import Inbox
from agent.local_socket import LocalSockets, Reply, Request
from agent.lookout import Lookout
from agent.messages import FromWorker, has_news
from agent.ports import Clock, Devices, Mounts, ServiceManager
from agent.probing import Prober
from agent.processes import Workers
from agent.registry import Registry
from agent.session import Session
from agent.stewards import Steward
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
    Verified,
    advance,
)
from holdfast import ids
from holdfast.assignments import Assignment, Heartbeat
from holdfast.volumes import Reason

_log = structlog.get_logger("agent.supervisor")

# What moves without a change of state (the generation of a btrfs) is written down this often.
_SAVE_S = 300.0
_RELEASED = "it was let go of so that it can be unmounted, and is taken up again within a minute"


class Supervisor:
    """Runs one agent. Construct, then :meth:`run`; ``inbox`` may be used from any thread."""

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
        self._clock = clock
        self._boot_id = boot_id
        self._workers = workers or Workers()
        self._prober = Prober(self._workers, config.probe_deadline_s)
        self._lookout = Lookout(table, self._prober, devices)
        self._saved_at = 0.0
        self._stewards: dict[str, Steward] = {}
        self._sockets = LocalSockets(config.socket_path)
        self.inbox = Inbox()
        self._binder = Binder(book, table, self._prober, self._new_volume, lambda: self._config)
        self._look_again = True
        self._published: Heartbeat | None = None
        self._published_at = 0.0
        self._session = connect(self.inbox.assign)
        self._session.on_turn = self.inbox.wake
        self._session.on_overtaken = self.inbox.overtake

    # The loop

    def run(self, manager: ServiceManager) -> None:
        """Serve until stopped. ``manager`` hears of every turn, first when every known volume was looked for once."""
        self.begin()
        while not self.inbox.stopping:
            self.turn()
            manager.alive(self._clock.now().boot, statuses.summary(self._registry))
            self._wait(manager.due())
        self._close()

    def begin(self) -> None:
        """Take up what the last run has left."""
        self._registry.exposure.keep_to(self._config.roots)
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
        changed = self._lookout.changed()
        self._look_again = changed or self._look_again
        self._take_configuration()
        self._take_assignments()
        for versions in self.inbox.overtaken():
            bindings.overtake(self._registry, versions)
        self._take_messages(now)
        for steward in self._stewards.values():
            if steward.retry_is_due(now):
                self._lookout.forget(steward.doubted_mounts)
                self._look_again = True
        self._look_again = self._prober.retry(now) or self._look_again
        if self._lookout.beat_at <= now:
            self._beat(now)
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

    def _wait(self, until: float | None) -> None:
        poll = select.poll()
        # Every other descriptor says what is to be done when its turn comes; the poll only has to end.
        poll.register(self._lookout.fileno(), select.POLLPRI | select.POLLERR)
        descriptors = [self.inbox.fileno(), self._sockets.status.fileno(), self._sockets.requests.fileno()]
        descriptors.extend(self._prober.lines())
        descriptors.extend(one.fileno() for one in self._stewards.values() if one.worker is not None)
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._timeout_ms(until))}
        if self.inbox.fileno() in ready:
            self.inbox.rest()
        if self._sockets.status.fileno() in ready:
            self._sockets.answer(statuses.agent_status(self._registry, self._session, self._stewards))
        if self._sockets.requests.fileno() in ready:
            for request, asker in self._sockets.read_requests():
                self._sockets.reply(asker, self._obey(request))

    def _timeout_ms(self, until: float | None) -> int | None:
        if self._look_again:
            return 0
        now = self._clock.now().boot
        times = [until, self._prober.due(), self._binder.due(), *(steward.due() for steward in self._stewards.values())]
        if self._stewards:
            times.append(self._lookout.beat_at)
        soonest = min((time for time in times if time is not None), default=None)
        return None if soonest is None else max(0, int((soonest - now) * 1000) + 1)

    # Storage

    def _look(self, now: float) -> None:
        """Look for every volume in the mount table."""
        volumes = bindings.in_use(self._registry)
        self._lookout.look(volumes, now)
        for volume in volumes:
            if volume.id not in self._stewards:
                self._stewards[volume.id] = Steward(volume.id, self._workers, self._config.patience_s)
                # What an earlier run has left to be told, it may tell although the storage is away now.
                self._session.ship(volume.id, self._store_path(volume.id))
                self._stewards[volume.id].want(registry.wanted_scans(self._registry, volume.id))
            steward = self._stewards[volume.id]
            sighting = self._lookout.sight(volume, now)
            if sighting is None:
                continue
            if isinstance(sighting, Gone):
                steward.left()
            if not (isinstance(sighting, Verified) and steward.must_wait(sighting.probe.mount_id, now)):
                self._apply(volume.id, sighting)
        for volume_id in self._stewards.keys() - {volume.id for volume in volumes}:
            self._apply(volume_id, Gone(Reason.NOT_YET_VERIFIED))
            self._stewards.pop(volume_id).close()

    def _beat(self, now: float) -> None:
        """The slow beat: what no change of the mount table tells."""
        self._look_again = self._lookout.beat(bindings.in_use(self._registry), now) or self._look_again
        for volume_id, note in self._lookout.notes.items():
            self._apply(volume_id, note)
        if self._lookout.age(self._registry.volumes) and now - self._saved_at > _SAVE_S:
            self._saved_at = now
            self._save()

    def _obey(self, request: Request) -> Reply:
        """A local person has said something."""
        todo = requests.obey(self._registry, request, self._lookout.current())
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
                self._lookout.forget([volume.epoch.mount_id])
                self._apply(volume_id, Doubtful(Reason.NOT_YET_VERIFIED, volume.mounted_at or "", ""))
            if volume_id in self._stewards:
                self._stewards[volume_id].try_again(now)
        if todo.rebind or todo.scan:
            self._binder.hurry()
        if todo.rebind or todo.verify:
            self._look_again = True
            self._save()
        if todo.renew_token:
            self._session.renew_token()
        if todo.refusal:
            _log.warning("request.refused", verb=request.verb, volume=request.volume, problem=todo.refusal)
        return Reply(todo.refusal)

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
                self._lookout.forget([] if volume.epoch is None else [volume.epoch.mount_id])
            case Guard(volume) if steward is not None and not steward.guard():
                # It must not go on unguarded, and whoever takes no message does not answer either.
                self._apply(volume_id, Doubtful(Reason.HUNG, volume.mounted_at or "", ""))
            case Attach(volume, mount) if steward is not None:
                if volume.epoch is not None:
                    self._lookout.begin(mount, volume.epoch.mount_id)
                steward.adopt(
                    volume,
                    mount,
                    store_path=self._store_path(volume_id),
                    scopes=bindings.scopes(self._registry, volume_id),
                    # A union that is scanned itself proves nothing until it has told that all its branches are there.
                    lacking=volume_id in self._registry.unions,
                    settings=self._config.engine(mount.fs_type),
                    missed=bindings.missed(self._registry),
                    now=self._clock.now().boot,
                )
            case _:
                pass

    # Import paths

    def _take_configuration(self) -> None:
        """A new configuration, when there is one: its roots, and the waits of engines that start from now on."""
        reload = self.inbox.configuration()
        if reload is None:
            return
        try:
            self._config = reload()
        except ConfigInvalid as error:
            _log.error("configuration.refused", problem=str(error))
            return
        if self._registry.exposure.keep_to(self._config.roots):
            for volume_id, steward in self._stewards.items():
                steward.assign(bindings.scopes(self._registry, volume_id))
        self._binder.hurry()
        _log.info("configuration.reloaded", roots=self._config.roots)

    def _take_assignments(self) -> None:
        for assignment in self.inbox.assignments():
            bindings.adopt_assignment(self._registry, assignment, self._clock.now().wall)
            self._save()
            self._look_again = True
            self._binder.hurry()
            for volume_id, steward in self._stewards.items():
                steward.assign(bindings.scopes(self._registry, volume_id))
                steward.seek(assignment.sought_sizes)
                steward.want(registry.wanted_scans(self._registry, volume_id))

    def _see(self, *, changed: bool) -> None:
        self._binder.see(self._lookout.table, changed=changed)
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
        self._lookout.forget([failed.unique_id])

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

    def _publish(self) -> None:
        heartbeat = statuses.heartbeat(self._registry, self._binder.answers(), self._stewards)
        now = self._clock.now().boot
        if statuses.is_news(heartbeat, self._published, now - self._published_at):
            self._published, self._published_at = heartbeat, now
            self._session.publish(heartbeat)

    # The state directory

    def _save(self) -> None:
        registry.save(os.path.join(self._config.state_dir, "registry.json"), self._registry)

    def _store_path(self, volume_id: str) -> str:
        return os.path.join(self._config.state_dir, "journals", f"{volume_id}.sqlite3")

    def _new_volume(self) -> str:
        return ids.to_text("volume", ids.new(int(self._clock.now().wall * 1000), os.urandom(10)))

    def _close(self) -> None:
        self._save()
        self._sockets.close()
        for steward in self._stewards.values():
            steward.close()
        self._prober.close()
        self._workers.close()
        self._session.close(timeout_s=5.0)
        self.inbox.close()
