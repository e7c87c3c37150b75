"""Reports take effect exactly once (rule R32), whatever the network and the database do meanwhile."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
from collections.abc import Iterator

import msgspec
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from holdfast import ids
from holdfast.assignments import FENCE_HEADER
from holdfast.reports import BODY_BYTES_MAX, INFLATED_BYTES_MAX, FileFacts, Listed, Receipt, Report, Unreadable
from sidecar.catalog import streams
from sidecar.catalog.tables import clock
from tests.sidecar.bound import agent as agent  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import JSON, Agent, Problem, World, absent, checked, encoded, kinds, listed, new_id, proof

OTHER_VOLUME = ids.to_text("volume", new_id())


def receipt(answer: object) -> Receipt:
    return msgspec.json.decode(checked(answer).content, type=Receipt)  # type: ignore[arg-type]


def test_r32_a_repeat_changes_nothing(world: World, agent: Agent) -> None:
    report = agent.report(listed("", "a.jpg"))
    assert receipt(agent.put(report)) == Receipt(sequence=1, applied=True, expected=2)
    before = world.value(sa.select(clock.c.value))
    assert receipt(agent.put(report)) == Receipt(sequence=1, applied=False, expected=2)
    agent.send(absent("", "a.jpg"))
    assert receipt(agent.put(report)) == Receipt(sequence=1, applied=False, expected=3)
    assert [one["status"] for one in world.assets()] == ["missing"]
    assert world.value(sa.select(clock.c.value)) == before + 1


def test_r32_a_hole_is_refused_with_the_number_expected(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    with pytest.raises(Problem) as refused:
        checked(agent.put(agent.report(listed("", "b.jpg"), sequence=4)))
    assert (refused.value.status, refused.value.code) == (409, "sequence-mismatch")
    assert refused.value.body["expected"] == 2
    assert len(world.assets()) == 1


def test_r34_a_journal_that_was_set_back_behind_another_one_does_not_go_on(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    first = agent.journal
    agent.begin_anew()
    agent.send(listed("", "b.jpg"))
    # The agent's state directory comes back from a backup: its journal and its numbers are those of before.
    agent.journal = first
    with pytest.raises(Problem) as refused:
        checked(agent.put(agent.report(listed("", "c.jpg"), sequence=2)))
    assert (refused.value.status, refused.value.code) == (409, "stream-diverged")
    assert set(world.by_path()) == {"/mnt/usb/a.jpg", "/mnt/usb/b.jpg"}
    agent.begin_anew()
    agent.send(listed("", "c.jpg"))
    assert len(world.assets()) == 3


def test_r32_the_same_number_with_other_content_has_diverged(agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    with pytest.raises(Problem) as refused:
        checked(agent.put(agent.report(listed("", "b.jpg"), sequence=1)))
    assert (refused.value.status, refused.value.code) == (409, "stream-diverged")


def test_compression_is_no_part_of_the_content(agent: Agent) -> None:
    report = agent.report(listed("", "a.jpg"))
    agent.put(report)
    path = f"/agent/streams/{report.volume}/reports/{report.sequence}"
    plain = agent.client.put(
        path, content=msgspec.json.encode(report), headers={**JSON, FENCE_HEADER: str(agent.fence)}
    )
    assert not receipt(plain).applied


def test_r34_a_new_journal_starts_a_new_stream(world: World, agent: Agent) -> None:
    agent.send(listed("", "a.jpg"))
    (before,) = world.assets()
    agent.journal = ids.to_text("journal", new_id())
    with pytest.raises(Problem) as refused:
        checked(agent.put(agent.report(listed("", "a.jpg"), sequence=2)))
    assert refused.value.body["expected"] == 1
    assert receipt(agent.put(agent.report(listed("", "a.jpg", "b.jpg"), sequence=1))).applied
    assert world.by_path()["/mnt/usb/a.jpg"]["id"] == before["id"]


def test_r32_copies_that_arrive_at_once_are_applied_once(world: World, agent: Agent) -> None:
    reports = [agent.report(listed(f"d{number}", *(f"{n}.jpg" for n in range(20)))) for number in range(5)]
    barrier = threading.Barrier(4, timeout=20)
    receipts: list[Receipt] = []

    def deliver() -> None:
        client = world.client(agent.token)
        for report in reports:
            barrier.wait()
            path = f"/agent/streams/{report.volume}/reports/{report.sequence}"
            headers = {**JSON, "Content-Encoding": "gzip", FENCE_HEADER: str(agent.fence)}
            receipts.append(receipt(client.put(path, content=encoded(report), headers=headers)))

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == 20
    assert sorted(one.sequence for one in receipts if one.applied) == [1, 2, 3, 4, 5]
    assert len(world.assets(limit=1000)) == 100


@pytest.fixture
def commits(engine: sa.Engine) -> Iterator[list[Exception | None]]:
    """What the next commits of writing transactions do: None lets one pass, an exception is raised after it."""
    script: list[Exception | None] = []

    def committed(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("holdfast_write")
        if writes and script and (failure := script.pop(0)) is not None:
            connection.connection.commit()
            raise failure

    sa.event.listen(engine, "commit", committed)
    yield script
    sa.event.remove(engine, "commit", committed)


def test_r32_an_answer_lost_after_the_commit_is_told_again(
    world: World, agent: Agent, commits: list[Exception | None]
) -> None:
    report = agent.report(listed("", "a.jpg"))
    commits.append(RuntimeError("the process died here"))
    assert agent.put(report).status_code == 500
    assert receipt(agent.put(report)) == Receipt(sequence=1, applied=False, expected=2)
    items, _ = world.changes()
    assert kinds(items).count("asset.added") == 1


def test_r32_a_connection_lost_in_the_commit_is_no_second_report(
    world: World, agent: Agent, commits: list[Exception | None]
) -> None:
    lost = OperationalError("COMMIT", None, pymysql.OperationalError(2013, "Lost connection during query"))
    commits.append(lost)
    assert receipt(agent.put(agent.report(listed("", "a.jpg")))) == Receipt(sequence=1, applied=False, expected=2)
    items, _ = world.changes()
    assert kinds(items).count("asset.added") == 1


@pytest.mark.parametrize("code", [1213, 1205, 1047, 2006])
def test_a_deadlock_runs_the_whole_transaction_again(
    world: World, agent: Agent, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    advance, tries = streams.advance, []

    def failing(*arguments: object) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("UPDATE", None, pymysql.OperationalError(code, "injected"))
        return advance(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(streams, "advance", failing)
    assert agent.send(listed("", "a.jpg")).applied
    assert len(tries) == 3
    assert len(world.assets()) == 1
    # Numbers that a failed try took are not lost to it: the feed has no gap that a reader could stumble over.
    items, _ = world.changes()
    assert kinds(items).count("asset.added") == 1


def test_a_database_that_stays_busy_is_told_as_that(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_arguments: object) -> int:
        raise OperationalError("UPDATE", None, pymysql.OperationalError(1205, "injected"))

    monkeypatch.setattr(streams, "advance", busy)
    monkeypatch.setattr("sidecar.catalog.engine.time.sleep", lambda _s: None)
    answer = agent.put(agent.report(listed("", "a.jpg")))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


class TestRefusals:
    def refuse(self, agent: Agent, content: bytes, **headers: str) -> Problem:
        path = f"/agent/streams/{agent.volume}/reports/1"
        with pytest.raises(Problem) as refused:
            checked(agent.client.put(path, content=content, headers={**JSON, **headers}))
        return refused.value

    def test_a_body_that_is_too_large(self, agent: Agent) -> None:
        found = self.refuse(agent, b" " * (BODY_BYTES_MAX + 1))
        assert (found.status, found.code) == (413, "too-large")
        assert str(BODY_BYTES_MAX) in found.body["detail"]

    def test_a_body_that_inflates_beyond_the_limit(self, agent: Agent) -> None:
        bomb = gzip.compress(bytes(6 * INFLATED_BYTES_MAX), 1)
        assert len(bomb) < BODY_BYTES_MAX
        tracemalloc.start()
        try:
            found = self.refuse(agent, bomb, **{"Content-Encoding": "gzip"})
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (found.status, found.code) == (413, "too-large")
        # Inflating needs its buffer once more to put it together.
        assert peak_bytes < 3 * INFLATED_BYTES_MAX, "it was not inflated to its end"

    # Named, since gzip puts the time into its header: names made of that differ from process to process.
    @pytest.mark.parametrize(
        "body",
        [b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"x"],
        ids=["no gzip", "cut short", "followed by more"],
    )
    def test_a_body_that_is_no_gzip(self, agent: Agent, body: bytes) -> None:
        found = self.refuse(agent, body, **{"Content-Encoding": "gzip"})
        assert (found.status, found.code) == (400, "malformed-body")

    def test_a_coding_that_nobody_knows(self, agent: Agent) -> None:
        assert self.refuse(agent, b"{}", **{"Content-Encoding": "br"}).status == 415

    def test_what_is_no_json(self, agent: Agent) -> None:
        assert self.refuse(agent, b"{").code == "malformed-json"

    def test_a_report_is_refused_whole_and_named_by_its_place(self, world: World, agent: Agent) -> None:
        good = msgspec.to_builtins(agent.report(listed("", "a.jpg"), listed("x", "b.jpg"), sequence=1))
        good["observations"][1]["files"][0][1] = "large"
        found = self.refuse(agent, msgspec.json.encode(good))
        assert (found.status, found.code) == (422, "invalid-report")
        assert found.body["errors"][0]["pointer"] == "/observations/1/files/0/1"
        assert world.assets() == []

    @pytest.mark.parametrize(
        ("report", "pointer"),
        [
            (lambda a: a.report(Listed("../x", [FileFacts("a.jpg", 1, 1)]), sequence=1), "/observations/0"),
            (lambda a: a.report(listed("", "a/b.jpg"), sequence=1), "/observations/0"),
            (lambda a: a.report(listed("", FileFacts("a.jpg", -1, 1)), sequence=1), "/observations/0"),
            (lambda a: a.report(Unreadable("", "E" * 33), sequence=1), "/observations/0/error"),
            (lambda a: a.report(sequence=2), "/sequence"),
            (lambda a: msgspec.structs.replace(a.report(sequence=1), format=9), "/format"),
            (lambda a: msgspec.structs.replace(a.report(sequence=1), journal="mine"), "/journal"),
            (
                lambda a: msgspec.structs.replace(a.report(sequence=1), volume=ids.to_text("volume", new_id())),
                "/volume",
            ),
        ],
    )
    def test_what_no_honest_agent_says(self, agent: Agent, report: object, pointer: str) -> None:
        made: Report = report(agent)  # type: ignore[operator]
        found = self.refuse(agent, msgspec.json.encode(made))
        assert (found.status, found.body["errors"][0]["pointer"]) == (422, pointer)

    def test_r1_absence_without_its_proof(self, world: World, agent: Agent) -> None:
        agent.send(listed("", "a.jpg"))
        lie = msgspec.structs.replace(absent("", "a.jpg"), proof=proof("", mount_id=8))
        answer = agent.put(agent.report(lie))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/observations/0/proof"
        assert [one["status"] for one in world.assets()] == ["present"]

    def test_r33_another_agents_volume(self, world: World, agent: Agent) -> None:
        other = Agent(world, "other", "elsewhere")
        other.volume = agent.volume
        answer = other.put(other.report(listed("", "a.jpg")))
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "two-writers")

    def test_a_volume_that_nobody_knows(self, agent: Agent) -> None:
        agent.volume = ids.to_text("volume", new_id())
        assert agent.put(agent.report(listed("", "a.jpg"))).status_code == 404
