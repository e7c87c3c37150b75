"""Backups on every engine: they have one moment, and come back whole or not at all; nothing is removed by it (R35)."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from sidecar import catalog
from sidecar.backup import making, putting_back, shelf
from sidecar.backup.frames import FORMAT, BadBackup, Header, Writer
from sidecar.backup.putting_back import InUse
from sidecar.catalog import tables
from sidecar.catalog.engine import connect, snapshot, transact
from sidecar.cli import main
from sidecar.cli.restored import say_so
from sidecar.errors import CatalogDamaged, SchemaMismatch
from tests.mariadb import MARIADB, empty_database
from tests.needs import needs
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.test_migrations import ASSETS, fill, to_first
from tests.sidecar.watched import fill as fill_folder
from tests.sidecar.watched import lose
from tests.sidecar.world import Agent, Problem, World, listed, new_id

# The clock has another incarnation afterwards, the restore is in the audit log, and nobody holds a lease.
OWN = {"clock", "audit", "lease"}


@pytest.fixture(params=["sqlite", MARIADB])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    with empty_database(request.param, request, tmp_path / "target.sqlite3") as url:
        yield url


@pytest.fixture
def same(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of the engine that the test runs on."""
    engine = "sqlite" if database.startswith("sqlite") else "mariadb"
    with empty_database(engine, request, tmp_path / "other.sqlite3") as url:
        yield url


def backup_of(engine: sa.Engine) -> bytes:
    file = io.BytesIO()
    making.write(engine, file)
    return file.getvalue()


def restore(url: str, content: bytes, *, replace: bool = False, even_if_used: bool = False) -> str:
    """Returns where the catalog before is."""
    file = io.BytesIO(content)
    _, before = putting_back.put_back(
        sa.make_url(url), file, lambda engine, _: say_so(engine) and None, replace=replace, even_if_used=even_if_used
    )
    return before


@contextlib.contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


def rows(engine: sa.Engine) -> dict[str, list[Any]]:
    with snapshot(engine) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
            for table in tables.metadata.sorted_tables
            if table.name not in OWN
        }


def test_every_row_comes_back_whatever_the_engine(world: World, agent: Agent, target: str) -> None:
    agent.send(listed("", "a.jpg", "caf\\xe9\n.jpg", "c.jpg"))
    lose(agent, "trip", fill_folder(agent, "trip", 300)[:150])
    world.post("/webhooks", {"url": "https://photos.example/hook"})
    content = backup_of(world.engine)
    restore(target, content)
    with opened(target) as engine:
        assert catalog.is_current(engine)
        assert rows(engine) == rows(world.engine)
        with snapshot(engine) as connection:
            assert connection.execute(sa.select(tables.clock.c.value)).scalar_one() == world.value(
                sa.select(tables.clock.c.value)
            )


