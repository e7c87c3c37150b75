"""All mutations there are, and how one is applied to a text."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

from tests.mutations.mutation import Mutation

TOP = Path(__file__).parent.parent.parent


class DoesNotApply(ValueError):
    """A mutation that is out of date: the product has changed under it. The text says how."""


def everything() -> list[Mutation]:
    """The mutations of all modules ``rules_*.py``, in the order of their names."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("rules_*.py"))
    return [one for name in names for one in importlib.import_module(f"tests.mutations.{name}").MUTATIONS]


def of_rules(mutations: Iterable[Mutation], rules: Iterable[str]) -> list[Mutation]:
    """The mutations of any of these rules; all of them when none is named."""
    wanted = {rule.upper() for rule in rules}
    return [one for one in mutations if not wanted or wanted & set(one.rules)]


def quick(mutations: Iterable[Mutation]) -> list[Mutation]:
    """Those that are judged within seconds."""
    return [one for one in mutations if not one.slow]


def broken(mutation: Mutation, text: str) -> str:
    """The text of its file with the rule broken. Raises :class:`DoesNotApply`."""
    found = text.count(mutation.old)
    if found != 1:
        raise DoesNotApply(f"{mutation.file}: {mutation.what!r}: what it replaces stands there {found} times, not once")
    if mutation.old == mutation.new:
        raise DoesNotApply(f"{mutation.file}: {mutation.what!r} changes nothing")
    return text.replace(mutation.old, mutation.new)
