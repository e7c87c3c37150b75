"""Is the storage there, and is it the right one? The state machine, and finding a volume in the mount table."""

from __future__ import annotations

import errno

import pytest
from msgspec import structs

from agent.locating import locate
from agent.ports import Mount, Probe, Trouble
from agent.volume import (
    Adopted,
    Attach,
    Covered,
    Detach,
    Doubtful,
    Foreign,
    Gone,
    Sighting,
    Still,
    Unprobed,
    Verified,
    Volume,
    advance,
    status_of,
)
from holdfast.volumes import STATE_OF, Factor, Identity, Reason, VolumeState

ROOT = Mount(1, 0, "8:1", "/", "/", "ext4", "/dev/sda1")
DISK = Mount(2, 1, "8:17", "/", "/mnt/usb", "ext4", "/dev/sdb1")
IDENTITY = Identity(fs_type="ext4", uuid="aa" * 16, root_inode=2, root_birth_ns=111)
PROBE = Probe(mount_id=1002, identity=IDENTITY, capacity=None, label="usb")
IDS = {1: 1001, 2: 1002, 3: 1003, 4: 1004}
MATCHED = (Factor.UUID, Factor.ROOT)
NEW = Volume(id="vol_1", label="usb", identity=IDENTITY, since=0.0, last_mounted_at="/mnt/usb")


def other(uuid: str = "bb" * 16, mount_id: int = 1003, **facts: int) -> Probe:
    return Probe(
        mount_id=mount_id, identity=structs.replace(IDENTITY, uuid=uuid, **facts), capacity=None, label="other"
    )


def online(now: float = 1.0) -> Volume:
    volume, effects = advance(NEW, Verified(DISK, PROBE), "boot", now)
    assert [type(effect) for effect in effects] == [Attach]
    assert volume.epoch is not None
    volume, _ = advance(volume, Adopted(volume.epoch), "boot", now)
    assert volume.state is VolumeState.ONLINE
    return volume


def test_r4_volume_is_unknown_until_its_identity_is_seen() -> None:
    assert NEW.state is VolumeState.UNKNOWN
    assert locate(NEW, [ROOT, DISK], IDS, {}) == Unprobed([ROOT, DISK])
    verified, _ = advance(NEW, Verified(DISK, PROBE), "boot", 1.0)
    assert verified.state is VolumeState.UNKNOWN
    assert verified.epoch is not None
    assert advance(verified, Adopted(verified.epoch), "boot", 2.0)[0].state is VolumeState.ONLINE


def test_unplugged_volume_is_offline_and_let_go() -> None:
    volume = online()
    assert locate(volume, [ROOT], IDS, {1001: other(mount_id=1001)}) == Gone(Reason.NOT_MOUNTED)
    after, effects = advance(volume, Gone(Reason.NOT_MOUNTED), "boot", 9.0)
    assert (after.state, after.since, after.epoch, after.mounted_at) == (VolumeState.OFFLINE, 9.0, None, None)
    assert [type(effect) for effect in effects] == [Detach]
    assert after.version > volume.version


def test_attached_mount_that_stays_changes_nothing() -> None:
    volume = online()
    assert locate(volume, [ROOT, DISK], IDS, {1001: other(mount_id=1001)}) == Still()
    assert advance(volume, Still(), "boot", 9.0) == (volume, [])


def test_r12_volume_mounted_elsewhere_is_the_same_volume() -> None:
    volume, _ = advance(online(), Gone(Reason.NOT_MOUNTED), "boot", 2.0)
    elsewhere = Mount(2, 1, "8:17", "/", "/media/disk", "ext4", "/dev/sdc1")
    sighting = locate(volume, [ROOT, elsewhere], IDS, {1001: other(mount_id=1001), 1002: PROBE})
    assert sighting == Verified(elsewhere, PROBE, MATCHED)
    after, effects = advance(volume, sighting, "boot", 3.0)
    assert (after.id, after.mounted_at) == (volume.id, "/media/disk")
    assert after.epoch is not None
    assert after.epoch.attach == 2
    assert [type(effect) for effect in effects] == [Attach]


def test_r12_other_disk_at_its_place_is_a_conflict() -> None:
    stranger = Mount(3, 1, "8:33", "/", "/mnt/usb", "ext4", "/dev/sdc1")
    sighting = locate(NEW, [ROOT, stranger], IDS, {1001: other(mount_id=1001), 1003: other()})
    assert sighting == Foreign(Reason.WRONG_VOLUME, "/mnt/usb")
    assert advance(online(), sighting, "boot", 3.0)[0].state is VolumeState.CONFLICT


def test_other_file_system_at_its_place_is_a_conflict_without_a_probe() -> None:
    stranger = Mount(3, 1, "8:33", "/", "/mnt/usb", "xfs", "/dev/sdc1")
    assert locate(NEW, [ROOT, stranger], IDS, {1001: other(mount_id=1001)}) == Foreign(Reason.WRONG_VOLUME, "/mnt/usb")


