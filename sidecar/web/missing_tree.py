"""The folders in which something is missing as a tree, no longer than a person reads. Pure.

Each folder has the number of what is missing in it and below, and since when; a chain of folders that have nothing else
in them is one line. The fullest folders are opened first, until the tree has so many lines; what is below the others
is only counted.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

LINES_MAX = 250


@dataclass(slots=True)
class Folder:
    """A folder: its name as it is shown, its whole path, how much is missing in it or below, and when the first and
    the last of that went (microseconds). ``folded``: how many folders below it are not shown."""

    name: str
    path: str
    files: int = 0
    first: int = 0
    last: int = 0
    folders: list[Folder] = field(default_factory=list)
    folded: int = 0

    def add(self, files: int, first: int, last: int) -> None:
        """Count some more."""
        self.first = min(self.first, first) if self.files else first
        self.last = max(self.last, last)
        self.files += files


def grown(lost: Iterable[tuple[str, int]], lines_max: int = LINES_MAX) -> list[Folder]:
    """The tree of the folders of lost files, each given with its path and since when it is lost."""
    root = Folder("", "")
    by_path: dict[str, Folder] = {}
    for directory, (files, first, last) in _by_directory(lost).items():
        at = root
        at.add(files, first, last)
        for name in [one for one in directory.split("/") if one]:
            path = f"{at.path}/{name}"
            found = by_path.get(path)
            if found is None:
                found = by_path[path] = Folder(name, path)
                at.folders.append(found)
            found.add(files, first, last)
            at = found
    in_root = root.files - sum(one.files for one in root.folders)
    if in_root:
        root.folders.append(Folder("/", "/", in_root, root.first, root.last))
    _join(root)
    for one in root.folders:
        one.name = "/" + one.name.removeprefix("/")
    _fold(root, lines_max)
    return root.folders


def _by_directory(lost: Iterable[tuple[str, int]]) -> dict[str, tuple[int, int, int]]:
    found: dict[str, tuple[int, int, int]] = {}
    for path, since in lost:
        directory = path.rpartition("/")[0]
        files, first, last = found.get(directory, (0, since, since))
        found[directory] = (files + 1, min(first, since), max(last, since))
    return found


def _join(folder: Folder) -> None:
    """Join a folder with the only one below it, and put the fullest of several first."""
    while folder.path and len(folder.folders) == 1 and folder.folders[0].files == folder.files:
        only = folder.folders[0]
        folder.name, folder.path, folder.folders = f"{folder.name}/{only.name}", only.path, only.folders
    for one in folder.folders:
        _join(one)
    folder.folders.sort(key=lambda one: (-one.files, one.name))


def _fold(root: Folder, lines_max: int) -> None:
    """Keep so many lines, those of the fullest folders."""
    order = itertools.count()
    waiting: list[tuple[int, int, Folder]] = [(0, next(order), root)]
    left = lines_max
    while waiting:
        _, _, folder = heapq.heappop(waiting)
        folder.folded = max(0, len(folder.folders) - max(0, left))
        folder.folders = folder.folders[: max(0, left)]
        left -= len(folder.folders)
        for one in folder.folders:
            if one.folders:
                heapq.heappush(waiting, (-one.files, next(order), one))
