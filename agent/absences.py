"""Second looks: how a file that was missed once becomes an absence with its proof (R1, R21).

A candidate hangs on the listing of one directory: the one that held the file, or the nearest ancestor that was
left of it. When that directory is listed again in the same epoch, some time later, lacks the file again, and has
moved its times since it had it, then the file is gone.

Where times do not prove it, more is asked for:

    the directory's times       known files elsewhere   proven
    moved                       found, or none left     now
    moved                       not found               on a disk of this machine only
    cannot tell, on a file      any                     now: its times were too fresh to be kept
      system that keeps them
    cannot tell, on a FAT       found                   now
    cannot tell, on a FAT       not found, none left    on another mount
    did not move, or cannot     found, or none left     on another mount: what its server or daemon says has to be
      tell, anywhere else                               the same when it is asked afresh

What only another mount can prove rests until there is one: a mount id or a boot that is not the one in which the
file was missed first of all. Should the times move after all, the look that saw them move is the first that counts: a
listing that lacks a name of a directory which has not changed may be a lie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from msgspec import structs

from agent.filesystems import Traits
from agent.journal import Candidate, Journal, Rest
from agent.looks import Birthmark, Unsettled
from agent.ports import Listing, Sought
from agent.sentinels import Verdict
from agent.survey import Departure, Survey
from agent.times import Stamp, is_same_stamp
from holdfast import paths, reports
from holdfast.reports import Absent, Look, Proof
from holdfast.volumes import Epoch

# How long an absence waits for a file that is still being written and may be the one that is missed, under another
# name: nobody writes for ever.
_REST_S = 60.0


class Grounds(NamedTuple):
    """What the proofs of one pass stand on.

    ``confirm_delay_s`` is the time between the two looks. With None none is confirmed, however long ago it was
    missed: there are places left to look at, and the file may have moved to one of them. ``sentinels`` is what known
    files elsewhere said, ``accepted`` that a person said that what is there now is true. ``unsettled`` is what files
    are known by that are still being written; ``unlooked``: there are directories that could not be looked at just now.
    """

    epoch: Epoch
    traits: Traits
    confirm_delay_s: float | None
    sentinels: Verdict = Verdict.NONE_LEFT
    accepted: bool = False
    unsettled: Collection[Birthmark] = frozenset()
    unlooked: bool = False

    def finding(self, unsettled: Mapping[str, Unsettled], *, unlooked: bool) -> Grounds:
        """The same, with what a pass has found besides: files that are still being written, by directory, and that it
        could not look everywhere."""
        return self._replace(
            unsettled={*self.unsettled, *birthmarks(unsettled.values())}, unlooked=self.unlooked or unlooked
        )

    def delay_s(self, candidate: Candidate) -> float | None:
        """How far apart the two looks must be that prove this one gone; None: there is no proof yet."""
        if self.confirm_delay_s is None:
            return None
        may_turn_up = self.unlooked or (
            candidate.birth_ns is not None and (candidate.file.inode, candidate.birth_ns) in self.unsettled
        )
        return max(self.confirm_delay_s, _REST_S) if may_turn_up else self.confirm_delay_s


def birthmarks(unsettled: Iterable[Unsettled]) -> Iterator[Birthmark]:
    """What files are known by that are still being written."""
    return (mark for files in unsettled for mark in files.values() if mark is not None)


class SecondLooks(NamedTuple):
    """What became of candidates: proven absences, directories that must be listed to know more, whether any is to be
    looked at again on this mount, and those that are gone."""

    absent: list[Absent]
    look_at: set[str]
    waiting: bool
    gone: list[Candidate]


class _Standing(Enum):
    """How a candidate stands that was missed again."""

    PROVEN = "proven"
    WAITS = "waits"
    RESTS = "rests"


def due(journal: Journal, surveys: Mapping[str, Survey], grounds: Grounds, most: int) -> list[Candidate]:
    """The candidates that can be proven gone by these listings, at most so many: it is time to look whether the rest is
    there, and whether they are there themselves."""
    return list(islice(_due(journal, surveys, grounds), most))


def _due(journal: Journal, surveys: Mapping[str, Survey], grounds: Grounds) -> Iterator[Candidate]:
    for listed, compared in surveys.items():
        shown = _Shown(compared.listing)
        for candidate in journal.candidates_listed(listed):
            if (
                candidate.first is not None
                and candidate.epoch == grounds.epoch
                and shown.at(candidate.directory, candidate.file.name) is None
                and _is_apart(candidate, candidate.first, as_look(compared), grounds)
            ):
                yield candidate


def second_looks(journal: Journal, surveys: Mapping[str, Survey], grounds: Grounds, gate: Sequence[str]) -> SecondLooks:
    """Judge the candidates whose listing was read again, and still lacks them (R21)."""
    absent: list[Absent] = []
    look_at: set[str] = set()
    all_gone: list[Candidate] = []
    waits = False
    for listed, compared in surveys.items():
        look, shown = as_look(compared), _Shown(compared.listing)
        waiting: list[Candidate] = []
        confirmed: dict[tuple[str, Look, Stamp | None], list[Candidate]] = {}
        unwanted: list[Candidate] = []
        for candidate in journal.candidates_listed(listed):
            where = shown.at(candidate.directory, candidate.file.name)
            if where == listed:
                # There, and yet no arrival: it is still being written, or an exclusion pattern took it away.
                if candidate.file.name not in compared.held and candidate.file.name not in compared.listing.unclear:
                    unwanted.append(candidate)
            elif where is not None:
                # A directory of its name is there again: only the listing of that can tell.
                waiting.append(
                    _woken(structs.replace(candidate, listed=where, before=None, first=None, epoch=grounds.epoch))
                )
                look_at.add(where)
            elif (
                candidate.first is None
                or candidate.epoch != grounds.epoch
                or _has_moved_since(candidate, look, grounds)
            ):
                waiting.append(_woken(structs.replace(candidate, first=look, epoch=grounds.epoch)))
            else:
                standing, before = _stands(candidate, candidate.first, look, grounds)
                if standing is _Standing.PROVEN:
                    confirmed.setdefault((candidate.directory, candidate.first, before), []).append(candidate)
                elif standing is _Standing.RESTS and candidate.rest is not Rest.RESTS:
                    journal.suspect([structs.replace(candidate, rest=Rest.RESTS)])
        journal.suspect(waiting)
        waits = waits or bool(waiting)
        journal.clear(candidate.key for candidate in unwanted)
        for (directory, first, before), gone in confirmed.items():
            journal.clear(candidate.key for candidate in gone)
            all_gone += gone
            proof = Proof(listed, before, first, look, list(gate))
            names = sorted(candidate.file.name for candidate in gone)
            absent.extend(Absent(directory, piece, proof) for piece in reports.pieces(names))
    return SecondLooks(absent, look_at, waits, all_gone)


def reanchor(journal: Journal, lost: Mapping[str, str], surveys: Mapping[str, Survey]) -> None:
    """Candidates whose directory is not there any more hang on another listing from now on: that of its parent, or of
    whichever directory above it shows that the way to it is gone. ``lost`` names that for each of the directories.

    Also those that rest: a directory that is gone is never listed again, so that no other mount would wake them."""
    for directory, above in lost.items():
        compared = surveys.get(above)
        name = paths.below(above, directory).split("/", 1)[0]
        before = compared.before if compared is not None and name in compared.gone_directories else None
        missed = journal.candidates_listed(directory)
        journal.suspect(_woken(structs.replace(one, listed=above, before=before, first=None)) for one in missed)


def departures(journal: Journal, surveys: Mapping[str, Survey]) -> tuple[list[Departure], dict[str, str]]:
    """Every departure of a pass, those of whole subtrees that are gone included, and the directories of these subtrees,
    each with the one whose listing lacks it or what leads to it."""
    found: list[Departure] = []
    forgotten: dict[str, str] = {}
    for directory, compared in surveys.items():
        found.extend(compared.departures)
        for name in compared.gone_directories:
            for path, lost in journal.below(paths.join(directory, name)):
                if path in surveys:  # listed a moment ago by this very pass, so it is there after all
                    continue
                forgotten[path] = directory
                found.extend(
                    Departure(path, file, birth, directory, compared.before)
                    for file, birth in zip(lost.files, lost.births, strict=True)
                )
    return found, forgotten


def candidate(departure: Departure, surveys: Mapping[str, Survey], epoch: Epoch) -> Candidate:
    """A file that is missed, with the look that missed it."""
    return Candidate(
        departure.directory,
        departure.file,
        departure.birth_ns,
        departure.listed,
        departure.before,
        as_look(surveys[departure.listed]),
        epoch,
        since=epoch,
    )


def unlisted(places: Iterable[Sought], surveys: Mapping[str, Survey]) -> dict[Sought, Listing]:
    """Those of these files that a listing lacks, each with that listing: that of its directory or else of the nearest
    above, if any of these was made."""
    found: dict[Sought, Listing] = {}
    shown = {directory: _Shown(compared.listing) for directory, compared in surveys.items()}
    for place in places:
        nearest = place.directory
        while nearest not in shown and nearest:
            nearest = paths.split(nearest)[0]
        if nearest in shown and shown[nearest].at(place.directory, place.name) is None:
            found[place] = surveys[nearest].listing
    return found


def as_look(compared: Survey) -> Look:
    """The listing of a survey as evidence."""
    listing, at = compared.listing, compared.at
    return Look(at.wall, at.boot, listing.mount_id, listing.mtime_ns, listing.ctime_ns, listing.entries)


class _Shown:
    """What a listing still shows of files in its directory and below it."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def at(self, directory: str, name: str) -> str | None:
        """Where it shows a file: the listed directory itself, or the one inside to look into.

        None when it lacks it: the file's name, or the first directory on the way to it.
        """
        listing = self._listing
        rest = paths.below(listing.directory, directory)
        if not rest:
            return listing.directory if name in self._names else None
        segment = rest.split("/", 1)[0]
        if segment in listing.unclear or segment in listing.directories:
            return paths.join(listing.directory, segment)
        return None

    @cached_property
    def _names(self) -> Set[str]:
        # Made once for all that one listing may have missed, which may be everything in a large folder.
        return {*(file.name for file in self._listing.files), *self._listing.unclear}


