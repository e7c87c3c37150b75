"""Hundreds of worlds, each from a seed.

A seed that fails is kept in ``failed_seeds.txt`` and runs for ever after. ``HOLDFAST_SEEDS`` says how many others do;
``make simulate`` runs as many as wanted.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tests.simulation import seeds
from tests.simulation.fate import STEPS, run
from tests.simulation.seeds import Failure

SEEDS = int(os.environ.get("HOLDFAST_SEEDS", "500"))
AT_ONCE = 10


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_whatever_happens_the_catalog_tells_the_truth(first: int) -> None:
    for seed in range(first, min(first + AT_ONCE, SEEDS)):
        run(seed)


@pytest.mark.parametrize("seed", seeds.kept())
def test_what_failed_once_does_not_fail_again(seed: int) -> None:
    run(seed)


def test_same_seed_gives_the_same_trace() -> None:
    first, second = run(11), run(11)
    assert first.trace == second.trace
    assert len(first.trace) > STEPS
    assert run(12).trace != first.trace


def test_seeds_run_and_those_that_fail_are_kept_once(tmp_path: Path) -> None:
    out = io.StringIO()
    assert seeds.run_all(range(2), jobs=1, out=out) == []
    assert "2 of 2 seeds, 0 failed" in out.getvalue()
    file = tmp_path / "seeds.txt"
    file.write_text("# a comment\n7 what it taught\n")
    assert seeds.keep([Failure(7, "again"), Failure(9, "a problem")], file) == [9]
    assert seeds.kept(file) == [7, 9]


def test_seeds_are_named_by_their_number_or_as_a_range() -> None:
    assert seeds.parse("3") == range(3)
    assert seeds.parse("1000-2000") == range(1000, 2001)
