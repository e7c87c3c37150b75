"""The walks of one engine, in their order: scans of its own, scans that are asked for, and what hints lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from agent.asked import Asked, Prospects
from agent.looks import Outcome
from agent.ports import Moment
from agent.scans import Walk
from agent.settings import EngineSettings
from agent.store import Store
from holdfast import ids
from holdfast.reports import ScanStarted
from holdfast.scans import ScanMode, ScanProgress, WantedScan


class Walks:
    """What is still to be walked over. The first one is at work, until it has been everywhere or another one comes
    before it."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._asked = Asked(store, settings)
        self._all: list[Walk] = []

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._all)

    @property
    def first(self) -> Walk:
        """The one that is at work."""
        return self._all[0]

    def scan(self, roots: Iterable[str], now: Moment, entropy: Callable[[int], bytes]) -> Iterator[ScanStarted]:
        """Scan these directories from the beginning. A scan of the engine's own that was running is overtaken."""
        self._all = [walk for walk in self._all if walk.scan is None or self._asked.wants(walk)]
        for directory in roots:
            scan = ids.to_text("scan", ids.new(int(now.wall * 1000), entropy(10)))
            self._all.append(Walk(directory, now.boot, scan))
            yield self._all[-1].begin()

    def want(self, wanted: Iterable[WantedScan]) -> None:
        """These scans are asked for, and no others: one that was asked for and is no more is dropped."""
        dropped = self._asked.want(wanted)
        self._all = [walk for walk in self._all if walk.scan not in dropped]

    def begin_asked(self, now: float) -> None:
        """Take up the scans that are asked for: first what somebody waits for, and the rest after all others."""
        for walk in self._asked.to_begin(self._all, now):
            self._all.insert(len(self._all) if walk.name is None else 0, walk)

    def follow(self, directory: str, now: float) -> None:
        """Something has happened in a directory: walk over it before anything else."""
        self._all.insert(0, Walk(directory, now))

    def glance(self, roots: Iterable[str], now: float) -> None:
        """Look for names that have come or gone below these directories."""
        self._all += [Walk(directory, now, mode=ScanMode.NEW) for directory in roots]

    def lose(self) -> None:
        """Hints were lost, perhaps of what was walked over already."""
        for walk in self._all:
            walk.complete = False

    def visit(self, walk: Walk, outcome: Outcome) -> None:
        """A pass has looked at what the walk has taken."""
        walk.visited(outcome.inside, self._asked.find(walk, outcome), outcome.looked_at, outcome.later)
        walk.failed(outcome.unreadable)

    def is_scanned(self, walk: Walk, now: float) -> bool:
        """The walk has been everywhere. Whether it was a scan of the engine's own, which has ended by that."""
        self._all.remove(walk)
        if self._asked.wants(walk):
            self._asked.rest(walk, now)
            return False
        return walk.scan is not None

    @property
    def are_asked_ones_resting(self) -> bool:
        """Whether there are scans that were asked for and have been everywhere, but not ended."""
        return self._asked.are_resting

    def take_ended(self, prospects: Prospects) -> list[Walk]:
        """The scans that were asked for and have ended."""
        return self._asked.take_ended(prospects)

    def note_done(self, walk: Walk) -> None:
        """The end of a scan that was asked for is told, in this transaction."""
        self._asked.note_done(walk)

    def ends_due(self) -> float | None:
        """When the patience with a scan that has been everywhere is over."""
        return self._asked.due()

    def drop(self) -> None:
        """Forget them; those that are asked for begin anew with :meth:`begin_asked`."""
        self._all.clear()
        self._asked.drop()

    def progress(self, now: float) -> ScanProgress | None:
        """The scan that is running."""
        readings = (walk.progress(now) for walk in self._all)
        return next((reading for reading in readings if reading is not None), None)
