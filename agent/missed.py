"""Files that are missed somewhere, and new ones that may be one of them (R38): those are read before they are told, so
that nobody hears first of a new photo and then of one that came back.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable

from agent.contents import Contents
from agent.filesystems import Traits
from agent.journal import Journal
from agent.known import UNSEEN, KnownDirectory
from agent.looks import Unheard
from agent.ports import FileEntry


class Missed:
    """The sizes of files that are missed somewhere, and would be known again by what is in them."""

    def __init__(self, sizes: Collection[int] | None = ()) -> None:
        """None: of any size."""
        self._sizes = None if sizes is None else set(sizes)

    def __contains__(self, size: int) -> bool:
        return size > 0 and (self._sizes is None or size in self._sizes)

    def __bool__(self) -> bool:
        return self._sizes is None or bool(self._sizes)

    def add(self, sizes: Iterable[int]) -> None:
        """Files of these sizes are missed too, from now on."""
        if self._sizes is not None:
            self._sizes.update(sizes)


class Foundlings:
    """Finds, among the files of listings, the new ones that are to be read before they are told. ``hopeless`` are those
    that cannot be read, and are told without their content."""

    def __init__(
        self, missed: Missed, journal: Journal, contents: Contents, traits: Traits, hopeless: Container[Unheard]
    ) -> None:
        self._missed, self._journal, self._contents = missed, journal, contents
        self._by_inode, self._hopeless = traits.stable_inodes, hopeless

    def among(self, directory: str, files: Iterable[FileEntry], known: KnownDirectory | None) -> list[Unheard]:
        """Those of these files of a directory. One that was renamed on this volume is known by its inode."""
        if not self._missed:
            return []
        fitting = [file for file in files if file.size in self._missed]
        if not fitting:
            return []
        here = set() if known is None else {self._key(file) for file in known.files}
        # What the catalog has told of is known by its name alone, until somebody has seen it.
        fresh = [file for file in fitting if here.isdisjoint((self._key(file), (file.name, UNSEEN)))]
        fresh = [file for file in fresh if not self._is_known(file)]
        unread = (Unheard(directory, file) for file in self._contents.unread(directory, fresh))
        return [one for one in unread if one not in self._hopeless]

    def _key(self, file: FileEntry) -> tuple[str, int]:
        return file.name, file.inode if self._by_inode else UNSEEN

    def _is_known(self, file: FileEntry) -> bool:
        if not self._by_inode:
            return False
        return bool(self._journal.directories([file.inode]) or self._journal.candidates_like([file.inode], ()))
