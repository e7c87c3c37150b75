"""Hundreds of worlds, each from a seed.

A seed that fails is kept in ``failed_seeds.txt`` and runs for ever after. ``HOLDFAST_SEEDS`` says how many others do.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.sidecar import SimulatedSidecar
from tests.simulation.world import World, run

SEEDS = int(os.environ.get("HOLDFAST_SEEDS", "400"))
STEPS = 120
AT_ONCE = 20
_KEPT = Path(__file__).with_name("failed_seeds.txt").read_text().splitlines()
FAILED_BEFORE = [int(line.split()[0]) for line in _KEPT if line[:1].isdigit()]


def world(seed: int, steps: int = STEPS) -> World:
    sidecar = SimulatedSidecar()
    try:
        return run(seed, sidecar, steps)
    finally:
        sidecar.close()


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_whatever_happens_the_catalog_tells_the_truth(first: int) -> None:
    for seed in range(first, min(first + AT_ONCE, SEEDS)):
        world(seed)


@pytest.mark.parametrize("seed", FAILED_BEFORE)
def test_what_failed_once_does_not_fail_again(seed: int) -> None:
    world(seed)
    world(seed, 200)


def test_same_seed_gives_the_same_trace() -> None:
    first, second = world(11), world(11)
    assert first.trace == second.trace
    assert len(first.trace) > STEPS
    assert world(12).trace != first.trace
