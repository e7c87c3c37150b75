"""Storage that takes its time is asked for several things at once, and nothing else is different for it."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from agent.linux import attachment, kernel
from agent.linux.ahead import PIECE, THREADS
from agent.linux.attachment import Attachment
from agent.linux.files import MountedFiles
from agent.linux.mountinfo import MountTable
from agent.linux.pace import WINDOW_S, Pace
from agent.linux.storage import KernelStorage
from agent.messages import Adopt
from agent.ports import Listing, Place, Trouble
from agent.settings import EngineSettings
from holdfast.volumes import Epoch, Identity
from tests.linux.disks import Disk, Disks
from tests.linux.fuse_faults import Faults, FaultyMount
from tests.needs import needs

pytestmark = pytest.mark.root

DIRECTORIES = 40
_libc = ctypes.CDLL(None, use_errno=True)


def fill(place: Path, photos: int = 20, large: int = 10 * PIECE) -> list[str]:
    """Directories of photos, one of them a large one; returns their names."""
    names = [f"trip {number:02}" for number in range(DIRECTORIES)]
    for number, name in enumerate(names):
        (place / name).mkdir(parents=True)
        for photo in range(large if number == DIRECTORIES // 2 else photos):
            os.mknod(place / name / f"IMG_{photo:04}.jpg")
    os.mknod(place / names[1] / "notes.txt")
    (place / names[1] / "inside.jpg").mkdir()
    (place / names[1] / "link.jpg").symlink_to("IMG_0000.jpg")
    return names


def open_at(place: Path, *, parallel: bool = True, asked: Callable[[], bool] = lambda: False) -> MountedFiles:
    mount_id = kernel.mount_at(os.fsencode(place)).mount_id
    return MountedFiles(str(place), mount_id, parallel=parallel, asked_to_let_go=asked)


def a_pass(files: MountedFiles, names: list[str]) -> dict[str, Listing | Trouble]:
    """Everything that a pass does with storage, and what it finds, however long it takes."""
    files.begin()
    files.expect(names)
    found = {name: files.list(name) for name in names}
    files.gate()
    return {name: one._replace(age_s=0.0) if isinstance(one, Listing) else one for name, one in found.items()}


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if storage were slow, and faster when it is asked ahead."""
    monkeypatch.setattr(Pace, "asks_ahead", lambda _self, _now: True)


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Iterator[Disk]:
    one = disks.make()
    one.mount(tmp_path / "disk")
    yield one


@pytest.fixture
def share(tmp_path: Path) -> Iterator[FaultyMount]:
    """A share far away, on which every answer takes two milliseconds."""
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    fill(tmp_path / "far", photos=3, large=2 * PIECE)
    with FaultyMount(tmp_path / "far", tmp_path / "near") as one:
        one.set(Faults(drag_s={"/": 0.002}))
        yield one


@pytest.mark.usefixtures("always")
def test_what_is_asked_ahead_is_found_as_it_is(disk: Disk, tmp_path: Path) -> None:
    names = fill(tmp_path / "disk")
    os.mknod(os.fsencode(tmp_path / "disk" / names[0]) + b"/caf\xe9.jpg")
    with (
        contextlib.closing(open_at(tmp_path / "disk", parallel=False)) as alone,
        contextlib.closing(open_at(tmp_path / "disk")) as files,
    ):
        asked = [*names, "not there"]
        expected = a_pass(alone, asked)
        assert a_pass(files, asked) == expected
        assert a_pass(files, asked) == expected
        places = [
            Place(name, (one.mtime_ns, one.ctime_ns), one.files)
            for name, one in expected.items()
            if isinstance(one, Listing)
        ]
        assert len(places) == DIRECTORIES
        assert files.unmoved(places) == {name: [] for name in names}
        os.utime(tmp_path / "disk" / names[3] / "IMG_0001.jpg")
        os.mknod(tmp_path / "disk" / names[5] / "new.jpg")
        (tmp_path / "disk" / names[7]).rename(tmp_path / "disk/elsewhere")
        as_before = {name: [] for name in names if name not in (names[5], names[7])}
        assert files.unmoved(places) == as_before | {names[3]: ["IMG_0001.jpg"]}
    assert askers() == []


def test_a_share_that_keeps_us_waiting_is_asked_for_many_things_at_once(share: FaultyMount, tmp_path: Path) -> None:
    names = sorted(os.listdir(tmp_path / "far"))
    with contextlib.closing(open_at(share.place)) as files:
        began = time.monotonic()
        assert all(isinstance(one, Listing) for one in a_pass(files, names).values())
        assert time.monotonic() - began > WINDOW_S, "it has had the time to find out"
        share.set(Faults(hang=["/"]))
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.append(a_pass(files, names)))
        reader.start()
        # The first question of a pass is asked alone; then one by the agent itself, and one by each of the others.
        until(lambda: share.waiting() == 1)
        share.set(Faults(hang=[f"/{name}" for name in names]))
        until(lambda: share.waiting() == 1 + THREADS)
        share.set(Faults())
        reader.join()
        assert all(isinstance(one, Listing) for one in found[0].values()), found


