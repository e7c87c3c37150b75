"""The sidecar's doctor beside real processes and real databases."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from sidecar.catalog.engine import connect, transact
from sidecar.catalog.tables import agent as agent_table
from sidecar.catalog.tables import job, lease, volume_agent, webhook
from sidecar.cli import main
from sidecar.doctor import host
from sidecar.doctor.evidence import Answer
from tests.mariadb import MariaDB
from tests.sidecar.test_cli import PATIENCE_S, Served
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, World

LONG_AGO = 1_000_000


def findings(*place: str) -> dict[str, dict[str, Any]]:
    """What is not in order, by its code."""
    done = CliRunner().invoke(main, ["doctor", "--json", *place], catch_exceptions=False)
    assert done.stderr == ""
    found = {one["code"]: one for one in json.loads(done.stdout)["findings"] if one["severity"] != "ok"}
    assert (done.exit_code == 1) == any(one["severity"] != "note" for one in found.values())
    return found


@pytest.fixture
def place(sqlite_template: Path, tmp_path: Path) -> tuple[str, str]:
    """The option that names a state directory with a catalog."""
    shutil.copy(sqlite_template, tmp_path / "catalog.sqlite3")
    return "--state", str(tmp_path)


class TestService:
    def test_with_sidecar_and_worker_running_only_what_is_wrong_is_found(self, tmp_path: Path) -> None:
        served = Served(tmp_path)
        served.wait_until_ready()
        place = ("--state", str(tmp_path))
        worker = subprocess.Popen(
            [sys.executable, "-m", "sidecar.cli", "worker", *place], stderr=subprocess.PIPE, text=True
        )
        try:
            assert worker.stderr is not None
            assert any("lease.taken" in line for line in worker.stderr), "it holds the lease before it is asked after"
            config = tmp_path / "sidecar.toml"
            config.write_text(f'state_dir = "{tmp_path}"\nlisten = "127.0.0.1:{served.port}"\n')
            (tmp_path / "admin.token").chmod(0o644)
            tmp_path.chmod(0o755)
            assert set(findings("--config", str(config))) == {"no-agent", "state-exposed"}
        finally:
            for process in (worker, served.process):
                process.terminate()
                process.wait(PATIENCE_S)
            worker.stderr.close()

    def test_without_either_both_are_found_and_nothing_is_made(self, place: tuple[str, str], tmp_path: Path) -> None:
        before = sorted(tmp_path.iterdir())
        assert set(findings(*place)) == {"sidecar-not-running", "worker-not-running", "no-agent"}
        assert sorted(tmp_path.iterdir()) == before
        empty = tmp_path / "empty"
        assert set(findings("--state", str(empty))) == {"sidecar-not-running", "catalog-missing", "state-not-writable"}
        assert not empty.exists()

    def test_a_wrong_configuration_is_the_one_finding(self, tmp_path: Path) -> None:
        config = tmp_path / "sidecar.toml"
        config.write_text("thread = 3\n")
        (one,) = findings("--config", str(config)).values()
        assert one["code"] == "configuration-invalid"
        assert f"{config}:1: thread: " in one["why"]

    def test_another_program_at_its_address_is_told_from_nobody(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            nobody = f"127.0.0.1:{free.getsockname()[1]}"
        assert host.ask_service(nobody).answer is Answer.NOBODY
        with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
            threading.Thread(target=other.handle_request, daemon=True).start()
            assert host.ask_service(f"127.0.0.1:{other.server_port}").answer is Answer.SOMEBODY_ELSE


class TestDatabase:
    def test_a_damaged_file_is_found_in_its_own_words(self, place: tuple[str, str], tmp_path: Path) -> None:
        (tmp_path / "catalog.sqlite3").write_bytes(b"this was a catalog once " * 400)
        assert "file is not a database" in findings(*place)["database-unreachable"]["why"]

    @pytest.mark.parametrize(("revision", "code"), [("0012", "schema-older"), ("9999", "schema-newer")])
    def test_another_schema_is_found(self, place: tuple[str, str], tmp_path: Path, revision: str, code: str) -> None:
        change(tmp_path, sa.text("UPDATE alembic_version SET version_num = :it").bindparams(it=revision))
        assert code in findings(*place)

    def test_a_catalog_that_was_promoted_is_found(self, place: tuple[str, str], tmp_path: Path) -> None:
        change(tmp_path, sa.text("CREATE TABLE promoted (moved_to TEXT NOT NULL)"))
        change(tmp_path, sa.text("INSERT INTO promoted VALUES ('mysql+pymysql://db/holdfast')"))
        assert "mysql+pymysql://db/holdfast" in findings(*place)["catalog-promoted"]["why"]

    @pytest.mark.root
    def test_a_disk_that_is_read_only_or_full_is_found(self, sqlite_template: Path, tmp_path: Path) -> None:
        mounted = tmp_path / "state"
        mounted.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2M", "none", str(mounted)]
        subprocess.run(mount, check=True)
        try:
            shutil.copy(sqlite_template, mounted / "catalog.sqlite3")
            found = findings("--state", str(mounted))
            assert found["state-nearly-full"]["severity"] == "fault"
            subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
            assert {"database-read-only", "state-not-writable"} <= set(findings("--state", str(mounted)))
        finally:
            subprocess.run(["umount", str(mounted)], check=True)

    @pytest.mark.root
    def test_files_that_root_has_left_behind_are_found(self, place: tuple[str, str], tmp_path: Path) -> None:
        os.chown(tmp_path, 65534, 65534)
        assert "catalog.sqlite3" in findings(*place)["state-not-writable"]["why"]

    def test_a_package_that_is_missing_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pymysql", None)  # so that importing it fails
        found = findings("--state", str(tmp_path), "--database", "mysql+pymysql://u@localhost/d")
        assert "pymysql" in found["package-missing"]["sentence"]

    def test_a_server_that_does_not_answer_is_found_and_its_password_is_not_shown(self, tmp_path: Path) -> None:
        place = ("--state", str(tmp_path), "--database", "mysql+pymysql://u:secret@127.0.0.1:1/d")
        assert "database-unreachable" in findings(*place)
        assert "secret" not in CliRunner().invoke(main, ["doctor", *place]).output


@pytest.mark.mariadb
class TestServer:
    @pytest.fixture
    def url(self, mariadb: MariaDB, mariadb_catalog: str) -> Iterator[str]:
        names = ("max_allowed_packet", "innodb_flush_log_at_trx_commit", "max_connections", "read_only")
        engine = connect(mariadb_catalog)
        with engine.connect() as connection:
            before = {name: connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar_one() for name in names}
        engine.dispose()
        yield mariadb_catalog
        for name, value in before.items():
            mariadb.execute(f"SET GLOBAL {name} = {value}")

    def test_a_server_as_it_is_installed_is_in_order(self, url: str, mariadb: MariaDB, tmp_path: Path) -> None:
        mariadb.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")  # the tests' own does without
        found = findings("--state", str(tmp_path), "--database", url)
        assert not {code for code in found if code.startswith(("database", "schema", "clock"))}

    def test_settings_that_hurt_are_found_each_with_its_remedy(
        self, url: str, mariadb: MariaDB, tmp_path: Path
    ) -> None:
        for setting in (
            "max_allowed_packet = 1048576",
            "innodb_flush_log_at_trx_commit = 2",
            "max_connections = 20",
            "read_only = 1",
        ):
            mariadb.execute(f"SET GLOBAL {setting}")
        done = CliRunner().invoke(main, ["doctor", "--json", "--state", str(tmp_path), "--database", url])
        told = json.loads(done.stdout)["findings"]
        assert [one["remedy"].split(";")[0] for one in told if one["code"] == "database-settings"] == [
            "SET GLOBAL max_allowed_packet = 16777216",
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
            "SET GLOBAL max_connections = 146",
        ]
        (closed,) = [one for one in told if one["code"] == "database-read-only"]
        assert "read_only" in closed["why"]


class TestCatalog:
    def test_a_lease_that_nobody_renews_is_nobodys(
        self, place: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sidecar.doctor.examination._LEASE_WAIT_S", 0.2)
        monkeypatch.setattr("sidecar.doctor.examination._LEASE_LOOK_S", 0.1)
        change(tmp_path, lease.insert().values(name="worker", holder=b"w" * 16, fence=1, beat=7))
        assert "worker-not-running" in findings(*place)

    def test_what_needs_somebody_is_found(self, sqlite_template: Path, tmp_path: Path) -> None:
        file = tmp_path / "catalog.sqlite3"
        shutil.copy(sqlite_template, file)
        engine = connect(f"sqlite:///{file}")
        with World(engine) as world:
            told = Agent(world)
            told.heartbeat()
            world.library(told)
            lose(told, "trip", fill(told, "trip", 200)[:150])
            hook = {"url": "https://photos.example/hook", "description": "", "kinds": []}
            first, second = (world.post("/webhooks", hook)["id"] for _ in range(2))
            assert first != second
        engine.dispose()
        place = ("--state", str(tmp_path))
        assert {"holds-waiting", "worker-not-running"} <= set(findings(*place))
        change(tmp_path, agent_table.update().values(last_seen=LONG_AGO, version="99.0"))
        change(tmp_path, volume_agent.update().values(since=4_000_000_000_000_000))
        change(tmp_path, webhook.update().values(failing_since=LONG_AGO))
        change(tmp_path, job.update().values(state="failed", error="it broke", finished_at=4_000_000_000_000_000))
        found = findings(*place)
        assert {"agent-silent", "agent-newer", "clock-differs", "webhook-failing"} <= set(found)
        assert found["holds-waiting"]["sentence"] == "1 mass change of 150 files in all: waiting for you."
        change(tmp_path, webhook.update().values(state="disabled", reason="The receiver said that it is gone."))
        assert findings(*place)["webhook-disabled"]["why"] == "The receiver said that it is gone."


def change(state: Path, statement: sa.Executable) -> None:
    engine = connect(f"sqlite:///{state}/catalog.sqlite3")
    transact(engine, lambda connection: connection.execute(statement))
    engine.dispose()


def test_the_type_of_a_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "2 1 0:40 / /mnt/my\\040nas rw - nfs4 nas:/export rw\n"
        "3 1 0:41 / /mnt/my\\040nas rw - cifs //nas/export rw\n"
    )
    assert host.fs_type_of("/mnt/my nas/c.db", str(table)) == "cifs", "the upper one of two"
    assert host.fs_type_of("/mnt/my nas2/c.db", str(table)) == "ext4"
