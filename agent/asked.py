"""Scans that somebody has asked for: which are still to be done, and when one that has been everywhere has ended.

That a scan is done is written down in the transaction that tells of its end: no crash can make it be done twice, or
not at all. It is forgotten when it is wanted no more, and when nobody knows what the catalog was told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from agent.journal import Journal
from agent.looks import Outcome
from agent.scans import Walk
from agent.settings import EngineSettings
from agent.store import Store
from holdfast import paths
from holdfast.scans import ScanMode, WantedScan

# What goes on being written to never settles, and some absences are never proven. A scan may take a little longer than
# nothing because of it; whoever waits for a look at one file has gone away after a few seconds.
_PATIENCE_S = 30.0
_LOOK_PATIENCE_S = 4.0
_DONE = "scans_done"
_read = msgspec.json.Decoder(list[str]).decode


def forget_done(store: Store) -> None:
    """Nobody knows which scans the catalog was told of: those that are still wanted are done again."""
    store.set_meta(_DONE, "[]")


class Prospects(NamedTuple):
    """What the engine has before it. ``unsettled`` are directories that are to be looked at again, and ``awaits`` tell
    of a file in a directory whether something is to happen to it before it is told; ``is_walking``: there are places
    left to look at, and until then nothing is proven; ``proves``: absences may be proven at all."""

    now: float
    unsettled: Collection[str]
    awaits: Sequence[Callable[[str, str], bool]]
    is_walking: bool
    proves: bool


class Asked:
    """The scans that are wanted of one volume.

    One that has been everywhere *rests* until what it has missed was looked for a second time, and what was still being
    written has settled: when it ends, all that it has found is told.
    """

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store = store
        self._journal = Journal(store)
        self._settings = settings
        self._wanted: dict[str, WantedScan] = {}
        self._resting: dict[Walk, float] = {}  # until when at the latest

    def want(self, wanted: Iterable[WantedScan]) -> set[str]:
        """These are wanted, and no others; returns those that were wanted until now."""
        before = self._wanted
        self._wanted = {one.id: one for one in wanted}
        self._resting = {walk: until for walk, until in self._resting.items() if self.wants(walk)}
        done = self._done()
        if not done <= self._wanted.keys():
            with self._store.transaction():
                self._note(done & self._wanted.keys())
        return before.keys() - self._wanted.keys()

    def wants(self, walk: Walk) -> bool:
        """Whether this walk is a scan that is wanted."""
        return walk.scan in self._wanted

    def to_begin(self, walks: Sequence[Walk], now: float) -> list[Walk]:
        """Walks for all that is wanted, not done, and not under way."""
        begun = {walk.scan for walk in (*walks, *self._resting)} | self._done()
        return [
            Walk(one.directory, now, one.id, self._mode(one), one.name)
            for one in self._wanted.values()
            if one.id not in begun
        ]

    def find(self, walk: Walk, outcome: Outcome) -> int:
        """How many files a pass has found of what the walk is about: of one that is about a single file, that file."""
        if walk.name is None or walk.directories:
            return outcome.files
        return self._count(walk) if walk.directory in outcome.inside else 0

    def rest(self, walk: Walk, now: float) -> None:
        """The walk has been everywhere."""
        walk.ended = now
        self._resting[walk] = now + self._patience_s(walk)

    @property
    def are_resting(self) -> bool:
        """Whether there are scans that have been everywhere."""
        return bool(self._resting)

    def take_ended(self, prospects: Prospects) -> list[Walk]:
        """Those that have ended."""
        for walk in self._resting if prospects.is_walking else ():
            self._resting[walk] = prospects.now + self._patience_s(walk)
        ended = [
            walk for walk, until in self._resting.items() if until <= prospects.now or self._is_told(walk, prospects)
        ]
        for walk in ended:
            del self._resting[walk]
            if walk.name is not None and walk.complete and not walk.files:
                walk.files = self._count(walk)  # it may have settled since
        return ended

    def note_done(self, walk: Walk) -> None:
        """The end of the walk is told, in this transaction."""
        self._note(self._done() | {str(walk.scan)})

    def due(self) -> float | None:
        """When the patience with one of those that rest is over."""
        return min(self._resting.values(), default=None)

    def drop(self) -> None:
        """Whatever was begun is to be begun anew."""
        self._resting.clear()

    def _mode(self, one: WantedScan) -> ScanMode:
        """How closely to look. Where no file is read, what is known of its content is not thrown away."""
        is_too_close = one.mode is ScanMode.FULL and not self._settings.read_contents
        return ScanMode.CHANGED if is_too_close else one.mode

    def _patience_s(self, walk: Walk) -> float:
        """How long the walk rests at most, beyond what a second look and files that settle take."""
        longest = max(self._settings.confirm_delay_s, self._settings.settle_s)
        return longest + (_PATIENCE_S if walk.name is None else _LOOK_PATIENCE_S)

    def _is_told(self, walk: Walk, prospects: Prospects) -> bool:
        """Whether nothing that the walk has found is still to be told."""
        if walk.name is not None:
            if any(awaits(walk.directory, walk.name) for awaits in prospects.awaits):
                return False
            # Somebody waits for the answer, and what is walked over before a proof may be all of the volume.
            can_prove = prospects.proves and not prospects.is_walking
            return not (can_prove and walk.name in self._journal.suspected_in(walk.directory))
        if any(paths.contains(walk.directory, one) for one in prospects.unsettled):
            return False
        suspected = self._journal.suspected_listings() if prospects.proves else ()
        return not any(paths.contains(walk.directory, one) or paths.contains(one, walk.directory) for one in suspected)

    def _count(self, walk: Walk) -> int:
        """How many files of its directory are the one that the walk is about."""
        known = self._journal.directory(walk.directory)
        return sum(file.name == walk.name for file in known.files) if known is not None else 0

    def _done(self) -> set[str]:
        return set(_read(str(self._store.meta(_DONE))))

    def _note(self, done: Iterable[str]) -> None:
        self._store.set_meta(_DONE, msgspec.json.encode(sorted(done)).decode())
