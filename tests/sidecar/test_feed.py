"""The change feed: a reader that follows it misses nothing, however writers commit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sidecar import cursor
from sidecar.bells import Bell, Bells
from sidecar.catalog import clock, feed, waiting
from sidecar.catalog.clock import Clock, RowClock, now_us
from sidecar.catalog.engine import connect, snapshot, transact
from sidecar.catalog.tables import agent as agent_table
from sidecar.catalog.tables import clock as clock_table
from sidecar.catalog.waiting import Doorbell
from tests.mariadb import MariaDB
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import Agent, Problem, World, absent, checked, kinds, listed, moved, new_id


class AutoIncrementClock:
    """The clock that looks right and is wrong: the database numbers rows as they are inserted."""

    def __init__(self, engine: sa.Engine) -> None:
        self.table = sa.Table(
            "numbers", sa.MetaData(), sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=True)
        )
        self.table.create(engine)

    def take(self, connection: sa.Connection, count: int) -> Iterator[int]:
        return iter([connection.execute(self.table.insert()).inserted_primary_key[0] for _ in range(count)])


def write_agent(connection: sa.Connection, the_clock: Clock, between: Callable[[], None] = lambda: None) -> bytes:
    """A row that the feed shows. ``between`` runs after its number was taken."""
    key = new_id()
    seen = clock.feed("agent.enrolled", the_clock.take(connection, 1), now_us())
    between()
    values = {"id": key, "name": key.hex(), "host": "h", "version": "1", "protocol": 1, "capabilities": "[]"}
    connection.execute(agent_table.insert().values(values | seen | {"enrolled_at": 1, "heartbeats": 0, "revision": 1}))
    return key


class Reader:
    """Follows the feed by its change numbers."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.since = 0
        self.seen: list[bytes] = []

    def read(self) -> None:
        with snapshot(self._engine) as connection:
            page = feed.read(connection, self.since, 10_000)
        self.seen += [one.row.id for one in page.changes]
        if page.changes:
            self.since = page.changes[-1].row.change


@pytest.fixture
def mariadb_engine(mariadb: MariaDB, mariadb_catalog: str) -> Iterator[sa.Engine]:
    engine = connect(mariadb_catalog)
    yield engine
    with engine.begin() as connection:
        connection.execute(agent_table.delete())
        connection.execute(sa.update(clock_table).values(value=0))
        connection.exec_driver_sql("DROP TABLE IF EXISTS numbers")
    engine.dispose()


def interleave(engine: sa.Engine, the_clock: Clock) -> tuple[bool, Reader]:
    """A writer takes its number and stops; a second one takes its own and wants to commit; the reader reads; then the
    first one commits. Returns whether the second could overtake the first, and the reader after all of it."""
    reader = Reader(engine)
    taken, go_on, overtaken = threading.Event(), threading.Event(), threading.Event()

    def pause() -> None:
        taken.set()
        assert go_on.wait(30)

    def first() -> None:
        with engine.begin() as connection:
            write_agent(connection, the_clock, pause)

    def second() -> None:
        with engine.begin() as connection:
            write_agent(connection, the_clock)
        overtaken.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert taken.wait(30)
    threads[1].start()
    could_overtake = overtaken.wait(1.0)
    reader.read()
    go_on.set()
    for thread in threads:
        thread.join()
    reader.read()
    return could_overtake, reader


@pytest.mark.mariadb
def test_with_the_row_clock_nobody_overtakes_and_nothing_is_skipped(mariadb_engine: sa.Engine) -> None:
    could_overtake, reader = interleave(mariadb_engine, RowClock())
    assert not could_overtake
    assert len(set(reader.seen)) == 2


