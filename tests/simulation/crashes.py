"""Crashes and failures at writes: of the agent's stores and registry, and of the sidecar's database.

Whoever writes passes a :class:`Weir` before and after its commit; an armed one lets a chosen passage crash.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator

from agent.store import Store


class Crash(Exception):
    """The process that is at work dies here, as with SIGKILL."""


class Weir:
    """Counts passages. Armed, the passage that is so many ahead fails."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._left = 0
        self._fails: Callable[[str], Exception] = Crash

    def arm(self, ahead: int, fails: Callable[[str], Exception] = Crash) -> None:
        """Let the passage that is so many ahead, 1 for the next, fail with this exception."""
        self._left, self._fails = ahead, fails

    def disarm(self) -> None:
        """Let everything pass."""
        self._left = 0

    @property
    def is_armed(self) -> bool:
        """Whether a passage to come will fail."""
        return self._left > 0

    def passage(self, where: str) -> None:
        """Somebody comes by."""
        self.passed[where] += 1
        if self._left:
            self._left -= 1
            if not self._left:
                raise self._fails(where)


class SimulatedStore(Store):
    """A journal whose writer may die before or after each commit.

    ``called`` is told of every transaction; what it raises is what SQLite raises. A ``durable`` store leaves a copy of
    the file behind at each commit: what a power cut cannot take away.
    """

    def __init__(
        self,
        path: str,
        volume: str,
        new_id: str,
        weir: Weir,
        called: Callable[[str], None] = lambda port: None,
        *,
        durable: bool = False,
    ) -> None:
        self._weir = weir
        self._called = called
        self._path = path
        self._durable = False  # what is made by opening is no news
        super().__init__(path, volume, new_id, durable=durable)
        self._durable = durable

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of the store, with crashes around its commit."""
        self._called("store.transaction")
        with super().transaction():
            yield
            self._weir.passage("store, before the commit")
        if self._durable:
            keep(self._path, f"{self._path}.durable")
        self._weir.passage("store, after the commit")


def keep(path: str, copy: str) -> None:
    """Copy a database as it is, what is not checkpointed yet included."""
    for suffix in ("", "-wal"):
        if os.path.exists(path + suffix):
            shutil.copyfile(path + suffix, copy + suffix)
        else:
            discard(copy + suffix)


def bring_back(path: str, copy: str) -> None:
    """Replace a closed database by a copy of it."""
    discard(path)
    keep(copy, path)


def discard(path: str) -> None:
    """Remove a closed database."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)
