"""What an import path shows besides the place it is bound to: mounts below it, and branches of unions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent import mounts
from agent.filesystems import PSEUDO
from agent.ports import Mount
from agent.volume import Volume
from holdfast import paths
from holdfast.assignments import Binding, Part


class Place(NamedTuple):
    """A directory on a mount. ``path`` is its host path and ``below`` where it shows inside the import path (both
    wire text); ``via`` is the mount of the union that shows it."""

    mount: Mount
    path: str
    below: str
    via: Mount | None = None

    @property
    def directory(self) -> str:
        """The path inside the mount."""
        return paths.from_os(mounts.inside(self.mount, paths.to_os(self.path)))


def nested(table: Sequence[Mount], place: Place) -> Iterator[Place]:
    """Everything that is mounted below a place and can be reached: volumes of their own (R13)."""
    for mount in mounts.below(table, place.mount):
        path = paths.from_os(mount.mount_point)
        if not paths.contains(place.path.rstrip("/"), path) or path == place.path:
            continue
        below = paths.below(place.path.rstrip("/"), path).lstrip("/")
        inner = Place(mount, path, f"{place.below}/{below}" if place.below else below, place.via)
        # An automount that is idle is passed over, and what it has mounted is found above it.
        if mount.fs_type not in PSEUDO:
            yield inner
        yield from nested(table, inner)


def branch(table: Sequence[Mount], union: Place, root: str) -> Place | None:
    """The part of a branch that a place on a union shows. ``root`` is the branch's own host path."""
    path = f"{root.rstrip('/')}/{union.directory}" if union.directory else root
    mount = mounts.resolve(table, paths.to_os(path))
    # A union that is a branch of itself shows nothing by that.
    return None if mount is None or mount == union.mount else Place(mount, path, union.below, union.mount)


def new_part(binding: Binding, place: Place, volume: Volume, via: str | None, known: dict[str, Volume]) -> Part | None:
    """The part for a place that was found to lie on this volume; None when there is nothing new in it.

    A branch whose disk was unmounted leads into the bare directory below, which was never a branch: what mergerfs
    writes there meanwhile is not taken up. That the disk was not mounted when the branch was enrolled, and is now, is
    told by where it is mounted: deeper.
    """
    part = Part(path=place.path, below=place.below, volume=volume.id, directory=place.directory, via=via)
    places = [(binding.volume, binding.directory), *((one.volume, one.directory) for one in binding.parts)]
    if any(
        one == part.volume and directory is not None and paths.contains(directory, part.directory)
        for one, directory in places
    ):
        return None  # seen already: mounted twice, it is shown once, where it was found first
    if via is not None:
        before = [known[one.volume] for one in binding.parts if (one.via, one.path) == (via, part.path)]
        where = paths.from_os(place.mount.mount_point)
        if any(not _is_deeper(where, one.last_mounted_at) for one in before):
            return None
    return part


def _is_deeper(where: str, than: str | None) -> bool:
    return than is not None and where != than and paths.contains(than.rstrip("/"), where)
