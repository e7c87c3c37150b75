"""Looking for assets as people do: by where they are, what they are called, and how they are.

A library may hold ten million assets, and no index knows every question. So a look reads a bounded number of rows,
whatever is asked, and where it has read enough, it says from where to go on. The figures say which libraries can have
what is wanted at all. What lies below a folder is found by its path and shown in the order of names; everything else is
walked through in the order in which it was found.

MySQL keeps the beginnings of paths in its index, which is good for finding a range of them and not for their order. So
a large folder is read in pieces that are put in order here: a piece ends where it has as many rows as are wanted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from holdfast import paths
from sidecar.asset import Availability, Status
from sidecar.catalog import roots
from sidecar.catalog.columns import AnyRow
from sidecar.catalog.roots import Root
from sidecar.catalog.tables import asset, figure, library

# What a look reads at most: a quarter of a second, however large the library is.
ROWS_MAX = 20_000
# A folder of so many assets is read as a whole, and a larger one in pieces of this size.
FOLDER_MAX = 5_000
_FIRST_CHUNK, _CHUNK_MAX = 256, 4_096
_READ = (asset.c.id, asset.c.path, asset.c.status, asset.c.kind, asset.c.volume_id, asset.c.import_path_id)
# What a position is in: all that was found, put in order; libraries one after the other; or, from here on, the first
# span, the second, and so on.
_NAMED, _WALKED, _IN_SPAN = 0, 1, 2


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. ``text`` is the beginning of an absolute path, the photo server's or the host's, or else a
    part of a path. Without a ``status``: all but what was removed."""

    library: bytes | None = None
    volume: bytes | None = None
    status: Status | None = None
    availability: Availability | None = None
    kind: str | None = None
    text: str = ""


class Position(NamedTuple):
    """From where a look goes on: ``order`` says whether ``first`` is a path, and in what, or a library."""

    order: int
    first: bytes
    id: bytes


class Found(NamedTuple):
    """What a look has found: ids in order; where to go on, if there may be more; whether it stopped because it had
    ``read`` enough; and how many there are in all, where that is known."""

    ids: list[bytes]
    position: Position | None
    is_cut: bool
    read: int
    total: int | None


class _Span(NamedTuple):
    """A range of paths on a volume; None: of uploads."""

    library: bytes
    volume: bytes | None
    low: bytes
    high: bytes | None

    def holds(self, row: AnyRow) -> bool:
        within: bool = row.path >= self.low and (self.high is None or row.path < self.high)
        return within and bool(row.volume_id == self.volume)


def find(connection: Connection, wanted: Wanted, position: Position | None, limit: int) -> Found:
    """The next assets that are wanted, behind a position."""
    known = roots.read(connection)
    counts = _counts(connection, wanted, known)
    if not wanted.text.startswith("/"):
        total = None if wanted.text else sum(counts.values())
        return _walk(connection, _Test(wanted, known), sorted(counts), position, limit, total)
    spans = [one for one in _spans(connection, wanted.text, known) if one.library in counts]
    test = _Test(wanted, known, spans)
    if position is None or position.order == _NAMED:
        few = wanted.status is not None and sum(counts.values()) <= FOLDER_MAX
        rows = _of_status(connection, wanted.status, sorted(counts)) if few else _of_spans(connection, spans)
        if rows is not None:
            return _by_name(rows, test, position, limit)
    behind = None if position is None or position.order < _IN_SPAN else position
    return _in_pieces(connection, test, spans, behind, limit)


class _Test:
    """Whether a row is wanted, whatever the look reads."""

    def __init__(self, wanted: Wanted, known: Mapping[bytes, Root], spans: Sequence[_Span] | None = None) -> None:
        self.wanted = wanted
        self._known, self._spans = known, spans
        self._text = "" if spans is not None else wanted.text.casefold()

    def __call__(self, row: AnyRow, library_id: bytes) -> bool:
        wanted = self.wanted
        if row.status != wanted.status if wanted.status is not None else row.status == Status.REMOVED:
            return False
        if wanted.kind not in (None, row.kind) or wanted.volume not in (None, row.volume_id):
            return False
        root = self._known.get(row.import_path_id)
        if wanted.availability not in (None, Availability.ONLINE if root is None else root.availability):
            return False
        if self._spans is not None and not any(one.library == library_id and one.holds(row) for one in self._spans):
            return False
        shown = row.path if root is None or not self._text else root.shown(row.path)
        return not self._text or self._text in paths.to_display(shown).casefold()


