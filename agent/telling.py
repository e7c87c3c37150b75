"""How what was found is told: facts, and moves so grouped that their order does not matter. Pure."""

from __future__ import annotations

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


def facts(file: FileEntry, digest: str | None = None) -> FileFacts:
    """A file as it is told, with what is in it if that is known."""
    return FileFacts(file.name, file.size, file.mtime_ns, digest)
