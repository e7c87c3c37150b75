"""Second looks: how a file that was missed once becomes an absence with its proof (R1, R21).

A candidate hangs on the listing of one directory: the one that held the file, or the nearest ancestor that was
left of it. When that directory is listed again in the same epoch, some time later, lacks the file again, and has
moved its times since it had it, then the file is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import structs

from agent.journal import Candidate, Journal, Stamp
from agent.ports import Listing
from agent.survey import Survey
from holdfast import paths, reports
from holdfast.reports import Absent, Look, Proof
from holdfast.volumes import Epoch


class SecondLooks(NamedTuple):
    """What became of candidates: proven absences, and directories that must be listed to know more."""

    absent: list[Absent]
    look_at: set[str]


def second_looks(
    journal: Journal, surveys: Mapping[str, Survey], epoch: Epoch, gate: Sequence[str], confirm_delay_s: float | None
) -> SecondLooks:
    """Judge the candidates whose listing was read again, and still lacks them (R21).

    With no ``confirm_delay_s`` none is confirmed, however long ago it was missed: there are places left to look at,
    and the file may have moved to one of them.
    """
    absent: list[Absent] = []
    look_at: set[str] = set()
    for listed, compared in surveys.items():
        look = as_look(compared)
        waiting: list[Candidate] = []
        confirmed: dict[tuple[str, Look, Stamp | None], list[Candidate]] = {}
        unwanted: list[Candidate] = []
        for candidate in journal.candidates_listed(listed):
            where = _shown(candidate, compared.listing)
            if where == listed:
                # There, and yet no arrival: it is still being written, or an exclusion pattern took it away.
                if candidate.file.name not in compared.held and candidate.file.name not in compared.listing.unclear:
                    unwanted.append(candidate)
            elif where is not None:
                # A directory of its name is there again: only the listing of that can tell.
                waiting.append(structs.replace(candidate, listed=where, before=None, first=None, epoch=epoch))
                look_at.add(where)
            elif candidate.first is None or candidate.epoch != epoch:
                waiting.append(structs.replace(candidate, first=look, epoch=epoch))
            elif _is_proven(candidate, candidate.first, look, confirm_delay_s):
                confirmed.setdefault((candidate.directory, candidate.first, candidate.before), []).append(candidate)
        journal.suspect(waiting)
        journal.clear(candidate.key for candidate in unwanted)
        for (directory, first, before), gone in confirmed.items():
            journal.clear(candidate.key for candidate in gone)
            proof = Proof(listed, before, first, look, list(gate))
            names = sorted(candidate.file.name for candidate in gone)
            absent.extend(Absent(directory, piece, proof) for piece in reports.pieces(names))
    return SecondLooks(absent, look_at)


def reanchor(journal: Journal, vanished: Iterable[str]) -> None:
    """Candidates whose directory is not there any more hang on the listing of its parent from now on."""
    for directory in vanished:
        parent = paths.split(directory)[0]
        lost = journal.candidates_listed(directory)
        journal.suspect(structs.replace(one, listed=parent, before=None, first=None) for one in lost)


def as_look(compared: Survey) -> Look:
    """The listing of a survey as evidence."""
    listing, at = compared.listing, compared.at
    return Look(at.wall, at.boot, listing.mount_id, listing.mtime_ns, listing.ctime_ns, listing.entries)


def _shown(candidate: Candidate, listing: Listing) -> str | None:
    """Where the listing still shows a candidate: the listed directory itself, or the one inside to look into.

    None when it lacks it: the file's name, or the first directory on the way to it.
    """
    rest = paths.below(listing.directory, candidate.directory)
    if not rest:
        name = candidate.file.name
        shown = name in listing.unclear or any(file.name == name for file in listing.files)
        return listing.directory if shown else None
    segment = rest.split("/", 1)[0]
    if segment in listing.unclear or segment in listing.directories:
        return paths.join(listing.directory, segment)
    return None


def _is_proven(candidate: Candidate, first: Look, second: Look, confirm_delay_s: float | None) -> bool:
    """Whether time has passed between the looks, and the directory moved since it last had the name."""
    if confirm_delay_s is None:
        return False
    apart_s = second.boot_s - first.boot_s
    return apart_s >= confirm_delay_s and candidate.before != (second.mtime_ns, second.ctime_ns)
