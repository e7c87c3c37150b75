"""Whether two databases hold the same rows: read whole, on both sides, by the same reader."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine, Table, select

from sidecar.catalog import clock

_PAGE_ROWS = 10_000
_DIGEST_BYTES = 16
_pack = msgspec.msgpack.Encoder().encode


class Fingerprint(NamedTuple):
    """A table in short: how many rows, and the sum of their digests, which knows no order."""

    rows: int
    digest: int


def fingerprint(engine: Engine, table: Table) -> Fingerprint:
    """Read every row of a table."""
    rows = total = 0
    with engine.connect().execution_options(stream_results=True, yield_per=_PAGE_ROWS) as connection:
        for row in connection.execute(select(*table.columns)):
            rows += 1
            total += int.from_bytes(hashlib.blake2b(_pack(tuple(row)), digest_size=_DIGEST_BYTES).digest(), "big")
        connection.rollback()
    return Fingerprint(rows, total % (1 << 8 * _DIGEST_BYTES))


def position(engine: Engine) -> int:
    """How far the change clock of a catalog is."""
    with engine.connect() as connection:
        return clock.read(connection)
