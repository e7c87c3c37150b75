"""Storage that dies while it is mounted: daemons that are killed or stop answering, and disks with I/O errors."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.linux.blockdev import device_of
from agent.linux.files import MountedFiles
from agent.linux.mountinfo import MountTable
from agent.linux.probe import probe
from agent.mounts import resolve
from agent.ports import Listing, Mount, Probe, Sought, Trouble
from holdfast.gate import Check
from holdfast.volumes import Reason, VolumeState
from tests.linux.disks import Disks, run
from tests.linux.looking import Looker
from tests.needs import needs

pytestmark = pytest.mark.root

# Without these the kernel's caches answer for a daemon for a while.
UNCACHED = "attr_timeout=0,entry_timeout=0,negative_timeout=0"

Serve = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def table() -> Iterator[MountTable]:
    live = MountTable()
    yield live
    live.close()


@pytest.fixture
def serve(table: MountTable) -> Iterator[Serve]:
    """Runs a FUSE daemon in the foreground until its mount is in the table."""
    running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(place: Path, *command: str) -> subprocess.Popen[bytes]:
        needs(shutil.which(command[0]) and os.access("/dev/fuse", os.R_OK), f"needs {command[0]} and FUSE")
        place.mkdir(exist_ok=True)
        daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append((daemon, place))
        until = time.monotonic() + 10
        while not any(mount.mount_point == str(place) for mount in table.table()):
            assert daemon.poll() is None, f"{command[0]} ended"
            assert time.monotonic() < until, f"{command[0]} did not mount"
            time.sleep(0.005)
        return daemon

    yield start
    for daemon, place in reversed(running):
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
        daemon.kill()
        daemon.wait(10)


def on_top(table: MountTable, place: Path) -> Mount:
    mount = resolve(table.table(), str(place))
    assert mount is not None
    return mount


def attach(table: MountTable, place: Path) -> MountedFiles:
    mount_id = table.unique_id(str(place))
    assert mount_id is not None
    return MountedFiles(str(place), mount_id, device=device_of(on_top(table, place)))


def names(files: MountedFiles, directory: str) -> list[str]:
    listing = files.list(directory)
    assert isinstance(listing, Listing), listing
    return [file.name for file in listing.files]


def test_r18_a_share_whose_program_died_is_disconnected_and_not_empty(
    table: MountTable, serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "far/2024").mkdir(parents=True)
    (tmp_path / "far/2024/a.jpg").touch()
    place = tmp_path / "near"
    daemon = serve(place, "bindfs", "-f", "-o", UNCACHED, str(tmp_path / "far"), str(place))
    found = probe(on_top(table, place))
    assert isinstance(found, Probe)
    assert found.identity.fs_type == "fuse"
    assert found.identity.source == str(tmp_path / "far")
    files = attach(table, place)
    files.begin()
    assert names(files, "2024") == ["a.jpg"]
    daemon.kill()
    daemon.wait(10)
    assert files.list("2024") == Trouble(errno.ENOTCONN, "2024")
    assert files.list("") == Trouble(errno.ENOTCONN, "")
    gate = files.gate()
    assert isinstance(gate, Trouble)
    assert gate.errno == errno.ENOTCONN
    assert probe(on_top(table, place)) == Trouble(errno.ENOTCONN, str(place))
    files.close()


def test_r17_what_the_supervisor_asks_never_waits_for_a_hung_daemon(
    table: MountTable, serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "far/2024").mkdir(parents=True)
    place = tmp_path / "near"
    daemon = serve(place, "bindfs", "-f", "-o", UNCACHED, str(tmp_path / "far"), str(place))
    known = table.unique_id(str(place))
    script = (
        "import sys; from agent.linux.files import MountedFiles\n"
        "print('looking', flush=True); MountedFiles(sys.argv[1], int(sys.argv[2])).list('2024')"
    )
    daemon.send_signal(signal.SIGSTOP)
    with subprocess.Popen([sys.executable, "-c", script, place, str(known)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"looking\n"
        # The worker hangs, and whoever only asks for mounts does not.
        for _ in range(50):
            assert table.unique_id(str(place)) == known
            assert on_top(table, place).mount_point == str(place)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.3)
        daemon.send_signal(signal.SIGCONT)
        assert worker.wait(10) == 0


def test_r15_a_union_that_lost_a_branch_lists_short_and_only_its_size_tells(
    disks: Disks, table: MountTable, serve: Serve, tmp_path: Path
) -> None:
    branches = [disks.make(size_mib=64), disks.make(size_mib=64)]
    for disk, name in zip(branches, "ab", strict=True):
        (disk.mount(tmp_path / name) / "2024").mkdir()
        (disk.path / f"2024/{name}.jpg").touch()
    place = tmp_path / "pool"
    union = f"{tmp_path}/a:{tmp_path}/b"
    serve(place, "mergerfs", "-f", "-o", "cache.files=off,cache.readdir=false", union, str(place))
    files = attach(table, place)
    files.begin()
    assert names(files, "2024") == ["a.jpg", "b.jpg"]
    assert list(files.gate())[-1] == Check.SIZE
    branches[1].umount()
    assert names(files, "2024") == ["a.jpg"], "without any error, on the same mount"
    assert files.gate() == Trouble(errno.EAGAIN, Check.SIZE)
    files.close()


def test_r30_a_disk_with_errors_is_trouble_and_the_kernels_count_closes_the_gate(
    disks: Disks, table: MountTable, serve: Serve, tmp_path: Path
) -> None:
    pytest.importorskip("fuse")
    image, switch, behind = tmp_path / "image", tmp_path / "switch", tmp_path / "behind"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    program = str(Path(__file__).parent / "failing_disk.py")
    serve(behind, sys.executable, program, str(image), str(behind), str(switch))
    disk = disks.adopt(behind / "disk", "ext4")
    disk.reformat()
    place = disk.mount(tmp_path / "disk")
    for name in ("2024", "2025"):
        (place / name).mkdir()
        (place / name / "a.jpg").touch()
    disk.umount()
    disk.mount(place, "ro")
    files = attach(table, place)
    files.begin()
    assert names(files, "2024") == ["a.jpg"]
    assert Check.ERRORS in files.gate()
    switch.touch()
    assert names(files, "2024") == ["a.jpg"], "the cache still answers"
    assert files.list("2025") == Trouble(errno.EIO, "2025")
    # The kernel counts errors in a thread of its own.
    until = time.monotonic() + 10
    while not isinstance(gate := files.gate(), Trouble):
        assert time.monotonic() < until, "the kernel has not counted the error"
    assert gate.errno == errno.EIO
    switch.unlink()
    run("umount", str(place))
    files.close()


def test_r9_a_disk_that_only_its_caches_answer_for_does_not_vouch_for_a_known_photo(
    disks: Disks, table: MountTable, serve: Serve, tmp_path: Path
) -> None:
    pytest.importorskip("fuse")
    image, switch, behind = tmp_path / "image", tmp_path / "switch", tmp_path / "behind"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    program = str(Path(__file__).parent / "failing_disk.py")
    serve(behind, sys.executable, program, str(image), str(behind), str(switch))
    disk = disks.adopt(behind / "disk", "ext4")
    disk.reformat()
    place = disk.mount(tmp_path / "disk")
    (place / "2024").mkdir()
    (place / "2024/a.jpg").write_bytes(b"photo" * 4096)
    disk.umount()
    disk.mount(place, "ro")
    files = attach(table, place)
    files.begin()
    photo = Sought("2024", "a.jpg")
    assert files.look_for([photo]) == {photo: True}
    switch.touch()
    assert names(files, "2024") == ["a.jpg"], "the cache still answers"
    assert files.look_for([photo]) == Trouble(errno.EIO, Check.SENTINELS)
    switch.unlink()
    run("umount", str(place))
    files.close()


def test_r30_a_file_system_that_an_error_made_read_only_is_guarded_and_not_taken_for_a_persons_doing(
    disks: Disks, table: MountTable, serve: Serve, tmp_path: Path
) -> None:
    pytest.importorskip("fuse")
    image, switch, behind = tmp_path / "image", tmp_path / "switch", tmp_path / "behind"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    program = str(Path(__file__).parent / "failing_disk.py")
    serve(behind, sys.executable, program, str(image), str(behind), str(switch))
    disk = disks.adopt(behind / "disk", "ext4")
    disk.reformat()
    place = disk.mount(tmp_path / "disk", "errors=remount-ro")
    (place / "2024").mkdir()
    (place / "2024/a.jpg").touch()
    os.sync()
    looker = Looker(table, place)
    epoch = looker.volume.epoch
    assert looker.volume.state is VolumeState.ONLINE
    switch.touch()
    # The journal cannot be written any more, and the kernel stops writing.
    with pytest.raises(OSError), (place / "2024/b.jpg").open("wb") as file:
        file.write(b"photo")
        os.fsync(file.fileno())
    assert looker.look() is Reason.READ_ONLY_ERROR
    assert looker.volume.state is VolumeState.SUSPECT
    assert looker.volume.epoch == epoch, "what is there may still be told"
    assert os.listdir(place / "2024")
    switch.unlink()
    run("umount", "-l", str(place))
