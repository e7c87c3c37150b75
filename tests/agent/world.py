"""One engine on a fake disk, in one line."""

from __future__ import annotations

import gzip
import random
from collections.abc import Mapping

import msgspec
import pytest

from agent.doubts import Doubt
from agent.engine import Engine
from agent.filesystems import traits
from agent.looks import Attachment
from agent.outbox import Outbox
from agent.ports import NOTHING_KNOWN, FileEntry, Listing, Marker, Trouble
from agent.scopes import Scope, Scopes
from agent.settings import EngineSettings
from agent.store import Standing, Store
from agent.testing.clock import FakeClock
from agent.testing.disk import FakeDisk
from agent.testing.files import FakeFiles
from agent.testing.host import FakeHost
from agent.testing.watch import FakeWatch
from holdfast import paths, reports
from holdfast.reports import Absent, Listed, Moved, Observation, Report
from holdfast.volumes import Epoch

AT = "/mnt/photos"
YEAR_S = 365 * 86400


class World:
    """A host with a disk of photos mounted, and the engine of that volume. Time only passes when it is told to."""

    def __init__(
        self, *, fs_type: str = "ext4", patterns: tuple[str, ...] = (), watch: bool = True, reads: bool = False
    ) -> None:
        """``reads``: files are read in the background."""
        self.host = FakeHost()
        self.clock: FakeClock = self.host.clock
        self.disk: FakeDisk = self.host.disk("photos", fs_type)
        self.store = Store(":memory:", "vol_test", "jrn_test")
        with self.store.transaction():
            self.store.stand(Standing.WRITING)  # in step with a catalog that believes nothing
        self.outbox = Outbox(self.store)
        self.settings = EngineSettings(read_contents=reads, read_after_s=0.0)
        self.patterns = patterns
        self.watched = watch
        self.attachments = 0
        self.reports: list[Report] = []
        self.doubt: Doubt | None = None
        self.watch: FakeWatch | None = None
        self.start()

    def start(self) -> None:
        """A new engine over the same journal: the agent was started, or killed and started again."""
        entropy = random.Random(7)
        self.engine = Engine(self.store, self.clock, self.settings, entropy.randbytes)
        self.engine.assign(Scopes([Scope("", AT, self.patterns)]))

    def photos(self, *found: str) -> None:
        """Put photos on the disk that are a year old."""
        for path in found:
            parent = paths.split(path)[0]
            if parent and parent not in self.disk:
                self.disk.mkdir(parent)
            self.disk.write(path)
            self.disk.touch(path, self.clock.wall_ns - YEAR_S * 10**9)

    def mount(self) -> Doubt | None:
        """Mount the disk and let the engine adopt it."""
        self.host.mount(self.disk, AT)
        return self.attach()

    def attach(self, *, guarded: bool = False, accepted: bool = False, marker: Marker | None = None) -> Doubt | None:
        """Let the engine adopt what is mounted."""
        self.clock.advance(0.5)
        mounted = self.host.place(AT).mounted
        self.attachments += 1
        epoch = Epoch("boot", mounted.unique_id, self.attachments)
        files = FakeFiles(self.host, AT, mounted.unique_id, marker=marker)
        self.watch = FakeWatch(self.host, AT, mounted.unique_id) if self.watched else None
        attachment = Attachment(epoch, files, traits(self.disk.fs_type), AT, guarded)
        self.doubt = self.engine.attach(attachment, self.watch, accepted=accepted)
        return self.doubt

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and the engine do everything that becomes due; stops when it has a doubt."""
        until = self.clock.now().boot + seconds
        while self.doubt is None:
            if self.watch is not None and self.engine.attached:
                self.doubt = self.engine.hint(self.watch.read())
            now = self.clock.now().boot
            due = self.engine.due() if self.doubt is None else None
            if due is None or due > until:
                break
            if due > now:
                self.clock.advance(due - now + 0.000_001)
            self.doubt = self.engine.work()
        if self.clock.now().boot < until:
            self.clock.advance(until - self.clock.now().boot)

    def told(self) -> list[Observation]:
        """What was told since the last call, every report checked as a sidecar would."""
        found: list[Observation] = []
        while (sealed := self.outbox.seal(self.clock.now().wall)) is not None:
            report = msgspec.json.decode(gzip.decompress(sealed.body), type=Report)
            reports.check(report)
            self.reports.append(report)
            found.extend(report.observations)
            self.outbox.acknowledge(sealed.sequence)
        return found

    def news(self) -> dict[str, set[str]]:
        """What was told since the last call, in short: paths listed, "old > new" moved, and paths absent."""
        found: dict[str, set[str]] = {"listed": set(), "moved": set(), "absent": set()}
        for one in self.told():
            match one:
                case Listed(directory, files):
                    found["listed"] |= {paths.join(directory, file.name) for file in files}
                case Moved(moves):
                    found["moved"] |= {
                        f"{paths.join(move.origin, file.old_name)} > {paths.join(move.directory, file.file.name)}"
                        for move in moves
                        for file in move.files
                    }
                case Absent(directory, names):
                    found["absent"] |= {paths.join(directory, name) for name in names}
                case _:
                    pass
        return {key: value for key, value in found.items() if value}


def slowly(monkeypatch: pytest.MonkeyPatch, world: World, directory: str, seconds: float) -> list[float]:
    """To look at the photos of this directory takes so many seconds after its names were read. Returns when that was,
    as it happens."""
    real, looks = FakeFiles.list, []

    def look(files: FakeFiles, asked: str, known: Mapping[str, FileEntry] = NOTHING_KNOWN) -> Listing | Trouble:
        found = real(files, asked, known)
        if asked != directory or isinstance(found, Trouble):
            return found
        looks.append(world.clock.now().boot)
        world.clock.advance(seconds)
        return found._replace(age_s=seconds)

    monkeypatch.setattr(FakeFiles, "list", look)
    return looks


def known(*photos: str, **options: object) -> World:
    """A world in which these photos were found by a first scan, and told."""
    world = World(**options)  # type: ignore[arg-type]
    world.photos(*photos)
    world.clock.advance(60)
    world.mount()
    world.run(10)
    world.told()
    return world
