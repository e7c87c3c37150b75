"""The database itself: migrations, both engines alike, retries."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError, IntegrityError

from sidecar import catalog
from sidecar.catalog import clock, tables
from sidecar.catalog.engine import connect, snapshot, transact
from sidecar.errors import CatalogUnavailable, ConfigError, SchemaMismatch
from tests.mariadb import MARIADB, MariaDB
from tests.sidecar.world import new_id


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An engine on a database without any table."""
    server: MariaDB | None = request.getfixturevalue("mariadb") if request.param == "mariadb" else None
    url = server.fresh_database() if server else f"sqlite:///{tmp_path}/empty.sqlite3"
    engine = connect(url)
    yield engine
    engine.dispose()
    if server:
        server.drop_database(url)


class TestMigrations:
    def test_migrated_it_is_what_the_tables_say(self, empty: sa.Engine) -> None:
        assert not catalog.is_current(empty)
        catalog.migrate(empty)
        assert catalog.is_current(empty)
        with empty.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, tables.metadata) == []

    def test_it_equals_what_the_tables_would_create(self, empty: sa.Engine) -> None:
        """Also in what Alembic does not compare: checks, key lengths, engines."""
        catalog.migrate(empty)
        migrated = _schema(empty)
        tables.metadata.drop_all(empty)
        tables.metadata.create_all(empty)
        created = _schema(empty)
        assert migrated == created

    def test_a_second_time_changes_nothing(self, empty: sa.Engine) -> None:
        catalog.migrate(empty)
        with empty.connect() as connection:
            first = clock.incarnation(connection)
        catalog.migrate(empty)
        with empty.connect() as connection:
            assert clock.incarnation(connection) == first

    def test_a_newer_schema_is_refused(self, empty: sa.Engine) -> None:
        catalog.migrate(empty)
        with empty.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        assert not catalog.is_current(empty)
        with pytest.raises(SchemaMismatch, match="9999"):
            catalog.migrate(empty)

    def test_two_processes_that_migrate_at_once(self, empty: sa.Engine, tmp_path: Path) -> None:
        url = empty.url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "sidecar.cli", "migrate", "--database", url, "--state", str(tmp_path)]
        both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [one.wait() for one in both] == [0, 0]
        assert catalog.is_current(empty)


class TestConstraints:
    @pytest.mark.parametrize(
        ("table", "values"),
        [
            (tables.lease, {"name": None, "holder": b"h" * 16, "fence": 1, "beat": 1}),
            (tables.clock, {"id": 2, "value": 1, "incarnation": b"i" * 16}),
            (
                tables.token,
                {"id": b"t" * 16, "digest": b"d" * 32, "name": "x", "scope": "root", "created_at": 1},
            ),
            (
                tables.token,
                {"id": b"t" * 16, "digest": b"d" * 32, "name": "x", "scope": "agent", "created_at": 1},
            ),
            (tables.volume_transition, {"id": b"t" * 16, "volume_id": b"v" * 16, "to_state": "online", "at": 1}),
        ],
    )
    def test_invalid_states_cannot_be_written_down(
        self, engine: sa.Engine, table: sa.Table, values: dict[str, object]
    ) -> None:
        with pytest.raises(DBAPIError), engine.begin() as connection:
            connection.execute(table.insert().values(values))

    def test_two_assets_cannot_claim_a_path_and_any_number_can_claim_none(self, engine: sa.Engine) -> None:
        def row(number: int, key: bytes | None) -> dict[str, object]:
            place = {"library_id": b"l" * 16, "volume_id": b"v" * 16, "import_path_id": b"i" * 16, "path": b"x"}
            facts = {"kind": "image", "size": 1, "mtime_ns": 1, "created_at": 1, "status": "present"}
            feed = {"change": number, "change_kind": "asset.added", "changed_at": 1}
            return {**place, **facts, **feed, "id": new_id(), "path_key": key}

        with engine.begin() as connection:
            connection.execute(tables.asset.insert(), [row(1, None), row(2, None), row(3, b"k" * 16)])
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(tables.asset.insert().values(row(4, b"k" * 16)))
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(tables.asset.insert().values(row(3, None)))
        with engine.begin() as connection:
            connection.execute(tables.asset.delete())

    def test_any_name_can_be_stored(self, engine: sa.Engine) -> None:
        odd = bytes(byte for byte in range(256) if byte not in (0, 47)) * 16
        assert len(odd) == 4064
        with engine.begin() as connection:
            values = {
                "volume_id": b"v" * 16,
                "path_key": b"k" * 16,
                "path": odd,
                "size": 1 << 62,
                "mtime_ns": -(1 << 62),
            }
            connection.execute(tables.xmp.insert().values(values))
            row = connection.execute(sa.select(tables.xmp)).one()
            assert (row.path, row.size, row.mtime_ns) == (odd, 1 << 62, -(1 << 62))
            # Compared as bytes: neither case nor trailing spaces nor Unicode forms are folded.
            for other in (odd.upper(), odd + b" "):
                assert connection.execute(sa.select(tables.xmp).where(tables.xmp.c.path == other)).first() is None
            connection.rollback()


