"""The supervisor's side of one volume: its worker, what was asked of it, and how long it may take to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from agent.backoff import wait_s
from agent.filesystems import is_fuse
from agent.linux.fuse import HangWatch
from agent.messages import (
    Adopt,
    Assign,
    Consult,
    Doubted,
    FromWorker,
    Guard,
    LetGo,
    Reading,
    Ready,
    Release,
    Rescan,
    Seek,
    Stop,
    Want,
)
from agent.ports import Mount
from agent.processes import WorkerProcess, Workers
from agent.scopes import Scope
from agent.settings import EngineSettings
from agent.volume import Adopted, Doubtful, Sighting, Volume
from holdfast.scans import EndedScan, ScanProgress, WantedScan
from holdfast.status import VolumeReading
from holdfast.volumes import Epoch, Factor, Reason, VolumeStatus

_log = structlog.get_logger("agent.stewards")

# How long a worker may take to end by itself.
_FAREWELL_S = 2.0
# A volume that was let go of for somebody to unmount it is taken up again after this.
RELEASED_S = 60.0
# Deaths of workers are counted for this long: one is an accident, several in an hour are a fault.
_DEATHS_S = 3600.0


class News(NamedTuple):
    """What a worker has said: sightings for the state machine, and whether its outbox was added to."""

    sightings: list[Sighting]
    spooled: bool


class Steward:
    """Keeps one volume's worker. Times are of the boot clock.

    A worker that works says so twice a second; when it is silent for ``patience_s``, its storage hangs. Of a FUSE mount
    the kernel tells it earlier: half of that in one and the same question is enough.
    """

    def __init__(self, volume_id: str, workers: Workers, patience_s: float) -> None:
        self.volume_id = volume_id
        self._patience_s = patience_s
        self.worker: WorkerProcess | None = None
        self.doubted_mounts: set[int] = set()
        self._workers = workers
        self._epoch: Epoch | None = None
        self._scopes: list[Scope] = []
        self._missed: list[int] | None = []
        self._wanted: list[WantedScan] = []
        # Two reasons to call nothing absent: a concern about the volume, and a union that lacks a branch.
        self._concerned = self._lacking = False
        self._reading: Reading | None = None
        self._doubted: set[str] = set()
        self._failures = 0
        self._retry_at: float | None = None
        # Workers that hang in the kernel and cannot even be killed, by the mount that holds them.
        self._stuck: dict[int, WorkerProcess] = {}
        self._died_at: list[float] = []
        self._deaths = self._hangs = self._scans = 0
        self._last_scan: EndedScan | None = None
        self._where = ""
        self._letting_go = False
        self._hang_watch: HangWatch | None = None
        self._turn = 0
        self._spooled = False

    def fileno(self) -> int:
        """The descriptor of the worker's line."""
        return -1 if self.worker is None else self.worker.fileno()

    def adopt(
        self,
        volume: Volume,
        mount: Mount,
        *,
        store_path: str,
        scopes: list[Scope],
        settings: EngineSettings,
        missed: Sequence[int] | None = (),
        lacking: bool = False,
        now: float,
    ) -> None:
        """Give the volume to a worker. ``missed``: see :meth:`seek`. ``lacking``: it is a union that may lack a branch,
        see :meth:`lack`."""
        if volume.epoch is None:
            raise AssertionError("bug: a volume is adopted without an epoch")
        order = Adopt(
            volume=volume.id,
            store_path=store_path,
            mount=mount,
            identity=volume.identity,
            epoch=volume.epoch,
            scopes=scopes,
            look_first=sorted(self._doubted),
            settings=settings,
            guarded=volume.concern is not None or lacking,
            accepted=volume.accepted,
            marker=volume.marker,
            missed=None if missed is None else list(missed),
            wanted=self._wanted,
        )
        self._concerned, self._lacking = volume.concern is not None, lacking
        # A worker that was told to release the volume while it was at work may hang in what it was at.
        if self.worker is None or self.worker.busy or not self.worker.send(order):
            self._give_up()
            self.worker = self._workers.take(now)
            self.worker.send(order)
        self.worker.heard_at = now
        self.worker.busy = True
        self._epoch = volume.epoch
        self._turn = 0
        self._scopes, self._missed = scopes, order.missed
        self._where = mount.mount_point
        self._hang_watch = HangWatch(mount.device, self._patience_s / 2) if is_fuse(mount.fs_type) else None

    def guard(self) -> bool:
        """There is a concern about the volume; False when the worker does not take the message."""
        self._concerned = True
        return self._guard()

    def lack(self, lacking: bool) -> None:
        """It is a union, and lacks a branch or does not any more: nothing is called absent while it does (R15)."""
        if lacking != self._lacking and self.worker is not None and self._epoch is not None:
            self._lacking = lacking
            self._guard()

    def assign(self, scopes: list[Scope]) -> None:
        """The import paths of the volume may have changed."""
        if scopes != self._scopes and self.worker is not None and self._epoch is not None:
            self._scopes = scopes
            self.worker.send(Assign(scopes))

    def seek(self, missed: list[int] | None) -> None:
        """New files of these sizes, or of any, may be some that are missed elsewhere."""
        if missed != self._missed and self.worker is not None and self._epoch is not None:
            self._missed = missed
            self.worker.send(Seek(missed))

    def want(self, scans: list[WantedScan]) -> None:
        """These scans are asked for, also of a volume that is away."""
        if scans != self._wanted:
            self._wanted = scans
            if self.worker is not None and self._epoch is not None:
                self.worker.send(Want(scans))

    def progress(self) -> ScanProgress | None:
        """How far the scan is that is running, if it is one that was asked for."""
        scan = None if self._reading is None else self._reading.scan
        return scan if scan is not None and any(one.id == scan.scan for one in self._wanted) else None

    def consult(self, turn: int) -> None:
        """The standing of the journal has changed this often, as far as the session knows."""
        if turn != self._turn and self.worker is not None and self._epoch is not None:
            self._turn = turn
            self.worker.send(Consult())

    def rescan(self) -> None:
        """Scan everything again."""
        if self.worker is not None:
            self.worker.send(Rescan())

    def release(self) -> None:
        """The worker must let go of the volume; one that does not even take the message is given up."""
        self._epoch = None
        self._reading = None
        self._letting_go = self.worker is not None
        if self.worker is not None and not self.worker.send(Release()):
            self._give_up()

    def stay_away(self, now: float) -> None:
        """Leave the volume alone for a while, on the mount where it is now (R40)."""
        if self._epoch is not None:
            self.doubted_mounts.add(self._epoch.mount_id)
        self._retry_at = now + RELEASED_S

    def left(self) -> None:
        """The volume is not mounted any more: wherever it is mounted next, nothing has to be waited for."""
        # A worker that hangs on a mount may hang on for longer than the mount is there.
        self.doubted_mounts &= self._stuck.keys()
        if not self.doubted_mounts:
            self._retry_at = None

    def read(self, now: float) -> News:
        """What the worker has said since the last call, or what its silence means."""
        self._died_at = [at for at in self._died_at if now - at < _DEATHS_S]
        sightings = self._hear(now)
        spooled, self._spooled = self._spooled, False
        return News(sightings, spooled)

    def due(self) -> float | None:
        """When :meth:`read` or :meth:`retry_is_due` should be asked again, if nothing comes in."""
        times = [self._retry_at]
        if self.worker is not None and self.worker.busy and self._epoch is not None:
            times.append(self.worker.heard_at + self._patience_s + 0.1)
            if self._hang_watch is not None:
                times.append(self._hang_watch.due(self.worker.heard_at))
        return min((time for time in times if time is not None), default=None)

    def must_wait(self, mount_id: int, now: float) -> bool:
        """Whether it is too soon to try the volume again on this mount."""
        if mount_id not in self.doubted_mounts:
            return False
        return self._is_stuck(mount_id) or (self._retry_at is not None and now < self._retry_at)

    def retry_is_due(self, now: float) -> bool:
        """Whether a volume that was doubted should be tried again now; True once."""
        if self._retry_at is None or now < self._retry_at:
            return False
        if any(self._is_stuck(mount_id) for mount_id in self.doubted_mounts):
            # Whatever asks this storage next hangs as well, and one process that cannot be killed is enough.
            self._wait(now)
            return False
        self._retry_at = None
        return True

    def try_again(self, now: float) -> None:
        """A person has changed something about the volume: do not wait any longer."""
        self._failures = 0
        self._retry_at = now

    def reading(self, status: VolumeStatus, problem: str | None, matched: Sequence[Factor] = ()) -> VolumeReading:
        """This volume, as the status socket tells it."""
        said = self._reading
        return VolumeReading(
            status=status,
            problem=problem,
            spool_full=said is not None and said.spool_full,
            scan=None if said is None else said.scan,
            scans_finished=0 if said is None else said.scans_finished,
            watching="letting go" if self._letting_go else "nothing" if said is None else said.watching,
            watched_directories=0 if said is None else said.watched_directories,
            worker_pid=None if self.worker is None else self.worker.pid,
            matched=list(matched),
            worker_deaths=len(self._died_at),
            scans_total=self._scans,
            last_scan=self._last_scan,
            worker_deaths_total=self._deaths,
            worker_hangs_total=self._hangs,
        )

    def close(self) -> None:
        """End the worker, by asking it first."""
        if self.worker is None:
            return
        if not (self.worker.send(Stop()) and self.worker.join(_FAREWELL_S)):
            _log.warning("worker.given_up", volume=self.volume_id, pid=self.worker.pid)
        self._give_up()

    def _hear(self, now: float) -> list[Sighting]:
        if self.worker is None:
            return []
        messages = self.worker.receive(now)
        if messages is None:
            return self._ended(now)
        sightings: list[Sighting] = []
        for message in messages:
            # One that lets go says nothing more of what it has found before.
            self._spooled = self._spooled or not isinstance(message, Reading) or message.spooled
            sightings.extend(self._take(message, now))
        if messages and self._hang_watch is not None:
            self._hang_watch.heard()
        if self._epoch is not None and self._is_hung(self.worker, now):
            self._hangs += 1
            self._stuck[self._epoch.mount_id] = self.worker
            self.doubted_mounts.add(self._epoch.mount_id)
            self._give_up()
            self._wait(now)
            sightings.append(Doubtful(Reason.HUNG, self._where, ""))
        return sightings

    def _take(self, message: FromWorker, now: float) -> Sequence[Sighting]:
        match message:
            case Reading():
                self._note_scans(message)
                # What it said before it took the message that it must let go is out of date.
                self._reading = message if self._epoch is not None else None
                if not message.busy and self._epoch is not None:
                    self._failures = 0  # it has looked at everything that it wanted to look at
                if self.worker is not None:
                    self.worker.busy = message.busy
            case LetGo():
                self._letting_go = False
                if self.worker is not None and self._epoch is None:
                    self.worker.busy = False  # whatever it was at when it was told to
            case Ready(epoch) if epoch == self._epoch:
                self._retry_at = None
                self._doubted.clear()
                self.doubted_mounts.clear()
                return [Adopted(epoch)]
            case Doubted(epoch, reason, detail, directory) if epoch == self._epoch:
                self.doubted_mounts.add(epoch.mount_id)
                if self.worker is not None:
                    self.worker.busy = False
                if directory is not None:
                    self._doubted.add(directory)
                self._epoch = None
                self._wait(now)
                return [Doubtful(reason, self._where, detail)]
            case _:
                pass
        return []

    def _note_scans(self, said: Reading) -> None:
        """Every attachment counts its scans from 0."""
        before = 0 if self._reading is None else self._reading.scans_finished
        if said.scans_finished > before:
            self._scans += said.scans_finished - before
            self._last_scan = said.last_scan

    def _ended(self, now: float) -> list[Sighting]:
        """The worker died, which is no fault of the storage; it is tried again with another one."""
        _log.error("worker.ended", volume=self.volume_id, pid=self.worker.pid if self.worker else None)
        self._died_at.append(now)
        self._deaths += 1
        was_attached = self._epoch is not None
        if self._epoch is not None:
            self.doubted_mounts.add(self._epoch.mount_id)
        self._give_up()
        self._wait(now)
        lost = Doubtful(Reason.NOT_YET_VERIFIED, self._where, "its worker process ended and is started again")
        return [lost] if was_attached else []

    def _is_hung(self, worker: WorkerProcess, now: float) -> bool:
        if not worker.busy:
            return False
        if now - worker.heard_at > self._patience_s:
            return True
        return self._hang_watch is not None and self._hang_watch.hangs(worker.pid, worker.heard_at, now)

    def _wait(self, now: float) -> None:
        self._retry_at = now + wait_s(self._failures, 1.0)
        self._failures += 1

    def _is_stuck(self, mount_id: int) -> bool:
        worker = self._stuck.get(mount_id)
        if worker is None:
            return False
        if worker.is_over():
            del self._stuck[mount_id]
            return False
        return True

    def _guard(self) -> bool:
        guarded = self._concerned or self._lacking
        return self.worker is None or self._epoch is None or self.worker.send(Guard(guarded))

    def _give_up(self) -> None:
        if self.worker is not None:
            self._workers.give_up(self.worker)
            self._spooled = True  # it may have been, with no time to say so
        self.worker = None
        self._letting_go = False
        self._epoch = None
        self._reading = None
