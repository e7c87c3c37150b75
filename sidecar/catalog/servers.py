"""The servers of a database: which are named, and to which of them a connection is made.

Several may be named, in the order in which they are to be tried; all of them have to hold the same, as the nodes of a
Galera cluster do. Every connection goes to the first that answers and is fit, so that one server takes all writes for
as long as it can: two nodes that take writes at once refuse each other's now and then, and all has to be done again
(docs/databases.md).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy.engine import URL

from sidecar.catalog import faults
from sidecar.errors import ConfigError

PORT = 3306
# How long a server that was of no use is tried last. A host that is off makes everybody wait who tries it.
_AVOIDED_S = 30.0
# A host that lost its power hangs up on nobody: how long until the kernel gives a silent connection up.
_SILENT_S = 25
_READY = "SHOW GLOBAL STATUS LIKE 'wsrep_ready'"
_TRAITS = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'wsrep_on')"
# What keeps a node of Galera from answering before it has applied what any other node has acknowledged: of reads (1),
# of updates and deletes (2), and of inserts (4). It costs one message in the cluster for a transaction.
_CAUSAL = "SET SESSION wsrep_sync_wait = 7"
# What Galera says itself when it is asked for more.
_NO_CLUSTER = 1047


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def named(url: URL) -> list[Address]:
    """The servers that a URL names: in its usual place, or several as ``?host=A&host=B:3307``. None: it names a socket.

    Raises :class:`ConfigError`.
    """
    listed = url.query.get("host")
    if listed is None:
        return [] if "unix_socket" in url.query else [Address(url.host or "localhost", url.port or PORT)]
    if url.host or url.port:
        raise ConfigError("database: name the servers either before the database or as host=…, not both")
    return [_address(text) for text in ([listed] if isinstance(listed, str) else listed)]


class Servers:
    """Chooses one, again for every connection. ``driver`` is the module whose errors are expected."""

    def __init__(
        self, addresses: Sequence[Address], driver: Any, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._addresses = addresses
        self._driver = driver
        self._clock_s = clock_s
        self._avoided: dict[Address, float] = {}

    def order(self) -> list[Address]:
        """As they were named, but those last that were of no use a moment ago."""
        now_s = self._clock_s()
        return sorted(self._addresses, key=lambda one: self._avoided.get(one, 0.0) > now_s)

    def connect(self, dial: Callable[[Address], Any]) -> Any:
        """A connection to the first that is fit, of those that answer; one that is read-only is better than none.

        Raises what the last one answered with.
        """
        lesser, failure = None, None
        for address in self.order():
            try:
                connection, is_read_only = self._try(dial, address)
            except self._driver.Error as error:
                if not faults.is_over(error):
                    raise
                self._avoided[address] = self._clock_s() + _AVOIDED_S
                failure = error
                continue
            if not is_read_only:
                self._avoided.pop(address, None)
                if lesser is not None:
                    lesser.close()
                return connection
            if lesser is None:
                lesser = connection
            else:
                connection.close()
        if lesser is None:
            raise failure or ValueError("bug: there is no server to connect to")
        return lesser

    def _try(self, dial: Callable[[Address], Any], address: Address) -> tuple[Any, bool]:
        connection = dial(address)
        try:
            return connection, prepare(connection, self._driver)
        except BaseException:
            with contextlib.suppress(Exception):
                connection.close()
            raise


def prepare(connection: Any, driver: Any) -> bool:
    """Make a fresh connection of a driver fit for use. Returns whether its server is read-only; raises the driver's
    error when the server is a node that has lost its cluster."""
    _notice_silence(connection)
    with connection.cursor() as cursor:
        # The server's default of 50 s is longer than anybody waits for an answer.
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 10")
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute(_TRAITS)
        traits = dict(cursor.fetchall())
        if traits.get("wsrep_on") == "ON":
            cursor.execute(_CAUSAL)
            cursor.execute(_READY)
            if cursor.fetchone()[1] != "ON":
                raise driver.OperationalError(_NO_CLUSTER, "this node is not part of its cluster")
    return traits.get("read_only") == "ON"


def _notice_silence(connection: Any) -> None:
    sock: socket.socket | None = getattr(connection, "_sock", None)
    if sock is None or sock.family == socket.AF_UNIX:
        return
    for option, value in (
        (socket.TCP_KEEPIDLE, _SILENT_S // 2),
        (socket.TCP_KEEPINTVL, 5),
        (socket.TCP_KEEPCNT, 3),
        (socket.TCP_USER_TIMEOUT, _SILENT_S * 1000),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):  # an address of IPv6 has colons too, and then brackets around them
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigError(f"database: host={text} is neither HOST nor HOST:PORT")
    return Address(host, int(port))