class TestTransactions:
    def test_a_failure_leaves_nothing_behind(self, engine: sa.Engine) -> None:
        def work(connection: sa.Connection) -> None:
            list(clock.CLOCK.take(connection, 5))
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            transact(engine, work)
        with engine.connect() as connection:
            assert clock.read(connection) == 0

    def test_real_conflicts_are_retried(self, engine: sa.Engine) -> None:
        """Transactions that take two rows in opposite orders: on MariaDB they deadlock, on SQLite they queue."""
        keys = [new_id(), new_id()]
        with engine.begin() as connection:
            for key in keys:
                connection.execute(tables.lease.insert().values(name=key.hex(), holder=key, fence=0, beat=0))
        barrier = threading.Barrier(2)
        tries: list[int] = []

        def cross(order: list[bytes]) -> None:
            met = False

            def work(connection: sa.Connection) -> None:
                nonlocal met
                tries.append(1)
                for number, key in enumerate(order):
                    row = tables.lease.c.name == key.hex()
                    connection.execute(sa.update(tables.lease).where(row).values(beat=tables.lease.c.beat + 1))
                    if number == 0 and not met and engine.dialect.name != "sqlite":
                        met = True
                        barrier.wait(10)

            transact(engine, work)

        threads = [threading.Thread(target=cross, args=(order,)) for order in (keys, keys[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with engine.connect() as connection:
            assert set(connection.execute(sa.select(tables.lease.c.beat)).scalars()) == {2}
        assert len(tries) == (2 if engine.dialect.name == "sqlite" else 3)

    def test_a_snapshot_sees_one_moment(self, engine: sa.Engine) -> None:
        with snapshot(engine) as connection:
            before = clock.read(connection)
            transact(engine, lambda other: list(clock.CLOCK.take(other, 1)))
            assert clock.read(connection) == before
        with snapshot(engine) as connection:
            assert clock.read(connection) == before + 1

    def test_sqlite_that_stays_busy_is_unavailable(self, sqlite_template: Path, tmp_path: Path) -> None:
        file = tmp_path / "busy.sqlite3"
        file.write_bytes(sqlite_template.read_bytes())
        holder, other = connect(f"sqlite:///{file}"), connect(f"sqlite:///{file}")
        sa.event.listen(other, "connect", lambda c, _: c.execute("PRAGMA busy_timeout = 1").close())
        with holder.connect().execution_options(holdfast_write=True) as connection, connection.begin():
            with pytest.raises(CatalogUnavailable):
                transact(other, lambda c: c.execute(sa.select(1)))
            with snapshot(other) as reading:
                assert clock.read(reading) == 0, "readers do not wait for writers"
        holder.dispose()
        other.dispose()

    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # on a server it is the server's own setting
    def test_acknowledged_means_on_the_disk(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1

    @pytest.mark.parametrize("database", [MARIADB], indirect=True)  # SQLite has no modes
    def test_mysql_is_strict(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            assert "STRICT_TRANS_TABLES" in str(connection.exec_driver_sql("SELECT @@sql_mode").scalar())
            assert connection.exec_driver_sql("SELECT @@tx_isolation").scalar() == "READ-COMMITTED"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "postgresql://h/d", "mysql+pymysql://h", "mysql://h/d"]
)
def test_a_database_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^database: "):
        connect(url)


@pytest.mark.mariadb
def test_a_server_that_was_restarted_is_found_again(mariadb: MariaDB, mariadb_catalog: str) -> None:
    engine = connect(mariadb_catalog)
    transact(engine, clock.read)
    mariadb.restart()
    assert transact(engine, clock.read) == 0
    engine.dispose()


def _schema(engine: sa.Engine) -> dict[str, list[str]]:
    """Every table's definition as the database tells it, one clause a line, in an order of its own."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            if engine.dialect.name == "sqlite":
                chosen = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL")
                texts = [str(text) for text in connection.execute(chosen, {"name": table.name}).scalars()]
            else:
                texts = [str(connection.exec_driver_sql(f"SHOW CREATE TABLE `{table.name}`").one()[1])]
            found[table.name] = sorted(clause for text in texts for clause in _clauses(text))
    return found


def _clauses(text: str) -> Iterator[str]:
    """The clauses of a definition, without the white space between them: SQLite keeps every text as it was typed,
    puts a column that was added later where no line break is, and quotes the name of a table that was rebuilt."""
    head, opening, rest = text.partition("(")
    body, _, tail = rest.rpartition(")")
    head = head.strip().replace('"', "")
    yield f"{head}{opening}{tail.strip()}"
    depth, clause = 0, ""
    for char in body:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            yield " ".join(clause.split())
            clause = ""
        else:
            clause += char
    yield " ".join(clause.split())