def _woken(candidate: Candidate) -> Candidate:
    """A candidate that rested is to be looked at again."""
    return structs.replace(candidate, rest=Rest.WOKEN) if candidate.rest is Rest.RESTS else candidate


def _has_moved_since(candidate: Candidate, look: Look, grounds: Grounds) -> bool:
    """Whether the directory had not changed at all when the file was missed, and has by now."""
    if candidate.first is None:
        return False
    then, now = ((one.mtime_ns, one.ctime_ns) for one in (candidate.first, look))
    before, traits = candidate.before, grounds.traits
    return is_same_stamp(before, then, traits) and not is_same_stamp(before, now, traits)


def _is_apart(candidate: Candidate, first: Look, second: Look, grounds: Grounds) -> bool:
    """Whether enough time has passed between the looks."""
    delay_s = grounds.delay_s(candidate)
    return delay_s is not None and second.boot_s - first.boot_s >= delay_s


def _stands(candidate: Candidate, first: Look, second: Look, grounds: Grounds) -> tuple[_Standing, Stamp | None]:
    """How a candidate stands, by the table above, and which times of the directory are part of the proof."""
    if not _is_apart(candidate, first, second, grounds):
        return _Standing.WAITS, None
    before, traits = candidate.before, grounds.traits
    is_unmoved = is_same_stamp(before, (second.mtime_ns, second.ctime_ns), traits)
    if is_unmoved and traits.directory_times:
        return _Standing.WAITS, None
    if not traits.local and grounds.sentinels is Verdict.NOT_FOUND:
        return _Standing.WAITS, None
    if grounds.accepted or (before is not None and not is_unmoved):
        return _Standing.PROVEN, None if is_unmoved else before
    if traits.directory_times or (traits.local and grounds.sentinels is Verdict.FOUND):
        return _Standing.PROVEN, None
    if (candidate.since.boot_id, candidate.since.mount_id) != (grounds.epoch.boot_id, grounds.epoch.mount_id):
        return _Standing.PROVEN, None
    return _Standing.RESTS, None