def test_r35_a_backup_made_while_reports_come_in_has_one_moment(world: World, agent: Agent, same: str) -> None:
    """And what came later is told again, with nothing removed; who follows the feed is sent back to its beginning."""
    agent.send(listed("", "first.jpg"))
    _, since = world.changes()
    told = threading.Event()
    stop = threading.Event()

    def tell() -> None:
        number = 0
        while not stop.is_set():
            agent.send(listed(f"trip {number}", *(f"{one}.jpg" for one in range(3))))
            number += 1
            if number == 3:
                told.set()

    thread = threading.Thread(target=tell)
    thread.start()
    told.wait()
    try:
        contents = [backup_of(world.engine) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    lose(agent, "trip 0", ["0.jpg"])
    everything = {path: one["status"] for path, one in world.by_path().items()}
    restore(same, contents[-1])
    with opened(same) as engine, World(engine) as restored:
        known = restored.by_path()
        assert len(known) % 3 == 1, "a report is in it or not"
        assert restored.value(sa.select(sa.func.max(tables.asset.c.change))) <= restored.value(
            sa.select(tables.clock.c.value)
        )
        whole = sa.select(tables.tally.c.present).where(tables.tally.c.place_key == bytes(16))
        assert restored.value(whole) == len(known)
        with pytest.raises(Problem) as error:
            restored.get("/changes", since=since)
        assert error.value.code == "cursor-expired"
        comes_back(agent, restored, everything)
        assert {path: one["status"] for path, one in restored.by_path().items()} == everything
        assert {path: restored.by_path()[path]["id"] for path in known} == {
            path: one["id"] for path, one in known.items()
        }


def comes_back(agent: Agent, world: World, everything: dict[str, str]) -> None:
    """The agent hears of another catalog, and tells it what is on the disk."""
    agent.world, agent.client = world, world.client(agent.token)
    agent.heartbeat()
    agent.begin_anew()
    by_folder: dict[str, list[str]] = {}
    for path, status in everything.items():
        folder, _, name = path.removeprefix("/mnt/usb/").rpartition("/")
        if status == "present":
            by_folder.setdefault(folder, []).append(name)
    for folder, names in by_folder.items():
        agent.send(listed(folder, *names))
    lose(agent, "trip 0", ["0.jpg"])


def test_a_file_that_is_not_whole_is_found_out_wherever_it_is_hurt(world: World, agent: Agent) -> None:
    fill_folder(agent, "trip", 250)
    content = backup_of(world.engine)
    assert making.read_through(io.BytesIO(content)).rows["asset"] == 250
    step = len(content) // 20
    hurt = [content[:cut] for cut in range(0, len(content), step)]
    hurt += [content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :] for at in range(12, len(content), step)]
    frames = gzip.decompress(content)
    hurt += [gzip.compress(frames[:-10]), gzip.compress(frames + b"x"), gzip.compress(frames[:400]), b"", b"x" * 400]
    for one in hurt:
        with pytest.raises(BadBackup):
            making.read_through(io.BytesIO(one))


def test_a_backup_of_a_newer_version_is_refused_and_nothing_is_touched(target: str, tmp_path: Path) -> None:
    file = tmp_path / "newer.backup"
    with file.open("wb") as stream:
        head = Header(format=FORMAT, made_at=1, version="9", schema="9999", engine="sqlite", catalog=new_id(), change=1)
        Writer(stream, head).end()
    with pytest.raises(SchemaMismatch, match="made by a newer version; use that one, or restore an older backup"):
        restore(target, file.read_bytes())
    if not target.startswith("sqlite"):
        with opened(target) as engine:
            assert sa.inspect(engine).get_table_names() == []
    done = verb("backup", "--verify", str(file))
    assert (done.exit_code, "made by a newer version" in done.stderr) == (69, True)


def test_a_backup_of_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/target.sqlite3"
    with opened(f"sqlite:///{tmp_path}/first.sqlite3") as first:
        to_first(first)
        transact(first, fill)
        content = backup_of(first)
    assert making.read_through(io.BytesIO(content)).header.schema == "0001"
    restore(target, content)
    with opened(target) as engine:
        assert catalog.is_current(engine)
        with snapshot(engine) as connection:
            assert len(connection.execute(sa.select(tables.asset.c.id)).all()) == len(ASSETS)
            assert connection.execute(sa.select(tables.tally)).first() is not None, "migrations have counted"


