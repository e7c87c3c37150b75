"""Which places a scan that somebody asks for is of, and whether one that is under way already is as good. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holdfast import media, paths
from holdfast.scans import ScanMode


class Root(NamedTuple):
    """A folder that a library shows: ``directory`` of a volume, and the absolute paths that people and the photo server
    have for it. All paths are wire text."""

    volume: bytes
    directory: str
    shown_at: frozenset[str]


class Target(NamedTuple):
    """What is to be scanned: a directory of a volume with all below it, or ``name`` in it alone."""

    volume: bytes
    directory: str
    name: str | None = None

    def contains(self, other: Target) -> bool:
        """Whether a scan of this one looks at all of the other."""
        if self.volume != other.volume:
            return False
        return self == other or (self.name is None and paths.contains(self.directory, other.directory))


def all_of(roots: Iterable[Root]) -> list[Target]:
    """The places to scan for all of a library."""
    return _distinct(Target(root.volume, root.directory) for root in roots)


def at(roots: Sequence[Root], path: str) -> list[Target]:
    """The places to scan for an absolute path; none when it lies in no root, and holds none.

    A branch of a union has its paths in common with the others, so that there may be several. Of nested roots the
    innermost one counts: what is mounted there covers what is below.
    """
    found: list[Target] = []
    inside = [(shown, root) for root in roots for shown in root.shown_at if _holds(shown, path)]
    longest = max((len(shown) for shown, _ in inside), default=0)
    found += [
        _inside(root, path[len(shown.rstrip("/")) :].strip("/")) for shown, root in inside if len(shown) == longest
    ]
    below = (root for root in roots if any(_holds(path, shown) and shown != path for shown in root.shown_at))
    return _distinct([*found, *all_of(below)])


def is_as_good(held: Iterable[tuple[Target, ScanMode]], wanted: Iterable[Target], mode: ScanMode) -> bool:
    """Whether scans that are to come or under way look at all that is wanted, at least as closely."""
    close = [target for target, how in held if how.depth >= mode.depth]
    return all(any(one.contains(target) for one in close) for target in wanted)


def _inside(root: Root, rest: str) -> Target:
    if not rest:
        return Target(root.volume, root.directory)
    path = paths.join(root.directory, rest)
    directory, name = paths.split(path)
    # What has the name of a photo is nearly always one. Should it be a folder, the agent sees that, and enters it.
    return Target(root.volume, path) if media.kind(name) is None else Target(root.volume, directory, name)


def _distinct(targets: Iterable[Target]) -> list[Target]:
    """The targets without those that lie in another one."""
    every = sorted(set(targets), key=lambda target: (target.volume, target.directory, target.name or ""))
    return [one for one in every if not any(other.contains(one) for other in every if other != one)]


def _holds(root: str, path: str) -> bool:
    return root == "/" or paths.contains(root, path)
