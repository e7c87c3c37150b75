"""Epochs: what ends one, and what is asked of a mount at all. On mount tables that are written by hand."""

from __future__ import annotations

from msgspec import structs

from agent.filesystems import PSEUDO
from agent.locating import locate
from agent.ports import Mount, Probe
from agent.volume import Adopted, Attach, Detach, Unprobed, Verified, Volume, advance
from holdfast.volumes import Identity

ROOT = Mount(1, 0, "8:1", "/", "/", "ext4", "/dev/sda1")
DISK = Mount(2, 1, "8:17", "/", "/mnt/usb", "ext4", "/dev/sdb1")
IDENTITY = Identity(fs_type="ext4", uuid="aa" * 16, root_inode=2, root_birth_ns=111)
SYSTEM = structs.replace(IDENTITY, uuid="cc" * 16)


def probe(mount_id: int, identity: Identity = IDENTITY) -> Probe:
    return Probe(mount_id=mount_id, identity=identity, capacity=None, label="usb")


def online() -> Volume:
    volume = Volume(id="vol_1", label="usb", identity=IDENTITY, since=0.0, last_mounted_at="/mnt/usb")
    volume, _ = advance(volume, Verified(DISK, probe(1002)), "boot", 1.0)
    assert volume.epoch is not None
    return advance(volume, Adopted(volume.epoch), "boot", 1.0)[0]


def test_r5_the_same_disk_mounted_again_is_another_attachment() -> None:
    volume, table = online(), [ROOT, DISK]
    # Unmounted and mounted between two looks at the table: the same line, and another mount.
    unique_ids = {1: 1001, 2: 1099}
    assert locate(volume, table, unique_ids, {1001: probe(1001, SYSTEM)}) == Unprobed([DISK])
    found = locate(volume, table, unique_ids, {1001: probe(1001, SYSTEM), 1099: probe(1099)})
    assert isinstance(found, Verified)
    assert (found.mount, found.probe) == (DISK, probe(1099))
    after, effects = advance(volume, found, "boot", 2.0)
    assert [type(effect) for effect in effects] == [Detach, Attach]
    assert after.epoch != volume.epoch


def test_r5_a_disk_moved_to_another_place_is_another_attachment() -> None:
    moved = structs.replace(DISK, mount_point="/media/usb")
    found = locate(online(), [ROOT, moved], {1: 1001, 2: 1002}, {1001: probe(1001, SYSTEM), 1002: probe(1002)})
    assert isinstance(found, Verified)
    assert (found.mount, found.probe) == (moved, probe(1002))


def test_r19_an_idle_automount_is_never_asked_anything() -> None:
    # Mounts of these types get no unique id from the supervisor, and what has none is neither probed nor opened.
    assert "autofs" in PSEUDO
