"""What released versions have said and stored: a newer sidecar serves older agents, and older catalogs come forward."""

from __future__ import annotations

import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from holdfast import __version__, ids
from holdfast.assignments import EnrolRequest, Heartbeat
from holdfast.reports import Report, check
from sidecar import catalog
from sidecar.backup import making, putting_back
from sidecar.catalog import tables
from sidecar.catalog.engine import connect, snapshot
from sidecar.cli.restored import say_so
from sidecar.errors import SchemaMismatch
from tests.mariadb import MARIADB, empty_database
from tests.sidecar.world import JSON, World, checked

KEPT = sorted((Path(__file__).parent / "kept").iterdir())
every_version = pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)


# What migrations make anew of other columns.
COMPUTED = {"path_key"}


def test_every_released_version_is_kept() -> None:
    """The changelog says which there are; the one that is being worked on may be kept already."""
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    released = set(re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE))
    assert released <= {kept.name for kept in KEPT} <= released | {__version__}


@pytest.fixture(params=["sqlite", MARIADB])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    with empty_database(request.param, request, tmp_path / "catalog.sqlite3") as url:
        yield url


def load(url: str, kept: Path) -> None:
    """Make a catalog as a released version has left it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(str(sa.make_url(url).database))) as connection:
            connection.executescript((kept / "sqlite.sql").read_text(encoding="utf-8"))
        return
    engine = connect(url)
    with engine.connect() as other:
        for statement in (kept / "mariadb.sql").read_text(encoding="utf-8").splitlines():
            other.connection.cursor().execute(statement)
        other.connection.commit()
        other.invalidate()
    engine.dispose()


def content(engine: sa.Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row, with the columns that there are."""
    with snapshot(engine) as connection:
        names = [name for name in sa.inspect(connection).get_table_names() if name != "alembic_version"]
        return {
            name: sorted(
                (dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM `{name}`").mappings()), key=repr
            )
            for name in names
        }


@every_version
def test_its_catalog_comes_forward_with_every_row_and_works(kept: Path, empty: str) -> None:
    load(empty, kept)
    engine = connect(empty)
    before = content(engine)
    assert not catalog.is_current(engine)
    catalog.migrate(engine)
    assert catalog.is_current(engine)
    after = content(engine)
    for name, rows in before.items():
        assert len(after[name]) >= len(rows), name
        same = after[name] if len(after[name]) == len(rows) else rows  # migrations may add some
        for row, now in zip(rows, same, strict=True):
            assert {key: now[key] for key in row if key in now and key not in COMPUTED} == {
                key: value for key, value in row.items() if key in now and key not in COMPUTED
            }, name
    with World(engine) as world:
        by_status = {status: len(world.assets(status=status)) for status in ("present", "missing")}
        assert by_status == {"present": 63, "missing": 1}
        assert len(world.get("/holds")["items"]) == 1
        assert world.get("/settings")["guard_files"] == 20
        assert world.changes()[0]
    engine.dispose()


@every_version
def test_its_backup_is_restored(kept: Path, tmp_path: Path) -> None:
    file = io.BytesIO((kept / "catalog.backup").read_bytes())
    manifest = making.read_through(file)
    assert manifest.header.version == kept.name
    file.seek(0)
    url = f"sqlite:///{tmp_path}/restored.sqlite3"
    putting_back.put_back(
        sa.make_url(url), file, lambda engine, _: say_so(engine) and None, replace=False, even_if_used=False
    )
    engine = connect(url)
    assert catalog.is_current(engine)
    with snapshot(engine) as connection:
        assert len(connection.execute(sa.select(tables.asset.c.id)).all()) == manifest.rows["asset"] == 64
    engine.dispose()


@pytest.mark.parametrize("engine_name", ["sqlite", MARIADB])
def test_a_catalog_of_a_newer_version_is_refused_with_what_to_do(
    engine_name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/newer.sqlite3"
    if engine_name == "mariadb":
        url = request.getfixturevalue("mariadb").fresh_database()
    engine = connect(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(SchemaMismatch, match="made by a newer version; use that one, or restore an older backup"):
        catalog.migrate(engine)
    assert not catalog.is_current(engine)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"], "nothing was touched"
    engine.dispose()


class Replay:
    """Says to a sidecar of today what an agent of a released version has said."""

    def __init__(self, world: World, kept: Path) -> None:
        self._world, self._kept = world, kept
        self._fences: dict[str, int] = {}
        self._own_ids: dict[str, str] = {}
        self.applied = 0

    def run(self) -> None:
        for file in sorted((self._kept / "conversation").glob("*-*.json")):
            kind = file.stem.partition("-")[2]
            text = file.read_text(encoding="utf-8")
            for theirs, ours in self._own_ids.items():
                text = text.replace(theirs, ours)
            {"enrol": self._enrol, "heartbeat": self._heartbeat, "report": self._report}[kind](text.encode())

    def _enrol(self, body: bytes) -> None:
        msgspec.json.decode(body, type=EnrolRequest)
        answer = checked(
            self._world.client(self._world.token("enrol")).post("/agent/enrol", content=body, headers=JSON)
        )
        self._agent = answer.json()["agent"]
        self._client = self._world.client(answer.json()["token"])
        paths = [{"agent": self._agent, "path": "/mnt/photos"}]
        made = self._world.post(
            "/libraries", {"owner": "anna", "import_paths": paths, "exclusion_patterns": ["**/raw/**"]}
        )
        bound = next(
            binding["import_path"]
            for file in sorted((self._kept / "conversation").glob("*-heartbeat.json"))
            for binding in json.loads(file.read_text())["bindings"]
        )
        self._own_ids[bound] = made["import_paths"][0]["id"]

    def _heartbeat(self, body: bytes) -> None:
        msgspec.json.decode(body, type=Heartbeat)
        answer = checked(self._client.post("/agent/heartbeat", content=body, headers=JSON)).json()
        self._fences |= answer["grants"]

    def _report(self, body: bytes) -> None:
        report = msgspec.json.decode(body, type=Report)
        check(report)
        headers = {**JSON, "Holdfast-Fence": str(self._fences[report.volume])}
        path = f"/agent/streams/{report.volume}/reports/{report.sequence}"
        receipt = checked(self._client.put(path, content=body, headers=headers)).json()
        assert receipt["applied"], report.sequence
        self.applied += 1


@pytest.fixture
def world(empty: str) -> Iterator[World]:
    engine = connect(empty)
    catalog.migrate(engine)
    with World(engine) as made:
        yield made
    engine.dispose()


@every_version
def test_its_agents_are_understood(kept: Path, world: World) -> None:
    replay = Replay(world, kept)
    replay.run()
    assert replay.applied >= 5
    expected = json.loads((kept / "conversation" / "expected.json").read_text())
    found = {one["path"].removeprefix("/mnt/photos/"): one["status"] for one in world.assets()}
    assert found == expected
    assert ids.from_text("agent", replay._agent) is not None
