"""What is wanted of a volume, as import paths, patterns and ignore files change: what is to be told again because of
it, and what is to be watched no more.

The journal forgets nothing that is not wanted any more. What it knows of it is compared with the disk as soon as it is
wanted again; so a file that was deleted meanwhile is missed then, and proven to be gone like any other.
"""

from __future__ import annotations

import msgspec

from agent.journal import Journal
from agent.scopes import Scope, Scopes, View
from agent.store import Store
from holdfast import paths
from holdfast.reports import IgnoreRules


class Interests:
    """What is wanted of one volume at the moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._journal = Journal(store)
        self.scopes = Scopes(())

    def assign(self, scopes: Scopes) -> list[str] | None:
        """These are the import paths. Returns the directories that nobody wants any more; None when nothing is new."""
        rules = self._journal.rules()
        self.scopes = scopes.ignoring(rules)
        text = msgspec.json.encode(scopes.scopes).decode()
        before = self._journal.scopes()
        if text == before:
            return None
        old = Scopes(msgspec.json.decode(before, type=list[Scope]) if before else ()).ignoring(rules)
        with self._store.transaction():
            _retell(self._journal, old, self.scopes)
            self._journal.set_scopes(text)
        return _left(self._journal, old, self.scopes)

    def take_rules(self) -> tuple[list[str], list[str]] | None:
        """The journal may know of other ignore files. Returns the directories that nobody wants any more, and those
        below which others may be wanted; None when nothing is new."""
        old, self.scopes = self.scopes, self.scopes.ignoring(self._journal.rules())
        if old is self.scopes:
            return None
        with self._store.transaction():
            _retell(self._journal, old, self.scopes)
        was, now = old.ignores.rules, self.scopes.ignores.rules
        other = sorted(one for one in was.keys() | now.keys() if was.get(one) != now.get(one))
        return _left(self._journal, old, self.scopes), other

    def untold_rules(self) -> list[IgnoreRules]:
        """The ignore files as they are now, if they are still to be told."""
        return [] if self._journal.rules_are_told() else [IgnoreRules(self._journal.rules())]


def _retell(journal: Journal, before: Scopes, now: Scopes) -> None:
    """Mark what is to be told again: all of an import path that is new, and of the others what they want anew."""
    old = {_key(view.scope): view for view in before.views}
    for view in now.views:
        prior = old.get(_key(view.scope))
        if prior is None:
            journal.retell(view.scope.directory)
        elif view.wants_more_than(prior):
            _retell_some(journal, prior, view)


def _key(scope: Scope) -> tuple[str, bool, str]:
    return scope.import_path, scope.is_known, scope.directory


def _retell_some(journal: Journal, before: View, now: View) -> None:
    for directory in journal.paths_below(now.scope.directory):

        def names(directory: str = directory) -> list[str]:
            known = journal.directory(directory)
            return [] if known is None else [file.name for file in known.files]

        if now.wants_anew(before, directory, names):
            journal.retell_one(directory)


def _left(journal: Journal, before: Scopes, now: Scopes) -> list[str]:
    """The directories that nobody wants any more, each without those below it."""
    found: list[str] = []
    for root in before.roots():
        for directory in [root, *journal.paths_below(root)]:
            is_below_one = found and paths.contains(found[-1], directory)
            if not is_below_one and before.enters(directory) and not now.enters(directory):
                found.append(directory)
    return found
