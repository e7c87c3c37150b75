"""What the errors of a database mean: whether to run a transaction again, elsewhere, later, or not at all. Pure."""

from __future__ import annotations

import sqlite3
from enum import Enum

from sqlalchemy.exc import DBAPIError, IntegrityError

# What the triggers of a catalog that was promoted answer with, see ``sidecar.promote.freeze``.
SEALED = "this catalog was promoted"

# Lock wait timeout (also of a node that waits for its cluster); deadlock, which a failed certification of Galera is
# told as; a commit that the cluster neither took nor refused; interrupted; and MySQL's own cluster rolled it back.
_AGAIN = {1205, 1213, 1180, 1317, 3101}
# Too many connections, shutdown in progress, killed, and the client's own words for a connection that could not be
# made or was lost.
_LOST = {1040, 1053, 1152, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 0}
# A node without its cluster; a server that is read-only, as it is when another has taken over from it.
_NOT_HERE = {1047, 1290, 1836}
# The disk of the server is full: of what it sorts in, of a table, and whatever it wanted to write.
_FULL = {1021, 1114, 3, 1026}
# SQLite's primary codes, the low byte of what it says: busy, locked; then read-only, I/O error, full, cannot open.
_SQLITE_AGAIN = {5, 6}
_SQLITE_STORAGE = {8, 10, 13, 14}


class Fault(Enum):
    """What can be done about an error."""

    AGAIN = "the same transaction may well succeed when it is run again"
    ELSEWHERE = "so it may, but not on this connection"
    STORAGE = "it will, when somebody has seen to the disk of the database"
    OURS = "it will never"


def fault(error: DBAPIError) -> Fault:
    """What can be done about this error. After all but ``OURS`` nothing is left of the transaction, or all of it."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    if error.connection_invalidated:
        return Fault.ELSEWHERE
    if isinstance(error, IntegrityError):
        return Fault.OURS
    return _of_mysql(cause)


def is_busy(cause: sqlite3.Error) -> bool:
    """Whether somebody else is using this SQLite file."""
    return _of_sqlite(cause.sqlite_errorcode & 0xFF) is Fault.AGAIN


def is_over(cause: BaseException | None) -> bool:
    """Whether a driver's error means that this connection is of no use any more, nor are those made before it."""
    return _of_mysql(cause) is Fault.ELSEWHERE


def is_sealed(error: DBAPIError) -> bool:
    """Whether the catalog was promoted, and takes no writes any more."""
    return isinstance(error.orig, sqlite3.IntegrityError) and str(error.orig) == SEALED


def _of_mysql(cause: BaseException | None) -> Fault:
    code = cause.args[0] if cause is not None and cause.args else None
    if code in _AGAIN:
        return Fault.AGAIN
    if code in _LOST or code in _NOT_HERE:
        return Fault.ELSEWHERE
    return Fault.STORAGE if code in _FULL else Fault.OURS


def _of_sqlite(code: int) -> Fault:
    if code in _SQLITE_AGAIN:
        return Fault.AGAIN
    return Fault.STORAGE if code in _SQLITE_STORAGE else Fault.OURS
