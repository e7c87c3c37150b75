"""What a volume still has to tell, in order, and the numbered reports that are made of it.

Observations are kept as the JSON they will be sent as. A report gets its number and its bytes when it is *sealed*;
from then on that number means these bytes, whatever crashes, until the sidecar has acknowledged it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from agent.folding import Folding
from agent.store import Store
from holdfast import reports
from holdfast.volumes import Epoch

# A report that waits to be sent is at most this large before compression; the sidecar's bounds are far above it.
_SEALED_BYTES_MAX = 2 * 1024 * 1024

_json = msgspec.json.Encoder().encode


class Sealed(NamedTuple):
    """A report that has its number and will never change: gzip-compressed JSON. ``is_last``: nothing waited behind it
    when it was taken."""

    sequence: int
    files: int
    body: bytes
    is_last: bool


class _Spooled(NamedTuple):
    """An observation in the outbox, encoded."""

    id: int
    epoch: bytes
    files: int
    body: bytes


class Outbox:
    """The outbox in an open :class:`~agent.store.Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = store.db
        self._folding = Folding(store.db)

    def spool(self, epoch: Epoch, observations: Iterable[reports.Observation]) -> int:
        """Put observations into the outbox, in order; returns how many. What waits of the same files gives way."""
        packed = _json(epoch)
        count = 0
        for observation in observations:
            self._folding.make_room(packed, observation)
            row = (packed, _file_count(observation), _json(observation))
            done = self._db.execute("INSERT INTO outbox (epoch, files, body) VALUES (?, ?, ?)", row)
            self._folding.remember(done.lastrowid or 0, packed, observation)
            count += 1
        return count

    def pending(self) -> tuple[int, int]:
        """What waits to be told: how many files, and how many bytes."""
        row = self._db.execute(
            "SELECT (SELECT COALESCE(SUM(files), 0) FROM outbox) + (SELECT COALESCE(SUM(files), 0) FROM sealed), "
            "(SELECT COALESCE(SUM(LENGTH(body)), 0) FROM outbox)"
        ).fetchone()
        return int(row[0]), int(row[1])

    def has_pending(self) -> bool:
        """Whether anything waits to be told."""
        row = self._db.execute("SELECT EXISTS (SELECT 1 FROM outbox) OR EXISTS (SELECT 1 FROM sealed)").fetchone()
        return bool(row[0])

    def seal(self, made_at: float, files_max: int = reports.FILES_MAX) -> Sealed | None:
        """The next report to send: the one that has a number already, or a new one from the head of the outbox, with up
        to ``files_max`` files where a single observation has not more.

        Its number is used from then on, for these observations and nothing else.
        """
        with self._store.transaction():
            row = self._db.execute("SELECT sequence, files, body FROM sealed ORDER BY sequence LIMIT 1").fetchone()
            if row is not None:
                return Sealed._make((*row, self._is_last()))
            rows = self._head(files_max)
            if not rows:
                return None
            sequence = int(self._store.meta("next_sequence"))
            files = sum(row.files for row in rows)
            body = self._report(sequence, made_at, rows)
            self._db.execute("INSERT INTO sealed VALUES (?, ?, ?)", (sequence, files, body))
            self._db.execute("DELETE FROM outbox WHERE id <= ?", (rows[-1].id,))
            self._store.set_meta("next_sequence", sequence + 1)
            return Sealed(sequence, files, body, self._is_last())

    def acknowledge(self, sequence: int) -> None:
        """The sidecar has committed this report: forget it."""
        with self._store.transaction():
            self._db.execute("DELETE FROM sealed WHERE sequence <= ?", (sequence,))

    def begin_anew(self, journal_id: str, *, keep: bool) -> None:
        """Start a stream of another incarnation, from number 1; to be called in a transaction (R34).

        For a journal that was set back, or whose catalog was: its numbers may have been used before, for other reports,
        and the sidecar would take the new ones for repeats. What waits is kept, in its order, or dropped: it is stale
        when somebody else has written since.
        """
        sealed = self._db.execute("SELECT files, body FROM sealed ORDER BY sequence").fetchall() if keep else []
        self._db.execute("DELETE FROM sealed")
        if not keep:
            self._db.execute("DELETE FROM outbox")
        for number, (files, body) in enumerate(sealed, 1):
            report = msgspec.json.decode(gzip.decompress(body), type=reports.Report)
            renumbered = msgspec.structs.replace(report, journal=journal_id, sequence=number)
            self._db.execute("INSERT INTO sealed VALUES (?, ?, ?)", (number, files, _compress(_json(renumbered))))
        self._store.set_meta("id", journal_id)
        self._store.set_meta("next_sequence", len(sealed) + 1)
        self._store.id = journal_id

    def _is_last(self) -> bool:
        """Whether nothing waits but what is sealed."""
        return bool(self._db.execute("SELECT NOT EXISTS (SELECT 1 FROM outbox)").fetchone()[0])

    def _head(self, files_max: int) -> list[_Spooled]:
        """The first observations of the outbox that fit into one report: one epoch, and within its bounds."""
        taken: list[_Spooled] = []
        files = size = 0
        for found in self._db.execute("SELECT id, epoch, files, body FROM outbox ORDER BY id"):
            row = _Spooled(*found)
            files += row.files
            size += len(row.body)
            is_over = files > files_max or size > _SEALED_BYTES_MAX
            if taken and (is_over or row.epoch != taken[0].epoch):
                break
            taken.append(row)
        return taken

    def _report(self, sequence: int, made_at: float, rows: list[_Spooled]) -> bytes:
        """The body of a report. The observations are JSON already and are not encoded again."""
        frame = reports.Report(
            volume=self._store.volume,
            journal=self._store.id,
            sequence=sequence,
            epoch=msgspec.json.decode(rows[0].epoch, type=Epoch),
            made_at=made_at,
            observations=[],
        )
        head, bracket, tail = _json(frame).rpartition(b"[]")
        if not bracket or tail != b"}":
            raise AssertionError("bug: the observations are not the last field of a report")
        return _compress(head + b"[" + b",".join(row.body for row in rows) + b"]}")


def flaw(body: bytes) -> str | None:
    """What is wrong with a sealed report, so that nobody can take it; None when nothing is."""
    try:
        reports.check(msgspec.json.decode(gzip.decompress(body), type=reports.Report))
    except (reports.BadReport, msgspec.DecodeError) as error:
        return str(error)
    return None


def _compress(body: bytes) -> bytes:
    # The level that is cheapest by far and within a fifth of the best: a report is sent once, over a LAN.
    return gzip.compress(body, compresslevel=1, mtime=0)


def _file_count(observation: reports.Observation) -> int:
    match observation:
        case reports.Listed(files=files):
            return len(files)
        case reports.Moved(moves=moves):
            return sum(len(move.files) for move in moves)
        case reports.Absent(names=names):
            return len(names)
        case _:
            return 0
