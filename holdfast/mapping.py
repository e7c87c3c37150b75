"""Folders of libraries as two sides call them: the host of the disk, and the photo server. Pure.

A photo server sees one thing at one path. Where two import paths lead to the same place of it, or one into the other,
and to different folders on the disks, one of the two mappings is wrong: photos are found under names that are others'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from holdfast import paths, wording
from holdfast.findings import Finding, Severity


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


def findings(mapped: Sequence[Mapped], code: str, name: Callable[[Mapped], str]) -> Iterator[Finding]:
    """What a doctor says of each such pair. ``name`` is what an import path is called there."""
    for pair in overlaps(mapped):
        server_path = wording.shown(pair.inner.server_path)
        yield Finding(
            code=code,
            severity=Severity.WARNING,
            sentence=f"Two folders are at {server_path} for the photo server.",
            about=server_path,
            why=f"{name(pair.inner)} is called that, and so is a folder inside of {name(pair.outer)}, which is called"
            f" {wording.shown(pair.outer.server_path)}. They are not the same.",
            remedy="Correct the server_path of one of the two in its library: it is where the photo server sees it.",
        )


def _agree(outer: Mapped, inner: Mapped) -> bool:
    if outer.agent != inner.agent:
        # The same disk, seen by two agents, is the same thing for the photo server, too.
        return outer.volume is not None and outer.volume == inner.volume
    rest = inner.server_path[len(outer.server_path.rstrip("/")) :]
    return outer.path.rstrip("/") + rest.rstrip("/") == inner.path.rstrip("/")


def _holds(outer: str, inner: str) -> bool:
    return outer == "/" or paths.contains(outer.rstrip("/"), inner.rstrip("/"))
