"""Going forward from every earlier schema with rows in it, on both engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

import sidecar.catalog
from holdfast import ids
from sidecar import catalog
from sidecar.catalog import alone, asset_rows, settings, tables, tallies
from sidecar.catalog.engine import connect, snapshot, transact
from sidecar.errors import MigrationBrokenOff
from sidecar.guard import WHOLE
from sidecar.policy import Policy
from tests.mariadb import MariaDB
from tests.sidecar.world import World, new_id

AGENT, LIBRARY, VOLUME, OTHER, PATH, NESTED = (bytes([number]) * 16 for number in range(1, 7))
MANY = 10_500
# path, import path, status, volume
ASSETS = [
    (b"photos/a.jpg", PATH, "present", VOLUME),
    (b"photos/trip/a.jpg", PATH, "present", VOLUME),
    (b"photos/trip/deep/b.jpg", PATH, "unreadable", VOLUME),
    (b"photos/trip/gone.jpg", PATH, "missing", VOLUME),
    (b"photos/trip/not-wanted.jpg", PATH, "excluded", VOLUME),
    (b"caf\xe9/x/y.jpg", NESTED, "present", OTHER),
]


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An engine on a catalog of the first schema."""
    server: MariaDB | None = request.getfixturevalue("mariadb") if request.param == "mariadb" else None
    url = server.fresh_database() if server else f"sqlite:///{tmp_path}/first.sqlite3"
    engine = connect(url)
    to_first(engine)
    yield engine
    engine.dispose()
    if server:
        server.drop_database(url)


def to_first(engine: sa.Engine) -> None:
    """Bring an empty database to the first schema."""

    def work(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(sidecar.catalog.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    transact(engine, work)


def fill(connection: sa.Connection) -> None:
    """Rows as the first schema had them, in words of that schema."""
    number = iter(range(1, 100))

    def put(table: str, **values: object) -> None:
        names, marks = ", ".join(f"`{name}`" for name in values), ", ".join(f":{name}" for name in values)
        connection.execute(sa.text(f"INSERT INTO `{table}` ({names}) VALUES ({marks})"), values)

    def feed(kind: str) -> dict[str, object]:
        return {"change": next(number), "change_kind": kind, "changed_at": 1}

    put(
        "agent",
        id=AGENT,
        name="nas",
        host="nas",
        version="1",
        protocol=1,
        capabilities="[]",
        enrolled_at=1,
        heartbeats=1,
        revision=1,
        **feed("agent.enrolled"),
    )
    for volume in (VOLUME, OTHER):
        identity = '{"fs_type": "ext4", "root_inode": 2}'
        state = {"state": "online", "reason": "verified", "detail": "", "since": 1, "version": 1, "pending": 0}
        put("volume", id=volume, agent_id=AGENT, label="usb", identity=identity, **state, **feed("volume.online"))
    put(
        "library",
        id=LIBRARY,
        name="all",
        owner="anna",
        kind="external",
        exclusion_patterns="[]",
        created_at=1,
        revision=1,
        **feed("library.updated"),
    )
    for key, volume, directory in ((PATH, VOLUME, b"photos"), (NESTED, OTHER, b"")):
        place = {"path": b"/p", "server_path": b"/p", "state": "bound", "volume_id": volume, "directory": directory}
        put("import_path", id=key, library_id=LIBRARY, agent_id=AGENT, **place)
    for path, import_path, status, volume in ASSETS:
        put(
            "asset",
            id=new_id(),
            library_id=LIBRARY,
            volume_id=volume,
            import_path_id=import_path,
            path=path,
            path_key=asset_rows.key(path),
            kind="image",
            size=1,
            mtime_ns=1,
            created_at=1,
            status=status,
            absent_since=5 if status == "missing" else None,
            **feed("asset.added"),
        )
    connection.execute(sa.text("UPDATE clock SET value = 99"))


def fill_up(connection: sa.Connection) -> None:
    """More assets than the migration reads at once."""
    names = "id library_id volume_id import_path_id path path_key kind size mtime_ns created_at status"
    columns = [*names.split(), "change", "change_kind", "changed_at"]
    rows = []
    for number in range(MANY):
        path = b"photos/many/%d.jpg" % number
        key = (number + 1).to_bytes(16, "big")
        place = (key, LIBRARY, VOLUME, PATH, path, asset_rows.key(path))
        rows.append((*place, "image", 1, 1, 1, "present", 1000 + number, "asset.added", 1))
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    text = f"INSERT INTO asset ({', '.join(f'`{one}`' for one in columns)}) VALUES ({', '.join([mark] * len(columns))})"
    connection.exec_driver_sql(text, rows)


def test_the_second_schema_counts_what_is_there_and_keeps_every_row(first: sa.Engine) -> None:
    transact(first, fill)
    transact(first, fill_up)
    catalog.migrate(first)
    assert catalog.is_current(first)
    places = (b"photos", b"photos/trip", b"photos/many", b"caf\xe9")

    def present(connection: sa.Connection, volume: bytes) -> dict[bytes | None, int]:
        found = tallies.lock(connection, volume, places)
        return {place: tally.present for place, tally in found.items() if tally.present}

    assert transact(first, lambda c: present(c, VOLUME)) == {
        WHOLE: 3 + MANY,
        b"photos": 1,
        b"photos/trip": 2,
        b"photos/many": MANY,
    }
    assert transact(first, lambda c: present(c, OTHER)) == {WHOLE: 1, b"caf\xe9": 1}
    with snapshot(first) as connection:
        assert settings.read(connection) == (Policy(), 0)
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(tables.asset)).scalar_one() == len(ASSETS) + MANY
        )
        missing = connection.execute(sa.select(tables.asset).where(tables.asset.c.status == "missing")).one()
        assert (missing.absent_since, missing.absent_online_us) == (5, 0)
        assert connection.execute(sa.select(tables.volume.c.online_us)).scalars().all() == [0, 0]


