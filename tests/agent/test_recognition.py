"""Is this the storage that was enrolled? Identities compared, factor by factor."""

from __future__ import annotations

import pytest
from msgspec import structs

from agent.locating import judge
from agent.ports import Marker, Probe
from agent.recognition import Recognition, learn, recognise
from agent.volume import Volume
from holdfast.volumes import Factor, Identity

DISK = Identity(
    fs_type="btrfs",
    uuid="aa" * 16,
    root="/@photos",
    root_inode=256,
    root_birth_ns=111,
    subvolume="bb" * 16,
    serial="WD-1",
    marker="m1",
)
SHARE = Identity(fs_type="nfs4", root_inode=2, source="filer:/photos", server_id="9e2c:0")
SMB = Identity(fs_type="cifs", root_inode=2, source="//filer/Photos", server_id="4d0b")
STICK = Identity(fs_type="exfat", root_inode=1, serial="USB-1")


def test_r6_every_factor_that_agrees_is_named() -> None:
    match = recognise(DISK, DISK)
    assert match.recognition is Recognition.SAME
    assert set(match.matched) == {Factor.UUID, Factor.ROOT, Factor.SUBVOLUME, Factor.SERIAL, Factor.MARKER}
    assert set(recognise(SHARE, SHARE).matched) == {Factor.ROOT, Factor.SOURCE, Factor.SERVER}


def test_r6_what_is_unknown_on_one_side_is_not_compared() -> None:
    old = Identity(fs_type="btrfs", uuid=DISK.uuid, root="/@photos", root_inode=256, root_birth_ns=111)
    match = recognise(old, DISK)
    assert match.recognition is Recognition.SAME
    assert set(match.matched) == {Factor.UUID, Factor.ROOT}


@pytest.mark.parametrize(
    ("enrolled", "changes", "expected"),
    [
        (DISK, {"fs_type": "ext4"}, Recognition.OTHER),
        (DISK, {"uuid": "cc" * 16}, Recognition.OTHER),
        (DISK, {"uuid": None}, Recognition.OTHER),
        (DISK, {"root": "/@home"}, Recognition.OTHER),
        (DISK, {"root_birth_ns": 222}, Recognition.REFORMATTED),
        (DISK, {"root_inode": 5}, Recognition.REFORMATTED),
        (DISK, {"marker": "m2"}, Recognition.OTHER),
        (DISK, {"marker": None}, Recognition.UNMARKED),
        (DISK, {"subvolume": "cc" * 16}, Recognition.ROLLED_BACK),
        (DISK, {"subvolume": "cc" * 16, "marker": None}, Recognition.ROLLED_BACK),
        # Another enclosure has another serial number; the file system decides.
        (DISK, {"serial": "USB-BRIDGE"}, Recognition.SAME),
        (SHARE, {"source": "filer:/music"}, Recognition.OTHER),
        (SHARE, {"source": None}, Recognition.OTHER),
        (SHARE, {"root_inode": 7}, Recognition.OTHER),
        # The same export, with another disk behind it.
        (SHARE, {"server_id": "1111:0"}, Recognition.OTHER),
        (SHARE, {"server_id": None}, Recognition.SAME),
        (SMB, {"server_id": "beef"}, Recognition.OTHER),
        (SMB, {"source": r"\\FILER\Photos"}, Recognition.SAME),
        (SMB, {"source": "//filer/Photos/family"}, Recognition.OTHER),
        (STICK, {"serial": "USB-2"}, Recognition.OTHER),
        (STICK, {"serial": None}, Recognition.SAME),
    ],
)
def test_r6_r8_each_factor_decides_what_it_can(
    enrolled: Identity, changes: dict[str, object], expected: Recognition
) -> None:
    assert recognise(enrolled, structs.replace(enrolled, **changes)).recognition is expected


def test_r6_unknown_factors_are_learned_and_a_marker_never_is() -> None:
    old = structs.replace(DISK, subvolume=None, serial=None, marker=None)
    assert learn(old, DISK) == structs.replace(DISK, marker=None)
    assert learn(DISK, structs.replace(DISK, serial="USB-BRIDGE")) == DISK


def probe(**facts: object) -> Probe:
    return structs.replace(Probe(mount_id=1, identity=DISK, capacity=None, label=""), **facts)


@pytest.mark.parametrize(
    ("known", "seen", "expected"),
    [
        ({"generation": 70}, {"generation": 70}, Recognition.SAME),
        ({"generation": 70}, {"generation": 71}, Recognition.SAME),
        # One transaction was open and one was being written when its cable came loose.
        ({"generation": 70}, {"generation": 68}, Recognition.SAME),
        ({"generation": 70}, {"generation": 67}, Recognition.ROLLED_BACK),
        ({"generation": 70}, {}, Recognition.SAME),
        ({}, {"generation": 69}, Recognition.SAME),
        ({"marker_generation": 3}, {"marker": Marker("m1", 3)}, Recognition.SAME),
        ({"marker_generation": 3}, {"marker": Marker("m1", 2)}, Recognition.ROLLED_BACK),
    ],
)
def test_r11_an_earlier_generation_than_was_known_is_a_rollback(
    known: dict[str, int], seen: dict[str, object], expected: Recognition
) -> None:
    volume = Volume(id="vol_1", label="", identity=DISK, since=0.0, **known)  # type: ignore[arg-type]
    assert judge(volume, probe(**seen)).recognition is expected


def test_r11_what_is_no_disk_of_ours_is_not_called_rolled_back() -> None:
    volume = Volume(id="vol_1", label="", identity=DISK, since=0.0, generation=70)
    other = probe(identity=structs.replace(DISK, uuid="cc" * 16), generation=1)
    assert judge(volume, other).recognition is Recognition.OTHER
