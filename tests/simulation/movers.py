"""Somebody who moves a photo on a disk whose inode numbers do not last, when all is well: it stays the same asset."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent.testing.disk import FakeDisk
from holdfast import paths
from tests.simulation.checks import CheckFailed
from tests.simulation.mischief import KEEPER
from tests.simulation.sidecar import SimulatedSidecar
from tests.simulation.truth import photos

# Photos that nothing else can be taken for.
_UNIQUE = """SELECT asset.id, volume.label, asset.path FROM asset JOIN volume ON volume.id = asset.volume_id
WHERE status = 'present' AND size > 0 AND asset.content IN
(SELECT content FROM asset WHERE removed_at IS NULL GROUP BY content HAVING COUNT(*) = 1)"""
_PLACE = "SELECT path FROM asset WHERE id = ? AND status = 'present'"


class Movers:
    """Move one photo on each of such disks; then let everything rest, and :meth:`check`. ``number`` is another one each
    time: a photo that is put where there was another one before is that one."""

    def __init__(
        self, sidecar: SimulatedSidecar, disks: Mapping[str, FakeDisk], dismissed: Collection[bytes], number: int
    ) -> None:
        self._sidecar = sidecar
        self.moved: dict[bytes, str] = {}
        known = [(paths.to_wire(path), key, on) for key, on, path in sidecar.table.execute(_UNIQUE).fetchall()]
        for label, disk in disks.items():
            ours = sorted((path, key) for path, key, on in known if on == label and key not in dismissed)
            can_be = [(path, key) for path, key in ours if _can_be_moved(disk, path)]
            if (disk.is_remote or disk.is_fat) and can_be:
                path, key = can_be[-1]
                self.moved[key] = _move(disk, path, number)

    def check(self) -> None:
        """Every one of them is the same asset, at its new place."""
        for key, path in self.moved.items():
            row = self._sidecar.table.execute(_PLACE, (key,)).fetchone()
            if row is None or paths.to_wire(row[0]) != path:
                raise CheckFailed(f"{key.hex()} was moved to {path}, and is {row and row[0]!r}")


def _can_be_moved(disk: FakeDisk, path: str) -> bool:
    """Whether it is known by what is in it, and its directory has times that move."""
    directory, name = paths.split(path)
    if not directory or name == KEEPER or path not in photos(disk):
        return False
    while directory:
        if disk.look(directory).denied:
            return False
        directory = paths.split(directory)[0]
    return True


def _move(disk: FakeDisk, path: str, number: int) -> str:
    directory, name = paths.split(path)
    # A photo that lives for long is moved many times, and no name is longer than 255 bytes.
    new = paths.join(directory, f"moved-{number}-{name.rpartition('-')[2]}")
    disk.rename(path, new)
    return new
