"""How the changes of an attached volume are seen: by a watch of everything, or by scans for want of that."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from agent.ports import Watch

_LIMITED = (
    "inotify for some of {known} directories and scans for the rest: the limit of watches is reached; "
    "raise it with: sysctl fs.inotify.max_user_watches={enough}"
)
# The watch limit, and that of memory for watches.
_LIMITS = frozenset({errno.ENOSPC, errno.ENOMEM})


class Watching:
    """Watches the directories of one attachment until :meth:`close`.

    ``watch``: None where there is none. ``why_so`` is the reason when there should be one, or one of another kind. The
    limit of watches is remembered from scan to scan: every scan tries anew, and tells of the limit only if the one
    before did not.
    """

    def __init__(self, watch: Watch | None, why_so: str = "") -> None:
        self._watch = watch
        self._why_so = why_so
        self._is_full = self._was_full = False

    @property
    def is_complete(self) -> bool:
        """Whether every directory that the last scan saw is watched, so that no other scan is needed."""
        return self._watch is not None and not self._is_full

    def add(self, directory: str) -> bool:
        """Watch a directory, before it is listed, so that nothing falls between the two. Answers whether the limit
        of watches was reached by it, and was not before."""
        if self._watch is None or self._is_full:
            return False
        trouble = self._watch.add(directory)
        if trouble is None or trouble.errno not in _LIMITS:
            return False
        self._is_full = True
        return not self._was_full

    def remove(self, directories: Iterable[str]) -> None:
        """These directories and what is below them are of no interest any more."""
        if self._watch is not None:
            for directory in directories:
                self._watch.remove(directory)

    def scan_begins(self) -> None:
        """The limit may have been raised meanwhile."""
        self._is_full = False

    def scan_ended(self) -> None:
        """What was not watched until now is not watched."""
        self._was_full = self._is_full

    def reading(self, count_known: Callable[[], int]) -> tuple[str, int]:
        """How changes are seen and why so, in words, and how many directories are watched. ``count_known`` counts all
        that there are."""
        if self._watch is None:
            return self._why_so or "scans only", 0
        watched = len(self._watch)
        if not (self._is_full or self._was_full):
            return self._watch.summary + (f" ({self._why_so})" if self._why_so else ""), watched
        known = max(count_known(), watched + 1)
        # A power of two above what is lacking now leaves room to grow.
        enough = 1 << (self._watch.limit + known - watched).bit_length()
        return _LIMITED.format(known=known, enough=enough), watched

    def close(self) -> None:
        """Give the watches back."""
        if self._watch is not None:
            self._watch.close()
