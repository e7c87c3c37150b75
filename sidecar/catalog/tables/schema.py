"""What all tables share: their MetaData, the options of the engines, and the columns of the change feed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, MetaData

from sidecar.catalog import columns as c

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# The options of a table; each engine takes its own.
ENGINES: dict[str, Any] = {
    f"{engine}_{option}": value
    for engine in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("default_charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def one_of(column: str, words: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    """That a column has one of these words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def feed_columns(table: str) -> list[Any]:
    """The columns of a table that the change feed shows."""
    return [
        Column("change", c.number(), nullable=False),
        Column("change_kind", c.word(), nullable=False),
        Column("changed_at", c.moment(), nullable=False),
        Index(f"ix_{table}_change", "change", unique=True),
    ]
