"""What a watch tells that nobody wants to know: it is no reason to look anywhere, and costs next to nothing."""

from __future__ import annotations

import errno
import os
import random
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from agent.messages import Adopt, FromWorker, Inspect, Inspected, Line, Reading
from agent.noise import PAUSE_FIRST_S, PAUSE_MAX_S, Noise, of_interest
from agent.ports import Hint, Lost, Mount, Probe, Trouble
from agent.scopes import Scope, Scopes
from agent.settings import EngineSettings
from agent.store import Standing, Store
from agent.testing.bell import Bell
from agent.testing.files import FakeFiles
from agent.testing.host import FakeHost
from agent.testing.mounts import probe
from agent.worker import Worker
from holdfast.volumes import Epoch
from tests.agent.world import AT

ELSEWHERE = Hint("database", "log")


def scopes(*directories: str, patterns: tuple[str, ...] = ()) -> Scopes:
    return Scopes([Scope(one, f"{AT}/{one}", patterns) for one in directories])


@pytest.mark.parametrize(
    ("hint", "meant"),
    [
        (Hint("photos", "a.jpg", whole=True), [Hint("photos", "a.jpg", whole=True)]),
        (Hint("photos/2024", "a.jpg"), [Hint("photos/2024", "a.jpg")]),
        (Hint("photos/Raw", "a.dng"), []),
        (Hint("photographs", "a.jpg"), []),
        (Hint("database", "log", written=True), []),
        (Hint("", "photos.db", written=True), []),
        (Hint("", "photos"), [Hint("photos", "")]),
        (Hint("", "media"), [Hint("media/films", ""), Hint("media/scans", "")]),
        (Hint("media", "films"), [Hint("media/films", "")]),
        (Hint("media", ""), [Hint("media/films", ""), Hint("media/scans", "")]),
        (Lost("", "overflow"), [Lost("", "overflow")]),
    ],
)
def test_a_hint_is_of_interest_where_it_is_about_an_import_path_or_the_way_to_one(
    hint: Hint | Lost, meant: list[Hint | Lost]
) -> None:
    found = scopes("photos", "media/films", "media/scans", patterns=("**/Raw/**",))
    assert of_interest([hint, hint], found) == meant


def test_everything_on_a_volume_that_is_one_import_path_is_of_interest() -> None:
    assert of_interest([ELSEWHERE, Hint("", "")], scopes("")) == [ELSEWHERE, Hint("", "")]


def test_pauses_grow_while_nothing_is_of_interest_and_end_with_what_is() -> None:
    noise, now, pauses = Noise(), 100.0, []
    for _ in range(8):
        noise.heard(wanted=False, now=now)
        pauses.append(noise.until - now)
        now = noise.until
    assert pauses[:3] == pytest.approx([PAUSE_FIRST_S, 2 * PAUSE_FIRST_S, 4 * PAUSE_FIRST_S])
    assert pauses[-1] == pytest.approx(PAUSE_MAX_S)
    noise.heard(wanted=True, now=now)
    assert noise.until == now
    noise.heard(wanted=False, now=now)
    assert noise.until - now == pytest.approx(PAUSE_FIRST_S)


def test_noise_after_a_while_of_silence_begins_with_a_short_pause() -> None:
    noise, now = Noise(), 100.0
    for _ in range(8):
        noise.heard(wanted=False, now=now)
        now = noise.until
    noise.heard(wanted=False, now=now + 1.0)
    assert noise.until == pytest.approx(now + 1.0 + PAUSE_FIRST_S)


class Script:
    """A watch that tells what it is told to tell, whenever it is read."""

    summary = "script"
    limit = 0

    def __init__(self) -> None:
        self.says: list[Hint | Lost] = []
        self.reads = 0
        self.asks: Callable[[], None] = lambda: None
        self._bell = Bell()

    def add(self, directory: str) -> Trouble | None:
        return None

    def remove(self, directory: str) -> None:
        return

    def fileno(self) -> int:
        return self._bell.fileno()

    def begin(self, *says: Hint | Lost) -> None:
        """From now on there is always this to be read."""
        self.says = [*says]
        self._bell.ring()

    def read(self) -> list[Hint | Lost]:
        self.reads += 1
        self.asks()
        return self.says

    def close(self) -> None:
        self._bell.close()

    def __len__(self) -> int:
        return 1


