"""What the kernel and udev tell about storage that this machine does not have: NFS, SMB, LUKS, md, ZFS, FAT. As
recorded on systems that have them, and all the way to the reason that follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.causes import explain
from agent.linux import blockdev, network
from agent.linux import probe as port
from agent.linux.devices import KernelDevices
from agent.linux.mountinfo import parse
from agent.linux.probe import source_of
from agent.locating import locate
from agent.ports import Foundation, Mount, Probe
from agent.pulse import Pulse
from agent.vigil import EVERY_S, Vigil
from agent.volume import Adopted, Gone, Verified, Volume, advance
from holdfast.volumes import Identity, Reason, VolumeState
from tests.linux.sysfs import Sysfs

TABLES = Path(__file__).parent / "tables"
MOUNTS = {mount.mount_point: mount for mount in parse((TABLES / "storage.mountinfo").read_bytes())}
NFS = str(TABLES / "nfs-volumes.txt")
CIFS = str(TABLES / "cifs-debug.txt")

LUKS = "5e1b0c3a9f2d4c7e8a6b1d0f3c5e7a90"
ARRAY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
FS = "0d9e8c7b6a5f4e3d2c1b0a9f8e7d6c5b"


def dashed(uuid: str) -> str:
    return f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/mnt/nfs", "3f1b0d6a9e2c4d1f:0"),
        ("/mnt/pseudo", None),  # all zero is no identity
        ("/mnt/family", "4d0b1a2c"),
        ("/mnt/kids", "4d0b1a2c"),
        ("/mnt/ssh", None),
        ("/tank/photos", None),
    ],
)
def test_r6_a_server_names_the_file_system_behind_a_share(place: str, expected: str | None) -> None:
    assert network.server_id(MOUNTS[place], NFS, CIFS) == expected
    assert network.server_id(MOUNTS[place], "/none", "/none") is None


def test_r6_a_volume_serial_of_zero_is_none() -> None:
    text = (TABLES / "cifs-debug.txt").read_text()
    assert network.cifs_serial(text, "//filer/music") is None
    assert network.cifs_serial(text, "//filer/none") is None
    assert network.cifs_serial(text, r"\\Filer\PHOTOS (old)\kids") == "4d0b1a2c"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/mnt/family", "//FILER/Photos (old)/family"),
        ("/mnt/kids", "//filer/Photos (old)/kids/2024"),
        ("/mnt/nfs", "filer:/export/photos"),
        ("/mnt/ssh", "anna@nas:/photos"),
        ("/mnt/cloud", "drive:photos"),
        ("/tank/my films", "tank/my films"),
    ],
)
def test_r6_a_source_names_the_folder_of_a_share_too(place: str, expected: str) -> None:
    assert source_of(MOUNTS[place]) == expected
    assert port.is_named(MOUNTS[place].fs_type)


class Machine:
    """A NAS: sysfs, the udev database, /dev/disk/by-uuid and ZFS, as far as they are wanted."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.sys = Sysfs(top / "sys")
        (top / "sys/block").mkdir()
        (top / "udev").mkdir()
        self.devices = KernelDevices(str(top / "sys"), str(top / "udev"), str(top / "by-uuid"), str(top / "zfs"))

    def know(self, device: str, **properties: str) -> None:
        """Udev has looked at a device."""
        text = "".join(f"E:{key}={value}\n" for key, value in properties.items())
        (self.top / "udev" / f"b{device}").write_text(f"S:disk/by-x\nI:123\n{text}G:systemd\n")

    def block(self, name: str, device: str, *below: Path, sequence: int = 1) -> Path:
        """A whole block device, standing on others."""
        place = self.sys.disk(name, device, sequence)
        (self.top / "sys/block" / name).symlink_to(place)
        for one in below:
            (place / "slaves" / one.name).symlink_to(one)
        return place

    def opened(self, below: Path) -> Path:
        """A LUKS device, unlocked."""
        place = self.block("dm-3", "253:3", below)
        (place / "dm").mkdir()
        (place / "dm/uuid").write_text(f"CRYPT-LUKS2-{LUKS}-secret\n")
        return place

    def array(self, state: str, degraded: str, *below: Path, uuid: str = "") -> Path:
        """An md array."""
        place = self.block("md127", "9:127", *below)
        (place / "md").mkdir()
        (place / "md/array_state").write_text(f"{state}\n")
        (place / "md/degraded").write_text(f"{degraded}\n")
        if uuid:
            (place / "md/uuid").write_text(f"{uuid}\n")
        return place


