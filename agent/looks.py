"""A look at storage: on what, at which directories, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent.doubts import Doubt
from agent.filesystems import Traits
from agent.ports import FileEntry, Files
from holdfast import paths
from holdfast.scans import ScanMode
from holdfast.volumes import Epoch


class Attachment(NamedTuple):
    """A volume that is attached: how to read it, and what to rely on. ``guarded``: there is a concern about it, so
    that what is there is told, and nothing is called absent."""

    epoch: Epoch
    files: Files
    traits: Traits
    mount_point: str
    guarded: bool = False

    def host_path(self, directory: str) -> str:
        """What people call a directory of it."""
        root = self.mount_point
        return paths.join(root.rstrip("/"), paths.to_os(directory)) if directory else root


class Wish(NamedTuple):
    """A directory to look at, as closely as ``mode`` says; the content of ``only`` this one name, where it is read
    again. ``whole``: names seen to be closed. ``writing``: names that are still written to. ``trusting``: it need not
    be listed if it looks as it did. ``waits``: it can be put off until all other places have been looked at.
    ``settles``: files that are still being written to are left for later. ``replaced`` are subdirectories that may be
    others than before, whatever they look like."""

    directory: str
    whole: frozenset[str] = frozenset()
    writing: frozenset[str] = frozenset()
    mode: ScanMode = ScanMode.CHANGED
    only: str | None = None
    trusting: bool = False
    waits: bool = True
    settles: bool = True
    replaced: frozenset[str] = frozenset()


# By what a file is known under another name: its inode and its birth.
Birthmark = tuple[int, int]
# Files of a directory that are still being written, by name; None: there is nothing that they are known by.
Unsettled = Mapping[str, Birthmark | None]


class Unheard(NamedTuple):
    """A new file that is not told before somebody has read it."""

    directory: str
    file: FileEntry


class Outcome(NamedTuple):
    """What a pass came to.

    ``inside`` are the wanted subdirectories of each directory; ``files`` are in them, and so many of these were
    ``looked_at`` one by one. ``again`` are directories to be looked at once more when their files have settled,
    ``unsettled`` these files, by directory and name, each with what it is known by, None where that is nothing;
    ``unreadable`` directories that could not be read, each with its errno.
    ``told`` counts observations spooled. ``learned``: something was written down. ``suspected``: files were missed,
    ``missed``: for the first time. ``unheard`` are new files that are to be read first, ``gone`` the sizes of files
    that were told to be absent. ``displaced`` are looks that wait until there are no places left in which a file may be
    that has lost its name to another.
    """

    inside: dict[str, list[str]]
    new_directories: list[str]
    files: int
    looked_at: int
    unreadable: Mapping[str, int]
    later: list[str]
    again: set[str]
    told: int
    learned: bool
    suspected: bool
    doubt: Doubt | None
    unheard: list[Unheard]
    gone: list[int]
    displaced: Sequence[Wish] = ()
    unsettled: Mapping[str, Unsettled] = {}
    missed: bool = False

    @property
    def has_news(self) -> bool:
        """Whether something has changed: it is told, or will be when a file has settled or was missed twice."""
        return self.told > 0 or bool(self.unsettled) or self.missed
