"""How what was found is told: facts, and moves so grouped that their order does not matter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent import identity
from agent.ports import FileEntry
from holdfast import reports
from holdfast.reports import FileFacts, Move, Moved, MovedFile


def moved(moves: list[identity.Move]) -> list[Moved]:
    """Moves as they are told: those that depend on each other's places in one observation."""
    found: list[Moved] = []
    for together in identity.batches(moves, reports.PIECE_FILES_MAX):
        groups: dict[tuple[str, str], list[MovedFile]] = {}
        for move in together:
            one = MovedFile(move.old_name, facts(move.arrival.file))
            groups.setdefault((move.origin, move.arrival.directory), []).append(one)
        found.append(Moved([Move(origin, directory, files) for (origin, directory), files in groups.items()]))
    return found


def all_facts(files: Iterable[FileEntry], digests: Mapping[str, str]) -> list[FileFacts]:
    """Files of one directory as they are told; ``digests`` by name, of those that were read."""
    if not digests:  # as in a first scan, of every file on a disk
        return [FileFacts(name, size, mtime_ns) for name, _, size, mtime_ns, _ in files]
    return [facts(file, digests.get(file.name)) for file in files]


def facts(file: FileEntry, digest: str | None = None) -> FileFacts:
    """A file as it is told, with what is in it if that is known."""
    return FileFacts(file.name, file.size, file.mtime_ns, digest)
