"""The column types of the catalog: one spelling for SQLite, MySQL and MariaDB.

Binary values stay ``bytes`` on both sides. SQLAlchemy's own types would wrap every value on its way in and out,
which costs more than the database does when a report of five thousand files is written.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Row, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from holdfast import content

AnyRow = Row[*tuple[Any, ...]]  # a row of whatever columns

# Far below any limit of the engines, and far beyond what the vocabularies of the contract need.
WORD_CHARS_MAX = 32


class _PlainBlob(LargeBinary):
    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: object) -> None:
        return None


class _PlainBinary(mysql.BINARY):
    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: object) -> None:
        return None


class _PlainVarbinary(mysql.VARBINARY):
    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: object) -> None:
        return None


def fixed(length: int) -> TypeEngine[bytes]:
    """Exactly so many bytes: ids and digests."""
    return _PlainBlob().with_variant(_PlainBinary(length), "mysql", "mariadb")


def identifier() -> TypeEngine[bytes]:
    """An id, see ``holdfast.ids``."""
    return fixed(16)


def path() -> TypeEngine[bytes]:
    """A path as the bytes it has on the disk: PATH_MAX of Linux."""
    return _PlainBlob().with_variant(_PlainVarbinary(4096), "mysql", "mariadb")


def word() -> TypeEngine[str]:
    """A word of a fixed vocabulary."""
    return String(WORD_CHARS_MAX)


def line(length: int) -> TypeEngine[str]:
    """A short text."""
    return String(length)


def digest() -> TypeEngine[str]:
    """The digest of a file's content, see ``holdfast.content``. Case counts in it, on every engine."""
    length = content.DIGEST_CHARS_MAX
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(exact, "mysql", "mariadb")


def text() -> TypeEngine[str]:
    """A text without a set length; JSON too, which nothing ever looks into."""
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def number() -> TypeEngine[int]:
    """A 64-bit number."""
    return BigInteger()


def moment() -> TypeEngine[int]:
    """A time: microseconds since 1970, UTC."""
    return BigInteger()
