"""Hundreds of worlds, each from a seed."""

from __future__ import annotations

import os

import pytest

from tests.simulation.sidecar import SimulatedSidecar
from tests.simulation.world import run

SEEDS = int(os.environ.get("HOLDFAST_SEEDS", "200"))
STEPS = 120
# Seeds that failed once, kept for ever.
KEPT: list[int] = []


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_seeds(first: int) -> None:
    for seed in range(first, first + 20):
        sidecar = SimulatedSidecar()
        try:
            run(seed, sidecar, STEPS)
        finally:
            sidecar.close()
