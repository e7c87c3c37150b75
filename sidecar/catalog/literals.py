"""Rows as the text of an ``INSERT`` for MySQL and MariaDB.

PyMySQL writes values into statements one by one and asks of each what it is; for a report of five thousand files that
takes as long as the server takes to store them. Here a column is written at once: most of them have few values, and
those that have one only are written once for all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

Row = tuple[Any, ...]


def values(rows: Sequence[Row], literal: Callable[[object], str], chars_max: int) -> Iterator[str]:
    """What follows ``VALUES`` in statements for these rows, none much longer than ``chars_max``.

    ``literal`` is how the driver writes a value that is neither a number nor bytes: it knows how the server wants a
    quote to be escaped.
    """
    forms: list[str] = []
    filled: list[Iterable[str]] = []
    for column in zip(*rows, strict=True):
        form, texts = _column(column, literal)
        forms.append(form)
        if texts is not None:
            filled.append(texts)
    row = f"({','.join(forms)})"
    part: list[str] = []
    chars = 0
    for text in map(row.__mod__, zip(*filled, strict=True) if filled else repeat((), len(rows))):
        part.append(text)
        chars += len(text)
        if chars >= chars_max:
            yield ",".join(part)
            part, chars = [], 0
    if part:
        yield ",".join(part)


def is_same(column: Sequence[object]) -> bool:
    """Whether a column has one value only; True is another one than 1."""
    return column.count(column[0]) == len(column) and len(set(map(type, column))) == 1


def _column(column: Sequence[object], literal: Callable[[object], str]) -> tuple[str, Iterable[str] | None]:
    """How a column stands in the form of a row, and what fills it in each; None where it is the same in all."""
    if is_same(column):
        return value(column[0], literal).replace("%", "%%"), None
    kinds = set(map(type, column))
    if kinds == {int}:
        return "%s", map(str, column)
    if kinds == {bytes}:
        return "x'%s'", map(bytes.hex, column)  # type: ignore[arg-type]
    known = {one: value(one, literal) for one in set(column)}
    return "%s", map(known.__getitem__, column)


def value(one: object, literal: Callable[[object], str]) -> str:
    """A value as a literal."""
    if one is None:
        return "NULL"
    if isinstance(one, bytes):
        return f"x'{one.hex()}'"
    # Of True and 1, which are equal, either may come first.
    return str(int(one)) if isinstance(one, int) else literal(one)
