"""A report's observations, one file at a time and in the bytes of the disk.

Observations come grouped by directory and in wire text, which is right for a wire. To reconcile them each file is
one step; files that no photo server wants leave no step.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from holdfast import media, paths
from holdfast.media import Kind
from holdfast.reports import Absent, FileFacts, Listed, Move, Moved, Observation, Unreadable


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A file is at ``path``. ``directory`` and ``name`` are wire text; ``source`` is the observation's index.
    ``content`` is its digest, None when it was not read."""

    path: bytes
    directory: str
    name: str
    kind: Kind
    size: int
    mtime_ns: int
    source: int
    content: str | None = None


class Shifted(msgspec.Struct, frozen=True, gc=False):
    """The file that was at ``origin`` is what ``now`` says; None when no photo server wants it any more.

    All of one observation happened at once: an origin is where a file was before any of them moved.
    """

    origin: bytes
    origin_kind: Kind | None
    now: Seen | None
    source: int


class Gone(msgspec.Struct, frozen=True, gc=False):
    """The file that was at ``path`` is proven to be absent."""

    path: bytes
    kind: Kind
    source: int


class Blocked(msgspec.Struct, frozen=True, gc=False):
    """Nothing in or below ``directory`` can be read."""

    directory: bytes
    error: str
    source: int


Step = Seen | Shifted | Gone | Blocked


def steps(observations: Sequence[Observation]) -> list[Step]:
    """The steps of a report, in its order. Scans and gaps are no steps: they speak of no file."""
    found: list[Step] = []
    for source, observation in enumerate(observations):
        match observation:
            case Listed(directory=directory, files=files):
                prefix = _prefix(directory)
                seen = (_seen(prefix, directory, file, source) for file in files)
                found.extend(one for one in seen if one is not None)
            case Moved(moves=moves):
                found.extend(_shifted(moves, source))
            case Absent(directory=directory, names=names):
                prefix = _prefix(directory)
                for name in names:
                    if kind := media.kind(name):
                        found.append(Gone(prefix + paths.to_bytes(name), kind, source))
            case Unreadable(directory=directory, error=error):
                found.append(Blocked(paths.to_bytes(directory), error, source))
            case _:
                pass
    return found


def _shifted(moves: Sequence[Move], source: int) -> list[Shifted]:
    found = []
    for move in moves:
        old, new = _prefix(move.origin), _prefix(move.directory)
        for one in move.files:
            was, now = media.kind(one.old_name), _seen(new, move.directory, one.file, source)
            if was is not None or now is not None:
                found.append(Shifted(old + paths.to_bytes(one.old_name), was, now, source))
    return found


def _seen(prefix: bytes, directory: str, file: FileFacts, source: int) -> Seen | None:
    kind = media.kind(file.name)
    if kind is None:
        return None
    path = prefix + paths.to_bytes(file.name)
    return Seen(path, directory, file.name, kind, file.size, file.mtime_ns, source, file.content)


def _prefix(directory: str) -> bytes:
    return paths.to_bytes(directory) + b"/" if directory else b""
