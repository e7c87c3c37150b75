"""Leases: of several workers only one does a job, on whatever host it runs.

A lease is a row with its holder, a fencing number that grows with every take-over, and a beat that grows with every
renewal. Nobody writes a time into it: whoever wants it watches the beat on a clock of its own, and takes over when
it stood still for too long. Work is done in the transaction that renews (:func:`renew`), so a holder that slept
through its replacement finds the fencing number changed and does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from sidecar.catalog.tables import lease


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it stands in the database."""

    holder: bytes
    fence: int
    beat: int


def read(connection: Connection, name: str) -> Lease | None:
    """The lease of this name."""
    row = connection.execute(select(lease).where(lease.c.name == name)).one_or_none()
    return None if row is None else Lease(row.holder, row.fence, row.beat)


def all_of_them(connection: Connection) -> dict[str, Lease]:
    """The leases by their names."""
    rows = connection.execute(select(lease).order_by(lease.c.name))
    return {row.name: Lease(row.holder, row.fence, row.beat) for row in rows}


def take(connection: Connection, name: str, seen: Lease | None, holder: bytes) -> Lease | None:
    """Take over a lease that stands as it was ``seen``. None when somebody else was faster."""
    if seen is None:
        try:
            connection.execute(lease.insert().values(name=name, holder=holder, fence=1, beat=0))
        except IntegrityError:
            return None
        return Lease(holder, 1, 0)
    taken = Lease(holder, seen.fence + 1, seen.beat + 1)
    unchanged = (lease.c.name == name, lease.c.fence == seen.fence, lease.c.beat == seen.beat)
    done = connection.execute(
        update(lease).where(*unchanged).values(holder=taken.holder, fence=taken.fence, beat=taken.beat)
    )
    return taken if done.rowcount else None


def renew(connection: Connection, name: str, held: Lease) -> bool:
    """Renew a lease, and keep its row locked until the transaction ends. False when it is lost."""
    mine = (lease.c.name == name, lease.c.holder == held.holder, lease.c.fence == held.fence)
    return bool(connection.execute(update(lease).where(*mine).values(beat=lease.c.beat + 1)).rowcount)
