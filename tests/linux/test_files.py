"""Reading a mounted volume, and every way in which it can stop being what it was."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from agent.linux import attachment, kernel, sentinels
from agent.linux.blockdev import device_of
from agent.linux.files import MountedFiles
from agent.linux.mountinfo import MountTable
from agent.mounts import resolve
from agent.ports import Chunk, Listing, Place, Sought, Trouble
from holdfast.gate import Check
from tests.linux.disks import Disk, Disks, run
from tests.linux.sysfs import Sysfs
from tests.needs import needs

pytestmark = pytest.mark.root

Attach = Callable[[Path], MountedFiles]


@pytest.fixture
def attach() -> Iterator[Attach]:
    """Files of the mount that is on top at a path now."""
    made: list[MountedFiles] = []
    table = MountTable()

    def make(place: Path) -> MountedFiles:
        mount = resolve(table.table(), str(place))
        assert mount is not None
        mount_id = table.unique_id(mount.mount_point)
        assert mount_id is not None
        made.append(MountedFiles(mount.mount_point, mount_id, device=device_of(mount)))
        return made[-1]

    yield make
    for one in made:
        one.close()
    table.close()


def fill(place: Path, *names: str) -> None:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"photo")


def names_in(files: MountedFiles, directory: str = "") -> list[str]:
    listing = files.list(directory)
    assert isinstance(listing, Listing)
    return [file.name for file in listing.files]


def as_listed(files: MountedFiles, directory: str) -> Place:
    """A directory as it is, with its files."""
    listing = files.list(directory)
    assert isinstance(listing, Listing)
    return Place(directory, (listing.mtime_ns, listing.ctime_ns), listing.files)


def born(files: MountedFiles, directory: str) -> dict[str, tuple[int, int | None]]:
    """Inode and birth of each file of a directory."""
    listing = files.list(directory)
    assert isinstance(listing, Listing)
    return {file.name: (file.inode, listing.births[file.name]) for file in listing.files}


def code(answer: object) -> int:
    assert isinstance(answer, Trouble)
    return answer.errno


def photos(disks: Disks, place: Path, fs_type: str = "ext4") -> tuple[Disk, Path]:
    disk = disks.make(fs_type)
    where = disk.mount(place)
    fill(where, "2024/a.jpg", "2024/b.jpg")
    return disk, where


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
def test_a_listing_is_what_the_directory_holds(disks: Disks, tmp_path: Path, attach: Attach, fs_type: str) -> None:
    _, place = photos(disks, tmp_path / "disk", fs_type)
    fill(place, "2024/notes.txt", "2024/deep/c.jpg", "2024/.jpg")
    (place / "2024/link.jpg").symlink_to("a.jpg")
    listing = attach(place).list("2024")
    assert isinstance(listing, Listing)
    facts = (place / "2024").stat()
    photo = (place / "2024/a.jpg").stat()
    assert listing[2:5] == (facts.st_mtime_ns, facts.st_ctime_ns, 6)
    assert [f.name for f in listing.files] == ["a.jpg", "b.jpg"]
    assert listing.files[0][1:] == (photo.st_ino, 5, photo.st_mtime_ns, photo.st_ctime_ns)
    assert (list(listing.directories), listing.unclear) == (["deep"], [])


def test_r37_names_are_bytes(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    odd = os.fsencode(place) + b"/od\xff d\n"
    os.mkdir(odd)
    with open(odd + b"/\xe9t\xc3\xa9.jpg", "wb"):
        pass
    files = attach(place)
    root = files.list("")
    assert isinstance(root, Listing)
    assert "od\0ff d\n" in root.directories
    assert names_in(files, "od\0ff d\n") == ["\0e9té.jpg"]
    assert list(born(files, "od\0ff d\n")) == ["\0e9té.jpg"]
    assert files.unmoved([as_listed(files, "od\0ff d\n")]) == {"od\0ff d\n": []}


@pytest.mark.parametrize("lazy", [False, True])
def test_r1_an_unmounted_volume_lists_as_trouble_never_as_empty(
    disks: Disks, tmp_path: Path, attach: Attach, lazy: bool
) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    files.begin()
    disk.umount(lazy=lazy)
    assert os.listdir(place) == []
    assert code(files.list("")) == errno.EXDEV
    assert code(files.list("2024")) == errno.EXDEV
    assert code(files.unmoved([Place("2024", (1, 1), ())])) == errno.EXDEV
    assert files.gate() == Trouble(errno.EXDEV, Check.MOUNT)


def test_r1_the_same_disk_mounted_again_is_another_attachment(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    disk.umount()
    disk.mount(place)
    assert code(files.list("2024")) == errno.EXDEV
    assert names_in(attach(place), "2024") == ["a.jpg", "b.jpg"]


def test_r12_another_disk_at_the_same_place_is_not_taken_for_it(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    disk.umount()
    disks.make().mount(place)
    assert code(files.list("")) == errno.EXDEV


def test_r14_a_covered_volume_is_blind_until_it_is_uncovered(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    run("mount", "-t", "tmpfs", "none", str(place))
    assert code(files.list("2024")) == errno.EXDEV
    run("umount", str(place))
    assert names_in(files, "2024") == ["a.jpg", "b.jpg"]


def test_r13_a_mount_inside_the_volume_is_not_entered(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    (place / "inner").mkdir()
    files = attach(place)
    # A bind mount has the device number of its volume, so that only the mount id can tell.
    run("mount", "--bind", str(place / "2024"), str(place / "inner"))
    assert code(files.list("inner")) == errno.EXDEV
    covered = os.stat(place / "inner")
    assert files.unmoved([Place("inner", (covered.st_mtime_ns, covered.st_ctime_ns), ())]) == {}
    run("umount", str(place / "inner"))
    assert names_in(files, "inner") == []


def test_symbolic_links_lead_nowhere(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    (place / "link").symlink_to("2024")
    (place / "up").symlink_to("..")
    files = attach(place)
    assert code(files.list("link")) in (errno.ELOOP, errno.ENOTDIR)
    assert code(files.list("up/..")) in (errno.ELOOP, errno.EXDEV)
    assert code(files.list("2024/a.jpg")) == errno.ENOTDIR
    assert code(files.list("2025")) == errno.ENOENT


def test_inode_and_birth_tell_a_new_file_from_an_old_one(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    before = born(files, "2024")
    (place / "2024/a.jpg").rename(place / "2024/moved.jpg")
    fill(place, "2024/a.jpg")
    after = born(files, "2024")
    assert after["moved.jpg"] == before["a.jpg"]
    assert after["a.jpg"] != before["a.jpg"]
    assert after["a.jpg"][1] is not None


def test_a_directory_without_permission_is_trouble_and_not_empty(disks: Disks, attach: Attach) -> None:
    with tempfile.TemporaryDirectory() as everybodys:
        os.chmod(everybodys, 0o755)
        disk, place = photos(disks, Path(everybodys))
        (place / "2024").chmod(0o700)
        fill(place, "x.jpg")
        files = attach(place)
        with nobody():
            # That the root is read shows that a refused O_NOATIME, which only owners may ask for, is lived with.
            assert names_in(files) == ["x.jpg"]
            assert code(files.list("2024")) == errno.EACCES
        disk.umount()


def test_a_directory_that_keeps_changing_is_looked_at_again_and_then_left_for_later(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    real = os.scandir
    changes = iter([True, False])

    def busy(descriptor: int) -> object:
        if next(changes, True):
            os.utime(place / "2024", ns=(1, next(times)))
        return real(descriptor)

    times = iter(range(100))
    monkeypatch.setattr(os, "scandir", busy)
    assert names_in(files, "2024") == ["a.jpg", "b.jpg"]
    assert code(files.list("2024")) == errno.EAGAIN


@pytest.mark.parametrize("come", [True, False])
def test_what_happens_to_a_directory_while_its_photos_are_looked_at_belongs_to_the_next_listing(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch, come: bool
) -> None:
    """A folder of many photos takes a second to look at, and somebody may be importing into it all day."""
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    looked_at: list[str] = []

    def happens(name: bytes) -> None:
        if come:
            fill(place, f"2024/new {len(looked_at)}.jpg")
        elif looked_at:
            os.rename(place / "2024" / looked_at[0], place / "elsewhere.jpg")
        looked_at.append(name.decode())

    while_looking(monkeypatch, happens)
    assert names_in(files, "2024") == ["a.jpg", "b.jpg"]
    monkeypatch.undo()
    assert names_in(files, "2024") == (["a.jpg", "b.jpg", "new 0.jpg", "new 1.jpg"] if come else looked_at[1:])


def test_r21_a_listing_says_when_its_names_were_read(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    looks: list[float] = []
    while_looking(monkeypatch, lambda _name: looks.append(boot_s()))
    began, answer = boot_s(), files.list("2024")
    assert isinstance(answer, Listing)
    assert looks[-1] - looks[0] <= answer.age_s <= boot_s() - began


@pytest.mark.parametrize("kind", ["gone", "another"])
def test_r1_a_listing_does_not_count_when_a_name_in_it_stands_for_something_else_by_now(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    inode = (place / "2024/b.jpg").stat().st_ino
    left = 1

    def happens(name: bytes) -> None:
        """Just before it is looked at."""
        nonlocal left
        if name == b"b.jpg" and left:
            left -= 1
            if kind == "another":
                fill(place, "2024/c.jpg")
                os.rename(place / "2024/b.jpg", place / "b.jpg")
                os.rename(place / "2024/c.jpg", place / "2024/b.jpg")
            else:
                os.unlink(place / "2024/b.jpg")

    while_looking(monkeypatch, happens)
    answer = files.list("2024")
    assert isinstance(answer, Listing)
    assert ([file.name for file in answer.files], answer.unclear) == (
        ["a.jpg", "b.jpg"] if kind == "another" else ["a.jpg"],
        [],
    )
    assert inode not in {file.inode for file in answer.files}
    assert (answer.mtime_ns, answer.ctime_ns) == stamp_of(place / "2024")


def test_r39_where_inodes_mean_nothing_a_name_stands_for_whatever_has_it(
    disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of directories on FUSE, for one, the listing may not say what the names stand for."""
    disk, place = photos(disks, tmp_path / "disk")
    real = kernel.FileLooker.look_at

    def look_at(looker: kernel.FileLooker, descriptor: int, names: Sequence[bytes]) -> tuple[list[object], None]:
        fill(place, f"2024/new {len(os.listdir(place / '2024'))}.jpg")
        found, _ = real(looker, descriptor, names)
        return [(mode, inode + 1_000_000, *rest) for mode, inode, *rest in found], None

    monkeypatch.setattr(kernel.FileLooker, "look_at", look_at)
    mount_id = kernel.mount_at(os.fsencode(place)).mount_id
    for by_inode, answers in ((False, Listing), (True, Trouble)):
        with closing(MountedFiles(str(place), mount_id, by_inode=by_inode)) as files:
            assert isinstance(files.list("2024"), answers)
    disk.umount()


