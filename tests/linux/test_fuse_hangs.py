"""Stewards of FUSE volumes that hang: told by the kernel before patience ends, and nothing of them is left behind."""

from __future__ import annotations

import gc
import os
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.linux import fuse
from agent.linux.kernel import boot_id
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.ports import Mount, Probe
from agent.processes import Workers
from agent.scopes import Scope
from agent.settings import EngineSettings
from agent.stewards import Steward
from agent.store import Standing, Store
from agent.volume import Adopted, Attach, Doubtful, Sighting, Verified, Volume, advance
from holdfast.volumes import Reason
from tests import turns
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.needs import needs

pytestmark = pytest.mark.root

ROUNDS = turns.share(100)
WAIT_S = 30.0
SETTINGS = EngineSettings(settle_s=0.1, confirm_delay_s=0.1, read_contents=False)
PHOTOS = 30


class Attached:
    """A steward with the share in its care, as a supervisor keeps it."""

    def __init__(self, share: FaultyMount, state: Path, workers: Workers, patience_s: float) -> None:
        self.share = share
        self.steward = Steward("vol_share", workers, patience_s)
        self._line = self._mount()
        found = probe(self._line)
        assert isinstance(found, Probe)
        self._probe = found
        self.volume = Volume(id="vol_share", label="share", identity=found.identity, since=0.0)
        self._store_path = str(state / "share.sqlite3")
        store = Store(self._store_path, "vol_share")
        with store.transaction():
            store.stand(Standing.WRITING)  # in step with a catalog that believes nothing
        store.close()
        self.adopt()

    def adopt(self) -> None:
        """Give it to a worker, and wait until that has scanned it."""
        self.volume, effects = advance(self.volume, Verified(self._line, self._probe), boot_id(), 0.0)
        assert isinstance(effects[-1], Attach)
        self.steward.adopt(
            self.volume,
            self._line,
            store_path=self._store_path,
            scopes=[Scope("", "/photos", ())],
            settings=SETTINGS,
            now=time.monotonic(),
        )
        assert isinstance(self.wait()[-1], Adopted)
        self.rest()

    def wait(self, limit_s: float = WAIT_S) -> list[Sighting]:
        """The next sightings."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            news = self.steward.read(time.monotonic())
            if news.sightings:
                return news.sightings
            self._poll()
        raise AssertionError("nothing was sighted")

    def rest(self) -> None:
        """Wait until the worker has nothing to do."""
        until = time.monotonic() + WAIT_S
        while self.steward.worker is not None and self.steward.worker.busy:
            assert self.steward.read(time.monotonic()).sightings == []
            assert time.monotonic() < until
            self._poll()

    def _poll(self) -> None:
        due = self.steward.due()
        left_s = 1.0 if due is None else min(1.0, max(0.0, due - time.monotonic()))
        poll = select.poll()
        poll.register(self.steward.fileno(), select.POLLIN)
        poll.poll(left_s * 1000 + 1)

    def _mount(self) -> Mount:
        table = MountTable()
        try:
            (mount,) = [one for one in table.table() if one.mount_point == str(self.share.place)]
        finally:
            table.close()
        return mount


@pytest.fixture
def share(tmp_path: Path) -> Iterator[FaultyMount]:
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    far = tmp_path / "far/2024"
    far.mkdir(parents=True)
    for number in range(PHOTOS):
        (far / f"{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with FaultyMount(tmp_path / "far", tmp_path / "near") as mounted:
        mounted.waiting()  # mounts fusectl where it is not
        yield mounted


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers()
    yield pool
    pool.close()


def test_r17_the_kernel_tells_a_hung_daemon_long_before_patience_ends(
    share: FaultyMount, tmp_path: Path, workers: Workers
) -> None:
    attached = Attached(share, tmp_path, workers, patience_s=6.0)
    share.stop()
    began = time.monotonic()
    attached.steward.rescan()
    (sighting,) = attached.wait()
    assert isinstance(sighting, Doubtful)
    assert sighting.reason is Reason.HUNG
    assert 3.0 <= time.monotonic() - began < 5.9
    share.resume()
    attached.steward.close()


def test_r17_a_share_that_answers_slowly_is_not_taken_for_hung(
    share: FaultyMount, tmp_path: Path, workers: Workers
) -> None:
    """One look takes far longer than one question may: each of them is answered."""
    attached = Attached(share, tmp_path, workers, patience_s=6.0)
    share.set(Faults(drag_s={"/2024": 0.2}))
    attached.steward.rescan()
    silent_s = 0.0
    until = time.monotonic() + WAIT_S
    while silent_s < 3.1 and time.monotonic() < until:  # the limit of a single question is three seconds
        assert attached.steward.read(time.monotonic()).sightings == []
        worker = attached.steward.worker
        assert worker is not None
        silent_s = max(silent_s, time.monotonic() - worker.heard_at) if worker.busy else silent_s
        attached._poll()
    assert silent_s >= 3.1, "it was at work, and silent"
    share.set(Faults())
    attached.rest()
    attached.steward.close()


def test_r17_a_daemon_that_is_stopped_while_nobody_asks_is_left_alone(
    share: FaultyMount, tmp_path: Path, workers: Workers
) -> None:
    attached = Attached(share, tmp_path, workers, patience_s=2.0)
    share.stop()
    assert attached.steward.due() is None, "there is nothing to look at, and no time at which to look"
    assert attached.steward.read(time.monotonic() + 3600.0).sightings == []
    assert share.waiting() == 0
    share.resume()
    attached.steward.close()


def test_r17_a_hundred_hangs_of_an_attached_volume_leave_nothing_behind(
    share: FaultyMount, tmp_path: Path, workers: Workers
) -> None:
    """Time is let pass when the question has got there, so that no round waits for it."""
    attached = Attached(share, tmp_path, workers, patience_s=20.0)

    def round_about() -> None:
        share.stop()
        attached.steward.rescan()
        until = time.monotonic() + WAIT_S
        while share.waiting() == 0:
            assert time.monotonic() < until
            time.sleep(0.001)  # the kernel counts questions, and tells nobody
        assert attached.steward.read(time.monotonic()).sightings == []
        (sighting,) = attached.steward.read(time.monotonic() + 21.0).sightings
        assert isinstance(sighting, Doubtful)
        assert sighting.reason is Reason.HUNG
        share.resume()
        workers.warm(time.monotonic())
        attached.adopt()
        until = time.monotonic() + WAIT_S
        while workers.reap():
            assert time.monotonic() < until
            time.sleep(0.001)  # the kernel tells nobody but the one who waits for them

    for _ in range(5):
        round_about()
    before = footprint()
    for _ in range(ROUNDS - 5):
        round_about()
    after = footprint()
    assert after[:3] == before[:3], "processes, descriptors, threads"
    assert after[3] - before[3] < 1 << 20, "bytes of memory"
    attached.steward.close()


def footprint() -> tuple[int, int, int, int]:
    """Of this process, which is the supervisor here: its children, descriptors, threads, and resident memory."""
    gc.collect()
    children = len(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return children, len(os.listdir("/proc/self/fd")), threading.active_count(), resident


class TestWatch:
    def test_r17_only_one_and_the_same_question_is_a_hang(self) -> None:
        first = fuse.watch(None, fuse.Wait(waiting=1, sleeps=7), 10.0)
        assert first == fuse.Hang(10.0, 7)
        assert fuse.watch(first, fuse.Wait(waiting=2, sleeps=7), 11.0) == first
        assert fuse.watch(first, fuse.Wait(waiting=1, sleeps=8), 11.0) == fuse.Hang(11.0, 8), "it was answered"
        assert fuse.watch(first, fuse.Wait(waiting=0, sleeps=7), 11.0) is None, "others wait for something else"
        assert fuse.watch(first, None, 11.0) is None, "without fusectl there is the deadline"

    def test_connections_are_named_by_device(self) -> None:
        assert (fuse.connection_of("0:40"), fuse.connection_of("7:1")) == (40, 7340033)