@pytest.mark.mariadb
def test_with_auto_increment_numbers_a_row_is_skipped(
    mariadb_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why there is a clock at all. The same steps, with numbers of an auto-increment column."""
    counter = AutoIncrementClock(mariadb_engine)
    # The clock row bounds what the feed reads; here it must not, or it would hide what the test is about.
    with mariadb_engine.begin() as connection:
        connection.execute(sa.update(clock_table).values(value=1 << 40))
    could_overtake, reader = interleave(mariadb_engine, counter)
    assert could_overtake
    assert len(set(reader.seen)) == 1, "the reader had gone past the number that was committed late"


def test_many_writers_and_a_reader_that_never_skips(engine: sa.Engine) -> None:
    writers, rows = 6, 15
    written: list[bytes] = []
    reader = Reader(engine)
    done = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(rows):
            # Holding the number for a moment is what lets others overtake, if they can.
            pause_s = chance.random() * 0.003
            key = transact(
                engine, lambda connection, s=pause_s: write_agent(connection, RowClock(), lambda: time.sleep(s))
            )
            written.append(key)

    def read() -> None:
        while not done.is_set():
            reader.read()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(writers)]
    watching = threading.Thread(target=read)
    for thread in [watching, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watching.join()
    reader.read()
    assert len(reader.seen) == len(set(reader.seen)) == writers * rows
    assert set(reader.seen) == set(written)


def test_what_commits_between_two_tables_waits_for_the_next_page(engine: sa.Engine) -> None:
    """Whatever the isolation of the connection: the clock was read first, and bounds what is read after it."""
    late: list[bytes] = []

    def commit(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM volume" in statement and not late:
            late.append(b"")
            late[0] = transact(engine, lambda connection: write_agent(connection, RowClock()))

    sa.event.listen(engine, "before_cursor_execute", commit)
    with engine.connect() as connection:
        first = feed.read(connection, 0, 100)
    sa.event.remove(engine, "before_cursor_execute", commit)
    assert (first.changes, first.upto) == ([], 0)
    with snapshot(engine) as connection:
        assert [one.row.id for one in feed.read(connection, first.upto, 100).changes] == late


def test_following_the_feed_gives_the_table(world: World, agent: Agent) -> None:
    state: dict[str, dict[str, object]] = {}
    position: str | None = None
    reports = (
        [listed("", *(f"{n}.jpg" for n in range(8)))],
        [moved("", "d", ("1.jpg", "1.jpg")), absent("", "2.jpg")],
        [listed("", "2.jpg"), absent("d", "1.jpg")],
        [moved("", "", ("3.jpg", "4.jpg"))],
    )
    for report in reports:
        agent.send(*report)
        items, position = world.changes(position, limit=3)
        state |= {item["id"]: item["state"] for item in items if item["entity"] == "asset"}
    assert state == {one["id"]: one for one in world.assets()}


def test_every_item_shows_what_its_own_get_shows(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    items, _ = world.changes()
    paths = {"asset": "assets", "volume": "volumes", "library": "libraries", "agent": "agents"}
    seen = {item["entity"] for item in items}
    assert seen == set(paths)
    for item in items:
        assert item["state"] == world.get(f"/{paths[item['entity']]}/{item['id']}")


def test_pages_end_where_the_next_begins(world: World, agent: Agent) -> None:
    agent.send(listed("", *(f"{number}.jpg" for number in range(10))))
    whole, _ = world.changes()
    pieces, _ = world.changes(limit=1)
    assert pieces == whole
    assert [item["change"] for item in whole] == sorted(item["change"] for item in whole)


def test_what_changes_twice_is_told_once(world: World, agent: Agent) -> None:
    _, since = world.changes()
    agent.send(listed("", "a.jpg"))
    agent.send(absent("", "a.jpg"))
    items, _ = world.changes(since)
    assert kinds(items) == ["asset.missing"]


class TestCursors:
    def code(self, world: World, since: str) -> tuple[int, str]:
        with pytest.raises(Problem) as refused:
            world.get("/changes", since=since)
        return refused.value.status, refused.value.code

    def test_nonsense_is_refused(self, world: World) -> None:
        assert self.code(world, "nonsense") == (400, "bad-cursor")

    def test_r35_a_cursor_of_another_catalog_has_expired(self, world: World) -> None:
        other = cursor.to_text(cursor.FeedCursor(new_id(), 0))
        assert self.code(world, other) == (410, "cursor-expired")

    def test_r35_a_cursor_from_the_future_has_expired(self, world: World) -> None:
        with world.engine.connect() as connection:
            catalog = clock.incarnation(connection)
        assert self.code(world, cursor.to_text(cursor.FeedCursor(catalog, 10**6))) == (410, "cursor-expired")


class TestWaiting:
    def test_an_empty_feed_is_waited_for(self, world: World) -> None:
        _, since = world.changes()
        started = time.monotonic()
        page = world.get("/changes", since=since, wait=0.3)
        assert (page["items"], page["next"]) == ([], since)
        assert time.monotonic() - started >= 0.3

    def test_a_commit_of_the_same_process_wakes_within_a_second(self, world: World, agent: Agent) -> None:
        assert self.woken_after(world, lambda: agent.send(listed("", "a.jpg"))) < 1.0

    def test_a_commit_of_another_process_wakes_within_a_second(self, world: World, database: str) -> None:
        other = connect(database)
        try:
            commit = lambda: transact(other, lambda connection: write_agent(connection, RowClock()))  # noqa: E731
            assert self.woken_after(world, commit) < 1.0
        finally:
            other.dispose()

    def woken_after(self, world: World, commit: Callable[[], object]) -> float:
        """Seconds from the commit until all of three waiting readers have their answer."""
        _, since = world.changes()
        ends: list[float] = []
        lengths: list[int] = []
        token = world.token("reader")

        def wait() -> None:
            answer = checked(world.client(token).get("/changes", params={"since": since, "wait": 20})).json()
            ends.append(time.monotonic())
            lengths.append(len(answer["items"]))

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while world.app.extensions["holdfast"].doorbell.waiting < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)  # until they wait, there is nobody to wake
        commit()
        committed = time.monotonic()
        for thread in threads:
            thread.join()
        assert min(lengths) >= 1
        return max(ends) - committed

    def test_waiting_holds_no_connection(self, world: World) -> None:
        _, since = world.changes()
        doorbell: Doorbell = world.app.extensions["holdfast"].doorbell
        client = world.client(world.token("reader"))
        thread = threading.Thread(target=lambda: client.get("/changes", params={"since": since, "wait": 1}))
        thread.start()
        out: list[int] = []
        while thread.is_alive():
            if doorbell.waiting:
                out.append(world.engine.pool.checkedout())  # type: ignore[attr-defined]
            time.sleep(0.002)  # samples over the whole second
        assert out
        # The short look at the clock needs one, twenty times a second.
        assert sum(1 for count in out if count == 0) > len(out) * 0.5

    def test_a_process_that_ends_lets_everybody_go(self, tmp_path: Path, engine: sa.Engine) -> None:
        doorbell = Doorbell(engine)
        closing = threading.Timer(0.1, doorbell.close)
        closing.start()
        started = time.monotonic()
        assert not doorbell.wait_until(lambda: False, 30)
        assert time.monotonic() - started < 5
        closing.join()

    def test_who_rings_while_the_clock_is_read_is_heard(
        self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Overtaken(Doorbell):
            """Somebody commits as soon as the clock was read by whoever looks out."""

            reads = 0

            def _clock(self) -> int:
                seen = super()._clock()
                self.reads += 1
                if self.reads == 2:
                    transact(engine, lambda connection: next(clock.CLOCK.take(connection, 1)))
                    self.ring()
                return seen

        monkeypatch.setattr(waiting, "_LOOK_S", 60.0)
        with snapshot(engine) as connection:
            before = clock.read(connection)
        started = time.monotonic()
        assert Overtaken(engine).wait_until(lambda: _now(engine) > before, 30)
        assert time.monotonic() - started < 5

    def test_who_waits_in_another_process_is_woken_at_once(
        self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "_LOOK_S", 60.0)
        bells = [Bell(), Bell()]
        here, there = Bells(bells), Bells(bells)
        there.use(1)
        waits, before = Doorbell(engine, there), _now(engine)
        answers: list[bool] = []
        waiter = threading.Thread(target=lambda: answers.append(waits.wait_until(lambda: _now(engine) > before, 30)))
        waiter.start()
        deadline = time.monotonic() + 10
        while not waits.waiting:
            assert time.monotonic() < deadline
            time.sleep(0.005)  # until it waits, there is nobody to wake
        started = time.monotonic()
        transact(engine, lambda connection: next(clock.CLOCK.take(connection, 1)))
        Doorbell(engine, here).ring()
        waiter.join()
        assert answers == [True]
        assert time.monotonic() - started < 5


def _now(engine: sa.Engine) -> int:
    with snapshot(engine) as connection:
        return clock.read(connection)