def while_looking(monkeypatch: pytest.MonkeyPatch, happens: Callable[[bytes], None]) -> None:
    """Something happens whenever a photo is going to be looked at."""
    real = kernel.FileLooker.look_at

    def look_at(looker: kernel.FileLooker, descriptor: int, names: Sequence[bytes]) -> tuple[list[object], object]:
        found: list[object] = []
        for name in names:
            happens(name)
            seen, error = real(looker, descriptor, [name])
            if error is not None:
                return found, error
            found += seen
        return found, None

    monkeypatch.setattr(kernel.FileLooker, "look_at", look_at)


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stamp_of(directory: Path) -> tuple[int, int]:
    found = directory.stat()
    return found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("failure", [errno.ENOENT, errno.EACCES, errno.EIO, errno.ENOTCONN])
def test_r1_a_name_that_cannot_be_looked_at_is_unclear_or_casts_doubt_on_all(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch, failure: int
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    real = kernel.FileLooker.look_at

    def look_at(looker: kernel.FileLooker, descriptor: int, names: Sequence[bytes]) -> object:
        """Fails for one name, as soon as more than that is asked for."""
        if b"b.jpg" not in names:
            return real(looker, descriptor, names)
        found, _ = real(looker, descriptor, names[: names.index(b"b.jpg")])
        return found, OSError(failure, os.strerror(failure))

    monkeypatch.setattr(kernel.FileLooker, "look_at", look_at)
    answer = files.list("2024")
    if failure in (errno.ENOENT, errno.EACCES):
        assert isinstance(answer, Listing)
        assert [file.name for file in answer.files] == ["a.jpg"]
        assert (answer.unclear, answer.entries) == (["b.jpg"], 2)
    else:
        assert answer == Trouble(failure, "2024")


def test_the_gate_names_every_check_that_was_passed(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    assert code(files.gate()) == errno.EINVAL
    files.begin()
    assert files.gate() == [
        Check.TABLE,
        Check.MOUNT,
        Check.SUPER_BLOCK,
        Check.ROOT,
        Check.SIZE,
        Check.DEVICE,
        Check.ERRORS,
    ]


def yank(sys: Sysfs, disk: Path) -> None:
    sys.unplug(disk, "8:0", "8:1")


def replug(sys: Sysfs, disk: Path) -> None:
    sys.unplug(disk, "8:0", "8:1")
    sys.partition(sys.disk("sda", "8:0", 26, state="running", errors="0x0"), "sda1", "8:1")


def stop(sys: Sysfs, disk: Path) -> None:
    (disk / "device/state").write_text("offline\n")


def count_an_error(sys: Sysfs, disk: Path) -> None:
    (disk / "device/ioerr_cnt").write_text("0x1\n")


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (yank, Trouble(errno.ENODEV, Check.DEVICE)),
        (replug, Trouble(errno.ENODEV, Check.DEVICE)),
        (stop, Trouble(errno.ENODEV, Check.DEVICE)),
        (count_an_error, Trouble(errno.EIO, Check.ERRORS)),
    ],
)
def test_r1_what_happens_to_the_device_closes_the_gate_although_the_mount_is_unmoved(
    disks: Disks, tmp_path: Path, event: Callable[[Sysfs, Path], None], answer: Trouble
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    sys = Sysfs(tmp_path / "sys")
    sda = sys.disk("sda", "8:0", 25, state="running", errors="0x0")
    sys.partition(sda, "sda1", "8:1")
    table = MountTable()
    files = MountedFiles(str(place), table.unique_id(str(place)) or 0, device="8:1", sys=str(sys.top))
    files.begin()
    assert Check.ERRORS in files.gate()
    event(sys, sda)
    assert names_in(files, "2024") == ["a.jpg", "b.jpg"]
    assert files.gate() == answer
    files.close()
    table.close()


def test_btrfs_has_a_device_although_its_number_is_anonymous(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk", "btrfs")
    files = attach(place)
    files.begin()
    assert Check.DEVICE in files.gate()


def test_mounts_elsewhere_do_not_spoil_a_pass_where_mount_ids_are_unique(
    disks: Disks, tmp_path: Path, attach: Attach
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    files.begin()
    disks.make().mount(tmp_path / "other")
    passed = files.gate()
    assert Check.MOUNT in passed
    assert Check.TABLE not in passed


@pytest.fixture
def old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux before 6.8 does not know this bit, and answers with the recycled id of the table."""
    monkeypatch.setattr(kernel, "STATX_MNT_ID_UNIQUE", kernel.STATX_MNT_ID)
    monkeypatch.setattr(kernel.Statx, "has_unique_mount_id", False)


def fooled(attach: Attach, old: Disk, new: Disk) -> MountedFiles:
    """Files of a disk, in a pass, whose mount id by now belongs to another mount at the same place."""
    place = old.path
    table = MountTable()
    for _ in range(50):
        files = attach(place)
        files.begin()
        assert Check.TABLE in files.gate()
        assert names_in(files, "2024") == ["a.jpg", "b.jpg"]
        old.umount()
        new.mount(place)
        if table.unique_id(str(place)) == files.mount_id:
            table.close()
            return files  # nobody else on this machine took the number meanwhile
        new.umount()
        old.mount(place)
    pytest.fail("the number of a mount was never used again")


@pytest.mark.usefixtures("old_kernel")
@pytest.mark.parametrize("uuid", ["its own", "that of the first"])
def test_r1_where_mount_ids_are_recycled_another_disk_is_known_by_its_identity(
    disks: Disks, tmp_path: Path, attach: Attach, uuid: str
) -> None:
    disk, _ = photos(disks, tmp_path / "disk")
    other = disks.make()
    if uuid != "its own":
        known = run("blkid", "-s", "UUID", "-o", "value", disk.device)
        # The births that mkfs gives have no fractions of a second.
        run("env", "E2FSPROGS_FAKE_TIME=1500000000", "mkfs.ext4", "-q", "-F", "-U", known, other.device)
    other.mount(tmp_path / "prepare")
    (other.path / "2024").mkdir()
    other.umount()
    files = fooled(attach, disk, other)
    assert files.list("2024") == Trouble(errno.EAGAIN, "2024")
    assert files.unmoved([Place("2024", (1, 1), ())]) == Trouble(errno.EAGAIN, "")
    for _ in range(2):
        assert files.gate() == Trouble(errno.EAGAIN, Check.TABLE)
    files.begin()
    assert files.list("2024") == Trouble(errno.EXDEV, "2024")
    assert files.unmoved([Place("2024", (1, 1), ())]) == Trouble(errno.EXDEV, "")
    assert files.gate() == Trouble(errno.EXDEV, Check.IDENTITY)


@pytest.mark.usefixtures("old_kernel")
def test_r1_where_mount_ids_are_recycled_any_mount_ends_the_pass_and_no_more(
    disks: Disks, tmp_path: Path, attach: Attach
) -> None:
    disk, _ = photos(disks, tmp_path / "disk")
    files = fooled(attach, disk, disk)
    assert files.list("2024") == Trouble(errno.EAGAIN, "2024")
    files.begin()
    assert names_in(files, "2024") == ["a.jpg", "b.jpg"]
    assert Check.TABLE in files.gate()


def test_r2_a_root_that_turned_empty_during_a_pass_holds_its_absences(
    disks: Disks, tmp_path: Path, attach: Attach
) -> None:
    disk = disks.make("xfs")  # without a lost+found
    place = disk.mount(tmp_path / "disk")
    fill(place, "a.jpg")
    files = attach(place)
    files.begin()
    (place / "a.jpg").unlink()
    assert files.gate() == Trouble(errno.EAGAIN, Check.ROOT)
    files.begin()
    assert Check.ROOT in files.gate()


def test_r30_a_file_system_that_the_kernel_shut_down_proves_nothing(
    disks: Disks, tmp_path: Path, attach: Attach
) -> None:
    needs(_release() >= (6, 10), "older kernels do not show a shutdown in the mount table")
    _, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    files.begin()
    _shut_down(place)
    assert isinstance(files.gate(), Trouble)


def test_r40_people_can_unmount_right_after_a_listing(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    files.begin()
    for _ in range(50):
        files.list("2024")
        files.unmoved([as_listed(files, "2024")])
        files.gate()
    disk.umount()


def unmount_at_the_first_rest(monkeypatch: pytest.MonkeyPatch, room: ModuleType, disk: Disk) -> None:
    """It always takes long, and somebody tries to unmount."""
    monkeypatch.setattr(room, "HELD_S", -1.0)
    monkeypatch.setattr(time, "sleep", lambda _seconds: os.path.ismount(disk.path) and disk.umount())


def test_r40_a_directory_that_takes_long_to_read_is_let_go_of_again_and_again(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    unmount_at_the_first_rest(monkeypatch, attachment, disk)
    assert files.list("2024") == Trouble(errno.EXDEV, "2024"), "whoever tried to unmount got through"


def test_r40_looks_for_many_photos_leave_the_disk_alone_now_and_then(
    disks: Disks, tmp_path: Path, attach: Attach, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    files = attach(place)
    unmount_at_the_first_rest(monkeypatch, sentinels, disk)
    files.look_for([Sought("2024", "a.jpg")])
    assert not os.path.ismount(place), "whoever tried to unmount got through"


def test_r40_a_listing_ends_as_soon_as_somebody_wants_the_disk(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    _, place = photos(disks, tmp_path / "disk")
    asked = itertools.count()
    files = MountedFiles(str(place), attach(place).mount_id, asked_to_let_go=lambda: next(asked) > 0)
    assert files.list("2024") == Trouble(errno.ECANCELED, "2024")
    files.close()
    assert next(asked) == 2, "once before, and once while it was read"


def test_r28_a_disk_mounted_read_only_serves_every_call(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    disk, place = photos(disks, tmp_path / "disk")
    disk.umount()
    disk.mount(place, "ro")
    files = attach(place)
    files.begin()
    assert names_in(files, "2024") == ["a.jpg", "b.jpg"]
    assert Check.DEVICE in files.gate()


def test_r28_reading_leaves_no_trace_not_even_an_access_time(disks: Disks, tmp_path: Path, attach: Attach) -> None:
    disk = disks.make()
    place = disk.mount(tmp_path / "disk", "strictatime")
    fill(place, "2024/a.jpg")
    before = (place / "2024").stat()
    files = attach(place)
    files.begin()
    names_in(files, "2024")
    files.gate()
    assert (place / "2024").stat().st_atime_ns == before.st_atime_ns


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user without any privilege."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _release() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(minor)


def _shut_down(place: Path) -> None:
    """Let the kernel give the file system up, as after an error that it cannot live with."""
    import fcntl
    import struct

    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, 0x8004587D, struct.pack("=I", 2))  # EXT4_IOC_SHUTDOWN, without flushing the log
    finally:
        os.close(descriptor)


def test_a_link_put_in_the_place_of_a_folder_or_file_leads_nowhere(
    disks: Disks, tmp_path: Path, attach: Attach
) -> None:
    """Whoever may write to the disk swaps a folder and a file for links to secrets, again and again, while both are
    read: never a name or a byte of what lies behind them is seen."""
    _, place = photos(disks, tmp_path / "disk")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.jpg").write_bytes(b"secret" * 100)
    (secret / "key.jpg").write_bytes(b"secret")
    (place / "trip").mkdir()
    (place / "trip" / "a.jpg").write_bytes(b"photo " * 100)
    (place / "bait").symlink_to(secret)
    (place / "trip" / "bait.jpg").symlink_to(secret / "a.jpg")
    files = attach(place)
    seen: set[bytes] = set()
    stop = threading.Event()

    def swap() -> None:
        pairs = ((place / "trip", place / "bait"), (place / "trip" / "a.jpg", place / "trip" / "bait.jpg"))
        while not stop.is_set():
            for one, other in pairs:
                for _ in range(2):  # there and back
                    exchange(one, other)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        listed = read = 0
        until = time.monotonic() + 30
        for number in itertools.count():
            if number >= 2000 and ((listed and read) or time.monotonic() > until):
                break
            listing = files.list("trip")
            if isinstance(listing, Listing):
                listed += 1
                seen.update(one.name.encode() for one in listing.files if one.name == "key.jpg")
            chunk = files.read("trip", "a.jpg", 0, 100)
            if isinstance(chunk, Chunk):
                read += 1
                seen.add(chunk.data[:6])
    finally:
        stop.set()
        swapper.join()
    assert listed, "the folder itself was listed as well"
    assert read, "and the file was read"
    assert seen == {b"photo "}


def exchange(one: Path, other: Path) -> None:
    """Let two names change places at one moment (renameat2(2), RENAME_EXCHANGE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2):
        raise OSError(ctypes.get_errno(), "renameat2")


def test_names_are_looked_at_together_up_to_the_first_that_is_not_there(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(kernel.FileLooker.AT_ONCE)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"x" * number)
    (tmp_path / "5.jpg").unlink()
    (tmp_path / "5.jpg").symlink_to("4.jpg")
    looker = kernel.FileLooker()

    def look_at(wanted: list[str]) -> int:
        """How many of these it has looked at, each as it is."""
        found, error = looker.look_at(descriptor, [os.fsencode(name) for name in wanted])
        if error is not None:
            assert error.errno == errno.ENOENT
            assert not os.path.lexists(tmp_path / wanted[len(found)])
        for name, one in zip(wanted, found, strict=error is None):
            there = os.lstat(tmp_path / name)
            assert one[:5] == (there.st_mode, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns)
            assert one == looker.look(descriptor, os.fsencode(name))
        return len(found)

    with kernel.directory(str(tmp_path)) as descriptor:
        assert [look_at(names), look_at(names[:3])] == [len(names), 3]
        for gone in (names[-1], "9.jpg", names[0]):
            (tmp_path / gone).unlink()
            assert look_at(names) == names.index(gone)
        assert look_at(names[1:9]) == 8


def test_of_a_large_folder_every_name_is_listed_or_unclear_although_some_go_meanwhile(
    disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = photos(disks, tmp_path / "disk")
    names = [f"{number:03}.jpg" for number in range(100)]
    fill(place, *(f"many/{name}" for name in names))
    went = [names[0], names[15], names[16], names[17], names[99]]
    real = kernel.FileLooker.look_at

    def look_at(looker: kernel.FileLooker, descriptor: int, asked: Sequence[bytes]) -> object:
        for name in went:
            (place / "many" / name).unlink(missing_ok=True)
        return real(looker, descriptor, asked)

    monkeypatch.setattr(kernel.FileLooker, "look_at", look_at)
    mount_id = kernel.mount_at(os.fsencode(place)).mount_id
    with closing(MountedFiles(str(place), mount_id, by_inode=False)) as files:
        answer = files.list("many")
    assert isinstance(answer, Listing)
    assert [file.name for file in answer.files] == sorted({*names} - {*went})
    assert (answer.unclear, answer.entries) == (went, 100)
