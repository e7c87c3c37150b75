"""One volume on a real file system, and the worker that a supervisor would start for it, in this very process.

Nobody waits for what is due later: when nothing is left to do now, the clocks of the worker are set forward.
"""

from __future__ import annotations

import gzip
import shutil
import time
from pathlib import Path

import msgspec

from agent.filesystems import traits
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.linux.storage import KernelStorage
from agent.messages import Adopt, Doubted, FromWorker, Line, Reading, Rescan, Stop
from agent.mounts import resolve
from agent.outbox import Outbox
from agent.ports import Moment, Probe
from agent.scopes import Scope
from agent.settings import EngineSettings, WatchChoice
from agent.store import Standing, Store
from agent.worker import Worker
from holdfast import paths
from holdfast.reports import Absent, Listed, Moved, Observation, Report
from holdfast.volumes import Epoch
from tests.linux.disks import Disks, run
from tests.linux.programs import Program

SETTINGS = EngineSettings(read_contents=False)
# In which somebody who waits for his photo notices nothing; and after which files have settled, and what is missed was
# looked for twice. Both are far from the next scan.
AT_ONCE_S, SETTLED_S = 1.0, 10.0
IMPORT_PATH = "photos"
_CLOCK_REALTIME_COARSE = 5  # what file times are taken from; Python does not name it
# Without these the kernel's caches answer for the program for a while.
_UNCACHED = "attr_timeout=0,entry_timeout=0,negative_timeout=0"


class Ground:
    """A file system. ``place`` is where it is mounted; ``hands`` is where people change what is on it, which is another
    place when a program stands between."""

    def __init__(self, kind: str, disks: Disks, top: Path) -> None:
        self.kind = kind
        self.place = self.hands = top / "mnt"
        self.program: Program | None = None
        if kind == "bindfs":
            self.hands = top / "far"
            self.hands.mkdir()
            command = ["bindfs", "-f", "-o", _UNCACHED, str(self.hands), str(self.place)]
            self.program = Program(command, self.place)
        else:
            self.disk = disks.make(kind)

    def mount(self) -> None:
        """Mount it; done when it is in the mount table."""
        if self.program is None:
            self.disk.mount(self.place)
        else:
            self.program.mount()

    def umount(self) -> None:
        """Unmount it as people do, at the first try: nobody may hold it (R40)."""
        run("umount", str(self.place))
        if self.program is None:
            self.disk.forget_mount()
        else:
            self.program.kill()  # it ends by itself, but a moment later

    def clear(self) -> None:
        """Take everything off it but two empty directories, one of which is the import path."""
        for one in self.hands.iterdir():
            shutil.rmtree(one)
        for name in (IMPORT_PATH, "elsewhere"):
            (self.hands / name).mkdir()

    def at(self, path: str) -> Path:
        """A path below the import path."""
        return self.hands / IMPORT_PATH / path

    def remove(self, directory: str) -> None:
        """Remove a directory with all that is in it."""
        shutil.rmtree(self.at(directory))

    def photos(self) -> set[str]:
        """The paths of all photos of the import path."""
        return {str(one.relative_to(self.hands)) for one in (self.hands / IMPORT_PATH).rglob("*.jpg")}

    def close(self) -> None:
        """Unmount it, and end its program."""
        if self.program is not None:
            self.program.close()


