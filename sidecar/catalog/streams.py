"""Report streams: which report of a journal comes next, and what the last one was.

Reports take effect exactly once (rule R32). The row of a stream is locked while a report of it is applied, so of
two copies that arrive at the same moment one waits, and then finds its work done.
"""

from __future__ import annotations

from enum import Enum

from sqlalchemy import Connection, select, update

from sidecar.catalog import bulk
from sidecar.catalog.tables import stream
from sidecar.errors import Refused

# What the stream of a journal expects when another journal has taken its place. Numbers of reports begin at 1.
_OVER = 0


class Turn(Enum):
    """Whether it is a report's turn."""

    NEXT = "next"
    REPEAT = "repeat"


def take_turn(
    connection: Connection, volume: bytes, journal: bytes, sequence: int, digest: bytes, now: int
) -> tuple[Turn, int]:
    """Lock the stream and decide about a report. Returns its turn and the number the stream expects.

    Raises :class:`Refused` with ``sequence-mismatch`` for a hole, and with ``stream-diverged`` when the number was
    used for a report of other content, or when another journal has told of the volume since this one did: it does not
    know what that one has told.
    """
    expected, last = _locked(connection, volume, journal, now)
    if expected == _OVER:
        raise Refused(
            "stream-diverged",
            "Another journal has told of this volume since this one did. The journal was set back; start a new one.",
        )
    if sequence > expected:
        raise Refused(
            "sequence-mismatch",
            f"Report {sequence} would leave a hole: this stream expects report {expected}. Send that one.",
            expected=expected,
        )
    if sequence == expected:
        return Turn.NEXT, expected
    if sequence == expected - 1 and last != digest:
        raise Refused(
            "stream-diverged",
            f"Report {sequence} was applied with other content. Two agents may share a journal, or the journal"
            " was set back; start a new one.",
        )
    return Turn.REPEAT, expected


def advance(connection: Connection, volume: bytes, journal: bytes, sequence: int, digest: bytes, now: int) -> int:
    """Note that a report was applied. Returns the number that comes next."""
    connection.execute(
        update(stream)
        .where(stream.c.volume_id == volume, stream.c.journal == journal)
        .values(expected=sequence + 1, digest=digest, last_report_at=now)
    )
    return sequence + 1


def _locked(connection: Connection, volume: bytes, journal: bytes, now: int) -> tuple[int, bytes | None]:
    wanted = (
        select(stream.c.expected, stream.c.digest)
        .where(stream.c.volume_id == volume, stream.c.journal == journal)
        .with_for_update()
    )
    row = connection.execute(wanted).one_or_none()
    if row is None:
        earlier = update(stream).where(stream.c.volume_id == volume, stream.c.journal != journal)
        connection.execute(earlier.values(expected=_OVER))
        fresh = {"volume_id": volume, "journal": journal, "expected": 1, "started_at": now}
        bulk.insert_unless_there(connection, stream, fresh)
        row = connection.execute(wanted).one()
    return row.expected, row.digest
