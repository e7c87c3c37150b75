"""Stewards with a real worker and a real disk: what the worker is told, what its silence means, what it lets go of."""

from __future__ import annotations

import gzip
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from agent.journal import Journal
from agent.linux.attachment import Attachment
from agent.linux.kernel import boot_id, mount_at
from agent.linux.marking import write_marker
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.linux.watched import OVERFLOWED
from agent.outbox import Outbox
from agent.ports import Marker, Probe
from agent.processes import Workers
from agent.scopes import Scope
from agent.settings import EngineSettings, WatchChoice
from agent.stewards import RELEASED_S, Steward
from agent.store import Standing, Store
from agent.volume import Adopted, Attach, Concern, Doubtful, Sighting, Verified, Volume, advance, status_of
from holdfast.gate import Check
from holdfast.reports import Absent, Gap, Listed, Observation, Report
from holdfast.volumes import Reason
from tests.linux.disks import Disks, umount
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.linux.queues import EVENTS, few_events
from tests.needs import needs

pytestmark = pytest.mark.root

PATIENCE_S = 20.0
# A worker answers within milliseconds; a machine that is busy with other tests may take longer.
WAIT_S = 20.0
SETTINGS = EngineSettings(settle_s=0.1, confirm_delay_s=0.01, read_contents=False)