class _Clock:
    """The clocks of the machine, set forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> Moment:
        return Moment(time.time() + self.ahead_s, time.clock_gettime(time.CLOCK_BOOTTIME) + self.ahead_s)


class _Worker(Worker):
    """One that takes what is there, and does not wait."""

    def _wait(self, timeout_s: float | None) -> bool:
        self._listen()
        return self._line.has_message()

    def goes_on_in(self) -> float | None:
        """In how many seconds it has something to do."""
        return 0.0 if self._line.has_message() else self._wait_s()


class Watcher:
    """A worker that has adopted what is mounted on a ground. ``believed`` is what a catalog would believe by now."""

    def __init__(self, ground: Ground, journal: Path, watch: WatchChoice) -> None:
        self.believed: set[str] = set()
        self.told: list[Observation] = []
        self.said: list[FromWorker] = []
        self._ground = ground
        self._journal = str(journal)
        self._watch = watch
        self._attachments = 0
        self._clock = _Clock()
        storage = KernelStorage()
        storage.clock = self._clock  # type: ignore[assignment]
        ours, theirs = Line.pair()
        self._line, self._end = Line(ours), Line(theirs)
        self._worker = _Worker(self._end, storage)
        store = Store(self._journal, "vol_test")
        with store.transaction():
            store.stand(Standing.WRITING)  # in step with a catalog that believes nothing
        store.close()

    def adopt(self) -> None:
        """Give it what is mounted now."""
        table = MountTable()
        mount = resolve(table.table(), str(self._ground.place))
        table.close()
        assert mount is not None
        found = probe(mount)
        assert isinstance(found, Probe), found
        self._attachments += 1
        order = Adopt(
            volume="vol_test",
            store_path=self._journal,
            mount=mount,
            identity=found.identity,
            epoch=Epoch("boot", found.mount_id, self._attachments),
            scopes=[Scope(IMPORT_PATH, f"{self._ground.place}/{IMPORT_PATH}", ())],
            look_first=[],
            settings=msgspec.structs.replace(SETTINGS, watch=self._watch),
        )
        self._line.send(order)
        self._worker.turn()
        self.is_watched = traits(mount.fs_type).local

    def begin(self) -> None:
        """Adopt it, and let the first scan end."""
        self.adopt()
        self.run(SETTLED_S)
        assert self.believed == self._ground.photos()

    def scan(self) -> None:
        """Have it scan, whatever it trusts."""
        self._line.send(Rescan())
        self.run()

    def see(self) -> None:
        """Let it see what has changed: soon; or, where only scans tell, with the glance that comes long before the next
        scan, since something was found of late."""
        self.run(SETTLED_S if self.is_watched else SETTINGS.rescan_s / 2 + SETTLED_S)

    def run(self, seconds: float = 0.0) -> None:
        """Let it do what there is to do now, and within so many seconds that nobody waits for."""
        _tick()
        self._worker.turn()
        until = self._clock.now().boot + seconds
        while True:
            self._worker.turn()
            wait_s = self._worker.goes_on_in()
            now = self._clock.now().boot
            if wait_s is None or now + wait_s > until:
                break
            self._clock.ahead_s += wait_s
        self._clock.ahead_s += max(0.0, until - self._clock.now().boot)
        self._hear()

    def watching(self) -> str:
        """How it says that changes are seen."""
        return next(one.watching for one in reversed(self.said) if isinstance(one, Reading))

    def doubts(self) -> list[Doubted]:
        """Why it has let go of the volume."""
        return [one for one in self.said if isinstance(one, Doubted)]

    def news(self) -> list[Observation]:
        """What was told since the last call."""
        told, self.told = self.told, []
        return told

    def close(self) -> None:
        """Have it let go."""
        self._line.send(Stop())
        while self._worker.turn():
            pass
        self._line.close()
        self._end.close()

    def _hear(self) -> None:
        self.said += self._line.receive_from_worker() or []
        store = Store(self._journal, "vol_test")
        outbox = Outbox(store)
        while (sealed := outbox.seal(self._clock.now().wall)) is not None:
            for one in msgspec.json.decode(gzip.decompress(sealed.body), type=Report).observations:
                self.told.append(one)
                self._believe(one)
            outbox.acknowledge(sealed.sequence)
        store.close()

    def _believe(self, one: Observation) -> None:
        match one:
            case Listed(directory, files):
                self.believed |= {paths.join(directory, file.name) for file in files}
            case Absent(directory, names):
                self.believed -= {paths.join(directory, name) for name in names}
            case Moved(moves):
                self.believed -= {paths.join(move.origin, file.old_name) for move in moves for file in move.files}
                self.believed |= {paths.join(move.directory, file.file.name) for move in moves for file in move.files}
            case _:
                pass


def _tick() -> None:
    """What is changed from now on gets another time than what was changed before: the worker, by its clocks, takes what
    it sees for long settled."""
    before = time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
    while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) == before:
        time.sleep(0.001)  # nothing tells of it