def _walk(
    connection: Connection,
    test: _Test,
    libraries: Sequence[bytes],
    position: Position | None,
    limit: int,
    total: int | None,
) -> Found:
    """Through libraries one after the other, each in the order in which its assets were found."""
    ids: list[bytes] = []
    read, last = 0, position
    for row, library_id in _rows(connection, test.wanted.status, libraries, position):
        if read == ROWS_MAX:
            return Found(ids, last, True, read, total)
        read += 1
        if test(row, library_id):
            if len(ids) == limit:
                return Found(ids, last, False, read, total)
            ids.append(row.id)
        last = Position(_WALKED, library_id, row.id)
    return Found(ids, None, False, read, total)


def _rows(
    connection: Connection, status: Status | None, libraries: Sequence[bytes], position: Position | None
) -> Iterator[tuple[AnyRow, bytes]]:
    """Assets of libraries behind a position, some at first and then more at a time."""
    chunk = _FIRST_CHUNK
    for one in libraries:
        if position is not None and one < position.first:
            continue
        behind = position.id if position is not None and one == position.first else b""
        while True:
            chosen = select(*_READ).where(asset.c.library_id == one, asset.c.id > behind)
            if status is not None:
                chosen = chosen.where(asset.c.status == status)
            page = connection.execute(chosen.order_by(asset.c.id).limit(chunk)).all()
            yield from ((row, one) for row in page)
            if len(page) < chunk:
                break
            behind, chunk = page[-1].id, min(2 * chunk, _CHUNK_MAX)


def _of_status(connection: Connection, status: Status | None, libraries: Sequence[bytes]) -> list[tuple[AnyRow, bytes]]:
    """All assets of a status, of which there are few."""
    return list(itertools.islice(_rows(connection, status, libraries, None), ROWS_MAX))


def _of_spans(connection: Connection, spans: Sequence[_Span]) -> list[tuple[AnyRow, bytes]] | None:
    """All assets in these spans; None where there are too many."""
    found: list[tuple[AnyRow, bytes]] = []
    for span in spans:
        page = _piece(connection, span, span.low, span.high, FOLDER_MAX - len(found))
        found += ((row, span.library) for row in page)
        if len(found) > FOLDER_MAX:
            return None
    return found


def _by_name(rows: Sequence[tuple[AnyRow, bytes]], test: _Test, position: Position | None, limit: int) -> Found:
    """Those of the rows that are wanted, in the order of their paths."""
    wanted = {(row.path, row.id) for row, library_id in rows if test(row, library_id)}
    behind = (b"", b"") if position is None else (position.first, position.id)
    ordered = sorted(one for one in wanted if one > behind)
    following = Position(_NAMED, *ordered[limit - 1]) if len(ordered) > limit else None
    return Found([one for _, one in ordered[:limit]], following, False, len(rows), len(wanted))


def _in_pieces(
    connection: Connection, test: _Test, spans: Sequence[_Span], position: Position | None, limit: int
) -> Found:
    """Through spans one after the other, each in the order of paths."""
    ids: list[bytes] = []
    read, last = 0, position
    begin = 0 if position is None else position.order - _IN_SPAN
    for number, span in enumerate(spans[begin:], begin):
        behind = (b"", b"") if position is None or number > begin else (position.first, position.id)
        for rows, rows_read in _pieces(connection, span, max(span.low, behind[0])):
            read += rows_read
            for row in rows:
                if (row.path, row.id) <= behind:
                    continue
                if test(row, span.library):
                    if len(ids) == limit:
                        return Found(ids, last, False, read, None)
                    ids.append(row.id)
                last = Position(_IN_SPAN + number, row.path, row.id)
            if read + 2 * FOLDER_MAX > ROWS_MAX:
                return Found(ids, last, True, read, None)
    return Found(ids, None, False, read, None)


