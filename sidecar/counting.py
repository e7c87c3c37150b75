"""What the processes of one gunicorn count, added up.

A scrape is answered by whichever process takes it, and must tell what all of them have counted. They share a piece of
memory for it, made before they are forked: each writes to a row of its own, so that no lock is shared, and whoever is
asked adds the rows up. What a process has counted that ended is kept in the first row. Nothing of it is in a file or in
the database; with the last process it begins at 0 again, which Prometheus knows of counters.

What is registered here, is registered when modules are imported, so that all processes number it in the same way.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator, Sequence

from holdfast.exposition import Family, Kind, Metric, Sample

_SERIES_MAX = 256
_ENDED, _OWN = 0, 1
_ROWS = 130  # workers at a time, with those that are being replaced

# From a report that only confirms to one of thousands of files on a slow disk.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Board:
    """The memory that is shared by a process and all that it forks."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, _ROWS * _SERIES_MAX * 8)).cast("d")
        self._lock = threading.Lock()
        self._row = _OWN
        self._series = 0
        self._free = list(range(_ROWS - 1, _OWN, -1))

    def register(self) -> int:
        """The number of another series."""
        if self._series == _SERIES_MAX:
            raise ValueError("bug: there are more series than were thought of")
        self._series += 1
        return self._series - 1

    def add(self, series: int, by: float) -> None:
        """Count."""
        with self._lock:
            self._cells[self._row * _SERIES_MAX + series] += by

    def total(self, series: int) -> float:
        """What all have counted."""
        return sum(self._cells[row * _SERIES_MAX + series] for row in range(_ROWS))

    def reserve(self) -> int:
        """A row for a process that is about to be forked. When there is none left, it counts with this one."""
        return self._free.pop() if self._free else _OWN

    def use(self, row: int) -> None:
        """Count there from now on; for a process that was just forked."""
        self._lock = threading.Lock()
        self._row = row

    def retire(self, row: int) -> None:
        """The process that used this row has ended: keep what it has counted, and give the row to another."""
        if row == _OWN:
            return
        for series in range(self._series):
            self._cells[_ENDED * _SERIES_MAX + series] += self._cells[row * _SERIES_MAX + series]
            self._cells[row * _SERIES_MAX + series] = 0.0
        self._free.append(row)


BOARD = Board()


class Counter:
    """A metric that only grows, with a series for each of ``known``: values of its labels."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str] = (), known: Sequence[Sequence[str]] = ((),)
    ) -> None:
        self.metric = Metric(name, Kind.COUNTER, text, tuple(labels))
        self._series = {tuple(one): BOARD.register() for one in known}

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count."""
        BOARD.add(self._series[labels], by)

    def total(self, *labels: str) -> float:
        """What all processes have counted."""
        return BOARD.total(self._series[labels])

    def family(self) -> Family:
        """As it is served."""
        return self.metric, [Sample(self.total(*labels), labels) for labels in self._series]


class Histogram:
    """How long something took."""

    def __init__(self, name: str, text: str) -> None:
        self.metric = Metric(name, Kind.HISTOGRAM, text)
        self._buckets = {bound: BOARD.register() for bound in BUCKETS_S}
        self._sum, self._count = BOARD.register(), BOARD.register()

    def observe(self, seconds: float) -> None:
        """Count one that took so long."""
        fitting = [series for bound, series in self._buckets.items() if seconds <= bound]
        for series in (*fitting, self._count):
            BOARD.add(series, 1.0)
        BOARD.add(self._sum, seconds)

    def family(self) -> Family:
        """As it is served."""
        return self.metric, list(self._samples())

    def _samples(self) -> Iterator[Sample]:
        # The count is read first: no bucket may have more than all there are, however much is counted meanwhile.
        count = BOARD.total(self._count)
        for bound, series in self._buckets.items():
            yield Sample(min(count, BOARD.total(series)), suffix="_bucket", more=("le", f"{bound:g}"))
        yield Sample(count, suffix="_bucket", more=("le", "+Inf"))
        yield Sample(BOARD.total(self._sum), suffix="_sum")
        yield Sample(count, suffix="_count")


REPORTS = Counter(
    "holdfast_reports_total",
    "Reports of agents: applied, repeated (known already), refused, overloaded (sent back for now).",
    ("outcome",),
    (("applied",), ("repeated",), ("refused",), ("overloaded",)),
)
REPORT_ENTRIES = Counter("holdfast_report_observations_total", "Observations in the reports that were applied.")
REPORT_S = Histogram("holdfast_report_duration_seconds", "How long the catalog took to apply a report.")
HEARTBEATS = Counter("holdfast_heartbeats_total", "Heartbeats of agents that were taken in.")
REQUESTS = Counter(
    "holdfast_requests_total",
    "Requests that were answered, by the class of the status.",
    ("status",),
    tuple((f"{one}xx",) for one in range(1, 6)),
)
RETRIES = Counter(
    "holdfast_database_retries_total", "Transactions that were run again: deadlocks, time-outs, lost connections."
)
UNAVAILABLE = Counter(
    "holdfast_database_unavailable_total", "Times that the database did not answer, or stayed too busy."
)
COUNTED: list[Counter | Histogram] = [REPORTS, REPORT_ENTRIES, REPORT_S, HEARTBEATS, REQUESTS, RETRIES, UNAVAILABLE]
