"""Lines of a log: one a thing, without secrets, and the same only at growing intervals."""

from __future__ import annotations

import itertools
import logging
import sys

import pytest
import structlog

from agent.logs import configure as configure_agent
from holdfast.log_lines import FIRST_S, LAST_S, Repeats, line
from holdfast.volumes import Reason
from sidecar import logs
from sidecar.logs import Log

HOUR_S = 3600.0
TOKEN = "hf_4HRxN1aC7t1e-gI6cXH095iIq6jH8mkZQvSsVsq9MqQ"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"volume": "vol_1", "count": 3, "reason": Reason.HUNG}, "volume=vol_1 count=3 reason=hung"),
        ({"path": "/mnt/usb/a.jpg", "left_out": None}, "path=/mnt/usb/a.jpg"),
        ({"detail": "Two words."}, 'detail="Two words."'),
        ({"name": 'a "b" \\'}, 'name="a \\"b\\" \\\\"'),
        ({"name": ""}, 'name=""'),
        ({"name": "x\nvolume.changed state=online"}, 'name="x\\\\x0avolume.changed state=online"'),
        ({"name": "\x1b[31mred"}, 'name="\\\\x1b[31mred"'),
    ],
)
def test_a_line_is_one_line_whatever_is_in_it(values: dict[str, object], text: str) -> None:
    assert line("a.b", values) == f"a.b {text}"


def test_no_secret_gets_into_a_line() -> None:
    said = line(
        "a.b", {"problem": f"Authorization: Bearer {TOKEN}", "url": "mysql+pymysql://holdfast:s3cret@db/holdfast"}
    )
    assert TOKEN[3:] not in said
    assert "s3cret" not in said
    assert "mysql+pymysql://holdfast:…@db/holdfast" in said


class TestRepeats:
    def said(self, repeats: Repeats, until_s: float, every_s: float = 1.0) -> list[tuple[float, int]]:
        """When the same is said that happens all the time, and how often it was kept back before."""
        times = itertools.takewhile(lambda at: at <= until_s, itertools.count(0.0, every_s))
        return [(at, count) for at in times if (count := repeats.take("a.b", {"x": 1}, at)) is not None]

    def test_a_fault_that_stays_is_said_at_growing_intervals_with_a_count(self) -> None:
        found = self.said(Repeats(), 40 * HOUR_S, every_s=10.0)
        assert found[:4] == [(0.0, 0), (60.0, 5), (180.0, 11), (420.0, 23)]
        gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(found)]
        assert gaps == sorted(gaps)
        assert gaps[-1] == LAST_S
        assert len(found) < 20

    def test_when_it_changes_it_is_said_at_once(self) -> None:
        repeats = Repeats()
        assert repeats.take("a.b", {"x": 1}, 0.0) == 0
        assert repeats.take("a.b", {"x": 1}, 1.0) is None
        assert repeats.take("a.b", {"x": 2}, 2.0) == 0
        assert repeats.take("a.c", {"x": 1}, 3.0) == 0
        assert repeats.take("a.b", {"x": 1, "pid": 7}, 4.0) is None, "another process is the same fault"

    def test_what_comes_again_after_a_while_is_news(self) -> None:
        repeats = Repeats()
        self.said(repeats, HOUR_S)
        assert repeats.take("a.b", {"x": 1}, 24 * HOUR_S) == 0
        assert repeats.take("a.b", {"x": 1}, 24 * HOUR_S + FIRST_S) == 0, "and begins with the first interval"

    def test_the_end_of_a_fault_makes_its_return_news(self) -> None:
        repeats = Repeats()
        assert repeats.take("sidecar.lost", {"problem": "away"}, 0.0) == 0
        assert repeats.take("sidecar.lost", {"problem": "away"}, 1.0) is None
        repeats.ended("sidecar.connected")
        assert repeats.take("sidecar.lost", {"problem": "away"}, 2.0) == 0

    def test_it_remembers_no_more_than_so_much(self) -> None:
        repeats = Repeats()
        for number in range(100_000):
            repeats.take("a.b", {"x": number}, 0.0)
        assert repeats.take("a.b", {"x": 99_999}, 1.0) is None
        assert repeats.take("a.b", {"x": 0}, 1.0) == 0, "it was forgotten for others"
        assert sys.getsizeof(repeats._said) < 1_000_000


@pytest.mark.parametrize("under_systemd", [False, True])
def test_both_parts_write_the_same_lines(
    under_systemd: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if under_systemd:
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    else:
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    before = logging.getLogger().handlers[:]
    monkeypatch.setattr(logs, "REPEATS", Repeats())
    monkeypatch.setattr("agent.logs._repeats", Repeats())
    try:
        logs.configure()
        configure_agent()
        for log in (Log("sidecar.tested"), structlog.get_logger("agent.tested")):
            for _ in range(3):
                log.warning("tested.lost", problem=f"no {TOKEN}", pid=1)
            log.info("tested.done", count=2)
        Log("sidecar.tested").error("tested.failed", ValueError(TOKEN))
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()
    said = capsys.readouterr().err.splitlines()
    starts = ("<4>", "<6>") if under_systemd else ("warning", "info")
    for lines in (said[:2], said[2:4]):
        assert [one[one.index("tested") :] for one in lines] == [
            'tested.lost problem="no hf_…" pid=1', "tested.done count=2",
        ]  # fmt: skip
        assert all(start in one.lower() for start, one in zip(starts, lines, strict=True))
    assert all("tested.failed" in one or "ValueError: hf_…" in one for one in said[4:5] + said[-1:])
    assert not under_systemd or all(one.startswith("<3>") for one in said[4:])
