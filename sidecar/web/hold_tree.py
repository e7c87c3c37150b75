"""The folders of a hold as a tree. Pure.

The catalog counts the files of a hold by folder, two levels deep. Here that becomes a tree, in which each folder has
the sum of what is in it and below; chains of folders that have nothing else in them are one line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Branch:
    """A folder: its name as it is shown, how many files are in it or below, and its folders, the fullest first."""

    name: str
    files: int = 0
    branches: list[Branch] = field(default_factory=list)


def grown(counted: Iterable[tuple[str, int]]) -> list[Branch]:
    """The tree of folders, each given with the number of files in it or below that no deeper one counts."""
    root = Branch("")
    for directory, files in counted:
        root.files += files
        at = root
        for name in [one for one in directory.split("/") if one]:
            found = next((one for one in at.branches if one.name == name), None)
            if found is None:
                found = Branch(name)
                at.branches.append(found)
            found.files += files
            at = found
    for one in root.branches:
        _tidy(one)
    root.branches.sort(key=_order)
    in_root = root.files - sum(one.files for one in root.branches)
    return [*root.branches, *([Branch("/", in_root)] if in_root else [])]


def _tidy(branch: Branch) -> None:
    """Join a folder with the only one below it, and put the fullest of several first."""
    while len(branch.branches) == 1 and branch.branches[0].files == branch.files:
        only = branch.branches[0]
        branch.name, branch.branches = f"{branch.name}/{only.name}", only.branches
    for one in branch.branches:
        _tidy(one)
    branch.branches.sort(key=_order)


def _order(branch: Branch) -> tuple[int, str]:
    return -branch.files, branch.name