class Kept:
    """Photos on a mount in the care of a steward, as a supervisor keeps it. It plays the shipper as well."""

    # The worker alone is told by its watch that the disk was unmounted, and not by the mount table.
    watch: WatchChoice = "inotify"
    settings = SETTINGS

    def __init__(self, place: Path, state: Path, workers: Workers, source: Path | None = None) -> None:
        self.place = place
        self._source = source or place  # where people put photos
        for name in ("a.jpg", "b.jpg", "2024/c.jpg"):
            self.photo(name)
        self.steward = Steward("vol_disk", workers, PATIENCE_S)
        self.store = Store(str(state / "disk.sqlite3"), "vol_disk", "jrn_disk")
        self.stand(Standing.WRITING)
        self.told: list[Observation] = []
        self.sightings: list[Sighting] = []
        self.announced = False
        self._path = str(state / "disk.sqlite3")
        self.look()

    def look(self) -> None:
        """Probe what is mounted, and begin as a volume that was enrolled with it."""
        table = MountTable()
        (self.line,) = [one for one in table.table() if one.mount_point == str(self.place)]
        table.close()
        found = probe(self.line)
        assert isinstance(found, Probe)
        self.probe = found
        self.volume = Volume(id="vol_disk", label="disk", identity=found.identity, since=0.0)

    def photo(self, name: str) -> None:
        """Put a photo on the disk, an old one."""
        path = self._source / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff\xe0")
        os.utime(path, (1, 1))

    def stand(self, standing: Standing) -> None:
        """The session changes how the journal stands to the catalog."""
        with self.store.transaction():
            self.store.stand(standing)

    def give(self, *, lacking: bool = False, concern: Concern | None = None) -> None:
        """Give it to a worker."""
        self.volume, effects = advance(self.volume, Verified(self.line, self.probe, (), concern), boot_id(), 0.0)
        assert isinstance(effects[-1], Attach)
        self.steward.adopt(
            self.volume,
            self.line,
            store_path=self._path,
            scopes=[Scope("", str(self.place), ())],
            settings=structs.replace(self.settings, watch=self.watch),
            lacking=lacking,
            now=time.monotonic(),
        )

    def adopt(self, *, lacking: bool = False, concern: Concern | None = None) -> None:
        """Give it to a worker, and wait until that has found every photo and rests."""
        self.give(lacking=lacking, concern=concern)
        self.until(lambda: self.sightings != [] and self.listed() >= {"a.jpg", "b.jpg", "c.jpg"})
        assert isinstance(self.sightings.pop(), Adopted)
        self.until(lambda: self.steward.worker is not None and not self.steward.worker.busy)

    def until(self, condition: Callable[[], bool]) -> None:
        """Go on as the supervisor's loop does until this holds."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, (self.told, self.sightings)
            poll = select.poll()
            if self.steward.worker is not None:
                poll.register(self.steward.fileno(), select.POLLIN)
            poll.poll(20.0)
            self.read()

    def read(self) -> None:
        """Take what the worker says; what it announces is delivered."""
        news = self.steward.read(time.monotonic())
        self.sightings += news.sightings
        self.announced = self.announced or news.spooled
        self._ship()

    def doubted(self) -> Reason:
        """Why the volume is doubted, when it is."""
        self.until(lambda: self.sightings != [])
        sighting = self.sightings.pop(0)
        assert isinstance(sighting, Doubtful), sighting
        return sighting.reason

    def listed(self) -> set[str]:
        """The names of all files that were told so far."""
        return {file.name for one in self.told if isinstance(one, Listed) for file in one.files}

    def absent(self) -> set[str]:
        """Likewise of those that are gone."""
        return {name for one in self.told if isinstance(one, Absent) for name in one.names}

    def watching(self) -> str:
        """How changes are seen, as the status socket tells it."""
        return self.steward.reading(status_of(self.volume), None).watching

    def close(self) -> None:
        """End the worker."""
        self.steward.close()
        self.store.close()

    def _ship(self) -> None:
        outbox = Outbox(self.store)
        while (sealed := outbox.seal(0.0)) is not None:
            self.told += msgspec.json.decode(gzip.decompress(sealed.body), type=Report).observations
            outbox.acknowledge(sealed.sequence)


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers()
    yield pool
    pool.close()


@pytest.fixture
def kept(disks: Disks, tmp_path: Path, workers: Workers) -> Iterator[Kept]:
    disk = disks.make()
    disk.mount(tmp_path / "mnt")
    one = Kept(disk.path, tmp_path, workers)
    yield one
    one.close()


@pytest.fixture
def share(tmp_path: Path) -> Iterator[FaultyMount]:
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    (tmp_path / "far").mkdir()
    with FaultyMount(tmp_path / "far", tmp_path / "near") as mounted:
        yield mounted


def holds(pid: int, place: Path) -> list[str]:
    """What a process has open that concerns a disk: watches, and descriptors below this place."""
    links = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
    return [one for one in links if "notify" in one or one.startswith(str(place))]


CLONED = Concern(Reason.CLONE)


@pytest.mark.parametrize("how", ["adopted with a concern", "a concern later", "adopted lacking", "lacking later"])
def test_r10_r15_under_a_concern_and_without_a_branch_nothing_is_called_absent(kept: Kept, how: str) -> None:
    kept.adopt(lacking=how == "adopted lacking", concern=CLONED if how == "adopted with a concern" else None)
    if how == "a concern later":
        assert kept.steward.guard()
    if how == "lacking later":
        kept.steward.lack(True)
    lose(kept, "a.jpg")
    if "lacking" in how:
        kept.steward.lack(False)
        kept.until(lambda: kept.absent() == {"a.jpg"})


def lose(kept: Kept, name: str) -> None:
    """Delete a photo, and see that it is missed and not told. The look that finds another photo in the same folder is
    the second one without it."""
    (kept.place / name).unlink()
    kept.until(Journal(kept.store).has_candidates)
    kept.photo(f"instead-of-{name}")
    kept.until(lambda: f"instead-of-{name}" in kept.listed())
    assert kept.absent() == set()


def test_r15_a_branch_that_is_back_ends_no_concern(kept: Kept) -> None:
    kept.adopt(lacking=True)
    assert kept.steward.guard()
    kept.steward.lack(False)
    lose(kept, "a.jpg")


def test_r1_the_proof_of_a_local_disk_names_every_check_that_there_is(kept: Kept) -> None:
    at = Attachment(str(kept.place), mount_at(os.fsencode(kept.place)).mount_id)
    write_marker(at, Marker("mrk_1", 3))
    kept.look()
    kept.volume = structs.replace(
        kept.volume, identity=structs.replace(kept.volume.identity, marker="mrk_1"), marker_generation=3
    )
    kept.adopt()
    (kept.place / "a.jpg").unlink()
    kept.until(lambda: kept.absent() == {"a.jpg"})
    (proof,) = [one.proof for one in kept.told if isinstance(one, Absent)]
    missing = set(Check) - set(proof.gate) - {Check.TABLE, Check.IDENTITY}
    assert missing == set(), "mounts elsewhere, and old kernels, are another matter"


def test_r7_a_marker_that_is_gone_by_the_time_of_an_absence_is_a_doubt(kept: Kept) -> None:
    at = Attachment(str(kept.place), mount_at(os.fsencode(kept.place)).mount_id)
    write_marker(at, Marker("mrk_1", 3))
    kept.look()
    kept.adopt()
    write_marker(at, Marker("mrk_1", 2))  # as a snapshot would bring back
    (kept.place / "a.jpg").unlink()
    assert kept.doubted() is Reason.MARKER_MISSING
    assert kept.absent() == set()


def test_r3_a_worker_whose_disk_was_unmounted_under_it_says_so(kept: Kept) -> None:
    kept.adopt()
    umount(kept.place)
    assert kept.doubted() is Reason.NOT_MOUNTED
    assert kept.absent() == set()


class Marked(Kept):
    """The disk has one mark."""

    watch = "fanotify"


def test_r31_what_a_mark_has_lost_is_a_gap_and_made_good_by_a_scan(
    disks: Disks, tmp_path: Path, workers: Workers
) -> None:
    disk = disks.make()
    disk.mount(tmp_path / "mnt")
    folders = [f"{number:03}" for number in range(3 * EVENTS)]
    for one in folders:
        (disk.path / one).mkdir()
    kept = Marked(disk.path, tmp_path, workers)
    with few_events():
        kept.adopt()
    worker = kept.steward.worker
    assert worker is not None
    os.kill(worker.pid, signal.SIGSTOP)
    for one in folders:
        kept.photo(f"{one}/{one}.jpg")
    os.kill(worker.pid, signal.SIGCONT)
    kept.until(lambda: kept.listed() >= {f"{one}.jpg" for one in folders})
    assert [one.reason for one in kept.told if isinstance(one, Gap)] == [OVERFLOWED]
    assert kept.absent() == set()
    kept.close()


def test_r33_a_worker_looks_at_nothing_before_the_journal_is_in_step_with_the_catalog(kept: Kept) -> None:
    kept.stand(Standing.HELD_BACK)
    kept.give()
    kept.until(lambda: kept.sightings != [])
    assert kept.listed() == set()
    kept.stand(Standing.WRITING)
    kept.steward.consult(1)
    kept.until(lambda: kept.listed() == {"a.jpg", "b.jpg", "c.jpg"})


def test_r17_a_worker_that_falls_silent_at_work_is_given_up(kept: Kept) -> None:
    kept.adopt()
    worker = kept.steward.worker
    assert worker is not None
    os.kill(worker.pid, signal.SIGSTOP)
    kept.steward.release()
    kept.give()
    began = time.monotonic()
    assert kept.steward.read(began + PATIENCE_S / 2).sightings == []
    (sighting,) = kept.steward.read(began + PATIENCE_S + 1.0).sightings
    assert isinstance(sighting, Doubtful)
    assert sighting.reason is Reason.HUNG
    assert kept.steward.worker is None
    assert kept.steward.must_wait(kept.probe.mount_id, began + PATIENCE_S + 1.0)
    assert worker.join(WAIT_S), "it was killed"


def test_r17_a_worker_that_dies_is_no_fault_of_the_storage_and_another_one_goes_on(kept: Kept) -> None:
    kept.adopt()
    worker = kept.steward.worker
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert kept.doubted() is Reason.NOT_YET_VERIFIED
    now = time.monotonic()
    assert kept.steward.must_wait(kept.probe.mount_id, now)
    assert not kept.steward.retry_is_due(now)
    assert kept.steward.retry_is_due(now + 60.0)
    kept.give()
    kept.until(lambda: kept.sightings != [])
    assert isinstance(kept.sightings[0], Adopted)


@pytest.mark.parametrize("end", ["is let go of", "is doubted", "loses its worker"])
def test_r32_what_was_found_last_is_announced_when_a_volume(kept: Kept, end: str) -> None:
    """A worker says what it has found before it rests. It may not have rested since."""
    kept.adopt()
    worker = kept.steward.worker
    assert worker is not None
    kept.announced = False
    if end == "is let go of":
        kept.steward.release()
        kept.until(lambda: kept.watching() == "nothing")
    elif end == "is doubted":
        umount(kept.place)
        kept.doubted()
    else:
        os.kill(worker.pid, signal.SIGKILL)
        kept.doubted()
    assert kept.announced


def test_a_worker_that_has_let_go_while_it_read_a_file_can_be_given_the_volume_again(kept: Kept) -> None:
    kept.settings = structs.replace(SETTINGS, read_contents=True, read_after_s=0.0)
    with open(kept.place / "film.jpg", "wb") as film:
        film.truncate(8 << 30)  # to read it takes a while
    kept.give()
    kept.until(lambda: "film.jpg" in kept.listed())
    worker = kept.steward.worker
    assert worker is not None
    kept.until(lambda: worker.busy)  # it may have rested when it had told of it
    kept.steward.release()
    kept.until(lambda: kept.watching() == "nothing")
    kept.give()
    assert kept.steward.worker is worker


def test_r40_what_was_let_go_of_is_held_by_nothing_and_left_alone_for_a_minute(kept: Kept) -> None:
    kept.adopt()
    worker = kept.steward.worker
    assert worker is not None
    assert holds(worker.pid, kept.place) != [], "it watches"
    now = time.monotonic()
    kept.steward.stay_away(now)
    kept.steward.release()
    assert kept.watching() == "letting go"
    kept.until(lambda: kept.watching() == "nothing")
    assert holds(worker.pid, kept.place) == []
    assert kept.steward.must_wait(kept.probe.mount_id, now + RELEASED_S - 1.0)
    assert not kept.steward.retry_is_due(now + RELEASED_S - 1.0)
    assert kept.steward.retry_is_due(now + RELEASED_S)
    assert not kept.steward.must_wait(kept.probe.mount_id, now + RELEASED_S)


def test_r40_a_disk_that_has_left_is_taken_up_at_once_when_it_comes_back(kept: Kept) -> None:
    kept.adopt()
    now = time.monotonic()
    kept.steward.stay_away(now)
    kept.steward.release()
    kept.steward.left()
    assert not kept.steward.must_wait(kept.probe.mount_id, now)
    assert kept.steward.due() is None


def test_r18_a_directory_that_cast_a_doubt_must_be_in_order_before_the_volume_is_adopted_again(
    share: FaultyMount, tmp_path: Path, workers: Workers
) -> None:
    (share.source / "new/incoming").mkdir(parents=True)  # without a photo that a sentinel would look for
    kept = Kept(share.place, tmp_path, workers, source=share.source)
    kept.adopt()
    share.set(Faults(eio=["/new/incoming"]))
    kept.steward.rescan()
    assert kept.doubted() is Reason.IO_ERROR
    kept.give()
    assert kept.doubted() is Reason.IO_ERROR, "its root is in order, and that is not enough"
    share.set(Faults())
    kept.give()
    kept.until(lambda: kept.sightings != [])
    assert isinstance(kept.sightings[0], Adopted)
    kept.close()
