"""The sidecar of the simulator: the real application and its real worker on a real database, called in process.

Its clock and its entropy are the simulator's, so that the same seed gives the same catalog. It can crash before and
after each commit, and be set back to a backup.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import random
import shutil
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple
from unittest import mock

import httpx2
import structlog
from sqlalchemy import Connection, Engine, event

from agent.testing.clock import FakeClock
from holdfast import ids
from sidecar.api import create_app
from sidecar.catalog import clock as change_clock
from sidecar.catalog import migrate, settings, tokens
from sidecar.catalog.engine import connect, transact
from sidecar.errors import CatalogUnavailable
from sidecar.worker import Worker
from tests.memory import PLACE
from tests.simulation.crashes import Crash, Weir

Item = dict[str, Any]

SILENT_AFTER_S = 30.0


class SimulatedTime:
    """Stands in for the module ``time`` where the sidecar reads the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def time_ns(self) -> int:
        return self._clock.wall_ns

    def time(self) -> float:
        return self._clock.now().wall


@contextlib.contextmanager
def determined(clock: FakeClock, rng: random.Random) -> Iterator[None]:
    """Give the sidecar this clock, and entropy from this source."""
    with (
        mock.patch("sidecar.catalog.clock.time", SimulatedTime(clock)),
        mock.patch("sidecar.api.agent.time", SimulatedTime(clock)),
        mock.patch("os.urandom", rng.randbytes),
        _quiet(),
    ):
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No logs: the trace tells more."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("sidecar").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        structlog.configure(**before)
        logging.getLogger("sidecar").setLevel(logging.NOTSET)


def _place() -> Path:
    """A directory that lasts as long as this process."""
    place = Path(mkdtemp(dir=PLACE))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@cache
