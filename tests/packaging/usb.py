"""A disk on USB, as somebody plugs it into a machine."""

from __future__ import annotations

from pathlib import Path

from tests.packaging.machine import Machine

_MKFS = {"ext4": "mkfs.ext4 -q -L", "vfat": "mkfs.vfat -n"}
_MIB = 48
# How many a disk is filled with.
PHOTOS = 3


class Usb:
    """One of them, new and without a file system, plugged in."""

    def __init__(self, machine: Machine, image: Path) -> None:
        """``image`` is where it lies on this host; its name is its serial."""
        self._machine = machine
        self._image = image
        self._places: set[str] = set()
        self.device = f"/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_{image.stem}-0:0"
        with image.open("wb") as file:
            file.truncate(_MIB << 20)
        self.plug()

    def fill(self, fs_type: str, label: str) -> None:
        """Give it a file system with three photos, in two folders. The agent sees nothing of that: it would look at
        what is mounted, and could be at it when it is unmounted a moment later."""
        self._machine.script(f"""
            {_MKFS[fs_type]} {label} {self.device}
            unshare --mount bash -euc '
              mount {self.device} /mnt
              mkdir /mnt/trip
              for name in one two trip/three; do echo "$name" > /mnt/$name.jpg; done
              umount /mnt
            '
        """)

    def mount(self, place: str) -> None:
        self._machine.script(f"mkdir -p {place}; mount {self.device} {place}")
        self._places.add(place)

    def plug(self) -> None:
        """Plug it in, and wait until the machine has seen it."""
        self._machine.plug(self._image)
        self._is_plugged = True
        self._machine.until(f"udevadm settle; readlink -e {self.device}")

    def yank(self) -> None:
        """Pull it out, mounted or not."""
        self._machine.yank(self._image)
        self._is_plugged = False

    def throw_away(self) -> None:
        """Pull it out for good. What is mounted of it goes, too."""
        self._machine.script("".join(f"umount --quiet --lazy {place} || true\n" for place in self._places))
        if self._is_plugged:
            self.yank()
