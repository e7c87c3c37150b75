"""The fakes' scripted faults: each shows what was measured on a real kernel when that happened."""

from __future__ import annotations

import errno
import gzip

import msgspec
import pytest

from agent.ports import Hint, Listing, Lost, Probe, Refused, Trouble, Unreachable
from agent.testing.clock import FakeClock
from agent.testing.disk import FakeDisk
from agent.testing.faults import Hung
from agent.testing.files import FakeFiles
from agent.testing.host import FakeHost
from agent.testing.mounts import FakeMounts, probe
from agent.testing.uplink import FakeSidecar, FakeUplink, Network
from agent.testing.watch import FakeWatch
from holdfast.assignments import Assignment, Heartbeat
from holdfast.gate import Check
from holdfast.reports import Gap, Report
from holdfast.volumes import Epoch

PLACE = "/mnt/nas"


class World:
    """A host with one mounted disk."""

    def __init__(self, fs_type: str = "ext4") -> None:
        self.host = FakeHost()
        self.disk = self.host.disk("photos", fs_type)
        self.disk.mkdir("2024")
        self.disk.write("2024/a.jpg")
        self.disk.write("2024/b.jpg")
        self.mount = self.host.mount(self.disk, PLACE)
        self.files = FakeFiles(self.host, PLACE, self.mount_id())
        self.files.begin()

    def mount_id(self) -> int:
        found = FakeMounts(self.host).unique_id(PLACE)
        assert found is not None
        return found

    def names(self, directory: str = "2024") -> list[str]:
        listing = self.files.list(directory)
        assert isinstance(listing, Listing), listing
        return [file.name for file in listing.files]


@pytest.fixture
def world() -> World:
    return World()


def test_a_yanked_fat_lists_as_empty_without_an_error_and_only_the_gate_tells() -> None:
    world = World("vfat")
    world.host.yank(world.disk)
    root = world.files.list("")
    assert isinstance(root, Listing)
    assert (root.entries, root.directories) == (0, {})
    assert world.files.list("2024") == Trouble(errno.ENOENT, "2024")
    assert isinstance(world.files.gate(), Trouble)
    assert FakeMounts(world.host).unique_id(PLACE) == world.files.mount_id


def test_a_yanked_disk_stays_dead_until_it_is_mounted_anew(world: World) -> None:
    world.host.yank(world.disk)
    assert world.files.list("2024") == Trouble(errno.EIO, "2024")
    with pytest.raises(OSError, match="No such device"):
        world.host.mount(world.disk, "/mnt/else")
    world.host.replug(world.disk)
    assert world.files.list("2024") == Trouble(errno.EIO, "2024")
    world.host.umount(PLACE)
    world.host.mount(world.disk, PLACE)
    world.files = FakeFiles(world.host, PLACE, world.mount_id())
    assert world.names() == ["a.jpg", "b.jpg"]


def test_a_damaged_directory_lists_short_and_its_times_stand_still(world: World) -> None:
    before = world.files.list("2024")
    world.disk.faults.hidden = lambda path: path == "2024/b.jpg"
    after = world.files.list("2024")
    assert isinstance(before, Listing)
    assert isinstance(after, Listing)
    assert [file.name for file in after.files] == ["a.jpg"]
    assert (after.mtime_ns, after.ctime_ns) == (before.mtime_ns, before.ctime_ns)
    assert not isinstance(world.files.gate(), Trouble)
    world.disk.faults.errors_counted += 1
    assert world.files.gate() == Trouble(errno.EIO, Check.ERRORS)


@pytest.mark.parametrize(("option", "code"), [("shutdown", errno.ESHUTDOWN), ("emergency_ro", errno.EROFS)])
def test_a_file_system_given_up_by_the_kernel_closes_the_gate(world: World, option: str, code: int) -> None:
    world.disk.faults.super_options = frozenset({option})
    assert world.files.gate() == Trouble(code, Check.SUPER_BLOCK)
    assert any(option in mount.super_options for mount in FakeMounts(world.host).table())


