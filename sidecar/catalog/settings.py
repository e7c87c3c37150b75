"""The settings: one row, made when somebody sets something for the first time."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from sidecar.catalog import bulk, schedules
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.tables import setting
from sidecar.policy import Policy, Value

_NAMES = Policy.__struct_fields__


def read(connection: Connection) -> tuple[Policy, int]:
    """The settings and their revision; 0 as long as nothing was ever set."""
    row = connection.execute(select(setting)).one_or_none()
    return (Policy(), 0) if row is None else (_policy(row), row.revision)


def lock(connection: Connection) -> int:
    """Lock the settings until the transaction ends. Returns their revision."""
    wanted = select(setting.c.revision).with_for_update()
    found = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        bulk.insert_unless_there(connection, setting, {"id": 1, "revision": 0})
        found = connection.execute(wanted).scalar_one()
    return int(found)


def change(connection: Connection, values: Mapping[str, Value]) -> None:
    """Set some of the settings, which were locked. None goes back to the default."""
    before, _ = read(connection)
    connection.execute(update(setting).values({**values, "revision": setting.c.revision + 1}))
    after, _ = read(connection)
    if (before.scan_schedule, before.scan_time_zone) != (after.scan_schedule, after.scan_time_zone):
        schedules.follow_from_now(connection, schedules.NIGHTLY)


def _policy(row: AnyRow) -> Policy:
    given = row._mapping
    return Policy(**{name: given[name] for name in _NAMES if given[name] is not None})
