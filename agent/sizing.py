"""How many files a report has, by how long the sidecar took with the last ones. Pure.

Each report costs a transaction, so a fast sidecar is told as much at once as a report may hold. One on a small board,
or with its database far away, would take longer over that than an agent waits for an answer, and keep everybody else
who writes to its database waiting all the while.
"""

from __future__ import annotations

from holdfast.reports import FILES_MAX

# The first photos of a library are soon there, and five times as many do not take a slow sidecar for ever.
FIRST = 1_000
# Fewer save nothing any more: what is left is what a transaction costs.
LEAST = 125
# Seconds. What takes longer than the one and not as long as the other is right as it is.
QUICK_S, SLOW_S = 0.5, 2.0


class Sizing:
    """Of the reports of one stream. ``files_max``: how many files the next one may have."""

    def __init__(self) -> None:
        self.files_max = FIRST

    def note(self, files: int, took_s: float, *, is_taken: bool) -> None:
        """A report of so many files was taken, or was not, after so long."""
        if took_s > SLOW_S and files >= LEAST:
            self.files_max = max(LEAST, min(files, self.files_max) // 2)
        elif took_s < QUICK_S and is_taken and files > self.files_max // 2:  # a small one says nothing of large ones
            self.files_max = min(FILES_MAX, self.files_max * 2)
