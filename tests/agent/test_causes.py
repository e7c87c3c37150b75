"""Why storage is not there, from what is connected; and how what is connected stands."""

from __future__ import annotations

import pytest

from agent.causes import explain
from agent.ports import Disk, Foundation, Health, Surroundings
from agent.pulse import Pulse, Vitals
from holdfast.volumes import Identity, Reason

FS = "aa" * 16
LUKS = "bb" * 16
ARRAY = "cc" * 16
DISK = Identity(fs_type="ext4", uuid=FS, root_inode=2)
STACK = Foundation(luks=(LUKS,), arrays=(ARRAY,))
UDEV = Surroundings(is_complete=True)


@pytest.mark.parametrize(
    ("foundation", "around", "reason", "detail"),
    [
        (Foundation(), UDEV, Reason.UNPLUGGED, ""),
        (Foundation(), UDEV._replace(devices={FS: "sdb1"}), Reason.NOT_MOUNTED, "sdb1"),
        (Foundation(), Surroundings(), Reason.NOT_MOUNTED, ""),
        (STACK, UDEV._replace(devices={LUKS: "sdb1"}), Reason.LOCKED, "sdb1"),
        (STACK, UDEV._replace(devices={LUKS: "sdb1"}, open_luks=frozenset({LUKS})), Reason.UNPLUGGED, ""),
        (STACK, UDEV._replace(arrays={ARRAY: "inactive"}), Reason.ARRAY_STOPPED, ""),
        (STACK, UDEV._replace(members=frozenset({ARRAY})), Reason.ARRAY_STOPPED, ""),
        (STACK, UDEV._replace(arrays={ARRAY: "clean"}), Reason.UNPLUGGED, ""),
        (STACK, UDEV, Reason.UNPLUGGED, ""),
        (STACK, Surroundings(), Reason.ARRAY_STOPPED, ""),
    ],
)
def test_r16_the_first_layer_that_is_not_there_is_named(
    foundation: Foundation, around: Surroundings, reason: Reason, detail: str
) -> None:
    cause = explain(DISK, foundation, around)
    assert cause.reason is reason
    assert detail in cause.detail


def test_r16_a_serial_number_of_a_fat_is_found_however_it_is_written() -> None:
    stick = Identity(fs_type="vfat", uuid="22AF-093F", root_inode=1)
    assert explain(stick, Foundation(), UDEV._replace(devices={"22af093f": "sde1"})).detail.endswith("sde1")


@pytest.mark.parametrize(
    ("pools", "detail"),
    [
        (None, "ZFS is not loaded"),
        (frozenset[str](), "the pool tank is not imported"),
        (frozenset({"tank"}), "the pool tank is imported"),
    ],
)
def test_r16_a_dataset_that_is_not_mounted_tells_of_its_pool(pools: frozenset[str] | None, detail: str) -> None:
    dataset = Identity(fs_type="zfs", root_inode=34, source="tank/photos")
    cause = explain(dataset, Foundation(), UDEV._replace(pools=pools))
    assert cause.reason is Reason.DATASET_NOT_MOUNTED
    assert detail in cause.detail


def test_r16_a_share_is_not_mounted_and_never_unplugged() -> None:
    share = Identity(fs_type="nfs4", root_inode=2, source="filer:/photos")
    assert explain(share, Foundation(), UDEV).reason is Reason.NOT_MOUNTED


HEALTHY = Health(frozenset({Disk("8:16", "25")}), frozenset(), 3, 0)


def felt(*later: Health | None, is_read_only: bool = False) -> Vitals:
    pulse = Pulse()
    pulse.feel(7, HEALTHY, is_read_only=False)
    for health in later:
        pulse.feel(7, health, is_read_only=is_read_only)
    return pulse.vitals()


def test_r16_a_device_that_is_gone_makes_the_mount_dead_for_good() -> None:
    assert felt() == Vitals()
    assert felt(None).dead == {7}
    assert felt(None, HEALTHY).dead == {7}
    assert felt(HEALTHY._replace(disks=frozenset({Disk("8:16", "26")}))).dead == {7}, "plugged in again, another disk"
    assert felt(HEALTHY._replace(stopped=frozenset({"sdb"}))).dead == {7}


def test_r30_errors_that_were_counted_since_make_it_sick_and_old_ones_do_not() -> None:
    assert felt(HEALTHY._replace(errors=9)) == Vitals(), "a disk counts much that is no error of the file system"
    assert felt(HEALTHY._replace(filesystem_errors=1)).sick == {7}
    assert felt(HEALTHY._replace(filesystem_errors=1), HEALTHY).sick == {7}
    assert felt(HEALTHY, is_read_only=True) == Vitals(), "a person may make it read-only"


def test_r30_read_only_with_errors_counted_is_sick_from_the_first() -> None:
    pulse = Pulse()
    pulse.feel(7, HEALTHY._replace(filesystem_errors=2), is_read_only=True)
    assert pulse.vitals().sick == {7}


def test_a_mount_that_is_gone_is_forgotten_and_one_without_a_device_never_felt() -> None:
    pulse = Pulse()
    pulse.feel(7, HEALTHY, is_read_only=False)
    pulse.feel(7, None, is_read_only=False)
    pulse.feel(8, None, is_read_only=False)
    assert pulse.vitals().dead == {7}
    pulse.keep({8})
    assert pulse.vitals() == Vitals()