class TestReplacing:
    @pytest.fixture
    def content(self, world: World, agent: Agent) -> bytes:
        agent.send(listed("", "a.jpg"))
        content = backup_of(world.engine)
        agent.send(listed("", "b.jpg"))
        world.engine.dispose()
        return content

    def test_a_catalog_that_is_there_is_replaced_only_when_that_is_said(
        self, database: str, content: bytes, tmp_path: Path
    ) -> None:
        with pytest.raises(putting_back.NotEmpty):
            restore(database, content)
        with opened(database) as engine, World(engine) as world:
            assert len(world.assets()) == 2
        if database.startswith("sqlite"):
            before = restore(database, content, replace=True)
            with opened(database) as engine, World(engine) as world:
                assert set(world.by_path()) == {"/mnt/usb/a.jpg"}
            with opened(f"sqlite:///{before}") as engine, World(engine) as world:
                assert len(world.assets()) == 2
            left = {one.name for one in tmp_path.iterdir() if "catalog" in one.name and "-" not in one.name[-4:]}
            assert {name.partition(".before")[0] for name in left} == {"catalog.sqlite3"}
            assert stat.S_IMODE((tmp_path / "catalog.sqlite3").stat().st_mode) == 0o600

    def test_a_damaged_backup_replaces_nothing(self, database: str, content: bytes, tmp_path: Path) -> None:
        file = tmp_path / "cut.backup"
        file.write_bytes(content[:-20])
        done = verb("restore", str(file), "--replace", "--state", str(tmp_path), "--database", database)
        assert (done.exit_code, "not a whole one" in done.stderr) == (65, True)
        with opened(database) as engine, World(engine) as world:
            assert len(world.assets()) == 2

    def test_r35_a_catalog_that_somebody_works_with_is_not_replaced_nor_by_a_half(
        self, database: str, content: bytes
    ) -> None:
        is_file = database.startswith("sqlite")
        with opened(database) as engine, engine.connect() as connection:
            connection.execute(sa.select(tables.clock)).all()
            connection.rollback()
            with pytest.raises(InUse, match="Stop the sidecar and its worker"):
                restore(database, content, replace=True)
            with World(engine) as world:
                assert len(world.assets()) == 2
            if not is_file:
                break_off(database, content)  # these are of somebody else, one says; nobody can say so of a file
        if is_file:
            break_off(database, content)
        with opened(database) as engine:
            assert catalog.is_current(engine) is is_file
            if is_file:
                with World(engine) as world:
                    assert len(world.assets()) == 2, "it is as it was"
            else:
                with pytest.raises(SchemaMismatch, match="Run 'holdfast-sidecar restore' again"):
                    catalog.migrate(engine)
        restore(database, content, replace=is_file)
        with opened(database) as engine, World(engine) as world:
            assert catalog.is_current(engine)
            assert len(world.assets()) == 1


class PulledPlug(Exception):
    """Somebody pulled the plug."""


def break_off(database: str, content: bytes) -> None:
    def pull(_engine: sa.Engine, _manifest: object) -> None:
        raise PulledPlug

    with pytest.raises(PulledPlug):
        putting_back.put_back(sa.make_url(database), io.BytesIO(content), pull, replace=True, even_if_used=True)


def test_r35_what_was_to_be_removed_when_the_catalog_was_set_back_is_not(world: World, agent: Agent) -> None:
    library = world.get("/libraries")["items"][0]["id"]
    world.post(f"/libraries/{library}/remove-missing", {})
    (asked,) = world.get("/jobs")["items"]
    assert asked["state"] == "pending"
    say_so(world.engine)
    (found,) = world.get("/jobs")["items"]
    assert (found["state"], "ask for it again" in found["error"]) == ("cancelled", True)