def test_a_lost_disk_behind_a_share_moves_the_size(world: World) -> None:
    world.disk.faults.capacity_bytes = world.disk.capacity_bytes // 4
    assert world.files.gate() == Trouble(errno.EAGAIN, Check.SIZE)


def test_a_hung_disk_hangs_and_a_disconnected_one_says_so(world: World) -> None:
    world.disk.faults.hung = True
    with pytest.raises(Hung):
        world.files.list("2024")
    world.disk.faults.clear()
    world.disk.faults.errno = errno.ENOTCONN
    assert world.files.list("2024") == Trouble(errno.ENOTCONN, "2024")
    assert probe(world.host, world.mount) == Trouble(errno.ENOTCONN, PLACE)
    world.disk.faults.clear()
    assert world.names() == ["a.jpg", "b.jpg"]


def test_one_sick_file_is_unclear_or_casts_doubt_on_its_directory(world: World) -> None:
    world.disk.faults.path_errnos["2024/a.jpg"] = errno.EACCES
    listing = world.files.list("2024")
    assert isinstance(listing, Listing)
    assert (listing.unclear, [file.name for file in listing.files]) == (["a.jpg"], ["b.jpg"])
    world.disk.faults.path_errnos["2024/a.jpg"] = errno.EIO
    assert world.files.list("2024") == Trouble(errno.EIO, "2024")


def test_a_listing_that_began_before_a_lazy_unmount_is_still_true(world: World) -> None:
    world.host.change_at(2, lambda: world.host.umount(PLACE, lazy=True))
    assert world.names() == ["a.jpg", "b.jpg"]
    assert world.files.list("2024") == Trouble(errno.EXDEV, "2024")


def test_nobody_can_unmount_while_a_directory_is_read(world: World) -> None:
    def umount() -> None:
        with pytest.raises(OSError, match="busy"):
            world.host.umount(PLACE)

    world.host.change_at(2, umount)
    assert world.names() == ["a.jpg", "b.jpg"]
    world.host.umount(PLACE)


def test_a_directory_that_changes_while_it_is_read_is_read_again(world: World) -> None:
    def change() -> None:
        world.host.clock.advance(1)
        world.disk.write("2024/c.jpg")

    world.host.change_at(2, change)
    assert world.names() == ["a.jpg", "b.jpg", "c.jpg"]


def test_any_call_can_be_made_to_fail_once(world: World) -> None:
    world.host.fail_at(3, errno.EIO)
    assert world.names() == ["a.jpg", "b.jpg"]
    assert world.files.list("2024") == Trouble(errno.EIO, "2024")
    assert world.names() == ["a.jpg", "b.jpg"]


def test_a_queue_that_is_full_loses_events_and_says_so(world: World) -> None:
    watch = FakeWatch(world.host, PLACE, world.files.mount_id, queue_limit=4)
    watch.add("2024")
    for number in range(5):
        world.disk.write(f"2024/{number}.jpg")
    hints = watch.read()
    assert hints[-1] == Lost("", "the kernel's queue overflowed")
    assert Hint("2024", "4.jpg", whole=True) not in hints
    world.disk.unlink("2024/0.jpg")
    assert watch.read() == [Hint("2024", "0.jpg")]


def test_watches_have_a_limit(world: World) -> None:
    world.host.watch_limit = 1
    watch = FakeWatch(world.host, PLACE, world.files.mount_id)
    assert watch.add("2024") is None
    assert watch.add("") == Trouble(errno.ENOSPC, "")
    assert watch.add("2024") is None


def test_a_file_system_kept_alive_by_somebody_ends_its_watches_when_it_is_let_go(world: World) -> None:
    watch = FakeWatch(world.host, PLACE, world.files.mount_id)
    watch.add("2024")
    world.host.umount(PLACE, lazy=True, kept_alive=True)
    assert watch.read() == []
    world.host.let_go()
    assert watch.read() == [Lost("", "unmounted", ended=True)]


