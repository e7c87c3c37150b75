"""Directories that a scan need not list: they look as they did when they were listed last.

A name cannot come to a directory or leave it without moving its times, where these can be trusted at all. So one whose
times have not moved has the names that are known; in mode ``changed`` the known files are asked for theirs, in mode
``new`` not even that. Nothing is concluded from it but that there is nothing to do. What casts the least doubt on that
is listed: names that were left out, times that prove nothing. Files that are missed are looked for besides, by second
looks. Where some files have changed the directory is listed too, but only these are looked at once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from agent.journal import Journal
from agent.known import Outline
from agent.looks import Attachment, Wish
from agent.ports import FileEntry, Place, Trouble
from agent.store import Store
from holdfast.scans import ScanMode

TRUST_S = 86_400.0


class Trust:
    """How long what was listed is relied on: as long as the storage is attached, since elsewhere it may be written to
    by what keeps no such times; and not for longer than a day, should it ever have lied."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._journal = Journal(store)
        self._since: float | None = None

    def end(self, now: float, *, anew: bool = False) -> None:
        """Rely on nothing that was listed until now, if it is time (``now`` is on the boot clock) or ``anew``."""
        if anew or self._since is None or now - self._since >= TRUST_S:
            self._since = now
            with self._store.transaction():
                self._journal.distrust()


class Unmoved(NamedTuple):
    """Directories as they are ``known``, and how many files were asked for to find them so. ``alike`` are those files
    of other directories that were found as they are known, by their names."""

    known: dict[str, Outline]
    asked_for: int
    alike: dict[str, Mapping[str, FileEntry]]


NONE = Unmoved({}, 0, {})


def find(journal: Journal, at: Attachment, wishes: Iterable[Wish]) -> Unmoved:
    """The directories among the wishes that are as they are known. Where any cannot be looked at, there are none: the
    listings will say why."""
    trusting = [wish for wish in wishes if wish.trusting] if at.traits.directory_times else []
    known: dict[str, Outline] = {}
    places: list[Place] = []
    if names := [wish.directory for wish in trusting if wish.mode is ScanMode.NEW]:
        known = journal.outlines(names)
        places = [Place(directory, outline.stamp, ()) for directory, outline in known.items()]
    if whole := [wish.directory for wish in trusting if wish.mode is not ScanMode.NEW]:
        for directory, one in journal.known(whole).items():
            if (outline := one.outline) is not None:
                known[directory] = outline
                places.append(Place(directory, outline.stamp, one.files))
    if not places:
        return NONE
    found = at.files.unmoved(places)
    if isinstance(found, Trouble):
        return NONE
    alike: dict[str, Mapping[str, FileEntry]] = {
        place.directory: {file.name: file for file in place.files if file.name not in changed}
        for place in places
        if (changed := found.get(place.directory))
    }
    still = {directory: known[directory] for directory, changed in found.items() if not changed}
    return Unmoved(still, sum(len(place.files) for place in places if place.directory in still), alike)
