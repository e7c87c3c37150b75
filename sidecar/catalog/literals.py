"""Rows as the text of an ``INSERT`` for MySQL and MariaDB.

PyMySQL writes values into statements one by one and asks of each what it is; for a report of five thousand files that
takes as long as the server takes to store them. Here a column is written at once: most of them have few values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Row = tuple[Any, ...]


def values(rows: Sequence[Row], literal: Callable[[object], str], chars_max: int) -> Iterator[str]:
    """What follows ``VALUES`` in statements for these rows, none much longer than ``chars_max``.

    ``literal`` is how the driver writes a value that is neither a number nor bytes: it knows how the server wants a
    quote to be escaped.
    """
    columns = [_column(column, literal) for column in zip(*rows, strict=True)]
    part: list[str] = []
    chars = 0
    for row in map(",".join, zip(*columns, strict=True)):
        part.append(row)
        chars += len(row)
        if chars >= chars_max:
            yield _joined(part)
            part, chars = [], 0
    if part:
        yield _joined(part)


def _joined(rows: Sequence[str]) -> str:
    return f"({'),('.join(rows)})"


def _column(column: Sequence[object], literal: Callable[[object], str]) -> Iterable[str]:
    """The values of a column as literals."""
    if column.count(column[0]) == len(column) and len(set(map(type, column))) == 1:
        return [_value(column[0], literal)] * len(column)
    kinds = set(map(type, column))
    if kinds == {int}:
        return map(str, column)
    if kinds == {bytes}:
        return map(_binary, column)
    known: dict[object, str] = {}
    for one in set(column):
        known[one] = _value(one, literal)
    return map(known.__getitem__, column)


def _value(one: object, literal: Callable[[object], str]) -> str:
    if one is None:
        return "NULL"
    if isinstance(one, bytes):
        return _binary(one)
    # Of True and 1, which are equal, either may come first.
    return str(int(one)) if isinstance(one, int) else literal(one)


def _binary(raw: Any) -> str:
    return f"x'{raw.hex()}'"
