"""A connection of PyMySQL over which a server gets a file that is offered to it.

A server may answer any statement with the wish for any file of its client, and PyMySQL gives it, once that is switched
on at all. Here it stays switched off: a server gets what is offered, which is in memory, for the time of one statement.
Where it wishes for anything else, it gets nothing, and the connection is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql import connections
from pymysql.constants import CLIENT, CR

_PACKET_BYTES = 64 * 1024


class OfferingConnection(pymysql.Connection):  # type: ignore[misc]
    """A connection over which a file can be loaded that was offered before."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._offered: tuple[str, bytes] | None = None
        # Not ``local_infile``: with that the server gets every file that it names.
        options["client_flag"] = options.get("client_flag", 0) | CLIENT.LOCAL_FILES
        super().__init__(*arguments, **options)

    @contextmanager
    def offering(self, name: str, content: bytes) -> Iterator[None]:
        """Offer a file, for the time of one statement."""
        self._offered = name, content
        try:
            yield
        finally:
            self._offered = None

    def take_offer(self, name: str) -> bytes:
        """The file of this name. Raises, and closes the connection, when it is another one than is offered."""
        if self._offered is None or name != self._offered[0]:
            self._force_close()
            raise pymysql.err.OperationalError(CR.CR_MALFORMED_PACKET, "the server asks for a file of this machine")
        return self._offered[1]

    def _read_query_result(self, unbuffered: bool = False) -> int:
        if unbuffered or self._offered is None:
            return int(super()._read_query_result(unbuffered))
        self._result = result = _Loaded(self)
        result.read()
        if result.server_status is not None:
            self.server_status = result.server_status
        return int(result.affected_rows)


class _Loaded(connections.MySQLResult):  # type: ignore[misc]
    """The result of a statement that asks for a file."""

    def _read_load_local_packet(self, first_packet: Any) -> None:
        connection = self.connection
        content = memoryview(connection.take_offer(first_packet.get_all_data()[1:].decode("utf-8", "replace")))
        for start in range(0, len(content), _PACKET_BYTES):
            connection.write_packet(content[start : start + _PACKET_BYTES])
        connection.write_packet(b"")
        self._read_ok_packet(connection._read_packet())