class FakeStorage:
    """A disk with one photo, a clock that stands still, and the watch of the test."""

    def __init__(self, host: FakeHost, watch: Script) -> None:
        self.clock = host.clock
        self._host = host
        self._watch = watch
        self.entropy = random.Random(7).randbytes
        self.asked: Callable[[], None] = lambda: None

    def store(self, path: str, volume: str) -> Store:
        store = Store(path, volume, "jrn_test")
        with store.transaction():
            store.stand(Standing.WRITING)
        return store

    def probe(self, mount: Mount) -> Probe | Trouble:
        return probe(self._host, mount)

    def inspect(self, question: Inspect) -> Inspected:
        return Inspected(question.import_path, question.path, None)

    def branches(self, mount_point: str) -> list[str]:
        raise OSError(errno.ENODATA, mount_point)

    def files(self, order: Adopt, asked_to_let_go: Callable[[], bool]) -> FakeFiles:
        return FakeFiles(self._host, AT, order.epoch.mount_id, identity=order.identity)

    def watch(self, order: Adopt, about_to_ask: Callable[[], None]) -> tuple[Script, str]:
        self.asked = about_to_ask
        return self._watch, ""


class Listener:
    """A worker whose volume is scanned and at rest, and the supervisor's end of its line."""

    def __init__(self) -> None:
        self.host = FakeHost()
        disk = self.host.disk("photos")
        disk.mkdir("photos")
        disk.write("photos/a.jpg")
        self.host.clock.advance(60)
        mount = self.host.mount(disk, AT)
        found = probe(self.host, mount)
        assert isinstance(found, Probe)
        self.watch = Script()
        ours, theirs = Line.pair()
        self._line, self._end = Line(ours), Line(theirs)
        self.storage = FakeStorage(self.host, self.watch)
        self.worker = Worker(self._end, self.storage)
        self._line.send(
            Adopt(
                volume="vol_test",
                store_path=":memory:",
                mount=mount,
                identity=found.identity,
                epoch=Epoch("boot", found.mount_id, 1),
                scopes=[Scope("photos", f"{AT}/photos", ())],
                look_first=[],
                settings=EngineSettings(read_contents=False),
            )
        )
        self.turn()
        while self.worker._wait_s() is not None:
            self.host.clock.advance(0.01)
            self.turn()
        self.watch.begin(ELSEWHERE)
        self.turn()  # it says that it rests, and reads for the first time
        self.said()

    def turn(self) -> None:
        """Let it do one thing."""
        assert self.worker.turn()

    def said(self) -> deque[FromWorker]:
        """What it has said since the last call."""
        return deque(self._line.receive_from_worker() or [])

    def reads_within(self, seconds: float) -> int:
        """How often it reads its watch in this time, when it gets a turn after every pause."""
        before = self.watch.reads
        until = self.host.clock.now().boot + seconds
        while (now := self.host.clock.now().boot) < until:
            self.host.clock.advance(max(0.001, self.worker._noise.until - now + 0.000_001))
            self.turn()
        return self.watch.reads - before

    def close(self) -> None:
        self._line.close()
        self._end.close()
        self.watch.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.close()


def test_a_watch_that_is_never_silent_about_others_is_read_now_and_then_and_nobody_is_told(listener: Listener) -> None:
    before = listener.watch.reads
    listener.turn()
    assert listener.watch.reads == before, "the pause is kept"
    listener.reads_within(1.0)
    assert 5 <= listener.reads_within(1.0) <= 1.0 / PAUSE_MAX_S + 1
    assert listener.said() == deque()
    assert listener.worker._wait_s() is None, "there is nothing to be looked at"


def test_what_is_of_interest_is_seen_at_once_and_what_follows_too(listener: Listener) -> None:
    listener.reads_within(1.0)
    listener.watch.begin(ELSEWHERE, Hint("photos", "new.jpg", whole=True))
    listener.host.clock.advance(PAUSE_MAX_S)
    listener.turn()
    assert listener.worker._wait_s() is not None, "the folder is to be looked at"
    before = listener.watch.reads
    listener.turn()
    listener.turn()
    assert listener.watch.reads == before + 2


def test_r17_a_watch_that_asks_the_storage_is_missed_when_it_does_not_come_back(listener: Listener) -> None:
    told: list[FromWorker] = []

    def hang() -> None:
        listener.storage.asked()
        told.extend(listener.said())

    listener.watch.asks = hang
    listener.host.clock.advance(PAUSE_MAX_S)
    listener.turn()
    assert [one.busy for one in told if isinstance(one, Reading)] == [True]
    listener.turn()
    assert [one.busy for one in listener.said() if isinstance(one, Reading)] == [False], "it came back"


def test_a_message_is_heard_during_a_pause(listener: Listener) -> None:
    listener.reads_within(1.0)
    listener._line.send(Inspect("imp_1", os.sep, []))
    listener.turn()
    assert Inspected("imp_1", os.sep, None) in listener.said()
