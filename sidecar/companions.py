"""Which .xmp file describes which photo.

For ``trip/a.jpg`` that is ``trip/a.jpg.xmp`` or, failing that, ``trip/a.xmp``. The extension may be upper case.
"""

from __future__ import annotations

from collections.abc import Container

_ENDINGS = (b".xmp", b".XMP")


def candidates(path: bytes) -> tuple[bytes, ...]:
    """The .xmp files that could describe the media file at this path, the strongest first."""
    stem = path[: path.rindex(b".")]
    return tuple(base + ending for base in (path, stem) for ending in _ENDINGS)


def chosen(path: bytes, existing: Container[bytes]) -> bytes | None:
    """The .xmp file that describes the media file at this path, or None."""
    return next((one for one in candidates(path) if one in existing), None)


def described(xmp_path: bytes) -> tuple[bytes, bytes, bytes]:
    """Where the media files are that an .xmp file could describe: (exact path, range from, range to).

    The range holds every ``name.*`` and also longer names such as ``name.b.jpg``; :func:`candidates` tells.
    """
    base = xmp_path[:-4]
    return base, base + b".", base + b"/"
