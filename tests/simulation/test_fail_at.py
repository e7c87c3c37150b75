"""Every story again with the n-th call of each port failing, for every n that there is.

``tests.turns`` may spread these over a few commits.
"""

from __future__ import annotations

import pytest

from tests import turns
from tests.simulation.checks import CheckFailed
from tests.simulation.scenarios import PORTS, STORIES, tell

_CALLS_MAX = 500


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("story", STORIES)
def test_whatever_call_fails_the_story_ends_well(story: str, port: str) -> None:
    step = turns.parts()
    for number in range(1 + turns.turn() % step, _CALLS_MAX, step):
        try:
            if not tell(story, port, number):
                return
        except (AssertionError, CheckFailed) as error:
            pytest.fail(f"{story} with call {number} of {port} failing: {error}")
    pytest.fail(f"{story} never ends: more than {_CALLS_MAX} calls of {port}")
