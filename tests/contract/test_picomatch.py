"""Our exclusion patterns mean what picomatch says they mean, which is what photo servers use: shown on a stored table.

``picomatch.mjs`` makes the table anew, with picomatch from npm; its comments name where we differ on purpose.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from holdfast.patterns import DEFAULTS, Exclusions, problem


@cache
def stored() -> Any:
    return json.loads(Path(__file__).with_name("picomatch.json").read_text())


def test_the_table_is_worth_something() -> None:
    patterns = {pattern for pattern, _ in stored()["table"]}
    assert patterns >= set(DEFAULTS)
    assert len(patterns) > 500
    assert sum(len(hits) for _, hits in stored()["table"]) > 2_000


@pytest.mark.parametrize("first", range(0, 610, 61))
def test_patterns_match_what_picomatch_matches(first: int) -> None:
    paths = stored()["paths"]
    for pattern, hits in stored()["table"][first : first + 61]:
        assert problem(pattern) is None, pattern
        exclusions = Exclusions([pattern])
        found = [path for path in paths if exclusions.excludes(path)]
        assert found == [paths[index] for index in hits], pattern
