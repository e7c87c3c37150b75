"""What waits to be told of a file is told once: a later look at it takes the place of an earlier one (R31).

A file that somebody works on for days while the sidecar is away would otherwise fill the outbox with what it was. Only
the small listings of watching are looked at again: those of a scan come once for a directory. And nothing is folded
over anything else that was told in between, such as a move or an absence, whose meaning hangs on what comes before it.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import NamedTuple

import msgspec

from holdfast import reports
from holdfast.reports import Absent, FileFacts, Listed

# Of a listing that is looked at again, and how many of them are remembered: about a megabyte at the worst.
_FILES_MAX = 64
_DIRECTORIES_MAX = 256

_json = msgspec.json.Encoder().encode


class _Waiting(NamedTuple):
    """A row of the outbox, with a listing of these names."""

    row: int
    epoch: bytes
    names: frozenset[str]


class Folding:
    """Remembers the last small listing of each directory that was put into an outbox. A row that was sealed since, or
    that a transaction took back, is found out when it is looked at."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def make_room(self, epoch: bytes, observation: reports.Observation) -> None:
        """Take out of what waits what this observation, which is put behind it, tells anew."""
        if isinstance(observation, Absent):
            self._waiting.pop(observation.directory, None)
        elif not isinstance(observation, Listed):
            self._waiting.clear()
        elif (earlier := self._waiting.pop(observation.directory, None)) is not None and earlier.epoch == epoch:
            told = {one.name: one for one in observation.files}
            if not earlier.names.isdisjoint(told):
                self._thin(earlier, observation.directory, told)

    def remember(self, row: int, epoch: bytes, observation: reports.Observation) -> None:
        """This row was put into the outbox."""
        if isinstance(observation, Listed) and len(observation.files) <= _FILES_MAX:
            names = frozenset(one.name for one in observation.files)
            self._waiting[observation.directory] = _Waiting(row, epoch, names)
            if len(self._waiting) > _DIRECTORIES_MAX:
                self._waiting.popitem(last=False)

    def _thin(self, earlier: _Waiting, directory: str, told: dict[str, FileFacts]) -> None:
        found = self._db.execute(
            "SELECT body FROM outbox WHERE id = ? AND epoch = ?", (earlier.row, earlier.epoch)
        ).fetchone()
        if found is None:
            return
        listing = msgspec.json.decode(found[0], type=reports.Observation)
        if not isinstance(listing, Listed) or listing.directory != directory:
            return
        left = [one for one in listing.files if not _is_superseded(one, told.get(one.name))]
        if not left:
            self._db.execute("DELETE FROM outbox WHERE id = ?", (earlier.row,))
        elif len(left) < len(listing.files):
            body = _json(msgspec.structs.replace(listing, files=left))
            self._db.execute("UPDATE outbox SET files = ?, body = ? WHERE id = ?", (len(left), body, earlier.row))


def _is_superseded(earlier: FileFacts, later: FileFacts | None) -> bool:
    """Whether the later facts say all that the earlier ones did. What is in a file is not read twice if it is the
    same, so then it must not be forgotten."""
    if later is None:
        return False
    is_same = (earlier.size, earlier.mtime_ns) == (later.size, later.mtime_ns)
    return earlier.content is None or later.content is not None or not is_same
