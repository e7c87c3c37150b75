"""Up to when schedules were followed, in the database.

Every look goes by the database's own clock and by what was written down by it, never by what another host takes for
the time. However much fell due while no worker ran, it is made up for once.
"""

from __future__ import annotations

from enum import Enum

from sqlalchemy import Connection, select

from sidecar import schedule
from sidecar.catalog import bulk, clock
from sidecar.catalog.tables import schedule as table

NIGHTLY = "nightly"
# No schedule of the worker, but up to when there is a backup.
BACKUP = "backup"
TIDYING = "tidying"
# The clock of one machine does not go back by this much, unless it was wrong before.
_AHEAD_US = 3600 * 1_000_000


class Due(Enum):
    """How a schedule stands."""

    LATER = "later"
    NOW = "now"
    # It was never followed; or the clock was set back, and what was written down lies in the future.
    UNKNOWN = "unknown"


def look(connection: Connection, name: str, expression: str, time_zone: str) -> Due:
    """Whether something has fallen due since the schedule was followed last."""
    until: int | None = connection.execute(
        select(table.c.followed_until).where(table.c.name == name)
    ).scalar_one_or_none()
    now = clock.of_database(connection)
    if until is None or until > now + _AHEAD_US:
        return Due.UNKNOWN
    due = schedule.due_after(expression, time_zone, until)
    return Due.NOW if due is not None and due <= now else Due.LATER


def follow_from_now(connection: Connection, name: str) -> None:
    """Whatever fell due before this moment is done, or was never asked for."""
    bulk.upsert(connection, table, [(name, clock.of_database(connection))], ("followed_until",))