@pytest.fixture
def nas(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_r16_what_a_volume_stands_on_is_remembered_and_then_named(nas: Machine) -> None:
    sda = nas.block("sda", "8:0")
    crypt = nas.opened(sda)
    assert blockdev.foundation("253:3", str(nas.sys.top)) == Foundation(luks=(LUKS,))
    nas.know("8:0", ID_FS_UUID=dashed(LUKS), ID_FS_TYPE="crypto_LUKS", DEVNAME="/dev/sda")
    identity = Identity(fs_type="ext4", uuid=FS, root_inode=2)
    unlocked = explain(identity, Foundation((LUKS,)), nas.devices.surroundings())
    assert unlocked.reason is not Reason.LOCKED
    (nas.top / "sys/block/dm-3").unlink()
    nas.sys.unplug(crypt, "253:3")
    locked = explain(identity, Foundation((LUKS,)), nas.devices.surroundings())
    assert locked.reason is Reason.LOCKED
    assert "sda" in locked.detail
    (nas.top / "udev/b8:0").unlink()
    nas.know("8:16", ID_FS_UUID=dashed("9" * 32), ID_FS_TYPE="ext4", DEVNAME="/dev/sdb")
    assert explain(identity, Foundation((LUKS,)), nas.devices.surroundings()).reason is Reason.UNPLUGGED


@pytest.mark.parametrize("told_by", ["sysfs", "udev"])
def test_r16_an_array_that_is_found_and_not_started_is_stopped(nas: Machine, told_by: str) -> None:
    sda, sdb = nas.block("sda", "8:0"), nas.block("sdb", "8:16")
    nas.know("8:0", ID_FS_UUID=dashed(ARRAY), ID_FS_TYPE="linux_raid_member", DEVNAME="/dev/sda")
    md = nas.array("clean", "0", sda, sdb, uuid=dashed(ARRAY) if told_by == "sysfs" else "")
    if told_by == "udev":
        nas.know("9:127", MD_UUID=":".join(ARRAY[i : i + 8] for i in range(0, 32, 8)), DEVNAME="/dev/md127")
    identity = Identity(fs_type="xfs", uuid=FS, root_inode=128)
    around = nas.devices.surroundings()
    assert around.arrays == {ARRAY: "clean"}
    assert around.members == {ARRAY}
    assert explain(identity, Foundation(arrays=(ARRAY,)), around).reason is Reason.UNPLUGGED
    (md / "md/array_state").write_text("inactive\n")
    assert explain(identity, Foundation(arrays=(ARRAY,)), nas.devices.surroundings()).reason is Reason.ARRAY_STOPPED
    nas.know("9:127", DEVNAME="/dev/md127")
    (nas.top / "sys/block/md127").unlink()
    assert explain(identity, Foundation(arrays=(ARRAY,)), nas.devices.surroundings()).reason is Reason.ARRAY_STOPPED
    (nas.top / "udev/b8:0").unlink()
    assert explain(identity, Foundation(arrays=(ARRAY,)), nas.devices.surroundings()).reason is Reason.UNPLUGGED


def attached(mount: Mount, identity: Identity) -> Volume:
    volume = Volume(id="vol", label="", identity=identity, since=0.0, last_mounted_at=mount.mount_point)
    probe = Probe(mount_id=1000 + mount.mount_id, identity=identity, capacity=None, label="")
    volume, _ = advance(volume, Verified(mount, probe), "boot", 1.0)
    assert volume.epoch is not None
    return advance(volume, Adopted(volume.epoch), "boot", 1.0)[0]


def test_r16_an_array_that_lost_a_disk_stays_online_with_a_note(nas: Machine) -> None:
    md = nas.array("clean", "0", nas.block("sda", "8:0"))
    mount = MOUNTS["/mnt/raid"]
    volume = attached(mount, Identity(fs_type="xfs", uuid=FS, root_inode=128))
    vigil = Vigil(nas.devices)
    ids = {mount.mount_id: 1000 + mount.mount_id}
    vigil.look([volume], [mount], ids, 1.0)
    (md / "md/degraded").write_text("1\n")
    assert vigil.look([volume], [mount], ids, 6.0)
    noted, effects = advance(volume, vigil.notes["vol"], "boot", 6.0)
    assert (noted.state, effects) == (VolumeState.ONLINE, [])
    assert "md127" in noted.detail
    assert vigil.vitals.dead == frozenset()
    assert not vigil.look([noted], [mount], ids, 11.0), "no news is no news"
    assert vigil.due == 11.0 + EVERY_S


def test_r16_a_disk_that_comes_and_goes_is_told_without_a_mount(nas: Machine) -> None:
    volume = Volume(
        id="vol",
        label="",
        identity=Identity(fs_type="vfat", uuid="22AF-093F", root_inode=1),
        since=0.0,
        reason=Reason.UNPLUGGED,
    )
    nas.know("8:0", ID_FS_UUID=dashed("9" * 32), ID_FS_TYPE="ext4", DEVNAME="/dev/sda1")
    vigil = Vigil(nas.devices)
    vigil.look([volume], [], {}, 1.0)
    assert vigil.explain(volume) == Gone(Reason.UNPLUGGED)
    assert not vigil.look([volume], [], {}, 6.0)
    (nas.top / "by-uuid").mkdir()
    (nas.top / "by-uuid/22AF-093F").symlink_to("../../sde1")
    assert vigil.look([volume], [], {}, 11.0)
    assert vigil.explain(volume) == Gone(Reason.NOT_MOUNTED, "it is connected as sde1")


def test_r16_a_host_that_keeps_no_list_of_devices_calls_nothing_unplugged(nas: Machine) -> None:
    assert not nas.devices.surroundings().is_complete


@pytest.mark.parametrize(("pools", "words"), [([], "not imported"), (["tank"], "is imported")])
def test_r16_a_dataset_that_is_not_mounted(nas: Machine, pools: list[str], words: str) -> None:
    (nas.top / "zfs").mkdir()
    for pool in pools:
        (nas.top / "zfs" / pool).mkdir()
    (nas.top / "zfs/arcstats").write_text("")
    dataset = Identity(fs_type="zfs", root_inode=34, source=MOUNTS["/tank/photos"].source)
    cause = explain(dataset, Foundation(), nas.devices.surroundings())
    assert cause.reason is Reason.DATASET_NOT_MOUNTED
    assert words in cause.detail
    empty_folder = Mount(28, 1, "254:1", "/", "/", "ext4", "/dev/mapper/nas--vg-root")
    volume = attached(MOUNTS["/tank/photos"], dataset)
    assert locate(volume, [empty_folder], {}, {}) == Gone(Reason.NOT_MOUNTED)


def test_r6_serial_numbers_of_every_kind_of_disk(nas: Machine) -> None:
    sys = str(nas.sys.top)
    sda, nvme, vda = nas.block("sda", "8:0"), nas.block("nvme0n1", "259:0"), nas.block("vda", "254:0")
    (sda / "device/vpd_pg80").write_bytes(b"\x00\x80\x00\x14     WD-WCC4N5PL0XYZ")
    (nvme / "device/serial").write_text("S4EWNX0R123456      \n")
    (vda / "serial").write_text("virtual-1\n")
    assert blockdev.serial("8:0", sys) == "WD-WCC4N5PL0XYZ"
    assert blockdev.serial("259:0", sys) == "S4EWNX0R123456"
    assert blockdev.serial("254:0", sys) == "virtual-1"
    nas.opened(sda)
    assert blockdev.serial("253:3", sys) == "WD-WCC4N5PL0XYZ", "it is found below what was unlocked"
    nas.array("clean", "0", sda, nvme)
    assert blockdev.serial("9:127", sys) == "", "an array has no one disk"
    assert blockdev.serial("7:0", sys) == ""


def test_r6_a_serial_number_of_zeros_is_none(nas: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = MOUNTS["/mnt/raid"]
    monkeypatch.setattr(port, "UDEV", str(nas.top / "udev"))
    nas.know(mount.device, ID_SERIAL="000000000000")
    assert port._serial(mount) is None
    nas.know(mount.device, ID_SERIAL="WDC_WD40EFRX_WD-1")
    assert port._serial(mount) == "WDC_WD40EFRX_WD-1"


def test_r19_a_stick_below_an_indirect_automount_is_idle_when_nobody_uses_it() -> None:
    table = list(MOUNTS.values())
    stick = Identity(fs_type="vfat", uuid="22AF-093F", root_inode=1)
    volume = attached(MOUNTS["/mnt/net/stick"], stick)
    ids = {73: 1073}
    seen = locate(volume, table, ids, {})
    assert type(seen).__name__ == "Still"
    expired = [mount for mount in table if mount.mount_point != "/mnt/net/stick"]
    assert locate(volume, expired, {}, {}) == Gone(Reason.AUTOMOUNT_IDLE)
    idle, _ = advance(volume, Gone(Reason.AUTOMOUNT_IDLE), "boot", 2.0)
    assert idle.state is VolumeState.IDLE


@pytest.mark.parametrize("gone", [True, False])
def test_r16_a_fat_whose_stick_was_pulled_is_not_even_probed(
    nas: Machine, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    sde = nas.sys.disk("sde", "8:64", 9, state="running")
    nas.sys.partition(sde, "sde1", "8:65")
    assert not blockdev.is_gone("8:65", str(nas.sys.top))
    assert not blockdev.is_gone("0:45", str(nas.sys.top))
    pulse = Pulse()
    pulse.feel(1073, nas.devices.health(MOUNTS["/mnt/net/stick"]), is_read_only=False)
    if gone:
        nas.sys.unplug(sde, "8:65", "8:64")
    else:
        (sde / "device/state").write_text("offline\n")
    assert blockdev.is_gone("8:65", str(nas.sys.top))
    pulse.feel(1073, nas.devices.health(MOUNTS["/mnt/net/stick"]), is_read_only=False)
    assert pulse.vitals().dead == {1073}
