"""Many rows in few statements: whatever is in them arrives as it was, and few they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.catalog import bulk, loading
from sidecar.catalog.engine import connect
from tests.mariadb import MariaDB
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


@pytest.mark.parametrize("rows_min", [loading.ROWS_MIN, 1], ids=["inserted", "loaded"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_rows)
def test_what_is_written_is_what_is_read(things: sa.Engine, rows_min: int, rows: list[tuple[Any, ...]]) -> None:
    numbered = [(number, *row) for number, row in enumerate(rows)]
    with pytest.MonkeyPatch.context() as patch, things.begin() as connection:
        patch.setattr(loading, "ROWS_MIN", rows_min)
        connection.execute(_THING.delete())
        bulk.insert(connection, _THING, numbered)
    assert _stored(things) == numbered


def test_rows_are_many_and_statements_few(things: sa.Engine) -> None:
    rows = [(number, b"%d" % number, "100 %", number % 7) for number in range(10_433)]
    with things.begin() as connection, statements(things) as sent:
        bulk.insert(connection, _THING, rows)
    assert _stored(things) == rows
    # A server is asked whether it takes files, and after each whether it has taken it whole.
    assert len(sent) <= (2 if things.dialect.name == "sqlite" else 6)


def test_a_statement_for_a_server_is_no_longer_than_it_takes(
    things: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "ROWS_MIN", 1 << 62)
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


@pytest.fixture
def on_a_server(mariadb: MariaDB) -> Iterator[sa.Engine]:
    """A database on MariaDB with a table of things."""
    url = mariadb.fresh_database()
    engine = connect(url)
    _METADATA.create_all(engine)
    yield engine
    engine.dispose()
    mariadb.drop_database(url)


_MANY = [(number, b"%d" % number, f"{number} %", number % 7) for number in range(loading.ROWS_MIN)]


@pytest.mark.mariadb
class TestLoading:
    """Many rows go to a server as a file."""

    def test_a_row_that_cannot_be_stored_is_no_warning(self, on_a_server: sa.Engine) -> None:
        for row in ((7, b"twice", "twice", 0), (loading.ROWS_MIN, b"", "x" * 65, 0)):
            with pytest.raises(ValueError, match="rows of thing"), on_a_server.begin() as connection:
                bulk.insert(connection, _THING, [*_MANY, row])
            assert _stored(on_a_server) == []

    def test_a_server_that_takes_no_files_gets_statements(self, on_a_server: sa.Engine, mariadb: MariaDB) -> None:
        with on_a_server.begin() as connection:
            bulk.insert(connection, _THING, _MANY)
            mariadb.execute("SET GLOBAL local_infile = OFF")
            try:
                # One that is forbidden it later, and one that was never allowed to.
                bulk.insert(connection, _THING, [(one[0] + 1_000, *one[1:]) for one in _MANY])
                on_a_server.pool.dispose()
                with on_a_server.begin() as another, statements(on_a_server) as sent:
                    bulk.insert(another, _THING, [(one[0] + 2_000, *one[1:]) for one in _MANY])
            finally:
                mariadb.execute("SET GLOBAL local_infile = ON")
        assert not any(one.startswith("LOAD") for one in sent)
        assert [row[0] for row in _stored(on_a_server)] == [
            number + first for first in (0, 1_000, 2_000) for number in range(loading.ROWS_MIN)
        ]

    def test_a_proxy_that_knows_no_files_gets_statements(
        self, on_a_server: sa.Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "_FORM", "AS NO SERVER WRITES IT")
        with on_a_server.begin() as connection:
            bulk.insert(connection, _THING, _MANY)
        assert _stored(on_a_server) == _MANY

    @pytest.mark.parametrize("offered", [True, False])
    def test_a_server_gets_no_other_file_than_the_one_that_is_offered(
        self, on_a_server: sa.Engine, tmp_path: Path, offered: bool
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"1\tkey\tkey\t1\n")
        wish = f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE thing"
        with on_a_server.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with pytest.raises((sa.exc.OperationalError, RuntimeError)):
                if offered:
                    with driver.offering("mine", b"2\tmine\tmine\t2\n"):
                        connection.exec_driver_sql(wish)
                else:
                    connection.exec_driver_sql(wish)
            connection.invalidate()
        assert _stored(on_a_server) == []
