"""Paths inside a volume: bytes on the disk, *wire text* everywhere else.

A file name on Linux is any run of bytes without ``/`` and NUL. JSON carries text. Wire text is the one
reversible spelling between the two: what is valid UTF-8 is written as it is, and every byte that is not becomes
NUL followed by two hexadecimal digits. No file name can contain NUL, so nothing is ambiguous and nothing is lost.

All paths here are relative to the root of a volume; ``""`` is that root.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PATH_BYTES_MAX = 4096  # PATH_MAX of the kernel, including the terminating NUL
NAME_BYTES_MAX = 255  # NAME_MAX of every Linux file system in use

_SURROGATE = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile("\0(..)?", re.DOTALL)
_HIGH_BYTE = re.compile("[89a-f][0-9a-f]")


class BadPath(ValueError):
    """A path that cannot name anything inside a volume. The text says why."""


def to_wire(raw: bytes) -> str:
    """Spell the bytes of a path as wire text."""
    return from_os(raw.decode("utf-8", "surrogateescape"))


def from_os(text: str) -> str:
    """Spell a name as Python's ``os`` gives it (``surrogateescape``) as wire text."""
    if text.isascii():
        return text
    return _SURROGATE.sub(lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", text)


def to_os(wire: str) -> str:
    """The spelling that Python's ``os`` functions take. The inverse of :func:`from_os`."""
    if "\0" not in wire:
        return wire
    return _ESCAPE.sub(_unescape, wire)


def to_bytes(wire: str) -> bytes:
    """The bytes of a path on the disk. Raises :class:`BadPath` when the text is not wire text."""
    try:
        # Called for every name there is, and nearly none of them has an escape.
        return (to_os(wire) if "\0" in wire else wire).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadPath(f"{wire!r} is not text that a path can be written in") from error


def to_display(raw: bytes) -> str:
    """Text for people: what is not UTF-8 becomes the replacement character. Not reversible."""
    return raw.decode("utf-8", "replace")


def join(directory: str, name: str) -> str:
    """The path of ``name`` in ``directory``."""
    return f"{directory}/{name}" if directory else name


def split(path: str) -> tuple[str, str]:
    """The directory and the name of a path; the inverse of :func:`join`."""
    directory, _, name = path.rpartition("/")
    return directory, name


def contains(ancestor: str, path: str) -> bool:
    """Whether ``path`` is ``ancestor`` or lies below it, by whole segments: ``a`` does not contain ``ab``."""
    return ancestor in ("", path) or path.startswith(f"{ancestor}/")


def below(ancestor: str, path: str) -> str:
    """``path`` as seen from ``ancestor``, which must contain it."""
    if path == ancestor:
        return ""
    return path[len(ancestor) + 1 :] if ancestor else path


def check_relative(path: str) -> str:
    """Return ``path`` if it is a well-formed path inside a volume, else raise :class:`BadPath`."""
    raw = to_bytes(path)
    if len(raw) >= PATH_BYTES_MAX:
        raise BadPath(f"a path of {len(raw)} bytes is longer than Linux allows")
    if path and _has_bad_segment(raw):
        raise BadPath(f"{path!r} is not a path inside a volume")
    return path


def check_name(name: str) -> str:
    """Return ``name`` if it is one segment of a path, else raise :class:`BadPath`."""
    raw = to_bytes(name)
    if not raw or b"/" in raw or _has_bad_segment(raw):
        raise BadPath(f"{name!r} is not a file name")
    return name


def check_names(names: Sequence[str]) -> None:
    """Raise :class:`BadPath` unless each of these is one segment of a path."""
    joined = "/".join(names)
    # Nearly always all of them are plain, and looking at them at once takes a tenth of the time.
    if joined.isascii() and joined.count("/") == len(names) - 1:
        around = f"/{joined}/"
        odd = "\0" in joined or "//" in around or "/./" in around or "/../" in around
        if not odd and len(max(names, key=len)) <= NAME_BYTES_MAX:
            return
    for name in names:
        check_name(name)


def check_absolute(path: str) -> str:
    """Return an absolute host or server path without a trailing slash, else raise :class:`BadPath`."""
    if not path.startswith("/"):
        raise BadPath(f"{path!r} is not absolute: it must start with /")
    trimmed = path.rstrip("/")
    check_relative(trimmed[1:])
    return trimmed or "/"


def _has_bad_segment(raw: bytes) -> bool:
    if b"\0" in raw:
        return True
    segments = raw.split(b"/")
    return any(segment in (b"", b".", b"..") or len(segment) > NAME_BYTES_MAX for segment in segments)


def _unescape(found: re.Match[str]) -> str:
    digits = found[1]
    if digits is None or not _HIGH_BYTE.fullmatch(digits):
        raise BadPath("a NUL that is not followed by the two digits of an escaped byte")
    return chr(0xDC00 + int(digits, 16))
