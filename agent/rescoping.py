"""Other import paths or patterns for a volume: what is to be told again because of them, and what to watch no more.

The journal forgets nothing that is not wanted any more. What it knows of it is compared with the disk as soon as it is
wanted again; so a file that was deleted meanwhile is missed then, and proven to be gone like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.journal import Journal
from agent.scopes import Scope, Scopes, View
from holdfast import paths


def rescope(journal: Journal, before: Iterable[Scope], now: Scopes) -> None:
    """Mark what is to be told again: all of an import path that is new, and of the others what they want anew. To be
    called in a transaction of the journal's store."""
    old = {(scope.import_path, scope.directory): View(scope) for scope in before}
    for view in now.views:
        prior = old.get((view.scope.import_path, view.scope.directory))
        if prior is None:
            journal.retell(view.scope.directory)
        elif view.wants_more_than(prior):
            _retell(journal, prior, view)


def left(journal: Journal, before: Sequence[Scope], now: Scopes) -> list[str]:
    """The directories that nobody wants any more, each without those below it."""
    was = Scopes(before)
    found: list[str] = []
    for root in was.roots():
        for directory in [root, *journal.paths_below(root)]:
            is_below_one = found and paths.contains(found[-1], directory)
            if not is_below_one and was.enters(directory) and not now.enters(directory):
                found.append(directory)
    return found


def _retell(journal: Journal, before: View, now: View) -> None:
    for directory in journal.paths_below(now.scope.directory):

        def names(directory: str = directory) -> list[str]:
            known = journal.directory(directory)
            return [] if known is None else [file.name for file in known.files]

        if now.wants_anew(before, directory, names):
            journal.retell_one(directory)
