"""Under which names a file that was read has been told."""

from __future__ import annotations

from agent.journal import Journal
from agent.ports import FileEntry
from agent.store import Store


class Names:
    """The names of the files in an open store. ``by_inode``: inode numbers say which names are those of one file.

    What was unpacked of a directory is kept until something may have changed in it: a large folder is read file by
    file, and to unpack it for each of them would take longer than to read them."""

    def __init__(self, store: Store, *, by_inode: bool) -> None:
        self._store, self._journal, self._by_inode = store, Journal(store), by_inode
        self._told: dict[str, dict[int | str, list[FileEntry]]] = {}
        self._as_of = (-1, -1)

    def told(self, directory: str, file: FileEntry) -> dict[str, list[FileEntry]]:
        """The names that were told of a file in this directory, by directory. To be called in a transaction."""
        if self._as_of != (as_of := self._now()):
            self._told.clear()
            self._as_of = as_of
        elsewhere = self._journal.directories([file.inode]) if self._by_inode else set()
        found = {one: self._names(one, file) for one in sorted({directory, *elsewhere})}
        return {one: names for one, names in found.items() if names}

    def keep(self) -> None:
        """What was written since, in the same transaction, has changed no names."""
        self._as_of = self._now()

    def forget(self) -> None:
        """What was unpacked is not needed any more."""
        self._told.clear()

    def _now(self) -> tuple[int, int]:
        """What has been written by this connection; another one writes nothing of directories without a new turn."""
        return self._store.db.total_changes, self._store.turn()

    def _names(self, directory: str, file: FileEntry) -> list[FileEntry]:
        if directory not in self._told:
            self._told[directory] = self._unpacked(directory)
        like = self._told[directory].get(self._key(file), ())
        # Names of one inode are those of one file, as it was at one moment.
        return [one for one in like if one == file or (self._by_inode and one._replace(name=file.name) == file)]

    def _unpacked(self, directory: str) -> dict[int | str, list[FileEntry]]:
        known = self._journal.directory(directory)
        found: dict[int | str, list[FileEntry]] = {}
        for one in known.files if known is not None and known.told else ():
            found.setdefault(self._key(one), []).append(one)
        return found

    def _key(self, file: FileEntry) -> int | str:
        return file.inode if self._by_inode else file.name
