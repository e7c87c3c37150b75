"""Every way that storage was measured to fail, row by row: no photo is told absent, and the reason is the right one.

Each row stands for a measurement on real kernels (Linux 6.1 to 6.18): what stat, listings, files and the kernel's own
records answered after the failure. Each is played twice: with the times of the directories as they were known, and
with times that moved because other files came, so that they prove nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

import pytest

from agent.scopes import Scope, Scopes
from holdfast import paths
from holdfast.volumes import Reason
from tests.agent.world import AT, World, known

YEARS = ("2021", "2022", "2023", "2024")
LIBRARY = [f"{year}/{name}.jpg" for year in YEARS for name in "abc"]


def in_2021_and_2022(path: str) -> bool:
    return path.startswith(("2021", "2022"))


def everything_fails(code: int) -> Callable[[World], None]:
    return lambda world: setattr(world.disk.faults, "errno", code)


def unmounted(world: World) -> None:
    world.host.umount(AT)


def unmounted_lazily_while_somebody_holds_it(world: World) -> None:
    world.host.umount(AT, lazy=True, kept_alive=True)


def automount_expired(world: World) -> None:
    world.host.umount(AT)
    world.host.mount(world.host.disk("autofs", "autofs"), AT)


def shut_down_and_cached(world: World) -> None:
    world.disk.faults.super_options = frozenset({"shutdown"})


def remounted_read_only_by_the_kernel(world: World) -> None:
    world.disk.faults.super_options = frozenset({"emergency_ro"})


def damaged_and_noticed(world: World) -> None:
    world.disk.faults.hidden = in_2021_and_2022
    world.disk.faults.noticed = True


def yanked(world: World) -> None:
    world.host.yank(world.disk)


def yanked_with_names_in_the_cache(world: World) -> None:
    world.disk.faults.device_gone = True
    world.disk.faults.lists_nothing = True


def offline_and_running_again(world: World) -> None:
    world.disk.faults.empty = True  # names that were asked for meanwhile stay unfound


def ntfs_3g_yanked(world: World) -> None:
    world.disk.faults.listing_errnos = dict.fromkeys(("", *YEARS), errno.EIO)
    world.disk.faults.path_errnos = dict.fromkeys(LIBRARY, errno.ENOENT)


def server_lost_its_disk_and_keeps_the_export(world: World) -> None:
    world.disk.faults.listing_errnos = {"": errno.ESTALE}
    world.disk.faults.path_errnos = dict.fromkeys(YEARS, errno.ENOENT)
    world.disk.faults.capacity_bytes = 40_000_000


def server_answers_only_that_files_are_not_there(world: World) -> None:
    world.disk.faults.path_errnos = dict.fromkeys(LIBRARY, errno.ENOENT)


def server_lists_without_them(world: World) -> None:
    world.disk.faults.hidden = in_2021_and_2022


def mounted_anew_from_a_server_without_its_disk(world: World) -> None:
    world.host.umount(AT)
    world.disk.faults.lists_nothing = True
    world.disk.faults.capacity_bytes = 40_000_000
    world.mount()


def branch_lost(world: World) -> None:
    world.disk.faults.hidden = in_2021_and_2022
    world.disk.faults.capacity_bytes = 1_000_000_000


def size_changed(world: World) -> None:
    world.disk.faults.capacity_bytes = 40_000_000


class Row(NamedTuple):
    fs_type: str
    happens: Callable[[World], None]
    reason: Reason


ROWS = {
    "clean unmount": Row("ext4", unmounted, Reason.NOT_MOUNTED),
    "clean unmount of a share": Row("nfs4", unmounted, Reason.COVERED),
    "lazy unmount with a holder": Row("ext4", unmounted_lazily_while_somebody_holds_it, Reason.COVERED),
    "automount expired": Row("nfs4", automount_expired, Reason.COVERED),
    "ext4 shut down, all cached": Row("ext4", shut_down_and_cached, Reason.SHUT_DOWN),
    "xfs shut down": Row("xfs", everything_fails(errno.EIO), Reason.IO_ERROR),
    "read-only after an error, all cached": Row("ext4", remounted_read_only_by_the_kernel, Reason.READ_ONLY_ERROR),
    "ext4 lists short, error counted": Row("ext4", damaged_and_noticed, Reason.IO_ERROR),
    "ext4 says that its structure is bad": Row("ext4", everything_fails(errno.EUCLEAN), Reason.IO_ERROR),
    "ext4 says that a checksum is bad": Row("ext4", everything_fails(errno.EBADMSG), Reason.IO_ERROR),
    "ext4 yanked": Row("ext4", yanked, Reason.IO_ERROR),
    "vfat yanked": Row("vfat", yanked, Reason.EMPTY),
    "vfat yanked, names cached": Row("vfat", yanked_with_names_in_the_cache, Reason.EMPTY),
    "vfat offline and running again": Row("vfat", offline_and_running_again, Reason.EMPTY),
    "exfat yanked": Row("exfat", yanked, Reason.IO_ERROR),
    "ntfs-3g yanked": Row("fuseblk", ntfs_3g_yanked, Reason.IO_ERROR),
    "FUSE daemon died": Row("fuse.sshfs", everything_fails(errno.ENOTCONN), Reason.DISCONNECTED),
    "FUSE connection aborted": Row("fuse.sshfs", everything_fails(errno.ECONNABORTED), Reason.DISCONNECTED),
    "mergerfs lost a branch": Row("fuse.mergerfs", branch_lost, Reason.PARTIAL),
    "mergerfs lost a small branch": Row("fuse.mergerfs", server_lists_without_them, Reason.PARTIAL),
    "NFS server lost its disk, fixed fsid": Row("nfs4", server_lost_its_disk_and_keeps_the_export, Reason.STALE),
    "NFS server lost its disk": Row("nfs4", everything_fails(errno.ESTALE), Reason.STALE),
    "NFS server lost its disk, mounted anew": Row("nfs4", mounted_anew_from_a_server_without_its_disk, Reason.EMPTY),
    "NFS lists short": Row("nfs4", server_lists_without_them, Reason.PARTIAL),
    "NFS soft mount, server down": Row("nfs4", everything_fails(errno.EIO), Reason.IO_ERROR),
    "NFS timed out": Row("nfs4", everything_fails(errno.ETIMEDOUT), Reason.HUNG),
    "SMB server lost its disk": Row("cifs", everything_fails(errno.ENOENT), Reason.STALE),
    "SMB server lost its disk, size changed": Row("cifs", size_changed, Reason.PARTIAL),
    "SMB server down": Row("cifs", everything_fails(errno.EHOSTDOWN), Reason.HUNG),
    "SMB password changed": Row("cifs", everything_fails(errno.EACCES), Reason.NO_PERMISSION),
    "rclone lists short": Row("fuse.rclone", server_lists_without_them, Reason.PARTIAL),
    "device gone": Row("ext4", everything_fails(errno.ENXIO), Reason.NO_DEVICE),
}


@pytest.mark.parametrize("moved", [False, True], ids=["times as known", "times moved"])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_r1_no_failure_is_taken_for_a_deletion(row: Row, moved: bool) -> None:
    world = known(*LIBRARY, fs_type=row.fs_type, watch=row.fs_type not in ("nfs4", "cifs", "fuse.sshfs"))
    if moved:
        for directory in ("", *YEARS):
            world.disk.write(paths.join(directory, "notes.txt"))
    row.happens(world)
    if world.doubt is None:
        world.engine.scan()
    world.run(120)
    assert "absent" not in world.news()
    if row.fs_type == "ext4" and row.reason is Reason.IO_ERROR and not moved and world.disk.faults.noticed:
        assert world.doubt is not None, "the times alone have told"
    else:
        assert world.doubt is not None
        assert world.doubt.reason is row.reason
    if world.doubt.reason is not Reason.NOT_MOUNTED:
        for _ in range(3):
            world.attach()
            world.run(60)
            assert "absent" not in world.news()


def test_r1_files_that_are_listed_and_cannot_be_found_are_unclear_and_stay() -> None:
    world = known(*LIBRARY, fs_type="cifs", watch=False)
    server_answers_only_that_files_are_not_there(world)
    world.engine.scan()
    world.run(120)
    assert world.news() == {}


def test_r1_a_folder_that_a_fat_denies_after_it_was_offline_is_no_deletion() -> None:
    world = known("DCIM/100/a.jpg", "DCIM/101/b.jpg", "MISC/c.jpg", fs_type="vfat")
    world.engine.assign(Scopes([Scope("DCIM", f"{AT}/DCIM", ())]))
    world.run(30)
    world.told()
    offline_and_running_again(world)
    world.engine.scan()
    world.run(120)
    assert world.news() == {}
    assert world.doubt is not None
    assert world.doubt.reason is Reason.ROOT_MISSING


# Shares whose directory times never move


def freeze(world: World) -> None:
    """Directories of this share never change their times."""
    for path in ("", *YEARS):
        node = world.disk.look(path)
        node.mtime_ns = node.ctime_ns = 1_600_000_000_000_000_000


def timeless(fs_type: str = "fuse.rclone") -> World:
    world = World(fs_type=fs_type, watch=False)
    world.photos(*LIBRARY)
    freeze(world)
    world.clock.advance(60)
    world.mount()
    world.run(10)
    world.told()
    return world


def remount(world: World) -> None:
    world.host.umount(AT)
    world.mount()


def scan(world: World, seconds: float = 60) -> None:
    world.engine.scan()
    world.run(seconds)


def test_r1_a_deletion_on_a_share_without_times_is_told_when_another_mount_lacks_it_too() -> None:
    world = timeless()
    world.disk.unlink("2021/a.jpg")
    freeze(world)
    for _ in range(5):
        scan(world)
        assert world.news() == {}
    world.attach()  # the agent was started again: the same mount, with the same caches
    scan(world)
    assert world.news() == {}
    remount(world)
    world.run(60)
    assert world.news() == {"absent": {"2021/a.jpg"}}
    assert world.doubt is None


def test_r1_a_share_without_times_that_was_short_on_one_mount_has_lost_nothing() -> None:
    world = timeless()
    world.disk.faults.hidden = lambda path: path == "2021/a.jpg"
    scan(world)
    world.disk.faults.clear()
    remount(world)
    world.run(60)
    assert world.news().get("absent") is None
    scan(world)
    assert not world.store.db.execute("SELECT * FROM candidate").fetchall()


def test_r1_two_folders_deleted_weeks_apart_on_a_share_without_times_did_not_vanish_together() -> None:
    world = timeless()
    world.disk.rmtree("2021")
    freeze_left(world)
    scan(world)
    world.clock.advance(14 * 86400)
    world.disk.rmtree("2022")
    freeze_left(world)
    scan(world)
    assert world.doubt is None
    assert world.news() == {}
    remount(world)
    world.run(120)
    assert world.doubt is None
    assert world.news() == {"absent": {f"{year}/{name}.jpg" for year in ("2021", "2022") for name in "abc"}}


def freeze_left(world: World) -> None:
    for path in ("", *(year for year in YEARS if year in world.disk)):
        node = world.disk.look(path)
        node.mtime_ns = node.ctime_ns = 1_600_000_000_000_000_000


def test_r41_what_only_another_mount_can_prove_is_not_looked_at_again_and_again() -> None:
    world = timeless()
    world.disk.unlink("2021/a.jpg")
    freeze(world)
    scan(world)
    world.run(world.settings.rescan_s / 4)  # with a glance, as whenever something was missed
    before = world.host.calls.total()
    world.run(world.settings.rescan_s / 4)
    assert world.host.calls.total() == before


def test_r1_the_last_photo_of_a_fat_root_is_told_when_it_is_plugged_in_again() -> None:
    world = known("a.jpg", fs_type="vfat")
    world.disk.write("notes.txt")
    world.disk.unlink("a.jpg")
    world.run(60)
    assert world.news() == {}
    remount(world)
    world.run(60)
    assert world.news() == {"absent": {"a.jpg"}}
