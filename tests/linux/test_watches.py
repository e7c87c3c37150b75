"""Which watch a volume gets on the real kernel, and what is said about it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from agent.linux import kernel, watches
from agent.linux.mountinfo import MountTable
from agent.linux.watches import choose
from agent.mounts import resolve
from agent.ports import Hint, Mount, Watch
from agent.settings import WatchChoice
from tests.linux.disks import Disk, Disks, run
from tests.story.stack import Stack

pytestmark = pytest.mark.root

Choosing = Callable[..., tuple[str, str]]


def line_of(place: Path) -> Mount:
    """The line of the mount table that this path leads to."""
    table = MountTable()
    mount = resolve(table.table(), str(place))
    table.close()
    assert mount is not None
    return mount


def id_at(mount: Mount) -> int:
    """The id of the mount that stands there now."""
    return kernel.mount_at(mount.mount_point.encode()).mount_id


@pytest.fixture
def choosing() -> Iterator[Choosing]:
    """Chooses the watch of a mount: how it sums itself up before anything is added, and why it is that."""
    made: list[Watch] = []

    def make(mount: Mount, choice: WatchChoice = "auto", *, mount_id: int | None = None) -> tuple[str, str]:
        watch, why = choose(mount, mount_id or id_at(mount), choice, lambda: None)
        if watch is None:
            return "", why
        made.append(watch)
        return watch.summary, why

    yield make
    for one in made:
        one.close()


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Disk:
    one = disks.make("ext4", label="family")
    one.mount(tmp_path / "mnt/disk")
    return one


MARK, NONE = "fanotify, one mark", "inotify, 0 directories"


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_a_disk_of_its_own_gets_one_mark(disks: Disks, tmp_path: Path, choosing: Choosing, fs_type: str) -> None:
    place = disks.make(fs_type).mount(tmp_path / "disk")
    assert choosing(line_of(place)) == (MARK, "")
    assert choosing(line_of(place), "fanotify") == (MARK, "")


def test_a_person_may_decide(disk: Disk, choosing: Choosing) -> None:
    assert choosing(line_of(disk.path), "inotify") == (NONE, 'watch = "inotify" in agent.toml')
    assert choosing(line_of(disk.path), "no") == ("", 'scans only (watch = "no" in agent.toml)')


def test_the_file_system_of_the_system_gets_no_mark_unless_a_person_wants_it(
    disk: Disk, choosing: Choosing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by its device: a part of it that is mounted elsewhere is no other file system."""
    (disk.path / "home").mkdir()
    home = tmp_path / "home"
    home.mkdir()
    run("mount", "--bind", str(disk.path / "home"), str(home))
    try:
        table = tmp_path / "mountinfo"
        table.write_text(f"1 0 {line_of(disk.path).device} / / rw - ext4 /dev/sda1 rw\n")
        monkeypatch.setattr(watches, "MOUNTINFO", str(table))
        why = "fanotify would see everything that the system writes"
        assert choosing(line_of(disk.path)) == (NONE, why)
        assert choosing(line_of(home)) == (NONE, why)
        assert choosing(line_of(home), "fanotify") == (MARK, "")
    finally:
        run("umount", str(home))


def test_the_real_root_gets_no_mark(choosing: Choosing) -> None:
    assert choosing(line_of(Path("/")))[0] == NONE


def test_r31_a_file_system_whose_handles_do_not_last_gets_no_mark(disk: Disk, choosing: Choosing) -> None:
    mount = structs.replace(line_of(disk.path), fs_type="vfat")
    assert choosing(mount, "fanotify") == (NONE, "fanotify needs handles that last, which vfat lacks")


def test_where_the_kernel_refuses_a_mark_directories_are_watched(
    disks: Disks, tmp_path: Path, choosing: Choosing
) -> None:
    disk = disks.make("btrfs")
    run("btrfs", "subvolume", "create", str(disk.mount(tmp_path / "whole") / "photos"))
    place = disk.mount(tmp_path / "part", "subvol=photos")
    said, why = choosing(line_of(place), "fanotify")
    assert (said, why.partition(":")[0]) == (NONE, "fanotify is refused")


def test_storage_that_does_not_even_open_is_left_to_the_first_look(disk: Disk, choosing: Choosing) -> None:
    mount = line_of(disk.path)
    mount_id = id_at(mount)
    disk.umount()
    assert choosing(mount, mount_id=mount_id) == (NONE, "fanotify is refused: Invalid cross-device link")


PLACE = """
import sys
from pathlib import Path
from tests.linux.test_watches import id_at, line_of
from agent.linux.watches import choose
mount = line_of(Path(sys.argv[1]))
print(choose(mount, id_at(mount), "auto", lambda: None)[1])
"""


@pytest.mark.parametrize(
    ("dropped", "why"),
    [
        ("-sys_admin", "fanotify needs CAP_SYS_ADMIN"),
        ("-dac_read_search", "fanotify needs CAP_DAC_READ_SEARCH"),
        ("-all", "fanotify needs CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH"),
        ("-all,+sys_admin,+dac_read_search", ""),
    ],
)
def test_two_capabilities_are_enough_and_what_it_lacks_is_named(disk: Disk, dropped: str, why: str) -> None:
    command = ["setpriv", f"--bounding-set={dropped}", sys.executable, "-c", PLACE, str(disk.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == why


class Limited(Stack):
    """Its agent has every right but the one to mark file systems, as under its systemd unit."""

    agent_within = ("setpriv", "--bounding-set=-sys_admin")


class Marking(Stack):
    """Its agent may do everything."""


@pytest.mark.story
@pytest.mark.parametrize(
    ("kind", "said", "number"),
    [
        (Limited, "inotify, 2 directories (fanotify needs CAP_SYS_ADMIN)", 2),
        (Marking, "fanotify, one mark", 1),
    ],
)
def test_status_says_how_changes_are_seen_and_why(
    disk: Disk, tmp_path: Path, kind: type[Stack], said: str, number: int
) -> None:
    (disk.path / "lost+found").rmdir()
    (disk.path / "trip").mkdir()
    home = tmp_path / "state"
    home.mkdir()
    parts = kind(home)
    try:
        parts.start_agent(tmp_path / "mnt")
        library = parts.library(disk.path)
        parts.feed.until(lambda item: item["kind"] == "scan.finished")
        (disk.path / "trip/a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
        parts.feed.until(lambda item: item["kind"] == "asset.added")
        assert f"changes are seen by {said}\n" in parts.agent_cli("status")
        (reading,) = json.loads(parts.agent_cli("status", "--json"))["volumes"]
        assert (reading["watching"], reading["watched_directories"]) == (said, number)
        assert parts.by_status(library) == {"present": 1}
    finally:
        parts.close()


def test_a_mark_is_read_as_any_other_watch(disk: Disk) -> None:
    mount = line_of(disk.path)
    watch, _ = choose(mount, id_at(mount), "auto", lambda: None)
    assert watch is not None
    assert watch.limit > 0
    (disk.path / "a.jpg").write_bytes(b"\xff\xd8")
    assert watch.read() == [Hint("", "a.jpg", whole=True)]
    watch.close()
