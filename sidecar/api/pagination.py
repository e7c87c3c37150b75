"""Pages of lists: a limit, and an opaque cursor that says where the next page starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from sidecar import cursor
from sidecar.catalog import clock
from sidecar.catalog.columns import AnyRow
from sidecar.errors import Refused

T = TypeVar("T")

LIMIT_MAX = 1000
Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many items a page has at most.")]
CursorText = Annotated[str, Meta(max_length=4096, description="Where to go on: the last page's cursor.")]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list is wanted."""

    limit: Limit = 100
    cursor: CursorText | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Part of a list. ``next_cursor`` is null on the last page, and on no other: a page that was looked for among very
    many things may have few items, or none, and be followed by more."""

    items: list[T]
    next_cursor: str | None


def paged(
    connection: Connection,
    query: PageQuery,
    read: Callable[[list[int | bytes] | None, int], Sequence[AnyRow]],
    position: Callable[[AnyRow], list[int | bytes]],
    filters: msgspec.Struct,
    sorts: tuple[type, ...] = (bytes,),
) -> tuple[Sequence[AnyRow], str | None]:
    """One page. ``read(after, limit)`` gives rows behind a position, ``position(row)`` is where a row stands, and
    ``sorts`` are the types of its values.

    Raises :class:`Refused` for a cursor of another list or another catalog.
    """
    rows = read(behind(connection, query.cursor, filters, sorts), query.limit + 1)
    if len(rows) <= query.limit:
        return rows, None
    rows = rows[: query.limit]
    return rows, cursor_at(connection, filters, position(rows[-1]))


def behind(
    connection: Connection, text: str | None, filters: msgspec.Struct, sorts: tuple[type, ...] = (bytes,)
) -> list[Any] | None:
    """Behind which position the page with this cursor starts; None for the first page. Raises :class:`Refused` as
    :func:`paged` does."""
    return None if text is None else after(text, clock.incarnation(connection), cursor.digest(filters), sorts)


def cursor_at(connection: Connection, filters: msgspec.Struct, position: Sequence[int | bytes]) -> str:
    """The cursor of a page that starts behind a position."""
    return cursor.to_text(cursor.ListCursor(clock.incarnation(connection), cursor.digest(filters), list(position)))


def by_id(row: AnyRow) -> list[int | bytes]:
    """The position of a row in a list that is sorted by id."""
    return [row.id]


def after_id(read: Callable[[bytes, int], Sequence[AnyRow]], first: bytes = b"") -> Callable[..., Sequence[AnyRow]]:
    """Adapt a reader that goes by the id alone; ``first`` is what stands before every row."""

    def adapted(after: list[Any] | None, limit: int) -> Sequence[AnyRow]:
        return read(after[0] if after else first, limit)

    return adapted


class ById(msgspec.Struct, frozen=True):
    """The filters of a list that has none of its own: which list it is."""

    of: str
    within: bytes = b""


def after(text: str, catalog: bytes, digest: bytes, sorts: tuple[type, ...]) -> list[Any]:
    """The position in a cursor. Raises :class:`Refused` for a cursor of another list or another catalog."""
    try:
        found = cursor.list_cursor(text)
    except cursor.BadCursor as error:
        raise Refused("bad-cursor", f"The cursor cannot be read: {error}.") from error
    if found.catalog != catalog:
        raise Refused("cursor-expired", "The cursor is of another catalog. Start again without one.")
    # Whoever makes up a cursor gets a refusal, not a fault of the database.
    fits = tuple(map(type, found.after)) == sorts and all(abs(n) < 1 << 63 for n in found.after if isinstance(n, int))
    if found.filters != digest or not fits:
        raise Refused("bad-cursor", "The cursor belongs to a list with other filters. Start again without one.")
    return found.after
