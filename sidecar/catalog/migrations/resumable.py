"""The steps of migrations, each passed over when it was done already.

MySQL and MariaDB end the transaction with every change of a table. A migration that is broken off, by a full disk or
by somebody who did not want to wait, leaves its first steps behind and no word of it; so every step looks first, and
whoever starts the migration again goes on where it stopped. A single statement happens as a whole or not at all, on
every server that is supported.

What moves rows has to bear being run twice in the same way. SQLite takes everything back, and starts from the
beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

MYSQL: dict[str, Any] = {
    f"{engine}_{option}": value
    for engine in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("default_charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def create_table(name: str, *elements: sa.Column[Any] | sa.Constraint, **options: Any) -> None:
    """Make a table that is not there."""
    if not _look().has_table(name):
        op.create_table(name, *elements, **MYSQL, **options)


def create_index(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """Make an index that is not there."""
    if name not in {one["name"] for one in _look().get_indexes(table)}:
        op.create_index(name, table, columns, **options)


def create_foreign_key(name: str, table: str, target: str, column: str) -> None:
    """Have a column refer to the id of another table."""
    if name not in {one["name"] for one in _look().get_foreign_keys(table)}:
        op.create_foreign_key(op.f(name), table, target, [column], ["id"])


def has_column(table: str, name: str) -> bool:
    """Whether a table has this column."""
    return name in {one["name"] for one in _look().get_columns(table)}


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Give a table a column that it does not have."""
    if not has_column(table, column.name):
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Take away a column that a table has."""
    if has_column(table, name):
        op.drop_column(table, name)


def _look() -> sa.Inspector:
    """A fresh look: an inspector remembers what it has seen."""
    return sa.inspect(op.get_bind())
