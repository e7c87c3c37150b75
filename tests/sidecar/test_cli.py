"""The command line, as processes: serve, worker, migrate, tokens, check-config, openapi."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from openapi_spec_validator import validate

from sidecar import config
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import volume_agent
from sidecar.errors import ConfigError
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, Problem, World, checked

PATIENCE_S = 60.0


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=PATIENCE_S
    )


class Served:
    """``serve`` as a process."""

    def __init__(self, state: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.state = state
        self.url = f"http://127.0.0.1:{self.port}"
        listen = ["--state", str(state), "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidecar.cli", "serve", *listen], stdin=subprocess.DEVNULL, start_new_session=True
        )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "it ended instead"
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{self.url}/readyz").status_code == 200:
                    return
            time.sleep(0.05)  # nothing tells that a port listens, but asking it
        raise AssertionError("it did not become ready")

    def client(self) -> httpx2.Client:
        token = (self.state / "admin.token").read_text().strip()
        return httpx2.Client(base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    try:
        made.wait_until_ready()
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()


def test_serve_makes_its_catalog_and_a_token_for_its_owner_only(served: Served) -> None:
    for name in ("admin.token", "catalog.sqlite3"):
        mode = stat.S_IMODE((served.state / name).stat().st_mode)
        assert mode == 0o600, name
    with served.client() as client:
        assert checked(client.get("/tokens")).json()["items"][0]["name"] == "administrator"


def test_serve_started_again_keeps_its_token(served: Served) -> None:
    token = (served.state / "admin.token").read_text()
    served.process.terminate()
    assert served.process.wait(PATIENCE_S) == 0
    again = Served(served.state)
    try:
        again.wait_until_ready()
        assert (served.state / "admin.token").read_text() == token
        with again.client() as client:
            assert len(checked(client.get("/tokens")).json()["items"]) == 1
    finally:
        again.process.terminate()
        assert again.process.wait(PATIENCE_S) == 0


def test_waiting_readers_do_not_hold_up_the_end(served: Served) -> None:
    with served.client() as client:
        since = checked(client.get("/changes")).json()["next"]
        answers: list[int] = []

        def wait() -> None:
            answers.append(client.get("/changes", params={"since": since, "wait": 60}).status_code)

        thread = threading.Thread(target=wait)
        thread.start()
        # The worker's own sockets tell when the request has arrived; a short moment does as well.
        time.sleep(0.5)
        started = time.monotonic()
        served.process.terminate()
        assert served.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - started < 8
        thread.join()
        assert answers == [200]


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    place = ("--state", str(tmp_path))
    assert run("migrate", *place).returncode == 0
    text = run("tokens", "create", "--scope", "reader", "--name", "immich", *place).stdout.strip()
    assert text.startswith("hf_")
    file = tmp_path / "operator.token"
    made = run("tokens", "create", "--scope", "operator", "--name", "me", "--file", str(file), *place)
    identifier = made.stdout.strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("hf_")
    listed = run("tokens", "list", *place).stdout
    assert text not in listed
    assert [line.split("\t")[3:] for line in listed.splitlines()] == [["good", "immich"], ["good", "me"]]
    assert run("tokens", "revoke", identifier, *place).returncode == 0
    assert run("tokens", "revoke", identifier, *place).returncode == 64
    assert "revoked\tme" in run("tokens", "list", *place).stdout
    again = run("tokens", "create", "--scope", "operator", "--name", "me", "--file", str(file), *place)
    assert again.returncode == 73
    assert "File exists" in again.stderr


def test_worker_ends_when_asked(tmp_path: Path) -> None:
    place = ["--state", str(tmp_path)]
    assert run("migrate", *place).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "sidecar.cli", "worker", *place], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "lease.taken" in process.stderr.readline()
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    process.stderr.close()


def test_openapi_is_printed() -> None:
    import json

    validate(json.loads(run("openapi").stdout))


class TestConfig:
    def test_file_environment_and_options_in_this_order(self, tmp_path: Path) -> None:
        file = tmp_path / "sidecar.toml"
        file.write_text('listen = "127.0.0.1:1"\nthreads = 3\nworkers = 4\n')
        environment = {"HOLDFAST_SIDECAR_THREADS": "5", "HOLDFAST_SIDECAR_WORKERS": "6"}
        found = config.load(str(file), environment, {"workers": 7, "database": None})
        assert (found.listen, found.threads, found.workers) == ("127.0.0.1:1", 5, 7)
        assert found.database == "sqlite:////var/lib/holdfast/sidecar/catalog.sqlite3"
        assert config.load(None, config.to_environment(found), {}) == found

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('databse = "x"', "did you mean 'database'?"),
            ("frobnicate = 1", "this key is not known; there are state_dir"),
            ("threads = 'many'", "threads"),
            ("threads = 1", "threads: must be at least 2"),
            ('listen = "8080"', "listen: '8080' is neither"),
            ('listen = "host:0"', "listen"),
            ('database = "oracle://x"', "database: 'oracle' is not supported"),
            ("listen", "sidecar.toml"),
        ],
    )
    def test_what_cannot_work_is_refused_with_the_key(self, tmp_path: Path, text: str, message: str) -> None:
        file = tmp_path / "sidecar.toml"
        file.write_text(text)
        with pytest.raises(ConfigError) as error:
            config.load(str(file), {}, {})
        assert message in str(error.value)

    def test_a_file_that_is_not_there(self) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            config.load("/nowhere/sidecar.toml", {}, {})

    def test_the_database_may_come_as_a_credential(self, tmp_path: Path) -> None:
        (tmp_path / "sidecar_database").write_text("mysql+pymysql://holdfast:secret@db/holdfast\n")
        file = tmp_path / "sidecar.toml"
        file.write_text('database = "sqlite:////var/lib/other.sqlite3"\n')
        environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        assert config.load(str(file), environment, {}).database == "mysql+pymysql://holdfast:secret@db/holdfast"

    def test_check_config_tells_by_its_status(self, tmp_path: Path) -> None:
        file = tmp_path / "sidecar.toml"
        file.write_text("thread = 3\n")
        done = run("check-config", "--config", str(file))
        assert done.returncode == 78
        assert "did you mean 'threads'?" in done.stderr
        assert run("check-config", HOLDFAST_SIDECAR_CONFIG=str(file)).returncode == 78
        file.write_text("threads = 3\n")
        assert run("check-config", "--config", str(file)).returncode == 0
        assert [one.name for one in tmp_path.iterdir()] == ["sidecar.toml"], "nothing was touched"

    def test_a_database_that_does_not_answer(self, tmp_path: Path) -> None:
        done = run("migrate", "--state", str(tmp_path), "--database", "mysql+pymysql://u@127.0.0.1:1/d")
        assert done.returncode == 69
        assert "The database cannot be used" in done.stderr


def test_r35_a_person_says_that_the_catalog_was_restored(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite3"
    file.write_bytes(sqlite_template.read_bytes())
    engine = connect(f"sqlite:///{file}")
    with World(engine) as world:
        agent = Agent(world)
        before = agent.heartbeat()["catalog"]
        _, since = world.changes()
        done = run("restored", "--state", str(tmp_path))
        assert done.returncode == 0, done.stderr
        after = agent.heartbeat()["catalog"]
        assert after != before
        assert f"The catalog is {after} from now on." in done.stdout
        with pytest.raises(Problem) as error:
            world.get("/changes", since=since)
        assert error.value.code == "cursor-expired"
        items, _ = world.changes()
        assert [one["entity"] for one in items] == ["agent", "volume"], "from the beginning it is all there"
    engine.dispose()


def fences(place: tuple[str, str]) -> list[int]:
    engine = connect(f"sqlite:///{place[1]}/catalog.sqlite3")
    with engine.connect() as connection:
        found = connection.execute(sa.select(volume_agent.c.fence)).scalars().all()
    engine.dispose()
    return list(found)


class TestSettings:
    def test_r20_thresholds_are_shown_set_and_reset(self, tmp_path: Path) -> None:
        place = ("--state", str(tmp_path))
        assert run("migrate", *place).returncode == 0
        shown = run("settings", "show", *place).stdout
        assert [line.split() for line in shown.splitlines()] == [
            ["guard_files", "100"],
            ["guard_percent", "10"],
            ["guard_window_s", "86400"],
            ["missing_grace_s", "0"],
            ["retention_s", "for", "ever"],
            ["scan_schedule", "0", "0", "*", "*", "*"],
            ["scan_time_zone", "UTC"],
            ["history_kept_s", "15552000"],
            ["tombstones_kept_s", "31622400"],
            ["audit_kept_s", "63244800"],
            ["deliveries_kept_s", "2592000"],
        ]
        done = run("settings", "set", "guard_files", "20", *place)
        assert (done.returncode, done.stdout) == (0, "guard_files      20  (the default is 100)\n")
        assert json.loads(run("settings", "show", "--json", *place).stdout) == {
            "guard_files": 20,
            "guard_percent": 10,
            "guard_window_s": 86400,
            "missing_grace_s": 0,
            "retention_s": None,
            "scan_schedule": "0 0 * * *",
            "scan_time_zone": "UTC",
            "history_kept_s": 15552000,
            "tombstones_kept_s": 31622400,
            "audit_kept_s": 63244800,
            "deliveries_kept_s": 2592000,
            "revision": 1,
        }
        assert run("settings", "set", "guard_files", "default", *place).stdout == "guard_files      100\n"

    def test_the_schedule_is_a_text_and_what_is_missing_may_be_kept_for_ever(self, tmp_path: Path) -> None:
        place = ("--state", str(tmp_path))
        assert run("migrate", *place).returncode == 0
        done = run("settings", "set", "scan_schedule", "30 2 * * *", *place)
        assert done.stdout == "scan_schedule    30 2 * * *  (the default is 0 0 * * *)\n"
        assert run("settings", "set", "scan_time_zone", "Europe/Berlin", *place).returncode == 0
        done = run("settings", "set", "retention_s", "31536000", *place)
        assert done.stdout == "retention_s      31536000  (the default is for ever)\n"
        assert run("settings", "set", "retention_s", "default", *place).stdout == "retention_s      for ever\n"

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("guard_file", "1", "There is no setting guard_file."),
            ("guard_percent", "101", "This is a percentage"),
            ("guard_files", "many", "many is no whole number."),
            ("guard_window_s", "1", "This is a time in seconds"),
            ("scan_schedule", "61 * * * *", "This is no cron expression: bad minute."),
            ("scan_time_zone", "Berlin", "This is the name of a time zone"),
        ],
    )
    def test_what_cannot_work_is_refused_with_a_sentence(
        self, tmp_path: Path, name: str, value: str, sentence: str
    ) -> None:
        done = run("settings", "set", name, value, "--state", str(tmp_path))
        assert done.returncode == 64
        assert done.stderr.startswith(sentence)


class TestHolds:
    @pytest.fixture
    def place(self, sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
        """The option that says where a catalog is that has one open hold."""
        file = tmp_path / "catalog.sqlite3"
        file.write_bytes(sqlite_template.read_bytes())
        engine = connect(f"sqlite:///{file}")
        with World(engine) as world:
            agent = Agent(world)
            agent.heartbeat()
            world.library(agent)
            lose(agent, "trip\n", fill(agent, "trip\n", 200)[:150])
        engine.dispose()
        yield "--state", str(tmp_path)

    def test_r20_a_person_looks_at_a_hold_and_approves_it(self, place: tuple[str, str]) -> None:
        listed = run("holds", "list", *place).stdout
        identifier = listed.split()[0]
        assert "150 files in /mnt/usb/trip\\x0a are gone" in listed
        shown = run("holds", "show", identifier, *place).stdout
        assert "In these directories:\n  150  trip\\x0a/" in shown
        assert "How it is known, of the first of these:\n  The storage was “usb” (ext4, UUID " in shown
        assert "It was told on " in shown
        command = next(line for line in shown.splitlines() if "holds approve" in line).split()[1:]
        assert run(*command[:-1], "00", *place).returncode == 64
        done = run(*command, *place)
        assert (done.returncode, done.stdout) == (0, "Approved: 150 files.\n")
        assert "nothing waits for you" in run("holds", "list", *place).stdout
        told = run("holds", "show", identifier, *place).stdout
        assert "approved, by the command line" in told
        assert "150 of 150 files dealt with" in told
        assert "holds approve" not in told

    def test_dismissed_it_is_listed_no_more_but_with_all(self, place: tuple[str, str]) -> None:
        (one,) = json.loads(run("holds", "list", "--json", *place).stdout)
        details = json.loads(run("holds", "show", one["id"], "--json", *place).stdout)
        assert details["directories"] == [{"directory": "trip\n", "files": 150}]
        dismissed = run("holds", "dismiss", one["id"], "--digest", one["digest"], *place)
        assert dismissed.stdout == "Dismissed: 150 files stay as they were.\n"
        assert json.loads(run("holds", "list", "--json", *place).stdout) == []
        assert "dismissed" in run("holds", "list", "--all", *place).stdout
        again = run("holds", "approve", one["id"], "--digest", one["digest"], *place)
        assert again.returncode == 64
        assert "closed already" in again.stderr

    def test_what_was_dismissed_can_be_looked_at_again(self, place: tuple[str, str]) -> None:
        (one,) = json.loads(run("holds", "list", "--json", *place).stdout)
        run("holds", "dismiss", one["id"], "--digest", one["digest"], *place)
        assert "holds recheck" in run("holds", "show", one["id"], *place).stdout
        before = fences(place)
        done = run("holds", "recheck", one["id"], *place)
        assert (done.returncode, done.stderr) == (0, "")
        assert "looked at again" in done.stdout
        assert fences(place) > before, "the agent begins anew with its next grant"

    def test_what_is_no_hold_is_told_so(self, place: tuple[str, str]) -> None:
        for name in ("nonsense", "hld_" + "0" * 32):
            done = run("holds", "show", name, *place)
            assert done.returncode == 64
            assert done.stderr
