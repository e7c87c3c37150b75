"""What a fresh listing of one directory says, against what was known of it. Pure.

A name that is gone from a listing is a *departure*, and no more than that: whether it is an absence is decided
after the commit gate, a search for the file elsewhere, and a second look (R1, R21).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.filesystems import Traits
from agent.known import UNSEEN, KnownDirectory, pack_directories, pack_files
from agent.looks import Unsettled
from agent.ports import NOTHING_KNOWN, FileEntry, Listing, Moment
from agent.times import Stamp, is_same_stamp, is_same_time
from holdfast.scans import ScanMode

_NANOSECONDS = 1_000_000_000


class Departure(NamedTuple):
    """A known file whose name is not where it was. ``replaced``: the name is still there, for another file."""

    directory: str
    file: FileEntry
    birth_ns: int | None
    listed: str
    before: Stamp | None
    replaced: bool = False


class Survey(NamedTuple):
    """One directory, compared. ``files`` and ``directories`` are what is to be remembered, with names held back as
    they were known.

    ``changes`` are those of the same inode with another size or modification time. ``retold`` are known files that
    must be told again as they are. ``kept_births`` are the births of all files that were known, and are not new.
    ``held`` are names that are still being written. ``before`` are the times that must have moved for a name to be
    gone; None where they prove nothing. ``named`` are files that were known by their names only, and have been seen
    now. ``fresh`` are all files that are not just as they were known."""

    listing: Listing
    at: Moment
    directories: dict[str, int]
    known: KnownDirectory | None
    files: list[FileEntry]
    arrivals: list[FileEntry]
    changes: list[FileEntry]
    retold: list[FileEntry]
    departures: list[Departure]
    kept_births: dict[str, int | None]
    gone_directories: list[str]
    held: frozenset[str]
    unchanged: bool
    before: Stamp | None = None
    named: Sequence[FileEntry] = ()
    fresh: Sequence[FileEntry] = ()


class Refused(NamedTuple):
    """A listing that cannot be true. ``empty``: the root of an import path, full before, lists nothing (R2); else
    names are gone from a directory whose times did not move (R1)."""

    directory: str
    empty: bool


def compare(
    listing: Listing,
    at: Moment,
    known: KnownDirectory | None,
    *,
    excluded: Callable[[str], bool] | None,
    held: frozenset[str],
    traits: Traits,
    is_root: bool,
    accepted: bool = False,
) -> Survey | Refused:
    """Compare a listing with what was known.

    ``excluded`` tests names against the exclusion patterns (None: all are wanted): no file is new that is excluded, but
    one that is known is looked after as before, so that it comes back as what it is by then. ``held`` names are still
    being written: they are taken as they were known. ``is_root``: the directory is the root of an import path.
    ``accepted``: a person said that what is there now is true, so that no listing is refused.
    """
    files = _looked_after(listing.files, known, excluded)
    directories = listing.directories
    if not traits.stable_inodes:
        # Where inodes mean nothing, files and directories are known by their names alone (R39).
        listing = listing._replace(births={})
        files = [file._replace(inode=0) for file in files]
        directories = dict.fromkeys(directories, 0)
    if known is None:
        fresh = [file for file in files if file.name not in held]
        return Survey(listing, at, directories, None, fresh, fresh, [], [], [], {}, [], held, False, fresh=fresh)
    if (
        not held
        and known.told
        and known.files_packed == pack_files(files)
        and known.directories_packed == pack_directories(directories)
    ):
        return Survey(listing, at, directories, known, files, [], [], [], [], {}, [], held, True)
    before = {file.name: file for file in known.files}
    is_unmoved = is_same_stamp(known.stamp, (listing.mtime_ns, listing.ctime_ns), traits)
    # Times that did not move prove nothing where a person vouches for what they do not show.
    before_stamp = None if accepted and is_unmoved else known.stamp
    births = dict(zip(before, known.births, strict=True))
    comparison = _Comparison(listing.directory, known, births, before_stamp, traits, listing.births)
    comparison.look_at(files, before, held)
    comparison.miss(before, set(listing.unclear))
    survey = comparison.survey(listing, at, directories, held)
    gone = bool(survey.gone_directories) or any(not departure.replaced for departure in survey.departures)
    if not gone or accepted:
        return survey
    if is_root and listing.entries == 0:
        return Refused(listing.directory, empty=True)
    if traits.directory_times and is_unmoved:
        # A name cannot leave a directory without moving its times: whatever this is, it is not a deletion.
        return Refused(listing.directory, empty=False)
    return survey


def on_trust(known: KnownDirectory | None, mode: ScanMode) -> Mapping[str, FileEntry]:
    """The files of a directory that a look of this mode takes as they are known. Where all is to be told again, all
    is looked at."""
    if mode is not ScanMode.NEW or known is None or not known.told:
        return NOTHING_KNOWN
    return {file.name: file for file in known.files}


def stamp(listing: Listing, at: Moment, traits: Traits) -> Stamp | None:
    """The times of a directory, if they can later prove that it changed.

    A change in the same tick as the listing would leave no trace in the times, so that they prove nothing; nor do
    they for a name that could not be looked at.
    """
    if traits.timeless or listing.unclear:
        return None
    age_ns = at.wall * _NANOSECONDS - max(listing.mtime_ns, listing.ctime_ns)
    # A directory from the future was stamped by another clock; this tick is not its tick.
    return None if 0 <= age_ns < traits.tick_ns else (listing.mtime_ns, listing.ctime_ns)


def is_whole(survey: Survey) -> bool:
    """Whether nothing of a listing was left for later. An ignore file may be written to without a trace in the times of
    its directory, so that one is always read again."""
    return not survey.held and not survey.listing.unclear and survey.listing.rules is None


def unsettled(
    files: Collection[FileEntry], known: KnownDirectory | None, at: Moment, settle_s: float, whole: Collection[str]
) -> frozenset[str]:
    """Names of files that may still be being written: changed a moment ago, not seen to be closed since, and not as
    they were known."""
    edge_ns = int((at.wall - settle_s) * _NANOSECONDS)
    now_ns = int(at.wall * _NANOSECONDS)
    fresh = [file for file in files if edge_ns < file.mtime_ns <= now_ns and file.name not in whole]
    told = set(known.files) if fresh and known is not None else ()
    return frozenset(file.name for file in fresh if file not in told)


def withhold(survey: Survey, names: Collection[str]) -> Survey:
    """The same without these arrivals: they are looked at again."""
    return survey._replace(
        files=[file for file in survey.files if file.name not in names],
        arrivals=[file for file in survey.arrivals if file.name not in names],
        fresh=[file for file in survey.fresh if file.name not in names],
        held=survey.held.union(names),
    )


def birthmarks(listing: Listing, names: Iterable[str]) -> Unsettled:
    """What these files are known by under other names: those that are listed, and where births are kept."""
    births = listing.births
    marks = {file.name: (file.inode, born) for file in listing.files if (born := births.get(file.name)) is not None}
    return {name: marks.get(name) for name in names}


def _looked_after(
    files: list[FileEntry], known: KnownDirectory | None, excluded: Callable[[str], bool] | None
) -> list[FileEntry]:
    """The files of a listing that are wanted, or known."""
    if excluded is None:
        return files
    wanted = [file for file in files if not excluded(file.name)]
    if known is None or len(wanted) == len(files):
        return wanted
    names = {file.name for file in known.files}
    return [file for file in files if file.name in names or not excluded(file.name)]


class _Comparison:
    """A listing that differs from what was known of its directory, name by name."""

    def __init__(
        self,
        directory: str,
        known: KnownDirectory,
        births: Mapping[str, int | None],
        stamp: Stamp | None,
        traits: Traits,
        births_now: Mapping[str, int | None],
    ) -> None:
        self._directory = directory
        self._births_now = births_now
        self._known = known
        self._stamp = stamp
        self._traits = traits
        self._births = births
        self._kept_births = dict(births)
        self._arrivals: list[FileEntry] = []
        self._changes: list[FileEntry] = []
        self._retold: list[FileEntry] = []
        self._named: list[FileEntry] = []
        self._fresh: list[FileEntry] = []
        self._departures: list[Departure] = []
        self._remembered: list[FileEntry] = []

    def look_at(self, files: list[FileEntry], before: dict[str, FileEntry], held: frozenset[str]) -> None:
        """Take the files that are listed, and strike them from those that were there ``before``."""
        is_told = self._known.told
        for file in files:
            old = before.pop(file.name, None)
            if file == old and is_told and file.name not in held and self._births[file.name] is not None:
                self._remembered.append(file)
                continue
            # Of a file that the catalog told of only the name is known, and this is it.
            is_other = old is not None and old.inode not in (UNSEEN, file.inode)
            if old is not None and is_other:
                self._depart(old, replaced=True)
            if file.name in held:
                if old is not None:
                    self._remembered.append(old)
                continue
            self._remembered.append(file)
            if file != old:
                self._fresh.append(file)
            if old is None or is_other:
                self._kept_births.pop(file.name, None)
                self._arrivals.append(file)
                continue
            if old.inode == UNSEEN:
                del self._kept_births[file.name]
                self._named.append(file)
            elif born := self._births_now.get(file.name):
                # An inode that was freed is used again at once, often for the file that takes the place of the old one.
                self._kept_births[file.name] = born
            if old.size != file.size or not is_same_time(old.mtime_ns, file.mtime_ns, self._traits):
                self._changes.append(file)
            elif not self._known.told:
                self._retold.append(file)

    def miss(self, before: dict[str, FileEntry], unclear: set[str]) -> None:
        """Take the files that were there before, and are not listed."""
        for old in before.values():
            if old.name in unclear:
                self._remembered.append(old)
            else:
                self._depart(old, replaced=False)

    def survey(self, listing: Listing, at: Moment, directories: dict[str, int], held: frozenset[str]) -> Survey:
        """What it comes to."""
        still = {*listing.directories, *listing.unclear}
        return Survey(
            listing=listing,
            at=at,
            directories=directories,
            known=self._known,
            files=sorted(self._remembered),
            arrivals=self._arrivals,
            changes=self._changes,
            retold=self._retold,
            departures=self._departures,
            kept_births=self._kept_births,
            gone_directories=[name for name in self._known.directories if name not in still],
            held=held,
            unchanged=False,
            before=self._stamp,
            named=self._named,
            fresh=self._fresh,
        )

    def _depart(self, old: FileEntry, *, replaced: bool) -> None:
        self._departures.append(
            Departure(self._directory, old, self._births[old.name], self._directory, self._stamp, replaced)
        )
