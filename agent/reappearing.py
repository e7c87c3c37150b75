"""Moves of files that are known by their names alone: where inode numbers mean nothing, and where only the catalog has
told of a file, since the journal was lost.

A file that is moved keeps its size and its modification time. So a new file that has both of one whose content is known
is looked for at that one's place, in the same pass. If it is still there, the new one is a copy. If it is gone, the new
one is read, and when it is the same content, told only when the other is proven to be gone: then the catalog takes it
for that photo (R38). It waits no longer than any file that does not settle.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from agent import absences
from agent.contents import Contents, Twin
from agent.journal import Journal, Rest
from agent.known import UNSEEN
from agent.looks import Unheard
from agent.ports import FileEntry
from agent.survey import Survey

_Place = tuple[str, str]  # a directory, and a name in it


class Waiting(NamedTuple):
    """Arrivals that are not told yet, by directory, and those of them that are to be read first."""

    names: dict[str, set[str]]
    unheard: list[Unheard]


class Reappearing:
    """Finds them for one pass. ``hopeless`` are files that cannot be read, and are told as new."""

    def __init__(self, journal: Journal, contents: Contents, hopeless: Container[Unheard]) -> None:
        self._journal, self._contents, self._hopeless = journal, contents, hopeless
        self._twins: dict[str, Mapping[str, Sequence[Twin]]] = {}  # of the arrivals of each directory, by name

    def origins(self, directory: str, arrivals: Sequence[FileEntry]) -> set[str]:
        """The known directories in which there was a file that one of these may be. To be called when a directory was
        listed."""
        found = self._twins[directory] = self._contents.twins(directory, arrivals)
        origins = {one.directory for twins in found.values() for one in twins}
        return {one for one in origins if self._journal.directory(one) is not None}

    def still_shown(self, surveys: Mapping[str, Survey], directory: str) -> list[str]:
        """The directories that were listed before this one, and show a file that may be in this one by now."""
        found = self._twins.get(directory)
        if not found:
            return []
        twins = {(one.directory, one.name) for them in found.values() for one in them}
        return [
            origin
            for origin in {at for at, _ in twins} & surveys.keys() - {directory}
            if any((origin, file.name) in twins for file in surveys[origin].files)
        ]

    def among(self, surveys: Mapping[str, Survey]) -> Waiting:
        """The arrivals of these surveys that may be files which are missed, by these or by an earlier pass."""
        waiting = Waiting({}, [])
        twins = {directory: by_name for directory, by_name in self._twins.items() if by_name and directory in surveys}
        places = {(one.directory, one.name) for found in twins.values() for them in found.values() for one in them}
        missed = self._missed(places, surveys)
        for directory, by_name in twins.items():
            compared = surveys[directory]
            # Whatever takes the place of a file is that photo, and has its name.
            replaced = {one.file.name for one in compared.departures if one.replaced}
            lost = {
                file.name: {one.digest for one in by_name[file.name] if (one.directory, one.name) in missed}
                for file in compared.arrivals
                if file.name in by_name and file.name not in replaced and not self._is_known(file)
            }
            if names := self._waiting(compared, {one: of for one, of in lost.items() if of}, waiting.unheard):
                waiting.names[directory] = names
        return waiting

    def _is_known(self, file: FileEntry) -> bool:
        """Whether it is known by its inode."""
        inodes = [file.inode] if file.inode != UNSEEN else []
        return bool(self._journal.directories(inodes) or self._journal.candidates_like(inodes, ()))

    def _missed(self, places: set[_Place], surveys: Mapping[str, Survey]) -> set[_Place]:
        """Those of these places whose files are missed, and may be proven gone on this mount. A file whose inode was
        seen is known by that."""
        if not places:
            return set()
        departures, _ = absences.departures(self._journal, surveys)
        gone = {(one.directory, one.file.name) for one in departures if one.file.inode == UNSEEN} & places
        suspected = self._journal.candidates_like((), places - gone)
        return gone | {one.key for one in suspected if one.file.inode == UNSEEN and one.rest is not Rest.RESTS}

    def _waiting(self, compared: Survey, lost: Mapping[str, Container[str]], unheard: list[Unheard]) -> set[str]:
        """Those arrivals of a directory that wait, for a reader or for a proof. ``lost`` are the digests of the missed
        files that each may be."""
        directory = compared.listing.directory
        files = [file for file in compared.listing.files if file.name in lost]
        digests = self._contents.digests(directory, files)
        unread = (Unheard(directory, file) for file in files if file.name not in digests)
        to_read = [one for one in unread if one not in self._hopeless]
        unheard += to_read
        return {one.file.name for one in to_read} | {name for name, found in digests.items() if found in lost[name]}