def _template() -> Path:
    """A catalog with its schema and nothing in it, made once."""
    path = _place() / "template.sqlite3"
    engine = connect(f"sqlite:///{path}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


class _Application(NamedTuple):
    """The application on its engine, and where the database is. ``weirs`` has the one of the sidecar that is alive."""

    path: Path
    engine: Engine
    app: httpx2.WSGITransport
    weirs: list[Weir]


@cache
def _application() -> _Application:
    """Made once a process: an engine compiles its statements, which costs more than to execute them. Every sidecar
    that is simulated in turn puts its own database below it."""
    path = _place() / "catalog.sqlite3"
    engine = connect(f"sqlite:///{path}")
    weirs: list[Weir] = []
    event.listen(engine, "commit", lambda connection: weirs[-1].passage("catalog, before a commit"))
    return _Application(path, engine, httpx2.WSGITransport(app=create_app(engine)), weirs)


class SimulatedSidecar:
    """One sidecar; there is one at a time. ``transport`` is the network to it, for agents, people and photo servers."""

    def __init__(self, clock: FakeClock, rng: random.Random) -> None:
        self.clock = clock
        self.weir = Weir()
        self.failures: list[str] = []
        self._random = rng
        self._application = _application()
        self._application.weirs[:] = [self.weir]
        self._path = self._application.path
        self.engine, self.app = self._application.engine, self._application.app
        self._discard(self._path)
        self._discard(self._backup)
        shutil.copy(_template(), self._path)
        self._start()
        transact(self.engine, lambda connection: change_clock.renew(connection, self.new_id()))
        transact(self.engine, _without_nights)
        self.transport = _Transport(self)
        self.people = self.connect(self._token("admin"), _Insisting(self.transport))

    @property
    def _backup(self) -> Path:
        return self._path.with_suffix(".backup")

    def close(self) -> None:
        """Throw it away."""
        self.people.close()
        self._stop()

    # Its life

    def restart(self) -> None:
        """It dies and starts again."""
        self._stop()
        self._start()

    def back_up(self) -> None:
        """Make a backup."""
        with contextlib.closing(sqlite3.connect(self._backup)) as copy:
            self.table.backup(copy)

    def has_backup(self) -> bool:
        """Whether there is one."""
        return self._backup.exists()

    def restore(self, *, said: bool) -> None:
        """Set the catalog back to the backup. ``said``: whoever did it told the sidecar, as the manual asks."""
        self._stop()
        self._discard(self._path)
        shutil.copy(self._backup, self._path)
        self._start()
        if said:
            transact(self.engine, lambda connection: change_clock.renew(connection, self.new_id()))

    def work(self) -> int:
        """The sidecar's worker does what is due; how many agents fell silent."""
        try:
            return len(self._worker.step(self.clock.now().boot))
        except (Crash, CatalogUnavailable):
            self.restart()
            return 0

    # Who talks to it

    def enrol(self, name: str) -> tuple[str, str]:
        """Enrol an agent; returns its id and its token."""
        enrolling = self.connect(self._token("enrol"))
        answer = enrolling.post("/agent/enrol", json={"name": name, "host": name, "version": "0"})
        enrolling.close()
        answer.raise_for_status()
        return answer.json()["agent"], answer.json()["token"]

    def connect(self, token: str, transport: httpx2.BaseTransport | None = None) -> httpx2.Client:
        """A client with this token."""
        return httpx2.Client(
            base_url="http://localhost/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            transport=transport or self.transport,
        )

    def make_library(self, places: list[tuple[str, str]]) -> None:
        """A library of these agents' host paths."""
        body = {
            "name": "Photos",
            "owner": "anna",
            "import_paths": [{"agent": agent, "path": place} for agent, place in places],
        }
        self.people.post("/libraries", json=body).raise_for_status()

    def scans_to_do(self) -> int:
        """How many places of volumes that are there are still to be scanned, because somebody has asked for it."""
        query = """SELECT COUNT(*) FROM wanted_scan JOIN volume ON volume.id = wanted_scan.volume_id
        WHERE ended_at IS NULL AND volume.state = 'online'"""
        return int(self.table.execute(query).fetchone()[0])

    def change(self, **settings: int) -> None:
        """Change settings."""
        self.people.patch("/settings", json=settings).raise_for_status()

    def new_id(self) -> bytes:
        """Bytes of an id."""
        return ids.new(self.clock.wall_ns // 1_000_000, self._random.randbytes(10))

    # Details

    def _start(self) -> None:
        # A second pair of eyes, which sees only what was committed.
        self.table = sqlite3.connect(self._path, isolation_level=None)
        self._worker = Worker(self.engine, SILENT_AFTER_S, self.new_id())

    def _stop(self) -> None:
        self.weir.disarm()
        self.table.close()
        self.engine.dispose()

    def _discard(self, database: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{database}{suffix}").unlink(missing_ok=True)

    def _token(self, scope: str) -> str:
        now_ms = self.clock.wall_ns // 1_000_000
        return transact(
            self.engine,
            lambda connection: tokens.create(
                connection,
                new_id=ids.new(now_ms, self._random.randbytes(10)),
                secret=self._random.randbytes(tokens.SECRET_BYTES),
                name=scope,
                scope=scope,
                now=now_ms * 1000,
            ),
        )


class _Transport(httpx2.BaseTransport):
    """Calls the application in process. That it fails without a crash is no outage here, but a fault."""

    def __init__(self, sidecar: SimulatedSidecar) -> None:
        self._sidecar = sidecar

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sidecar = self._sidecar
        armed = sidecar.weir.is_armed
        try:
            response = sidecar.app.handle_request(request)
            if request.method != "GET":
                sidecar.weir.passage("catalog, after the commits")
        except Crash as crash:
            response = httpx2.Response(500, text=str(crash))
        if armed and not sidecar.weir.is_armed:
            sidecar.restart()
            raise httpx2.ReadError("the sidecar has died")
        if response.status_code == 500:
            raise AssertionError(f"{request.method} {request.url} failed")
        return response


class _Insisting(httpx2.BaseTransport):
    """Asks again when the sidecar has died meanwhile, as a person does: what was decided may be decided again."""

    def __init__(self, beyond: httpx2.BaseTransport) -> None:
        self._beyond = beyond

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return self._beyond.handle_request(request)
        except httpx2.ReadError:
            return self._beyond.handle_request(request)


def _without_nights(connection: Connection) -> None:
    """Nights come by the clock on the wall; a world that is replayed at another hour would be another one."""
    settings.lock(connection)
    settings.change(connection, {"scan_schedule": "off"})
