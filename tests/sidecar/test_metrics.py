"""What Prometheus is told: right, of all processes, in constant time, and not to everybody."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from holdfast.exposition import Kind, Metric, Sample, render
from holdfast.volumes import Reason
from sidecar import counting
from sidecar.api import create_app
from sidecar.api.metrics import METRICS
from sidecar.catalog import gauges, leases, tokens
from sidecar.catalog.engine import snapshot, transact
from sidecar.config import Config
from sidecar.counting import Board
from tests.exposition import Series, one, parsed
from tests.sidecar.test_cli import Served, served
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, Problem, World, absent, checked, listed, new_id

__all__ = ["served"]


def scrape(world: World, token: str | None = None) -> dict[str, Series]:
    client = world.client(token or world.token("reader"))
    client.base_url = "http://sidecar"
    answer = checked(client.get("/metrics"))
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text)


def test_how_the_catalog_stands(world: World) -> None:
    agent = Agent(world)
    agent.heartbeat()
    world.library(agent)
    agent.send(listed("", "a.jpg", "b.jpg"))
    gone = fill(agent, "trip", 200)
    lose(agent, "trip", gone[:150])
    world.post("/webhooks", {"url": "https://photos.example/hook"})
    transact(world.engine, lambda connection: leases.take(connection, "worker", None, new_id()))
    other = Agent(world, "second", "second.home")
    other.becomes(Reason.UNPLUGGED, None)
    found = scrape(world)
    assert one(found, "holdfast_volumes", state="online") == 1
    assert one(found, "holdfast_volumes", state="offline") == 1
    assert one(found, "holdfast_volume_available", volume=agent.volume) == 1
    assert one(found, "holdfast_volume_available", volume=other.volume) == 0
    since = one(found, "holdfast_volume_state_since_timestamp_seconds", volume=other.volume, reason="unplugged")
    assert since == 1_700_000_000
    assert one(found, "holdfast_volume_files", volume=agent.volume, label="usb") == 202
    assert abs(one(found, "holdfast_volume_last_report_timestamp_seconds", volume=agent.volume) - time.time()) < 60
    assert one(found, "holdfast_agent_silent", name="second") == 0
    assert one(found, "holdfast_holds_open", kind="absent") == 1
    assert one(found, "holdfast_held_files", kind="absent") == 150
    assert one(found, "holdfast_webhooks", state="active") == 1
    assert one(found, "holdfast_assets", status="present") == 202
    assert one(found, "holdfast_changes_total") == world.value(sa.text("SELECT value FROM clock"))
    assert one(found, "holdfast_lease_beats_total", lease="worker") == 0
    assert one(found, "holdfast_database_up") == 1
    assert one(found, "holdfast_catalog_bytes") > 10_000
    known = {metric.name for metric in METRICS}
    assert {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in found} <= known


def test_reports_and_refusals_are_counted(world: World, agent: Agent) -> None:
    before = scrape(world)
    report = agent.report(listed("", "a.jpg"), absent("", "b.jpg"))
    checked(agent.put(report))
    checked(agent.put(report))
    with pytest.raises(Problem):
        checked(agent.put(agent.report(listed("", "c.jpg"), sequence=9)))
    assert world.client("hf_nonsense").get("/assets").status_code == 401
    after = scrape(world)

    def grown(name: str, **labels: str) -> float:
        return one(after, name, **labels) - one(before, name, **labels)

    assert [grown("holdfast_reports_total", outcome=word) for word in ("applied", "repeated", "refused")] == [1, 1, 1]
    assert grown("holdfast_report_observations_total") == 2
    assert grown("holdfast_report_duration_seconds_count") == 1
    assert grown("holdfast_report_duration_seconds_bucket", le="+Inf") == 1
    assert grown("holdfast_problems_total", problem="sequence-mismatch") == 1
    assert grown("holdfast_problems_total", problem="unauthorized") == 1
    assert grown("holdfast_requests_total", status="2xx") == 2


def test_the_number_of_assets_makes_no_difference(world: World, agent: Agent) -> None:
    world.library(agent)
    statements: list[str] = []
    sa.event.listen(world.engine, "before_cursor_execute", lambda *found: statements.append(found[2]))

    def read() -> list[str]:
        statements.clear()
        with snapshot(world.engine) as connection:
            gauges.read(connection)
        return list(statements)

    few = read()
    fill(agent, "trip", 500)
    assert read() == few
    assert len(few) < 25
    for text in few:
        for table in ("asset", "asset_transition", "audit", "evidence"):
            named = f"FROM {table} " in text.replace("\n", " ") or f"FROM `{table}`" in text
            # The newest by the index of the change clock, and nothing else.
            assert not named or f"FROM {table} ORDER BY {table}.change DESC" in " ".join(
                text.replace("`", "").split()
            ), text


def test_it_is_told_to_nobody_without_a_token_unless_one_says_so(world: World) -> None:
    client = world.client(None)
    client.base_url = "http://sidecar"
    assert client.get("/metrics").status_code == 401
    with pytest.raises(Problem) as error:
        scrape(world, world.token("enrol"))
    assert error.value.code == "forbidden"
    limited = transact(
        world.engine,
        lambda connection: tokens.create(
            connection, new_id=new_id(), secret=os.urandom(32), name="anna", scope="reader", now=1, owner="anna"
        ),
    )
    with pytest.raises(Problem):
        scrape(world, limited)
    url = world.engine.url.render_as_string(hide_password=False)
    app = create_app(Config(database=url, metrics_open=True))
    with httpx2.Client(transport=httpx2.WSGITransport(app=app), base_url="http://sidecar") as other:
        assert other.get("/metrics").status_code == 200
        assert other.get("/api/v1/assets").status_code == 401
    from sidecar.api.endpoint import services_of

    services_of(app).engine.dispose()


def test_when_the_database_is_away_that_is_what_it_tells(tmp_path: Path) -> None:
    app = create_app(Config(database="mysql+pymysql://u@127.0.0.1:1/d", metrics_open=True))
    with httpx2.Client(transport=httpx2.WSGITransport(app=app), base_url="http://sidecar") as client:
        found = parsed(client.get("/metrics").text)
    assert one(found, "holdfast_database_up") == 0
    assert one(found, "holdfast_database_unavailable_total") >= 1
    assert "holdfast_volumes" not in found


def test_what_processes_have_counted_is_added_up_and_outlives_them() -> None:
    board = Board()
    first, second = board.register(), board.register()
    board.add(first, 1)
    rows = [board.reserve() for _ in range(3)]
    for row in rows:
        pid = os.fork()
        if pid == 0:
            board.use(row)
            board.add(first, 2)
            board.add(second, 0.5)
            os._exit(0)
        os.waitpid(pid, 0)
    assert (board.total(first), board.total(second)) == (7, 1.5)
    for row in rows:
        board.retire(row)
    assert (board.total(first), board.total(second)) == (7, 1.5)
    assert board.reserve() == rows[-1], "and the rows are given to others"


def test_a_histogram_is_cumulative() -> None:
    made = counting.Histogram("holdfast_tested_seconds", "Of this test.")
    for seconds in (0.001, 0.2, 0.2, 60.0):
        made.observe(seconds)
    found = parsed(render([made.family()]))
    assert [one(found, "holdfast_tested_seconds_bucket", le=le) for le in ("0.005", "0.1", "0.25", "10", "+Inf")] == [
        1, 1, 3, 3, 4,
    ]  # fmt: skip
    assert one(found, "holdfast_tested_seconds_sum") == pytest.approx(60.401)


def test_names_of_people_cannot_break_the_format() -> None:
    metric = Metric("holdfast_tested", Kind.GAUGE, "Of\nthis \\ test.", ("label",))
    text = render([(metric, [Sample(1.5, ('a "quoted"\\\nname',))])])
    assert text == (
        "# HELP holdfast_tested Of\\nthis \\\\ test.\n# TYPE holdfast_tested gauge\n"
        'holdfast_tested{label="a \\"quoted\\"\\\\\\nname"} 1.5\n'
    )


def test_all_processes_of_a_sidecar_tell_the_same(served: Served) -> None:
    """Whichever answers: each request goes to another, and one of them dies."""
    with served.client() as client:
        url = f"{served.url}/metrics"

        def answered() -> float:
            return one(parsed(client.get(url).text), "holdfast_requests_total", status="2xx")

        before = answered()
        for _ in range(20):
            with served.client() as fresh:  # another connection
                checked(fresh.get("/libraries"))
        assert {answered() for _ in range(4)} == {before + 20}
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split() == children:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # nothing tells that gunicorn has replaced it
        with served.client() as fresh:
            assert one(parsed(fresh.get(url).text), "holdfast_requests_total", status="2xx") == before + 20