def test_a_bind_mount_is_another_mount_of_the_same_files(world: World) -> None:
    bound = world.host.bind(f"{PLACE}/2024", "/srv/photos")
    mount_id = FakeMounts(world.host).unique_id("/srv/photos")
    assert mount_id not in (None, world.files.mount_id)
    files = FakeFiles(world.host, "/srv/photos", mount_id or 0)
    listing = files.list("")
    assert isinstance(listing, Listing)
    assert [file.name for file in listing.files] == ["a.jpg", "b.jpg"]
    found = probe(world.host, bound)
    assert isinstance(found, Probe)
    assert (found.identity.root, found.identity.uuid) == ("/2024", world.disk.uuid)


def test_a_clone_has_the_identity_and_a_reformatted_disk_has_not(world: World) -> None:
    first = probe(world.host, world.mount)
    twin = world.host.clone(world.disk)
    second = probe(world.host, world.host.mount(twin, "/mnt/twin"))
    assert isinstance(first, Probe)
    assert isinstance(second, Probe)
    assert second.identity == msgspec.structs.replace(first.identity, serial=twin.serial)
    world.disk.unlink("2024/a.jpg")
    assert "2024/a.jpg" in twin
    world.host.umount(PLACE)
    world.host.reformat(world.disk)
    third = probe(world.host, world.host.mount(world.disk, PLACE))
    assert isinstance(third, Probe)
    assert third.identity.uuid != first.identity.uuid


def test_a_snapshot_takes_a_disk_back_with_its_inodes_and_times(world: World) -> None:
    before = world.disk.files()
    snapshot = world.disk.snapshot()
    world.host.clock.advance(60)
    world.disk.write("2024/a.jpg", 99)
    world.disk.rename("2024", "2025")
    assert world.disk.files() != before
    world.disk.restore(snapshot)
    assert world.disk.files() == before
    world.disk.unlink("2024/a.jpg")
    world.disk.restore(snapshot)
    assert world.disk.files() == before


def born(world: World, name: str) -> tuple[int, int | None]:
    """Inode and birth of a photo of 2024."""
    found = world.files.list("2024")
    assert isinstance(found, Listing)
    return next((file.inode, found.births[name]) for file in found.files if file.name == name)


def test_numbers_of_removed_inodes_are_given_to_new_files_with_new_births(world: World) -> None:
    old = born(world, "a.jpg")
    world.host.clock.advance(1)
    world.disk.unlink("2024/a.jpg")
    world.disk.write("2024/other.jpg")
    new = born(world, "other.jpg")
    assert new[0] == old[0]
    assert new[1] != old[1]


def test_a_fat_renumbers_its_files_at_every_mount_and_its_root_has_no_times() -> None:
    world = World("vfat")
    before = born(world, "a.jpg")
    world.host.umount(PLACE)
    world.host.mount(world.disk, PLACE)
    world.files = FakeFiles(world.host, PLACE, world.mount_id())
    assert born(world, "a.jpg") != before
    root = world.files.list("")
    assert isinstance(root, Listing)
    assert (root.mtime_ns, root.ctime_ns) == (0, 0)


def test_times_have_the_grain_of_the_file_system() -> None:
    clock = FakeClock()
    disk = FakeDisk(clock, uuid=None, tick_ns=1_000_000_000)
    disk.write("a.jpg")
    clock.advance(0.4)
    disk.write("b.jpg")
    assert disk.look("a.jpg").mtime_ns == disk.look("b.jpg").mtime_ns
    clock.advance(0.7)
    disk.write("b.jpg")
    assert disk.look("a.jpg").mtime_ns != disk.look("b.jpg").mtime_ns


def test_numbers_of_the_mount_table_are_used_again(world: World) -> None:
    world.host.umount(PLACE)
    again = world.host.mount(world.disk, PLACE)
    assert again.mount_id == world.mount.mount_id
    assert world.mount_id() != world.files.mount_id