def test_r8_formatted_anew_with_the_same_uuid_is_a_conflict() -> None:
    fresh = other(uuid=IDENTITY.uuid or "", mount_id=1002, root_birth_ns=999)
    sighting = locate(NEW, [ROOT, DISK], IDS, {1001: other(mount_id=1001), 1002: fresh})
    assert sighting == Foreign(Reason.REFORMATTED, "/mnt/usb")


def test_r13_same_device_mounted_twice_is_an_alias() -> None:
    alias = Mount(3, 1, "8:17", "/", "/srv/again", "ext4", "/dev/sdb1")
    twin = Probe(mount_id=1003, identity=IDENTITY, capacity=None, label="usb")
    probes = {1001: other(mount_id=1001), 1002: PROBE, 1003: twin}
    assert locate(NEW, [ROOT, alias, DISK], IDS, probes) == Verified(DISK, PROBE, MATCHED)


def test_r14_mount_on_top_is_covered_and_not_offline() -> None:
    volume = online()
    on_top = Mount(3, 2, "0:50", "/", "/mnt/usb", "tmpfs", "tmpfs")
    sighting = locate(volume, [ROOT, DISK, on_top], IDS, {1001: other(mount_id=1001)})
    assert sighting == Covered()
    after, _ = advance(volume, sighting, "boot", 5.0)
    assert (after.state, after.reason) == (VolumeState.SUSPECT, Reason.COVERED)


def test_r14_mount_on_an_ancestor_covers_too() -> None:
    on_top = Mount(3, 1, "0:50", "/", "/mnt", "tmpfs", "tmpfs")
    assert locate(online(), [ROOT, DISK, on_top], IDS, {1001: other(mount_id=1001)}) == Covered()


def test_r19_idle_automount_is_idle() -> None:
    automount = Mount(3, 1, "0:51", "/", "/mnt/usb", "autofs", "systemd-1")
    sighting = locate(NEW, [ROOT, automount], {1: 1001}, {1001: other(mount_id=1001)})
    assert sighting == Gone(Reason.AUTOMOUNT_IDLE)
    assert advance(online(), sighting, "boot", 5.0)[0].state is VolumeState.IDLE


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.ENOTCONN, Reason.DISCONNECTED), (errno.ETIMEDOUT, Reason.HUNG), (errno.ESTALE, Reason.STALE)],
)
def test_r18_mount_that_cannot_be_identified_is_suspect(code: int, reason: Reason) -> None:
    sighting = locate(NEW, [ROOT, DISK], IDS, {1001: other(mount_id=1001), 1002: Trouble(code, "")})
    assert sighting == Doubtful(reason, "/mnt/usb", "")


def test_adoption_of_an_attachment_that_has_ended_is_ignored() -> None:
    volume, _ = advance(NEW, Verified(DISK, PROBE), "boot", 1.0)
    assert volume.epoch is not None
    gone, _ = advance(volume, Gone(Reason.NOT_MOUNTED), "boot", 2.0)
    assert advance(gone, Adopted(volume.epoch), "boot", 3.0) == (gone, [])


def test_new_attachment_lets_go_of_the_old_one_first() -> None:
    again = Probe(mount_id=1004, identity=IDENTITY, capacity=None, label="usb")
    after, effects = advance(online(), Verified(DISK, again), "boot", 5.0)
    assert [type(effect) for effect in effects] == [Detach, Attach]
    assert after.epoch is not None
    assert (after.epoch.mount_id, after.epoch.attach) == (1004, 2)


@pytest.mark.parametrize(
    "sighting",
    [Gone(Reason.NOT_MOUNTED), Covered(), Foreign(Reason.WRONG_VOLUME, "/mnt/usb"), Doubtful(Reason.HUNG, "/x", "")],
)
def test_only_adoption_leads_online_and_everything_else_leads_away(sighting: Sighting) -> None:
    after, effects = advance(online(), sighting, "boot", 5.0)
    assert after.state is not VolumeState.ONLINE
    assert after.epoch is None
    assert any(isinstance(effect, Detach) for effect in effects)
    again, effects = advance(after, sighting, "boot", 6.0)
    assert (again, effects) == (after, [])
    assert STATE_OF[after.reason] is after.state
    assert after.detail


def test_attempt_that_fails_again_is_no_news() -> None:
    trouble = Doubtful(Reason.IO_ERROR, "/mnt/usb", "EIO")
    suspect, _ = advance(online(), trouble, "boot", 5.0)
    told = structs.replace(status_of(suspect), version=0)
    trying, _ = advance(suspect, Verified(DISK, PROBE), "boot", 6.0)
    assert structs.replace(status_of(trying), version=0) == told
    failed, _ = advance(trying, trouble, "boot", 7.0)
    assert structs.replace(status_of(failed), version=0) == told
