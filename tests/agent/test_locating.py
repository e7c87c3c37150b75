"""Concerns: storage that is there, and of which nothing may be called gone. Clones, errors, rollbacks, dead mounts."""

from __future__ import annotations

import errno

import pytest
from msgspec import structs

from agent.locating import locate
from agent.ports import Marker, Mount, Probe, Trouble
from agent.pulse import WELL, Vitals
from agent.volume import (
    Adopted,
    Attach,
    Concern,
    Detach,
    Doubtful,
    Effect,
    Gone,
    Guard,
    Noted,
    Sighting,
    Still,
    Unprobed,
    Verified,
    Volume,
    advance,
)
from holdfast.volumes import Epoch, Factor, Identity, Reason, VolumeState

ROOT = Mount(1, 0, "8:1", "/", "/", "ext4", "/dev/sda1")
DISK = Mount(2, 1, "8:17", "/", "/mnt/usb", "ext4", "/dev/sdb1")
TWIN = Mount(3, 1, "8:33", "/", "/mnt/twin", "ext4", "/dev/sdc1")
IDENTITY = Identity(fs_type="ext4", uuid="aa" * 16, root_inode=2, root_birth_ns=111, serial="S1")
PROBE = Probe(mount_id=1002, identity=IDENTITY, capacity=None, label="usb", generation=7)
SYSTEM = Probe(mount_id=1001, identity=structs.replace(IDENTITY, uuid="bb" * 16), capacity=None, label="system")
COPY = structs.replace(PROBE, mount_id=1003, identity=structs.replace(IDENTITY, serial="S2"))
IDS = {1: 1001, 2: 1002, 3: 1003}
PROBES: dict[int, Probe | Trouble] = {1001: SYSTEM, 1002: PROBE, 1003: COPY}
NEW = Volume(id="vol_1", label="usb", identity=IDENTITY, since=0.0, last_mounted_at="/mnt/usb")
CLONED = Concern(Reason.CLONE, "the other one is mounted at /mnt/twin")


def attached(volume: Volume = NEW, concern: Concern | None = None, probe: Probe = PROBE) -> Volume:
    """A volume at /mnt/usb that its worker has adopted."""
    volume, effects = advance(volume, Verified(DISK, probe, (Factor.UUID,), concern), "boot", 1.0)
    assert type(effects[-1]) is Attach
    assert volume.epoch is not None
    return advance(volume, Adopted(volume.epoch), "boot", 1.0)[0]


def look(
    volume: Volume, *mounts: Mount, vitals: Vitals = WELL, probes: dict[int, Probe | Trouble] = PROBES
) -> Sighting | Unprobed:
    return locate(volume, [ROOT, *mounts], IDS, probes, vitals)


