"""An agent whose volume is in a library, for tests that begin with one."""

from __future__ import annotations

import pytest

from tests.sidecar.world import Agent, World


@pytest.fixture
def agent(world: World) -> Agent:
    """In the place of the one that has only been heard of."""
    made = Agent(world)
    made.heartbeat()
    world.library(made)
    return made
