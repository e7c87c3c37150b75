"""What takes long takes turns in ``make test``: a part of it with every commit, so that a few commits see all of it.

``HOLDFAST_PARTS`` says how many parts there are. Without it nothing is left out.
"""

from __future__ import annotations

import os
import subprocess
from typing import TypeVar

T = TypeVar("T")


def parts() -> int:
    """How many commits it takes to run everything."""
    return max(1, int(os.environ.get("HOLDFAST_PARTS", "1")))


def turn() -> int:
    """A number that the next commit makes larger by one; 0 where nobody counts commits."""
    command = ["git", "-C", os.path.dirname(__file__), "rev-list", "--count", "HEAD"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0


def share(rounds: int) -> int:
    """How many of so many rounds, which are alike but for chance, this commit has to go."""
    return -(-rounds // parts())


def of_this_commit(all_of_them: list[T]) -> list[T]:
    """The part of a list whose turn it is."""
    count = parts()
    return all_of_them[turn() % count :: count]