class BrokenOff(Exception):
    """Somebody pulled the plug."""


class Interruptions:
    """Lets a migration get through so many statements that change anything, and then breaks it off."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._left = 0
        self.next = ""
        sa.event.listen(engine, "before_cursor_execute", self._before)

    def migrate(self) -> int:
        """Start it again and again, each time for one statement more than it needs to get on; how often it took."""
        allowed, times = 0, 0
        reached: set[str] = set()
        while True:
            self._left = allowed
            times += 1
            try:
                catalog.migrate(self._engine)
            except BrokenOff:
                # What only moves rows is taken back; then it needs one more to come to where that stays.
                allowed = allowed + 1 if self.next in reached else 1
                reached.add(self.next)
            else:
                sa.event.remove(self._engine, "before_cursor_execute", self._before)
                return times

    def _before(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.split(None, 1)[0].upper() in ("SELECT", "SHOW", "SET", "DESCRIBE", "PRAGMA", "BEGIN"):
            return
        if alone.TABLE in statement:  # whose turn it is to migrate is no step of it
            return
        if not self._left:
            self.next = statement
            raise BrokenOff
        self._left -= 1


def rows(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, but for the clock, whose incarnation is random."""
    with snapshot(engine) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
            for table in tables.metadata.sorted_tables
            if table.name != "clock"
        }


@pytest.mark.mariadb
@pytest.mark.parametrize("start", ["empty", "first schema"])
def test_a_migration_that_is_broken_off_at_every_statement_goes_on_where_it_stopped(
    mariadb: MariaDB, start: str
) -> None:
    """MariaDB and MySQL take no change of a table back."""
    undisturbed, broken = connect(mariadb.fresh_database()), connect(mariadb.fresh_database())
    for engine in (undisturbed, broken):
        if start == "first schema":
            to_first(engine)
            transact(engine, fill)
    if start == "first schema":
        with undisturbed.connect() as source, broken.begin() as target:  # the same ids
            target.exec_driver_sql("DELETE FROM asset")
            for row in source.exec_driver_sql("SELECT * FROM asset").mappings():
                names = ", ".join(f"`{name}`" for name in row)
                marks = ", ".join(["%s"] * len(row))
                target.exec_driver_sql(f"INSERT INTO asset ({names}) VALUES ({marks})", tuple(row.values()))
    catalog.migrate(undisturbed)
    times = Interruptions(broken).migrate()
    assert times > (20 if start == "empty" else 10)
    assert catalog.is_current(broken)
    with broken.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        assert len(connection.execute(sa.select(tables.clock)).all()) == 1
    for name in tables.metadata.tables:
        definitions = [_definition(engine, name) for engine in (undisturbed, broken)]
        assert definitions[0] == definitions[1]
    assert rows(broken) == rows(undisturbed)
    for engine in (undisturbed, broken):
        engine.dispose()


def test_every_step_of_a_migration_can_be_resumed() -> None:
    """Seen without a server: a table is changed through :mod:`sidecar.catalog.migrations.resumable` and not else."""
    versions = Path(sidecar.catalog.__file__).parent / "migrations" / "versions"
    texts = {one.name: one.read_text(encoding="utf-8") for one in sorted(versions.glob("0*.py"))}
    assert texts
    found = {(name, call) for name, text in texts.items() for call in re.findall(r"\bop\.(\w+)\(", text)}
    assert {one for one in found if one[1] not in ("execute", "get_bind", "f", "batch_alter_table")} == set()


def _definition(engine: sa.Engine, table: str) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SHOW CREATE TABLE `{table}`").one()[1])


@pytest.mark.mariadb
def test_a_server_that_refuses_a_step_is_told_with_what_to_do(mariadb: MariaDB) -> None:
    engine = connect(mariadb.fresh_database())
    to_first(engine)
    transact(engine, fill)
    with engine.begin() as connection:  # something of somebody else's is in the way
        connection.exec_driver_sql("CREATE TABLE held (asset_id INT)")
    with pytest.raises(MigrationBrokenOff, match="run 'holdfast-sidecar migrate' again"):
        catalog.migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE held")
    catalog.migrate(engine)
    assert catalog.is_current(engine)
    engine.dispose()


def test_a_catalog_that_came_forward_works(first: sa.Engine) -> None:
    transact(first, fill)
    catalog.migrate(first)
    if first.dialect.name == "sqlite":
        with first.connect() as connection:  # definitions were changed in place
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    with World(first) as world:
        made = world.post("/libraries", {"owner": "anna", "kind": "upload"})
        upload = {"path": "/data/a.jpg", "size": 1, "modified_at": "2026-05-01T10:00:00Z"}
        world.post(f"/libraries/{made['id']}/assets", upload | {"content_checksum": f"sha1:{'A' * 27}="})
        assert len(world.assets(status="missing")) == 1
        assert world.assets(status="missing")[0]["missing_online_s"] == 0
        assert world.get("/holds")["items"] == []
        assert world.get(f"/volumes/{ids.to_text('volume', VOLUME)}")["assets"] == 5
