"""Folders of libraries as two sides call them: the host of the disk, and the photo server. Pure.

A photo server sees one thing at one path. Where two import paths lead to the same place of it, or one into the other,
and to different folders on the disks, one of the two mappings is wrong: photos are found under names that are others'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from holdfast import paths


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """An import path, in wire text. ``agent`` is the one that has it, ``volume`` where it leads, if that is known."""

    path: str
    server_path: str
    agent: str = ""
    volume: str | None = None


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two import paths that cannot both be right; the photo server sees the ``inner`` inside of the ``outer``."""

    outer: Mapped
    inner: Mapped


def overlaps(mapped: Sequence[Mapped]) -> Iterator[Overlap]:
    """Every pair that cannot be right. One path in several libraries is told once."""
    known = sorted(set(mapped), key=lambda one: (len(one.server_path), one.server_path, one.path, one.agent))
    for number, outer in enumerate(known):
        for inner in known[number + 1 :]:
            if _holds(outer.server_path, inner.server_path) and not _agree(outer, inner):
                yield Overlap(outer=outer, inner=inner)


def _agree(outer: Mapped, inner: Mapped) -> bool:
    if outer.agent != inner.agent:
        # The same disk, seen by two agents, is the same thing for the photo server, too.
        return outer.volume is not None and outer.volume == inner.volume
    rest = inner.server_path[len(outer.server_path.rstrip("/")) :]
    return outer.path.rstrip("/") + rest.rstrip("/") == inner.path.rstrip("/")


def _holds(outer: str, inner: str) -> bool:
    return outer == "/" or paths.contains(outer.rstrip("/"), inner.rstrip("/"))
