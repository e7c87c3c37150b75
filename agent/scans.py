"""A walk over a part of a volume: what is still to be visited, and how far it is. Pure but for its own memory."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Mapping

from agent.looks import Wish
from holdfast import paths
from holdfast.reports import ScanFinished, ScanStarted
from holdfast.scans import PROBLEMS_MAX, ScanMode, ScanProblem, ScanProgress

# A pass commits once. It should be large enough to make the commit cheap, and short enough to yield often.
_PASS_FILES = 2_000
_PASS_DIRECTORIES_MAX = 256


class Walk:
    """Visits a directory and everything below it, depth first. ``scan`` names it when it is a scan that people see;
    None when it only follows up a hint. With a ``name`` it visits the directory, and of what is in it this alone."""

    def __init__(
        self,
        directory: str,
        started: float,
        scan: str | None = None,
        mode: ScanMode = ScanMode.CHANGED,
        name: str | None = None,
    ) -> None:
        self.directory = directory
        self.scan = scan
        self.mode = mode
        self.name = name
        self.started = started
        self.ended: float | None = None
        self.is_begun = False
        self.directories = 0
        self.files = 0
        self.errors = 0
        self.complete = True
        self.problems: list[ScanProblem] = []
        self._looked_at = 0
        self._fraction = 0.0
        self._stack: list[tuple[str, float]] = [(directory, 1.0)]
        self._weights: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether anything is still to be visited."""
        return bool(self._stack)

    def take(self, enters: Callable[[str], bool]) -> list[str]:
        """The directories of the next pass. ``enters`` tells which are wanted, as things are by now."""
        per_directory = self._looked_at / self.directories if self.directories else _PASS_FILES
        # Never more than were visited so far: what is above the photos says little of how many there are below.
        learned = max(1, self.directories)
        count = int(min(_PASS_DIRECTORIES_MAX, learned, max(1, _PASS_FILES / max(per_directory, 1))))
        taken, self._stack = self._stack[-count:], self._stack[:-count]
        self.complete = self.complete and enters(self.directory)
        self._weights = {directory: weight for directory, weight in taken if enters(directory)}
        return list(reversed(self._weights))

    def visited(self, inside: Mapping[str, list[str]], files: int, looked_at: int, later: Iterable[str]) -> None:
        """Those taken were visited: push what is inside them, and what must be tried once more. ``files`` are in them,
        ``looked_at`` of these one by one."""
        self.files += files
        self._looked_at += looked_at
        waiting = set(later)
        for directory, weight in self._weights.items():
            if directory in waiting:
                self._stack.insert(0, (directory, weight))
                continue
            self.directories += 1
            below = [path for path in inside.get(directory, []) if self._wants(directory, path)]
            for path in reversed(below):
                self._stack.append((path, weight / len(below)))
            if not below:
                self._fraction += weight
        self._weights = {}

    def failed(self, unreadable: Mapping[str, int]) -> None:
        """Directories that could not be read, each with its errno."""
        for directory, number in unreadable.items():
            self.errors += 1
            self.complete = False
            if len(self.problems) < PROBLEMS_MAX:
                self.problems.append(ScanProblem(directory, errno.errorcode.get(number, str(number))))

    def wish(self, directory: str) -> Wish:
        """How to look at a directory that was taken."""
        only = self.name if directory == self.directory else None
        if self.name is not None:
            return Wish(directory, mode=self.mode, only=only, waits=False)  # somebody waits to hear what there is now
        return Wish(directory, mode=self.mode, trusting=self.mode is not ScanMode.FULL)

    def goes_on(self, path: str, taken: Collection[str]) -> bool:
        """Whether it visits a directory because it has visited the one above, which is among those taken."""
        parent = paths.split(path)[0]
        return parent in taken and self._wants(parent, path)

    def begin(self) -> ScanStarted:
        """The scan is under way from now on."""
        self.is_begun = True
        return ScanStarted(self.scan or "", self.directory, self.mode, self.name)

    def end(self, now: float) -> ScanFinished:
        """What the scan came to."""
        return ScanFinished(
            scan=self.scan or "",
            directory=self.directory,
            complete=self.complete,
            directories=self.directories,
            files=self.files,
            errors=self.errors,
            duration_s=round((now if self.ended is None else self.ended) - self.started, 3),
            name=self.name,
            problems=self.problems,
        )

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

    def _wants(self, directory: str, path: str) -> bool:
        return self.name is None or directory != self.directory or path == paths.join(directory, self.name)