def kinds(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def test_r10_a_clone_that_appears_beside_the_attached_original_is_a_concern() -> None:
    volume = attached()
    assert look(volume, DISK, TWIN, probes={1001: SYSTEM}) == Unprobed([TWIN]), "the clone has to be looked at first"
    sighting = look(volume, DISK, TWIN)
    assert sighting == Still(CLONED)
    after, effects = advance(volume, Still(CLONED), "boot", 2.0)
    assert kinds(effects) == [Guard]
    assert (after.state, after.reason) == (VolumeState.CONFLICT, Reason.CLONE)
    assert "/mnt/twin" in after.detail
    assert after.epoch == volume.epoch, "reading goes on"
    assert advance(after, Still(CLONED), "boot", 3.0) == (after, [])


def test_r10_with_both_there_at_first_the_one_with_its_serial_number_is_read_under_guard() -> None:
    here = structs.replace(NEW, last_mounted_at=None)
    sighting = look(here, TWIN, DISK)
    assert isinstance(sighting, Verified)
    assert (sighting.mount, sighting.concern) == (DISK, CLONED)
    volume = attached(concern=CLONED)
    assert (volume.state, volume.reason, volume.concern) == (VolumeState.CONFLICT, Reason.CLONE, Reason.CLONE)
    assert volume.epoch is not None


def test_r10_the_place_it_had_decides_where_serial_numbers_do_not() -> None:
    there = structs.replace(NEW, last_mounted_at="/mnt/twin", identity=structs.replace(IDENTITY, serial=None))
    sighting = look(there, DISK, TWIN)
    assert isinstance(sighting, Verified)
    assert sighting.mount == TWIN


def test_r10_when_the_clone_is_gone_a_new_epoch_begins() -> None:
    volume, _ = advance(attached(), Still(CLONED), "boot", 2.0)
    sighting = look(volume, DISK)
    assert sighting == Verified(DISK, PROBE, (Factor.UUID, Factor.SERIAL, Factor.ROOT), None)
    after, effects = advance(volume, sighting, "boot", 3.0)
    assert kinds(effects) == [Detach, Attach]
    assert after.epoch != volume.epoch
    assert after.epoch is not None
    assert advance(after, Adopted(after.epoch), "boot", 3.0)[0].state is VolumeState.ONLINE


def test_r11_an_old_look_at_an_attached_mount_is_no_rollback_when_a_concern_passes() -> None:
    volume, _ = advance(attached(), Still(CLONED), "boot", 2.0)
    aged = structs.replace(volume, generation=100)
    sighting = look(aged, DISK)
    assert isinstance(sighting, Verified)
    assert sighting.concern is None
    assert advance(aged, sighting, "boot", 3.0)[0].generation == 100


def test_r10_when_the_original_is_gone_the_clone_is_what_is_left() -> None:
    volume, _ = advance(attached(), Still(CLONED), "boot", 2.0)
    sighting = look(volume, TWIN)
    assert isinstance(sighting, Verified)
    assert (sighting.mount, sighting.concern) == (TWIN, None)


def test_r13_a_share_that_is_mounted_twice_is_no_clone() -> None:
    identity = Identity(fs_type="fuse.sshfs", root_inode=1, source="nas:/photos")
    here = Mount(2, 1, "0:40", "/", "/mnt/usb", "fuse.sshfs", "nas:/photos")
    again = Mount(3, 1, "0:41", "/", "/mnt/twin", "fuse.sshfs", "nas:/photos")
    probe = Probe(mount_id=1002, identity=identity, capacity=None, label="")
    volume = attached(structs.replace(NEW, identity=identity), probe=probe)
    probes: dict[int, Probe | Trouble] = {1002: probe, 1003: structs.replace(probe, mount_id=1003)}
    assert look(volume, here, again, probes=probes) == Still()
    sighting = look(structs.replace(NEW, identity=identity), here, again, probes=probes)
    assert isinstance(sighting, Verified)
    assert sighting.concern is None


@pytest.mark.parametrize("option", ["emergency_ro", "abort"])
def test_r30_a_file_system_that_the_kernel_made_read_only_is_guarded(option: str) -> None:
    sick = structs.replace(DISK, super_options=frozenset({"rw", option}))
    volume = attached()
    assert look(volume, sick) == Still(Concern(Reason.READ_ONLY_ERROR))
    after, effects = advance(volume, Still(Concern(Reason.READ_ONLY_ERROR)), "boot", 2.0)
    assert (after.state, kinds(effects)) == (VolumeState.SUSPECT, [Guard])
    fresh = look(NEW, sick)
    assert isinstance(fresh, Verified)
    assert fresh.concern == Concern(Reason.READ_ONLY_ERROR)


def test_r30_errors_that_the_kernel_counts_are_a_concern_and_a_persons_read_only_is_none() -> None:
    volume = attached()
    assert look(volume, DISK, vitals=Vitals(sick=frozenset({1002}))) == Still(Concern(Reason.READ_ONLY_ERROR))
    by_hand = structs.replace(DISK, options=frozenset({"ro"}), super_options=frozenset({"ro"}))
    assert look(volume, by_hand) == Still()


def test_r16_a_mount_whose_device_is_gone_is_left_and_not_taken_again() -> None:
    dead = Vitals(dead=frozenset({1002}))
    volume = attached()
    sighting = look(volume, DISK, vitals=dead)
    assert sighting == Doubtful(Reason.NO_DEVICE, "/mnt/usb", "")
    after, effects = advance(volume, sighting, "boot", 2.0)
    assert (after.state, after.reason, kinds(effects)) == (VolumeState.OFFLINE, Reason.NO_DEVICE, [Detach])
    assert look(after, DISK, vitals=dead) == sighting, "however well it still answers"
    assert look(after, DISK, vitals=dead, probes={1001: SYSTEM, 1002: Trouble(errno.EIO, "")}) == sighting
    replugged = look(after, DISK, TWIN, vitals=dead)
    assert isinstance(replugged, Verified)
    assert replugged.mount == TWIN


def test_r16_a_file_system_that_was_shut_down_is_suspect_and_not_taken_again() -> None:
    down = structs.replace(DISK, super_options=frozenset({"rw", "shutdown"}))
    sighting = look(attached(), down)
    assert sighting == Doubtful(Reason.SHUT_DOWN, "/mnt/usb", "")
    after, _ = advance(attached(), sighting, "boot", 2.0)
    assert (after.state, after.epoch) == (VolumeState.SUSPECT, None)
    assert look(after, down) == sighting
    assert look(after, down, probes={1001: SYSTEM, 1002: Trouble(errno.EIO, "")}) == sighting


MARKED = structs.replace(NEW, identity=structs.replace(IDENTITY, marker="m1"), marker_generation=3)


def with_marker(marker: Marker | None) -> Probe:
    identity = structs.replace(IDENTITY, marker=None if marker is None else marker.id)
    return structs.replace(PROBE, identity=identity, marker=marker)


def test_r7_a_disk_that_lost_its_marker_is_read_under_guard() -> None:
    sighting = look(MARKED, DISK, probes={1001: SYSTEM, 1002: with_marker(None)})
    assert isinstance(sighting, Verified)
    assert sighting.concern == Concern(Reason.MARKER_MISSING)
    volume = attached(MARKED, sighting.concern, with_marker(None))
    assert volume.state is VolumeState.SUSPECT
    assert volume.marker is None, "the gate must not ask for what is known to be gone"
    assert look(volume, DISK) == Still(), "it stays so until a person has spoken"


def test_r7_a_share_that_lost_its_marker_is_not_read_at_all() -> None:
    share = Identity(fs_type="nfs4", root_inode=2, source="nas:/photos", marker="m1")
    mount = Mount(2, 1, "0:40", "/", "/mnt/usb", "nfs4", "nas:/photos")
    probe = Probe(mount_id=1002, identity=structs.replace(share, marker=None), capacity=None, label="")
    volume = structs.replace(NEW, identity=share, marker_generation=1)
    assert look(volume, mount, probes={1002: probe}) == Doubtful(Reason.MARKER_MISSING, "/mnt/usb", "")


def test_r7_a_marker_of_another_id_is_another_storage() -> None:
    sighting = look(MARKED, DISK, probes={1001: SYSTEM, 1002: with_marker(Marker("m2", 9))})
    assert advance(MARKED, sighting, "boot", 1.0)[0].reason is Reason.WRONG_VOLUME  # type: ignore[arg-type]


def test_r11_a_marker_of_an_earlier_generation_is_a_rollback_and_a_later_one_is_learned() -> None:
    sighting = look(MARKED, DISK, probes={1001: SYSTEM, 1002: with_marker(Marker("m1", 2))})
    assert isinstance(sighting, Verified)
    assert sighting.concern == Concern(Reason.ROLLED_BACK)
    volume = attached(MARKED, sighting.concern, sighting.probe)
    assert (volume.state, volume.marker_generation) == (VolumeState.CONFLICT, 3)
    assert attached(MARKED, None, with_marker(Marker("m1", 4))).marker == Marker("m1", 4)


def test_r11_what_a_rolled_back_disk_says_is_not_what_it_is_measured_by() -> None:
    known = structs.replace(NEW, generation=70)
    back = structs.replace(PROBE, generation=60)
    sighting = look(known, DISK, probes={1001: SYSTEM, 1002: back})
    assert isinstance(sighting, Verified)
    volume = attached(known, sighting.concern, back)
    assert (volume.reason, volume.generation) == (Reason.ROLLED_BACK, 70)
    gone, _ = advance(volume, Gone(Reason.NOT_MOUNTED), "boot", 2.0)
    again = look(gone, DISK, probes={1001: SYSTEM, 1002: back})
    assert isinstance(again, Verified)
    assert again.concern == Concern(Reason.ROLLED_BACK), "mounting it once more makes it no younger"


def test_concern_of_an_attachment_that_is_not_adopted_yet_waits_for_that() -> None:
    volume, _ = advance(NEW, Verified(DISK, PROBE), "boot", 1.0)
    guarded, effects = advance(volume, Still(CLONED), "boot", 2.0)
    assert (guarded.reason, kinds(effects)) == (Reason.NOT_YET_VERIFIED, [Guard])
    assert guarded.epoch is not None
    assert advance(guarded, Adopted(guarded.epoch), "boot", 3.0)[0].reason is Reason.CLONE


def test_r6_factors_that_were_unknown_are_learned_when_all_is_well_and_not_otherwise() -> None:
    old = structs.replace(NEW, identity=structs.replace(IDENTITY, serial=None))
    assert attached(old).identity.serial == "S1"
    assert attached(old).matched == (Factor.UUID,)
    assert attached(old, CLONED).identity.serial is None


def test_degraded_array_is_noted_and_stays_online() -> None:
    volume = attached()
    noted, effects = advance(volume, Noted("the RAID array md0 below it lacks a disk: replace it"), "boot", 2.0)
    assert (noted.state, effects) == (VolumeState.ONLINE, [])
    assert "md0" in noted.detail
    assert advance(noted, Noted(""), "boot", 3.0)[0].detail == volume.detail
    away, _ = advance(volume, Gone(Reason.UNPLUGGED), "boot", 4.0)
    assert advance(away, Noted("x"), "boot", 5.0) == (away, [])


@pytest.mark.parametrize("place", ["/mnt/usb", "/mnt"])
def test_r19_idle_automount_direct_or_indirect_is_idle(place: str) -> None:
    automount = Mount(3, 1, "0:51", "/", place, "autofs", "systemd-1")
    sighting = look(attached(), automount, probes={1001: SYSTEM})
    assert sighting == Gone(Reason.AUTOMOUNT_IDLE)


def test_r14_what_an_automount_has_mounted_is_no_cover() -> None:
    automount = Mount(3, 1, "0:51", "/", "/mnt/usb", "autofs", "systemd-1")
    above = structs.replace(DISK, parent_id=3)
    sighting = look(NEW, automount, above)
    assert isinstance(sighting, Verified)
    assert sighting.mount == above


def test_only_a_volume_without_a_concern_is_ever_online() -> None:
    for concern in (Reason.CLONE, Reason.READ_ONLY_ERROR, Reason.ROLLED_BACK, Reason.MARKER_MISSING):
        volume = attached(concern=Concern(concern))
        assert volume.state is not VolumeState.ONLINE
        assert volume.reason is concern
    assert Epoch("boot", 1002, 1) == attached().epoch


def test_r18_a_mount_that_does_not_even_say_which_it_is_is_no_other_storage() -> None:
    sighting = locate(attached(), [ROOT, DISK], {1: 1001}, PROBES)
    assert isinstance(sighting, Doubtful)
    assert sighting.reason is Reason.IO_ERROR


def test_r16_an_xfs_that_does_not_even_say_which_mount_it_is_was_shut_down() -> None:
    """Its root is in memory as long as it is mounted, and answers as long as the kernel lets it."""
    disk = structs.replace(DISK, fs_type="xfs")
    volume = structs.replace(attached(), identity=structs.replace(IDENTITY, fs_type="xfs"))
    sighting = locate(volume, [ROOT, disk], {1: 1001}, PROBES)
    assert isinstance(sighting, Doubtful)
    assert sighting.reason is Reason.SHUT_DOWN