class TestShelf:
    def put(self, place: Path, at: float, content: bytes | None = None) -> str:
        def write(file: BinaryIO) -> None:
            head = Header(
                format=FORMAT, made_at=1, version="1", schema="0001", engine="sqlite", catalog=new_id(), change=1
            )
            Writer(file, head).end() if content is None else file.write(content)

        with shelf.opened(str(place)) as kept:
            return kept.put(write, at)[0]

    def test_the_newest_are_kept_and_what_is_nothing_of_ours_stays(self, tmp_path: Path) -> None:
        place = tmp_path / "backups"
        names = [Path(self.put(place, 1_700_000_000.0 + one // 2)).name for one in range(6)]
        assert names[:3] == ["catalog-20231114T221320Z.backup", "catalog-20231114T221320Z-2.backup",
                             "catalog-20231114T221321Z.backup"]  # fmt: skip
        (place / "catalog-of-mine.backup").write_text("")
        with shelf.opened(str(place)) as kept:
            assert kept.names() == names
            assert kept.keep(2) == names[:4]
            assert kept.keep(5) == []
        assert {one.name for one in place.iterdir()} == {*names[4:], "catalog-of-mine.backup", ".lock"}
        assert {stat.S_IMODE(one.stat().st_mode) for one in place.glob("*Z*.backup")} == {0o600}
        assert stat.S_IMODE(place.stat().st_mode) == 0o700

    @pytest.mark.parametrize("fault", ["full", "wrong"])
    def test_one_that_cannot_be_written_or_read_again_gets_no_name(self, tmp_path: Path, fault: str) -> None:
        def full(_file: BinaryIO) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises((OSError, BadBackup)), shelf.opened(str(tmp_path)) as kept:
            kept.put(full if fault == "full" else lambda file: file.write(b"nonsense") and None, 1.0)
        assert [one.name for one in tmp_path.iterdir()] == [".lock"]

    @pytest.mark.root
    def test_what_root_makes_belongs_to_whom_the_directory_belongs_to(self, tmp_path: Path) -> None:
        needs(os.geteuid() == 0, "needs root")
        os.chown(tmp_path, 65534, 65534)
        file = Path(self.put(tmp_path / "backups", 1.0))
        assert {one.stat().st_uid for one in (file, file.parent, file.parent / ".lock")} == {65534}

    def test_two_at_once_do_not_get_into_each_others_way(self, tmp_path: Path) -> None:
        with (
            shelf.opened(str(tmp_path)),
            pytest.raises(shelf.ShelfBusy, match="Another backup is being made"),
            shelf.opened(str(tmp_path)),
        ):
            pass


def verb(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_sqlite_that_is_in_disorder_is_not_backed_up_over_better_ones(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite3"
    file.write_bytes(sqlite_template.read_bytes())
    with opened(f"sqlite:///{file}") as engine, World(engine) as world:
        made = Agent(world)
        made.heartbeat()
        world.library(made)
        fill_folder(made, "trip", 500)
        with engine.connect() as connection:
            page = connection.exec_driver_sql(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_asset_path'"
            ).scalar_one()
            connection.rollback()
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with file.open("r+b") as stream:  # a page of an index, of which no row is read
        stream.seek((page - 1) * 4096 + 8)
        stream.write(bytes(64))
    with opened(f"sqlite:///{file}") as engine, pytest.raises(CatalogDamaged, match="restore the last one"):
        backup_of(engine)


def test_the_verbs_say_what_they_did(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "catalog.sqlite3").write_bytes(sqlite_template.read_bytes())
    place = ("--state", str(tmp_path))
    done = verb("backup", "--keep", "1", *place)
    (file,) = (tmp_path / "backups").glob("*.backup")
    assert done.exit_code == 0, done.output
    assert f"{file}, " in done.stdout
    again = verb("backup", "--keep", "1", *place)
    assert f"Thrown away: {file.name}" in again.stdout
    (file,) = (tmp_path / "backups").glob("*.backup")
    assert verb("backup", "--verify", str(file)).stdout.startswith(f"Whole: {file}")
    assert verb("backup", "--verify", str(file), "--keep", "2").exit_code == 64
    assert verb("backup", "--verify", "/nowhere").exit_code == 66
    (tmp_path / "file").write_text("")
    assert verb("backup", "--to", str(tmp_path / "file" / "in"), *place).exit_code == 73
    restored = verb("restore", str(file), *place)
    assert (restored.exit_code, "Start the sidecar" in restored.stdout) == (0, True), restored.output
    with opened(f"sqlite:///{tmp_path}/catalog.sqlite3") as engine, engine.connect() as connection:
        entry = connection.execute(sa.select(tables.audit.c.action, tables.audit.c.body, tables.audit.c.status)).one()
    assert (entry.action, entry.status) == ("restored", 200)
    assert file.name in entry.body
