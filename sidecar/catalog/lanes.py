"""Reading a page of a large table along its indexes, with a bound on what is looked at for it.

A *lane* is a part of the table that an index has in the order of the list: a library, or what is missing of it. A list
goes along one lane, or along several at once. Where an index says all that is asked for, a page is as long as the
caller wants it. Where rows must be looked at to tell, it looks at :data:`WINDOW` of them, and says where it got to: the
page may be short, or empty, and is not the last for that.

A set that is no larger than a window is looked at whole for every page, and sorted; only such a set may be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

# So many rows, of which none is wanted, take up to 70 ms on SQLite and MariaDB where each must be looked up behind an
# index, and 15 ms where the list is in the order of the table (measured, warm).
WINDOW = 20_000
# Each takes statements of its own.
LANES_MAX = 64

Position = Sequence[Any]  # the values of a row that a list is in the order of
Conditions = tuple[ColumnElement[bool], ...]


class Lane(NamedTuple):
    """The rows that an index has at one stretch; ``within`` is what it is asked for."""

    name: str  # the index
    within: Conditions


class Road(NamedTuple):
    """The lanes to go along; ``left`` is what they do not tell of a row. ``is_small``: of what is on them nothing is in
    order, and all of it fits into a window."""

    lanes: Sequence[Lane]
    order: Sequence[ColumnElement[Any]]
    left: Conditions = ()
    is_small: bool = False


class Found(NamedTuple):
    """Where the rows of a page are. ``behind``: where the next page starts; None after the last."""

    positions: Sequence[Position]
    behind: Position | None


def opaque(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column that no engine thinks of using an index for: they guess wrong, and sort millions of rows."""
    return func.coalesce(column, column)


def along(chosen: Select[Any], table: Table, index: str) -> Select[Any]:
    """Have a table read along an index. SQLite takes by itself the one whose columns are all given; MySQL and MariaDB
    would sometimes rather read all of the table and sort it."""
    for engine in ("mysql", "mariadb"):
        chosen = chosen.with_hint(table, f"FORCE INDEX ({index})", engine)
    return chosen


def walk(connection: Connection, table: Table, road: Road, after: Position | None, limit: int) -> Found:
    """The next rows, behind a position that the lanes know of already unless the road is a small one."""
    upto = None
    conditions = list(road.left)
    order = road.order
    if road.is_small:
        order = [opaque(one) for one in order]
        if after is not None:
            conditions.append(_beyond(order, after))
    elif conditions:
        upto = _window_end(connection, table, road)
        if upto is not None:
            conditions += _upto(order, upto)
    found: set[tuple[Any, ...]] = set()
    for lane in road.lanes:
        chosen = _of(lane, table, road.order).where(*conditions).order_by(*order).limit(limit + 1)
        found.update(tuple(row) for row in connection.execute(chosen))
    positions = sorted(found)
    if len(positions) > limit:
        return Found(positions[:limit], positions[limit - 1])
    return Found(positions, upto)


def is_small(connection: Connection, table: Table, lanes: Collection[Lane]) -> bool:
    """Whether all that is on these lanes fits into a window. Looks at no more than that."""
    left = WINDOW
    for lane in lanes:
        some = _of(lane, table, list(table.primary_key)).limit(left + 1).subquery()
        left -= int(connection.execute(select(func.count()).select_from(some)).scalar_one())
        if left < 0:
            return False
    return True


def _of(lane: Lane, table: Table, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    return along(select(*columns).where(*lane.within), table, lane.name)


def _window_end(connection: Connection, table: Table, road: Road) -> Position | None:
    """Up to where a window reaches that has its share of every lane; None if that is the end of all."""
    ends = []
    share = max(1, WINDOW // len(road.lanes)) if road.lanes else 1
    for lane in road.lanes:
        last = _of(lane, table, road.order).order_by(*road.order).offset(share - 1).limit(1)
        ends += [tuple(row) for row in connection.execute(last)]
    return min(ends, default=None)


def _beyond(order: Sequence[ColumnElement[Any]], after: Position) -> ColumnElement[bool]:
    first, *rest = order
    is_later: ColumnElement[bool] = first > after[0]
    return or_(is_later, and_(first == after[0], _beyond(rest, after[1:]))) if rest else is_later


def _upto(order: Sequence[ColumnElement[Any]], end: Position) -> list[ColumnElement[bool]]:
    """The conditions that rows come no later than a position. The first alone is a range of an index."""
    first, *rest = order
    within = [first <= end[0]]
    if rest:
        within.append(or_(first < end[0], and_(*_upto(rest, end[1:]))))
    return within