@pytest.mark.parametrize(
    ("fs_type", "at_once"), [("fuse.sshfs", True), ("fuse.rclone", False), ("fuse.mergerfs", False)]
)
def test_what_may_be_paid_by_the_question_or_stand_on_heads_is_asked_for_one_thing_after_the_other(
    share: FaultyMount, tmp_path: Path, fs_type: str, at_once: bool
) -> None:
    names = sorted(os.listdir(tmp_path / "far"))
    with contextlib.closing(MountTable()) as table:
        (mount,) = [one for one in table.table() if one.mount_point == str(share.place)]
    epoch = Epoch("boot", kernel.mount_at(os.fsencode(share.place)).mount_id, 1)
    order = Adopt(
        volume="vol_test",
        store_path="",
        mount=structs.replace(mount, fs_type=fs_type),
        identity=Identity(fs_type=fs_type, root_inode=1),
        epoch=epoch,
        scopes=[],
        look_first=[],
        settings=EngineSettings(),
    )
    with contextlib.closing(KernelStorage().files(order, lambda: False)) as files:
        a_pass(files, names)
        files.begin()
        files.expect(names)
        assert len(askers()) == (THREADS if at_once else 0)
        files.gate()
        assert askers() == [], "they end with the pass"


def test_r40_all_let_go_together_so_that_people_can_unmount(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "disk"
    mine, others = fill(place)[:2]
    at = Attachment(str(place), kernel.mount_at(os.fsencode(place)).mount_id)
    # It is always time to rest, and whoever wants to unmount tries when one of them does.
    unmounted: list[int] = []
    sleep = time.sleep
    monkeypatch.setattr(attachment, "HELD_S", -1.0)
    monkeypatch.setattr(time, "sleep", lambda _seconds: unmounted.append(_libc.umount2(os.fsencode(place), 0)))
    ended: list[int | None] = []
    is_held = threading.Event()

    def read() -> None:
        try:
            with at.reading(others, lambda: False) as reading:
                is_held.set()
                reading.pause()
        except OSError as error:
            ended.append(error.errno)

    other = threading.Thread(target=read)
    with pytest.raises(OSError, match="another mount"), at.reading(mine, lambda: False) as reading:
        other.start()
        is_held.wait()
        until(lambda: str(place / others) not in held(), sleep)
        reading.pause()
    other.join()
    assert (unmounted, ended) == ([0], [errno.EXDEV])
    disk.forget_mount()


@pytest.mark.usefixtures("always")
def test_r40_nothing_is_held_when_somebody_wants_the_disk(disk: Disk, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    names = fill(place)
    for before in range(5, 100, 5):
        questions = itertools.count()
        with contextlib.closing(
            open_at(place, asked=lambda questions=questions, before=before: next(questions) > before)
        ) as files:
            files.begin()
            files.expect(names)
            found = (files.list(name) for name in names)
            assert next(one for one in found if isinstance(one, Trouble)).errno == errno.ECANCELED
            assert _libc.umount2(os.fsencode(place), 0) == 0, "the first try has to succeed"
        disk.forget_mount()
        disk.mount(place)


def test_r17_a_share_that_hangs_while_it_is_asked_ahead_is_let_go_of_when_its_connection_breaks(
    share: FaultyMount, tmp_path: Path
) -> None:
    names = sorted(os.listdir(tmp_path / "far"))
    files = open_at(share.place)
    a_pass(files, names)
    share.set(Faults(hang=[f"/{name}" for name in names[3:]]))
    found: list[dict[str, Listing | Trouble]] = []
    reader = threading.Thread(target=lambda: found.append(a_pass(files, names)))
    reader.start()
    until(lambda: share.waiting() == 1 + THREADS)
    share.abort()
    reader.join()
    assert isinstance(found[0][names[-1]], Trouble)
    files.close()
    assert askers() == []


def askers() -> list[str]:
    """The threads that ask ahead."""
    return [one.name for one in threading.enumerate() if one.name == "ahead"]


def until(is_so: Callable[[], bool], sleep: Callable[[float], object] = time.sleep) -> None:
    """Wait for what says nothing when it happens."""
    deadline = time.monotonic() + 30.0
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        sleep(0.001)


def held() -> set[str]:
    """What this process has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return found
