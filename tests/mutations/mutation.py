"""A safety rule, broken on purpose: one small patch of the product, and the tests that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """Replace ``old``, which stands exactly once in ``file``, by ``new``; one of ``tests`` must fail.

    ``rules`` are those that it breaks, such as ("R1", "R21"). ``file`` is a path from the top of the repository,
    ``tests`` are arguments of pytest, chosen so that they run within seconds. ``slow``: they do not when it is broken,
    since they wait for what does not come; then it is left out where time is short.
    """

    rules: tuple[str, ...]
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    slow: bool = False
