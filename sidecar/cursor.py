"""Cursors: opaque positions that feed and lists hand out, and take back.

A cursor names the incarnation of the catalog it came from. After the catalog was restored from a backup its
numbers mean other things, and a cursor from before must be found out rather than silently skip rows. The cursor
of a list also carries a digest of the list's filters, since a position in one list means nothing in another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec


class FeedCursor(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """Everything up to and including this change number has been read. ``forgotten`` is up to where the catalog had
    forgotten what is gone by then: a reader that began anew since has missed nothing by that."""

    catalog: bytes
    change: int
    forgotten: int = 0


class ListCursor(msgspec.Struct, frozen=True, array_like=True, tag="l"):
    """The next page starts behind this row: its sort values, and its id."""

    catalog: bytes
    filters: bytes
    after: list[int | bytes]


class BadCursor(ValueError):
    """The text is not a cursor of this sort."""


_FEED = msgspec.msgpack.Decoder(FeedCursor)
_LIST = msgspec.msgpack.Decoder(ListCursor)


def digest(filters: msgspec.Struct) -> bytes:
    """A short digest of a list's filters."""
    return hashlib.blake2b(msgspec.json.encode(filters), digest_size=8).digest()


def to_text(cursor: FeedCursor | ListCursor) -> str:
    """The cursor as it stands in a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def feed_cursor(text: str) -> FeedCursor:
    """Read a feed's cursor. Raises :class:`BadCursor`."""
    try:
        return _FEED.decode(_raw(text))
    except msgspec.MsgspecError as error:
        raise BadCursor("this is not a cursor of the change feed") from error


def list_cursor(text: str) -> ListCursor:
    """Read a list's cursor. Raises :class:`BadCursor`."""
    try:
        return _LIST.decode(_raw(text))
    except msgspec.MsgspecError as error:
        raise BadCursor("this is not a cursor of a list") from error


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise BadCursor("this is not a cursor") from error
