"""The trees that are measured on: photos that take up hardly any space."""

from __future__ import annotations

import os

DIRECTORIES = 1_000
FILES_PER_DIRECTORY = 100
FILES = DIRECTORIES * FILES_PER_DIRECTORY
_MADE = "complete"
# Long settled: a file that was just written would be looked at twice.
_MTIME_NS = 1_600_000_000 * 10**9
_SIZE_BYTES = 3_000_000


def ensure(folder: str) -> str:
    """Make the tree below ``folder`` unless it is there; answers with its root."""
    root = os.path.join(folder, "photos")
    marker = os.path.join(folder, _MADE)
    if os.path.exists(marker):
        return root
    grow(root, DIRECTORIES)
    with open(marker, "w", encoding="ascii") as file:
        file.write(f"{FILES} files\n")
    return root


def grow(root: str, directories: int) -> None:
    """Make so many directories of photos below ``root``."""
    for number in range(directories):
        directory = os.path.join(root, f"{2000 + number % 25}", f"trip-{number:04d}")
        os.makedirs(directory, exist_ok=True)
        for index in range(FILES_PER_DIRECTORY):
            _sparse(os.path.join(directory, f"IMG_{index:04d}.jpg"), number * FILES_PER_DIRECTORY + index)


def _sparse(path: str, number: int) -> None:
    with open(path, "wb") as file:
        file.truncate(_SIZE_BYTES + number)
    os.utime(path, ns=(_MTIME_NS, _MTIME_NS + number * 10**9))
