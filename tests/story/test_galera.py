"""A Galera cluster as the database: three nodes, two sidecars, and a node that is killed while reports come in.

What must hold is what holds on one server: every report takes effect once, all nodes have the same, and whoever
follows the feed, whatever sidecar answers, is told every change once and in order.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import msgspec
import pytest
import sqlalchemy as sa

from holdfast.assignments import FENCE_HEADER
from holdfast.reports import Observation, Receipt, Report
from sidecar import catalog, promote
from sidecar.catalog import alone
from sidecar.catalog.engine import connect, snapshot, transact
from sidecar.catalog.tables import metadata
from sidecar.cursor import feed_cursor
from sidecar.errors import CatalogUnavailable
from sidecar.promote import verify
from tests.galera import NODES, Cluster
from tests.sidecar.books import check_books
from tests.sidecar.world import JSON, Agent, Item, World, absent, checked, encoded, listed, moved
from tests.story.stack import PATIENCE_S, Stack, stack
from tests.story.test_story import no_repetition

pytestmark = [pytest.mark.story, pytest.mark.mariadb]

VOLUMES = 4
REPORTS = 24
FILES = 25
VICTIM = 1


class Remote(World):
    """A world whose sidecar is another process."""

    def __init__(self, sidecar: Stack, engine_url: str) -> None:
        self.engine = connect(engine_url)
        self._base = str(sidecar.client.base_url)
        self._clients: list[httpx2.Client] = []
        self.admin = self.client(self.token("admin"))

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.engine.dispose()

    def client(self, token: str | None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"}
        made = httpx2.Client(base_url=self._base, headers=headers, timeout=60.0)
        self._clients.append(made)
        return made


@pytest.fixture
def database(galera: Cluster) -> Iterator[str]:
    """An empty database of a whole cluster."""
    yield galera.fresh_database()
    for number, node in enumerate(galera.nodes):
        if not node.is_running:
            galera.revive(number)


@pytest.fixture
def promoted(galera: Cluster, database: str, tmp_path: Path) -> str:
    """A catalog that began as a file, and was moved to the cluster with a token and a library in it."""
    source, target = connect(f"sqlite:///{tmp_path}/catalog.sqlite3"), connect(galera.url(database))
    try:
        catalog.migrate(source)
        with World(source) as world:
            world.library(Agent(world, "first"))
        assert promote.promote(source, target, lambda _: None).rows > 0
    finally:
        source.dispose()
        target.dispose()
    return database


@pytest.fixture
def sidecars(galera: Cluster, promoted: str, tmp_path: Path) -> Iterator[list[Stack]]:
    """Two, each with another node in the first place, and with the same in the second."""
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    with (
        stack(homes[0], galera.url(promoted, 0, 2)) as one,
        stack(homes[1], galera.url(promoted, VICTIM, 2)) as two,
    ):
        yield [one, two]


class InProcess(World):
    """A sidecar in this process, on one node and no other."""

    def __init__(self, url: str) -> None:
        super().__init__(connect(url))

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.engine.dispose()


class Reader(threading.Thread):
    """Follows the feed with one cursor, and asks another sidecar for every page."""

    def __init__(self, clients: list[httpx2.Client]) -> None:
        super().__init__(name="reader", daemon=True)
        self._clients = itertools.cycle(clients)
        self._cursor: str | None = None
        self.ended = threading.Event()
        self.items: list[Item] = []
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.ended.is_set():
            self.page()

    def page(self) -> int:
        """Read a page; how many items it had."""
        query = {"limit": 200, **({} if self._cursor is None else {"since": self._cursor})}
        try:
            answer = next(self._clients).get("/changes", params={**query, "wait": 0.2})
        except httpx2.TransportError as error:
            self.problems.append(str(error))
            return -1
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            return -1
        page = checked(answer).json()
        before = 0 if self._cursor is None else feed_cursor(self._cursor).change
        assert feed_cursor(page["next"]).change >= before, "a cursor goes back"
        self._cursor = page["next"]
        self.items += page["items"]
        return len(page["items"])

    def to_the_end(self) -> None:
        """Read what is there, from every sidecar."""
        empty = 0
        while empty < 2:
            found = self.page()
            empty = empty + 1 if found == 0 else 0


class Writer:
    """An agent that has reports to send, by whichever sidecar, until each is acknowledged."""

    def __init__(self, agent: Agent, clients: list[httpx2.Client]) -> None:
        self.agent = agent
        self._clients = clients
        self._random = random.Random(agent.name)
        self.present: set[str] = set()
        self.answers: list[int] = []

    def work(self, acknowledged: threading.Semaphore) -> None:
        for number in range(REPORTS):
            self.send(self.agent.report(*self._news(number)))
            acknowledged.release()

    def send(self, report: Report) -> None:
        """As the agent does: the same again, until it is acknowledged."""
        path = f"/agent/streams/{report.volume}/reports/{report.sequence}"
        headers = {**JSON, "Content-Encoding": "gzip", FENCE_HEADER: str(self.agent.fence)}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            client = self._random.choice(self._clients)
            answer = client.put(path, content=encoded(report), headers=headers)
            self.answers.append(answer.status_code)
            if answer.status_code == 503:
                assert int(answer.headers["Retry-After"]) > 0
                time.sleep(0.1)  # less than it asks for; an agent would wait
                continue
            receipt = msgspec.json.decode(checked(answer).content, type=Receipt)
            assert receipt.expected == report.sequence + 1
            return
        raise AssertionError(f"report {report.sequence} is not taken: {self.answers[-20:]}")

    def _news(self, number: int) -> list[Observation]:
        """New files; and of those before, one was moved and one is gone."""
        directory = f"d{number:02}"
        names = [f"{one}.jpg" for one in range(FILES)]
        self.present |= {f"{directory}/{name}" for name in names}
        told: list[Observation] = [listed(directory, *names)]
        if number % 4 == 3:
            before = f"d{number - 1:02}"
            told += [moved(before, directory, ("0.jpg", "moved.jpg")), absent(before, "1.jpg")]
            self.present -= {f"{before}/0.jpg", f"{before}/1.jpg"}
            self.present.add(f"{directory}/moved.jpg")
        return told


def told_once_and_in_order(reader: Reader, sidecar: World) -> None:
    """Fail unless the reader has seen what one sees who begins now and asks one sidecar, and that without a detour."""
    whole = Reader([sidecar.admin])
    whole.to_the_end()
    assert reader.problems == []
    no_repetition(reader.items)
    numbers = [item["change"] for item in reader.items]
    assert numbers == sorted(numbers)

    def last(items: list[Item]) -> dict[str, tuple[int, str]]:
        return {item["id"]: (item["change"], item["state"].get("status", "")) for item in items}

    assert last(reader.items) == last(whole.items)


def what_was_told_is_there(world: World, writers: list[Writer]) -> None:
    found: dict[str, set[str]] = {writer.agent.volume: set() for writer in writers}
    for one in world.assets(limit=1000, status="present"):
        found[one["volume_id"]].add(one["path"].removeprefix("/mnt/usb/"))
    assert found == {writer.agent.volume: writer.present for writer in writers}


def all_nodes_have_the_same(galera: Cluster, database: str) -> None:
    with contextlib.ExitStack() as stack:
        engines = [connect(galera.url(database, number)) for number in range(NODES)]
        for engine in engines:
            stack.callback(engine.dispose)
        for table in metadata.sorted_tables:
            assert len({verify.fingerprint(engine, table) for engine in engines}) == 1, table.name
        with snapshot(engines[VICTIM]) as connection:
            check_books(connection)


def test_a_node_dies_in_the_middle_of_ingest(galera: Cluster, promoted: str, sidecars: list[Stack]) -> None:
    urls = [galera.url(promoted, number) for number in (0, 2, VICTIM)]
    with Remote(sidecars[0], urls[0]) as world, Remote(sidecars[1], urls[1]) as other, InProcess(urls[2]) as bound:
        agents = [Agent(world, f"nas{number}") for number in range(VOLUMES)]
        for agent in agents:
            agent.heartbeat()
            world.library(agent)
        reader = Reader([world.admin, other.admin])
        reader.start()
        writers = [Writer(one, [world.client(one.token), other.client(one.token)]) for one in agents]
        acknowledged = threading.Semaphore(0)
        with ThreadPoolExecutor(VOLUMES) as pool:
            jobs = [pool.submit(one.work, acknowledged) for one in writers]
            for _ in range(VOLUMES * REPORTS // 3):
                assert acknowledged.acquire(timeout=PATIENCE_S)
            galera.nodes[VICTIM].kill()
            # A sidecar that knows no other node.
            answer = bound.admin.get("/assets")
            assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
            for job in jobs:
                job.result()
        reader.ended.set()
        reader.join()
        reader.to_the_end()
        told_once_and_in_order(reader, other)
        what_was_told_is_there(world, writers)
        galera.revive(VICTIM)
        assert bound.admin.get("/assets").status_code == 200
    all_nodes_have_the_same(galera, promoted)


def test_a_node_without_its_cluster_is_left_for_another(galera: Cluster, database: str) -> None:
    count = sa.text("SELECT COUNT(*) FROM t")
    with contextlib.ExitStack() as stack:
        here, listed, away = (connect(galera.url(database, *order)) for order in ((2,), (2, 0), (1,)))
        for engine in (here, listed, away):
            stack.callback(engine.dispose)

        def write(engine: sa.Engine) -> None:
            transact(engine, lambda connection: connection.execute(sa.text("INSERT INTO t (id) VALUES (UUID())")))

        galera.nodes[0].execute(f"CREATE TABLE {database}.t (id CHAR(36) PRIMARY KEY)")
        for engine in (here, listed):
            write(engine)
        isolate = "SET GLOBAL wsrep_provider_options = 'gmcast.isolate={}'"
        galera.nodes[2].execute(isolate.format(1))
        try:
            with pytest.raises(CatalogUnavailable):
                write(here)
            with pytest.raises(CatalogUnavailable), snapshot(here) as connection:
                connection.execute(count)
            write(listed)
            with snapshot(away) as connection:
                assert connection.execute(count).scalar() == 3
        finally:
            galera.nodes[2].execute(isolate.format(0))
            galera.nodes[2].wait()
        write(here)
        with snapshot(away) as connection:
            assert connection.execute(count).scalar() == 4


def test_a_node_that_lags_answers_late_and_not_wrongly(galera: Cluster, database: str) -> None:
    """Else a reader of the feed who comes from another sidecar would be told that its cursor is not of this catalog."""
    there, lagging = connect(galera.url(database, 0)), connect(galera.url(database, 2))
    ask = f"SELECT value FROM {database}.c"
    galera.nodes[0].execute(f"CREATE TABLE {database}.c (id INTEGER PRIMARY KEY, value INTEGER)")
    galera.nodes[0].execute(f"INSERT INTO {database}.c VALUES (1, 1)")
    found: list[int] = []

    def read() -> None:
        with snapshot(lagging) as connection:
            found.append(int(connection.execute(sa.text(ask)).scalar_one()))

    read()
    reader = threading.Thread(target=read)
    with galera.nodes[2].applying_nothing():
        transact(there, lambda connection: connection.execute(sa.text(f"UPDATE {database}.c SET value = 2")))
        reader.start()
        is_asked = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info = '{ask}'"
        while reader.is_alive() and galera.nodes[2].execute(is_asked) == (0,):
            time.sleep(0.01)  # nothing tells that a question has arrived, but looking
        assert found == [1]
    reader.join()
    assert found == [1, 2]
    there.dispose()
    lagging.dispose()


def test_of_all_nodes_only_one_migrates(galera: Cluster, database: str) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        engine = connect(galera.url(database, number))
        try:
            with alone.no_others(engine):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.05)  # so that another would come in, if it could
                inside.remove(number)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(NODES) as pool:
        for job in [pool.submit(enter, number) for number in range(NODES)]:
            job.result()
    assert most == [1] * NODES
