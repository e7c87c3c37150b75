"""Tries to get in, counted in the database: all processes and hosts share one count."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select, update

from sidecar import throttle
from sidecar.catalog import bulk
from sidecar.catalog.clock import of_database
from sidecar.catalog.tables import attempt
from sidecar.catalog.tokens import digest
from sidecar.throttle import Rate


def take(connection: Connection, keys: Mapping[str, Rate], now: int) -> int:
    """Take one try of each of these keys, before anything is looked at. Returns 0, or for how many microseconds to wait
    when one of them has none left; then none is taken of any."""
    by_digest = {digest(key): rate for key, rate in keys.items()}
    for key in sorted(by_digest):
        bulk.insert_unless_there(connection, attempt, {"key_digest": key, "full_at": now})
    chosen = select(attempt).where(attempt.c.key_digest.in_(sorted(by_digest))).order_by(attempt.c.key_digest)
    known = {row.key_digest: row.full_at for row in connection.execute(chosen.with_for_update())}
    waits = [throttle.wait_us(known.get(key), rate, now) for key, rate in by_digest.items()]
    if any(waits):
        return max(waits)
    for key, rate in by_digest.items():
        after = throttle.after_try(known.get(key), rate, now)
        connection.execute(update(attempt).where(attempt.c.key_digest == key).values(full_at=after))
    return 0


def give_back(connection: Connection, keys: Mapping[str, Rate], whole: str) -> None:
    """The try was a good one: what it took of these keys comes back, and of the key ``whole`` everything. What came
    back by itself is forgotten."""
    for key, rate in sorted((digest(key), rate) for key, rate in keys.items()):
        before = attempt.c.full_at - rate.each_s * 1_000_000
        connection.execute(update(attempt).where(attempt.c.key_digest == key).values(full_at=before))
    connection.execute(delete(attempt).where(attempt.c.key_digest == digest(whole)))
    connection.execute(delete(attempt).where(attempt.c.full_at < of_database(connection)))
