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


def drop_index(name: str, table: str) -> None:
    """Take away an index that is there. One that a foreign key needs must have been replaced before."""
    if name in {one["name"] for one in _look().get_indexes(table)}:
        op.drop_index(name, table)


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


def widen_words(table: str, column: str, *, before: Sequence[str], after: Sequence[str]) -> None:
    """Let a column have more words than before; :func:`sidecar.catalog.tables.schema.one_of` made its constraint."""
    name = f"ck_{table}_{column}"
    was, now = (f"{column} IN ({', '.join(repr(word) for word in words)})" for words in (before, after))
    if op.get_bind().dialect.name == "sqlite":
        _rewrite(table, f"CONSTRAINT {name} CHECK ({was})", f"CONSTRAINT {name} CHECK ({now})")
    else:
        op.execute(f"ALTER TABLE `{table}` DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK ({now})")


def allow_null(table: str, column: str, *, mysql: str) -> None:
    """Let a column be without a value; ``mysql`` is its type there."""
    if op.get_bind().dialect.name == "sqlite":
        _rewrite(table, f"\t{column} BLOB NOT NULL", f"\t{column} BLOB")
    else:
        op.execute(f"ALTER TABLE `{table}` MODIFY `{column}` {mysql} NULL")


def _rewrite(table: str, before: str, after: str) -> None:
    """Change the definition of a table of SQLite where that takes a constraint away. No row is touched: a table of
    millions need not be copied, nor one to which others refer be dropped (sqlite.org/lang_altertable.html, 7)."""
    bind = op.get_bind()
    chosen = sa.text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = :table")
    text = str(bind.execute(chosen, {"table": table}).scalar_one())
    if text.count(before) != 1:
        raise ValueError(f"bug: {table} is not defined as it is believed to be: {text}")
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    rewritten = sa.text("UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = :table")
    bind.execute(rewritten, {"sql": text.replace(before, after), "table": table})
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = OFF")


def _look() -> sa.Inspector:
    """A fresh look: an inspector remembers what it has seen."""
    return sa.inspect(op.get_bind())
