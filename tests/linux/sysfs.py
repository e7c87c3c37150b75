"""A tree of files in the shape of /sys, for disks that this machine does not have."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.linux.blockdev import read_health
from agent.ports import Health


class Sysfs:
    """A tree in the shape of /sys."""

    def __init__(self, top: Path) -> None:
        self.top = top
        (top / "dev/block").mkdir(parents=True)

    def disk(self, name: str, device: str, sequence: int, *, state: str = "", errors: str = "") -> Path:
        """A whole disk."""
        place = self.top / "devices" / name / "block" / name
        self._node(place, device)
        (place / "diskseq").write_text(f"{sequence}\n")
        (place / "slaves").mkdir()
        (place / "device").mkdir()
        if state:
            (place / "device/state").write_text(f"{state}\n")
        if errors:
            (place / "device/ioerr_cnt").write_text(f"{errors}\n")
        return place

    def partition(self, disk: Path, name: str, device: str) -> None:
        """A partition of a disk."""
        self._node(disk / name, device)
        (disk / name / "partition").write_text("1\n")

    def unplug(self, disk: Path, *devices: str) -> None:
        """The disk is gone, and its nodes with it."""
        shutil.rmtree(disk)
        for device in devices:
            (self.top / "dev/block" / device).unlink()

    def health(self, device: str) -> Health:
        """How a device stands that is there."""
        found = read_health(device, str(self.top))
        assert found is not None
        return found

    def has(self, device: str) -> bool:
        """Whether there is such a device."""
        return read_health(device, str(self.top)) is not None

    def _node(self, place: Path, device: str) -> None:
        place.mkdir(parents=True)
        (place / "dev").write_text(f"{device}\n")
        (self.top / "dev/block" / device).symlink_to(place)
