"""The change feed as photo servers follow it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec

from holdfast.client.errors import Unreachable
from holdfast.client.resources import CHANGES, Change, OtherChange

BACKOFF_FIRST_S = 0.5
BACKOFF_LAST_S = 30.0


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the feed, as the sidecar answers."""

    items: list[msgspec.Raw]
    next: str
    has_more: bool


class _Item(msgspec.Struct, frozen=True):
    entity: str


Read = Callable[[str | None, float], Piece]


class Snapshot:
    """Everything that there is, once: iterate over it to the end. Then ``cursor`` is where to follow on from, and
    what was known and has not been in it is not in the catalog any more."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._cursor: str | None = None

    @property
    def cursor(self) -> str:
        """Raises ValueError before the end was reached."""
        if self._cursor is None:
            raise ValueError("bug: the snapshot was not read to its end")
        return self._cursor

    def __iter__(self) -> Iterator[Change]:
        piece = self._read(None, 0.0)
        while True:
            yield from changes(piece)
            if not piece.has_more:
                break
            piece = self._read(piece.next, 0.0)
        self._cursor = piece.next


def follow(read: Read, cursor: str | None, wait_s: float, stop: threading.Event | None) -> Iterator[Change]:
    """What happens after a cursor, for as long as nobody stops it; see :meth:`Client.follow`."""
    stopped = stop or threading.Event()
    failures = 0
    while not stopped.is_set():
        try:
            piece = read(cursor, wait_s)
        except Unreachable as error:
            failures += 1
            stopped.wait(backoff_s(failures, random.random(), error.retry_after_s))
            continue
        failures = 0
        yield from changes(piece)
        cursor = piece.next


def backoff_s(failures: int, chance: float, wished_s: float | None = None) -> float:
    """How long to wait after so many failures in a row. ``chance`` in [0, 1) spreads those that failed together."""
    ceiling = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 16))
    return max(min(wished_s or 0.0, BACKOFF_LAST_S), ceiling * (0.5 + chance / 2))


def changes(piece: Piece) -> Sequence[Change]:
    """The changes of a piece, each as what it is."""
    found: list[Change] = []
    for raw in piece.items:
        kind = CHANGES.get(msgspec.json.decode(raw, type=_Item).entity, OtherChange)
        found.append(msgspec.json.decode(raw, type=kind))
    return found
