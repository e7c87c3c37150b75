"""The file of a backup: one gzip stream of frames, each its length and a message of MessagePack.

    header, { table, rows … } …, end

The end has the number of rows of every table and a digest of all that came before, so a file that was cut off or
changed is found out, wherever that was. Types are kept as the database gave them: a path is bytes and stays bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec

FORMAT = 1
_LENGTH_BYTES = 4
# A frame has a few hundred rows; a larger number is no length but garbage.
_FRAME_BYTES_MAX = 1 << 30
# Beyond it a backup takes much longer and gets hardly smaller (measured with a million assets).
_COMPRESSION = 4


class BadBackup(Exception):
    """The file is no backup, or not a whole one. The text is a sentence for people."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="holdfast-backup"):
    """Where the rows come from. ``made_at`` is in microseconds; ``version`` that of the program that wrote it,
    ``schema`` and ``engine`` those of the database, ``catalog`` its incarnation, and ``change`` how far its clock
    was."""

    format: int
    made_at: int
    version: str
    schema: str
    engine: str
    catalog: bytes
    change: int


class TableStart(msgspec.Struct, frozen=True, tag="table"):
    """What follows are rows of this table."""

    name: str
    columns: list[str]


class Rows(msgspec.Struct, frozen=True, tag="rows"):
    """Some rows."""

    rows: list[tuple[Any, ...]]


class End(msgspec.Struct, frozen=True, tag="end"):
    """That it is whole. ``digest`` is the SHA-256 of all frames before."""

    rows: dict[str, int]
    digest: bytes


Frame = Header | TableStart | Rows | End
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


class Writer:
    """Writes one backup. Use :meth:`table` and :meth:`rows`, and :meth:`end` when all is written."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._gzip = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION, mtime=0)
        self._digest = hashlib.sha256()
        self._counts: dict[str, int] = {}
        self._table = ""
        self._put(header)

    def table(self, name: str, columns: Sequence[str]) -> None:
        """What comes next are rows of this table."""
        self._table = name
        self._counts[name] = 0
        self._put(TableStart(name, list(columns)))

    def rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows of the table that was named last."""
        self._counts[self._table] += len(rows)
        self._put(Rows(list(rows)))

    def end(self) -> None:
        """Say that it is whole."""
        self._put(End(self._counts, self._digest.digest()))
        self._gzip.close()

    def _put(self, frame: Frame) -> None:
        body = _encode(frame)
        packet = len(body).to_bytes(_LENGTH_BYTES, "big") + body
        self._digest.update(packet)
        self._gzip.write(packet)


class Reader:
    """Reads one backup. ``header`` is there at once, ``rows`` when :meth:`frames` has come to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._gzip = gzip.GzipFile(fileobj=file, mode="rb")
        self._digest = hashlib.sha256()
        self.rows: dict[str, int] = {}
        first = self._next()
        if not isinstance(first, Header):
            raise BadBackup("This is no backup of a catalog.")
        if first.format != FORMAT:
            raise BadBackup(f"This backup has format {first.format}, which this version cannot read. Use a newer one.")
        self.header = first

    def frames(self) -> Iterator[tuple[TableStart, list[tuple[Any, ...]]]]:
        """The rows, some at a time, each with its table; a table without rows comes once. Raises :class:`BadBackup`, at
        the end too: whoever has used rows before must take that back."""
        table: TableStart | None = None
        while True:
            frame = self._next()
            match frame:
                case TableStart():
                    table = frame
                    self.rows[table.name] = 0
                    yield table, []
                case Rows() if table is not None and all(len(row) == len(table.columns) for row in frame.rows):
                    self.rows[table.name] += len(frame.rows)
                    yield table, frame.rows
                case End():
                    self._check_end(frame)
                    return
                case _:
                    raise BadBackup("The backup is damaged: its parts are not in order.")

    def _check_end(self, end: End) -> None:
        if end.rows != self.rows:
            raise BadBackup("The backup is damaged: it has other rows than it says.")
        if self._read(1):
            raise BadBackup("The backup is damaged: something follows its end.")

    def _next(self) -> Frame:
        so_far = self._digest.digest()
        head = self._read(_LENGTH_BYTES)
        length = int.from_bytes(head, "big")
        if len(head) < _LENGTH_BYTES or length > _FRAME_BYTES_MAX:
            raise BadBackup("The backup is not whole: it ends too early.")
        body = self._read(length)
        if len(body) < length:
            raise BadBackup("The backup is not whole: it ends too early.")
        self._digest.update(head)
        self._digest.update(body)
        try:
            frame: Frame = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadBackup(f"The backup is damaged, or of a newer version: {error}.") from error
        if isinstance(frame, End) and frame.digest != so_far:
            raise BadBackup("The backup is damaged: its digest does not fit.")
        return frame

    def _read(self, size: int) -> bytes:
        try:
            return self._gzip.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadBackup(f"This is no backup of a catalog, or not a whole one: {error}.") from error
