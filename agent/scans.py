"""A walk over a part of a volume: what is still to be visited, and how far it is. Pure but for its own memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.status import ScanProgress

# A pass commits once. It should be large enough to make the commit cheap, and short enough to yield often.
_PASS_FILES = 2_000
_PASS_DIRECTORIES_MAX = 256


class Walk:
    """Visits a directory and everything below it, depth first. ``scan`` names it when it is a scan that people see;
    None when it only follows up a hint."""

    def __init__(self, directory: str, started: float, scan: str | None = None) -> None:
        self.directory = directory
        self.scan = scan
        self.started = started
        self.directories = 0
        self.files = 0
        self.errors = 0
        self.complete = True
        self._fraction = 0.0
        self._stack: list[tuple[str, float]] = [(directory, 1.0)]
        self._weights: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether anything is still to be visited."""
        return bool(self._stack)

    def take(self) -> list[str]:
        """The directories of the next pass."""
        per_directory = self.files / self.directories if self.directories else _PASS_FILES
        # Never more than were visited so far: what is above the photos says little of how many there are below.
        learned = max(1, self.directories)
        count = int(min(_PASS_DIRECTORIES_MAX, learned, max(1, _PASS_FILES / max(per_directory, 1))))
        taken, self._stack = self._stack[-count:], self._stack[:-count]
        self._weights = dict(taken)
        return [directory for directory, _ in reversed(taken)]

    def visited(self, inside: Mapping[str, list[str]], files: int, later: Iterable[str]) -> None:
        """Those taken were visited: push what is inside them, and what must be tried once more."""
        self.files += files
        waiting = set(later)
        for directory, weight in self._weights.items():
            if directory in waiting:
                self._stack.insert(0, (directory, weight))
                continue
            self.directories += 1
            below = inside.get(directory, [])
            for path in reversed(below):
                self._stack.append((path, weight / len(below)))
            if not below:
                self._fraction += weight
        self._weights = {}

    def failed(self, errors: int) -> None:
        """Directories that could not be read."""
        if errors:
            self.errors += errors
            self.complete = False

    def progress(self, now: float) -> ScanProgress | None:
        """How far the scan is; None for a walk that is not one."""
        if self.scan is None:
            return None
        return ScanProgress(
            scan=self.scan,
            directory=self.directory,
            fraction=min(1.0, self._fraction),
            directories=self.directories,
            files=self.files,
            errors=self.errors,
            elapsed_s=now - self.started,
        )
