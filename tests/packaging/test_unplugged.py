"""Disks on USB that come and go on a machine with the installed packages: its own systemd, udev and kernel."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.packaging.installed import Installed, is_away
from tests.packaging.machine import Machine
from tests.packaging.usb import PHOTOS, Usb

# The first time on a machine, a Debian has to be fetched, and where KVM does not work a processor is computed.
pytestmark = [pytest.mark.timeout(1800), pytest.mark.installation, pytest.mark.root]

NewUsb = Callable[[], Usb]


def test_a_mount_of_the_host_reaches_the_agent_behind_its_walls(
    installed: Installed, computer: Machine, usb: NewUsb
) -> None:
    place, disk = "/srv/late", usb()
    disk.fill("ext4", "late")
    installed.make_library(place)
    seen = "/proc/$(systemctl show --property=MainPID --value holdfast-agent)"
    before = computer.script(f"readlink {seen}/ns/mnt")
    assert before != computer.script("readlink /proc/1/ns/mnt")

    disk.mount(place)
    assert installed.taken_up(place, PHOTOS).keys() == {f"{place}/{name}.jpg" for name in ("one", "two", "trip/three")}
    # And that it is gone again: the same process, in the same namespace.
    assert f" {place} " in computer.script(f"cat {seen}/mountinfo")
    computer.script(f"umount {place}")
    installed.volume(place, is_away)
    assert f" {place} " not in computer.script(f"cat {seen}/mountinfo")
    assert computer.script(f"readlink {seen}/ns/mnt") == before


def test_r40_a_disk_that_was_read_is_unmounted_and_powered_off_at_once(
    installed: Installed, computer: Machine, usb: NewUsb
) -> None:
    place, disk = "/srv/polite", usb()
    disk.fill("ext4", "polite")
    installed.make_library(place)
    disk.mount(place)
    assets = installed.taken_up(place, PHOTOS)

    computer.script(f"umount {place}")
    installed.volume(place, lambda volume: volume["reason"] == "not-mounted")
    device = computer.script(f"readlink -e {disk.device}").strip()
    computer.script(f"udisksctl power-off --no-user-interaction --block-device {device}; test ! -e {device}")
    installed.volume(place, lambda volume: volume["reason"] == "unplugged")
    installed.check_away(place, assets)

    # And as a unit of systemd, which stops when it is told.
    disk.yank()
    disk.plug()
    unit = computer.script(f"systemd-escape --path --suffix=mount {place}").strip()
    computer.script(f"systemd-mount --collect {disk.device} {place}")
    installed.check_back(place, assets)
    computer.script(f'systemctl stop {unit}; test -z "$(findmnt --noheadings {place})"')
    installed.volume(place, is_away)
    installed.check_away(place, assets)


@pytest.mark.parametrize("fs_type", ["ext4", "vfat"])
def test_a_disk_that_is_yanked_is_away_and_comes_back_as_it_was(
    installed: Installed, computer: Machine, usb: NewUsb, fs_type: str
) -> None:
    """The mount of a yanked disk stays; one with vfat lists empty, without an error."""
    place, disk = f"/srv/yanked-{fs_type}", usb()
    disk.fill(fs_type, "YANKED")
    installed.make_library(place)
    disk.mount(place)
    assets = installed.taken_up(place, PHOTOS)

    disk.yank()
    computer.script(f"holdfast-agent scan {place} || true")
    installed.volume(place, is_away)
    installed.check_away(place, assets)
    computer.script(f"umount --lazy {place}")
    installed.volume(place, lambda volume: volume["reason"] == "unplugged")
    installed.check_away(place, assets)

    disk.plug()
    disk.mount(place)
    installed.check_back(place, assets)


def test_a_machine_that_boots_without_the_disk_says_so_and_misses_nothing(
    installed: Installed, computer: Machine, usb: NewUsb
) -> None:
    place, disk = "/srv/absent", usb()
    disk.fill("ext4", "absent")
    computer.script(f"echo 'LABEL=absent {place} ext4 nofail,x-systemd.device-timeout=2s' >> /etc/fstab")
    installed.make_library(place)
    disk.mount(place)
    assets = installed.taken_up(place, PHOTOS)

    boot = computer.script("cat /proc/sys/kernel/random/boot_id")
    computer.switch_off()
    disk.yank()
    computer.switch_on()
    assert computer.script("cat /proc/sys/kernel/random/boot_id") != boot
    assert computer.script("systemctl show --property=NRestarts holdfast-agent").strip() == "NRestarts=0"
    # Offline, and said by the agent of now: unknown would be that nothing was heard of it.
    installed.volume(place, lambda volume: (volume["state"], volume["reason"]) == ("offline", "unplugged"))
    installed.check_away(place, assets)

    disk.plug()
    disk.mount(place)
    installed.check_back(place, assets)
