"""A benchmark that breaks its limit fails, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import peers
from bench.verdicts import Measured, row, table


def test_latencies_are_held_to_milliseconds() -> None:
    within = Measured("unmount", [0.02, 0.03, 9.0], 300)
    assert within.holds
    assert row(within) == ("unmount", "30 ms", "9.00 s", "3", "30 ms", "300 ms", "holds")
    assert not Measured("unmount", [0.301], 300).holds
    assert row(Measured("unmount", [0.301], 300))[-1] == "FAILS"


def test_scans_are_held_to_multiples_of_the_yardstick() -> None:
    assert Measured("scan", [5.0], 25, yardstick_s=0.2).holds
    assert not Measured("scan", [5.1], 25, yardstick_s=0.2).holds
    assert row(Measured("scan", [4.0], 25, yardstick_s=0.2))[4:] == ("20.0 x find", "25 x find", "holds")


def test_the_yardstick_itself_has_no_verdict() -> None:
    assert row(Measured("find", [0.2], None, yardstick_s=0.2))[4:] == ("1.0 x find", "", "")


def test_the_table_is_aligned() -> None:
    lines = table([Measured("a", [0.1], 300), Measured("a longer name", [1.5], 25, 0.1)])
    assert len({len(line) for line in lines}) == 1


def test_a_program_that_is_not_installed_is_named_and_breaks_no_limit() -> None:
    one = Measured("bfs", [], None, yardstick_s=0.2)
    assert row(one) == ("bfs", "not installed", "", "", "", "", "")
    assert one.holds


def test_what_is_not_installed_is_not_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not any(peers.listings(name, str(tmp_path), 1) for name in peers.LISTERS)
    assert peers.watchman_hears(1, 1) == []
    assert peers.versions() == ""
