"""Many rows in few statements: whatever is in them arrives as it was, and few they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.catalog import bulk
from sidecar.catalog.engine import connect
from tests.sidecar.counting import statements

_METADATA = sa.MetaData()
_THING = sa.Table(
    "thing",
    _METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("raw", sa.LargeBinary(64)),
    sa.Column("text", sa.String(64)),
    sa.Column("count", sa.BigInteger, nullable=False),
    mysql_charset="utf8mb4",
)

# What a statement could be broken with, and what a column could be taken for.
_texts = st.one_of(
    st.none(),
    st.sampled_from(["'", "\\", "\\'", '"', "%s", "%", "''; --", "\0", "\n", "x'00'", "NULL", "Grüße 夏 🌻", ""]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=16),
)
_raws = st.one_of(st.none(), st.binary(max_size=32), st.sampled_from([b"'", b"\\", b"%s", b"\0", b"\xff\xfe"]))
_numbers = st.integers(min_value=-(1 << 62), max_value=(1 << 62))
_rows = st.lists(st.tuples(_raws, _texts, _numbers), max_size=12)


@pytest.fixture
def things(database: str) -> Iterator[sa.Engine]:
    """A database with a table of things."""
    engine = connect(database)
    _METADATA.create_all(engine)
    yield engine
    _METADATA.drop_all(engine)
    engine.dispose()


def _stored(engine: sa.Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(_THING).order_by(_THING.c.id))]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_rows)
def test_what_is_written_is_what_is_read(things: sa.Engine, rows: list[tuple[Any, ...]]) -> None:
    numbered = [(number, *row) for number, row in enumerate(rows)]
    with things.begin() as connection:
        connection.execute(_THING.delete())
        bulk.insert(connection, _THING, numbered)
    assert _stored(things) == numbered


def test_rows_are_many_and_statements_few(things: sa.Engine) -> None:
    rows = [(number, b"%d" % number, "100 %", number % 7) for number in range(10_433)]
    with things.begin() as connection, statements(things) as sent:
        bulk.insert(connection, _THING, rows)
    assert _stored(things) == rows
    assert len(sent) <= 2


def test_a_statement_for_a_server_is_no_longer_than_it_takes(things: sa.Engine) -> None:
    rows = [(number, bytes(64), "x" * 64, number) for number in range(30_000)]
    with things.begin() as connection, statements(things) as sent:
        bulk.insert(connection, _THING, rows)
    assert len(_stored(things)) == len(rows)
    # MySQL before its version 8 took four megabytes.
    assert max(map(len, sent)) < 2_000_000


def test_rows_that_are_there_are_updated_in_what_is_owned(things: sa.Engine) -> None:
    with things.begin() as connection:
        bulk.insert(connection, _THING, [(1, b"one", "one", 1), (2, b"two", "two", 2)])
        bulk.upsert(connection, _THING, [(2, b"new", "new", 20), (3, b"three", None, 30)], ("text", "count"))
    assert _stored(things) == [(1, b"one", "one", 1), (2, b"two", "new", 20), (3, b"three", None, 30)]


def test_counts_are_added_to_those_that_are_there(things: sa.Engine) -> None:
    with things.begin() as connection:
        bulk.add(connection, _THING, [(1, b"one", "one", 5)], ("count",))
        bulk.add(connection, _THING, [(1, b"not", "not", -2), (2, b"two", "two", 7)], ("count",))
        bulk.add(connection, _THING, [], ("count",))
    assert _stored(things) == [(1, b"one", "one", 3), (2, b"two", "two", 7)]
