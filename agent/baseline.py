"""The baseline: a journal learns what the catalog believes, so that the next scan finds all that is otherwise.

For a journal that was lost or set back (R34), a catalog that was restored from a backup (R35), and a volume that
another agent has written to (R33). What the catalog has and the journal lacks is written down as known by name only;
all of the journal is to be told again. So the scan that follows adds and confirms; a file that the catalog has and the
disk has not is missed as any other is, and is gone only when that is proven. What the journal has seen as the catalog
was told of it keeps its inode and birth, so that moves are still found.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent import asked
from agent.contents import Contents
from agent.journal import Journal
from agent.known import UNSEEN, pack_births, pack_directories, pack_files
from agent.outbox import Outbox
from agent.ports import FileEntry
from agent.store import Lease, Standing, Store
from holdfast import paths
from holdfast.assignments import BelievedDirectory
from holdfast.reports import FileFacts


class Baseline:
    """Brings one journal in step with the catalog. A baseline that was interrupted is begun again from its first page,
    which changes nothing that was done before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._journal = Journal(store)
        self._outbox = Outbox(store)
        self._contents = Contents(store, by_inode=False)

    def hold_back(self) -> None:
        """Another agent is the writer. What waits is stale from now on: the disk may be changed elsewhere."""
        with self._store.transaction():
            self._outbox.begin_anew(self._store.id, keep=False)
            asked.forget_done(self._store)
            self._store.stand(Standing.HELD_BACK)

    def begin(self, lease: Lease, journal_id: str, *, keep: bool) -> None:
        """Begin a stream of another incarnation under this lease. ``keep`` what waits to be told, which then comes
        before the baseline: for a catalog that was set back while nobody else wrote."""
        if lease.fence is None:
            raise AssertionError("bug: a baseline without being the writer")
        with self._store.transaction():
            self._outbox.begin_anew(journal_id, keep=keep)
            self._journal.retell("")
            self._journal.forget_unreadable()
            # That they are done may have been told to a catalog that has forgotten it, or not at all.
            asked.forget_done(self._store)
            if self._journal.rules():
                self._journal.retell_rules()
            self._store.set_lease(lease.catalog, lease.fence)
            self._store.stand(Standing.DRAINING if keep and self._outbox.has_pending() else Standing.BASELINE)

    def drained(self) -> None:
        """What waited is told."""
        with self._store.transaction():
            self._store.stand(Standing.BASELINE)

    def believe(self, directories: Iterable[BelievedDirectory], *, last: bool, has_rules: bool = False) -> None:
        """Take in one page of what the catalog believes. ``has_rules``: of ignore files too."""
        with self._store.transaction():
            if has_rules:
                self._journal.retell_rules()
            for one in directories:
                self._believe(one)
                self._contents.believe(one.directory, one.files)
            if last:
                self._store.stand(Standing.WRITING)

    def _believe(self, one: BelievedDirectory) -> None:
        known = self._journal.directory(one.directory)
        seen = {file.name: file for file in known.files} if known is not None else {}
        lacking = {file.name: file for file in one.files if not _is_as_seen(file, seen.get(file.name))}
        if lacking:
            for name in self._journal.suspected_in(one.directory):
                lacking.pop(name, None)  # missed on the disk already; its second look is yet to come
        if not lacking and known is not None:
            return
        births = {} if known is None else dict(zip((file.name for file in known.files), known.births, strict=True))
        kept = [file for name, file in seen.items() if name not in lacking]
        believed = [FileEntry(f.name, UNSEEN, f.size, f.mtime_ns, 0) for f in lacking.values()]
        files = sorted([*kept, *believed])
        self._journal.believe(
            one.directory,
            pack_files(files),
            pack_births([None if file.name in lacking else births.get(file.name) for file in files]),
            pack_directories({} if known is None else known.directories),
        )
        self._root(one.directory)

    def _root(self, directory: str) -> None:
        """Let every directory on the way know of the next, so that a whole subtree that is gone is missed."""
        while directory:
            parent, name = paths.split(directory)
            known = self._journal.directory(parent)
            directories = {} if known is None else known.directories
            if name in directories:
                return
            self._journal.believe(
                parent,
                pack_files(()) if known is None else known.files_packed,
                pack_births(()) if known is None else known.births_packed,
                pack_directories(dict(sorted({**directories, name: UNSEEN}.items()))),
            )
            directory = parent


def _is_as_seen(told: FileFacts, seen: FileEntry | None) -> bool:
    """Whether what the catalog was told of a file is what the journal has seen. If not, one of them is older, and the
    file that the journal knows by its inode may be another one by now."""
    return seen is not None and (told.size, told.mtime_ns) == (seen.size, seen.mtime_ns)