def _pieces(connection: Connection, span: _Span, low: bytes) -> Iterator[tuple[list[AnyRow], int]]:
    """A span in pieces, each in order and whole, with how many rows were read for it."""
    while True:
        high, page = span.high, _piece(connection, span, low, span.high, FOLDER_MAX)
        read = len(page)
        while len(page) > FOLDER_MAX:
            # An index is mostly read in its order, and then all but the last of these are what comes first. Where it is
            # not, a smaller range is tried.
            known = sorted(row.path for row in page)
            high = known[-1] if high == span.high else known[len(known) // 2]
            if high <= low:
                high = low + b"\0"  # no more than this one path, which so many were removed from
            page = _piece(connection, span, low, high, FOLDER_MAX)
            read += len(page)
            if high == low + b"\0":
                break
        yield sorted(page, key=lambda row: (row.path, row.id)), read
        if high is None or high == span.high:
            return
        low = high


def _piece(connection: Connection, span: _Span, low: bytes, high: bytes | None, limit: int) -> Sequence[AnyRow]:
    """Assets in a range of paths, in no order; one more than the limit where there are more."""
    within = [asset.c.library_id == span.library, asset.c.path >= low]
    if high is not None:
        within.append(asset.c.path < high)
    return connection.execute(select(*_READ).where(*within).limit(limit + 1)).all()


def _spans(connection: Connection, text: str, known: Mapping[bytes, Root]) -> list[_Span]:
    """Where an absolute path, or the beginning of one, leads."""
    prefix = text.encode("utf-8", "surrogateescape")
    found = [_Span(one, None, prefix, _after(prefix)) for one in roots.uploads(connection)]
    for root in known.values():
        for name in root.names():
            if (name + b"/").startswith(prefix):
                low = root.directory + b"/" if root.directory else b""
            elif prefix.startswith(name + b"/"):
                low = (root.directory + b"/" if root.directory else b"") + prefix[len(name) + 1 :]
            else:
                continue
            found.append(_Span(root.library, root.volume, low, _after(low)))
    return _outermost(found)


def _outermost(spans: Sequence[_Span]) -> list[_Span]:
    """In one order, without those that lie within others: import paths may lie in one another."""
    found: list[_Span] = []
    for span in sorted(set(spans), key=lambda one: (one.library, one.volume or b"", one.low, -len(one.high or b""))):
        before = found[-1] if found else None
        is_within = before is not None and before[:2] == span[:2] and span.low.startswith(before.low)
        if not is_within:
            found.append(span)
    return found


def _after(prefix: bytes) -> bytes | None:
    """What comes after all that begins like this; None: nothing does."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


def _counts(connection: Connection, wanted: Wanted, known: Mapping[bytes, Root]) -> dict[bytes, int]:
    """How many assets each library has that are as wanted, leaving out the text; those that have any."""
    chosen: Any = select(figure).join(library, library.c.id == figure.c.library_id)
    if wanted.status is not Status.REMOVED:  # a library that was deleted has nothing else
        chosen = chosen.where(library.c.deleted_at.is_(None))
    if wanted.library is not None:
        chosen = chosen.where(figure.c.library_id == wanted.library)
    counts: dict[bytes, int] = {}
    for row in connection.execute(chosen):
        root = known.get(row.import_path_id)
        is_there = Availability.ONLINE if root is None else root.availability
        if (
            row.assets > 0
            and (row.status == wanted.status if wanted.status is not None else row.status != Status.REMOVED)
            and wanted.kind in (None, row.kind)
            and wanted.volume in (None, row.volume_id)
            and wanted.availability in (None, is_there)
        ):
            counts[row.library_id] = counts.get(row.library_id, 0) + row.assets
    return counts