@pytest.mark.parametrize("uuid", ["its own", "that of the first"])
def test_r1_where_mount_ids_are_recycled_another_disk_is_known_by_its_identity(uuid: str) -> None:
    host = FakeHost(recycles_ids=True)
    disks = [host.disk("one"), host.disk("two")]
    if uuid != "its own":
        host.clock.advance(60)
        disks[1].reformat(disks[0].uuid)
    host.mount(disks[0], PLACE)
    mounts = FakeMounts(host)
    files = FakeFiles(host, PLACE, mounts.unique_id(PLACE) or 0)
    files.begin()
    assert not isinstance(files.gate(), Trouble)
    host.umount(PLACE)
    host.mount(disks[1], PLACE)
    assert mounts.recycles_ids
    assert files.list("") == Trouble(errno.EAGAIN, "")
    assert files.gate() == Trouble(errno.EAGAIN, Check.TABLE)
    files.begin()
    assert files.list("") == Trouble(errno.EXDEV, "")
    assert files.gate() == Trouble(errno.EXDEV, Check.IDENTITY)


def test_a_reboot_forgets_all_mounts_and_begins_its_ids_anew(world: World) -> None:
    boot_id = world.host.boot_id
    world.host.reboot()
    assert len(FakeMounts(world.host).table()) == 1
    world.host.mount(world.disk, PLACE)
    assert world.mount_id() == world.files.mount_id, "which is why an epoch has the boot id in it"
    assert world.host.boot_id != boot_id


def test_the_same_seed_gives_the_same_world() -> None:
    assert FakeHost(seed=7).disk("x").uuid == FakeHost(seed=7).disk("x").uuid
    assert FakeHost(seed=7).disk("x").uuid != FakeHost(seed=8).disk("x").uuid


class TestUplink:
    ASSIGNMENT = Assignment(revision=3, catalog="cat_1", volumes=[], import_paths=[])

    def report(self, sequence: int, journal: str = "jrn_1") -> bytes:
        made = Report(
            volume="vol_1",
            journal=journal,
            sequence=sequence,
            epoch=Epoch("boot", 1, 1),
            made_at=0.0,
            observations=[Gap("", "test")],
        )
        return gzip.compress(msgspec.json.encode(made))

    def test_a_stream_takes_each_report_once_and_no_hole(self) -> None:
        sidecar = FakeSidecar(self.ASSIGNMENT)
        assert sidecar.send("vol_1", 1, self.report(1), 1).applied
        assert not sidecar.send("vol_1", 1, self.report(1), 1).applied
        with pytest.raises(Refused) as refused:
            sidecar.send("vol_1", 3, self.report(3), 1)
        assert (refused.value.status, refused.value.expected) == (409, 2)
        assert sidecar.send("vol_1", 1, self.report(1, "jrn_2"), 1).applied

    def test_an_assignment_already_known_is_no_news(self) -> None:
        uplink = FakeUplink(FakeSidecar(self.ASSIGNMENT))
        assert uplink.assignment(None, 30) == self.ASSIGNMENT
        assert uplink.assignment(3, 30) is None

    @pytest.mark.parametrize(
        ("quality", "arrived", "answered"),
        [
            (Network(), 1, True),
            (Network(down=True), 0, False),
            (Network(lost_request=1), 0, False),
            (Network(lost_response=1), 1, False),
            (Network(duplicate=1), 2, True),
            (Network(late=1), 0, False),
        ],
    )
    def test_a_bad_network(self, quality: Network, arrived: int, answered: bool) -> None:
        sidecar = FakeSidecar(self.ASSIGNMENT)
        uplink = FakeUplink(sidecar, network=quality)
        heartbeat = Heartbeat(volumes=[], version="1")
        if answered:
            assert uplink.heartbeat(heartbeat).revision == 3
        else:
            with pytest.raises(Unreachable):
                uplink.heartbeat(heartbeat)
        assert len(sidecar.heartbeats) == arrived

    def test_what_is_late_arrives_before_a_later_call(self) -> None:
        sidecar = FakeSidecar(self.ASSIGNMENT)
        uplink = FakeUplink(sidecar, network=Network(late=1))
        with pytest.raises(Unreachable):
            uplink.send("vol_1", 1, self.report(1), 1)
        assert "vol_1" not in sidecar.streams
        uplink.network = Network()
        assert not uplink.send("vol_1", 1, self.report(1), 1).applied
