"""Holds: sets of files whose loss or change waits for a person (rule R20).

A hold names one exact set. Its digest is made of the digests of its rows, in no order, so it is kept up to date by
whoever adds a row or takes one out, and nobody ever has to read the whole set. A row's digest is keyed with the id of
its hold: the digest of one hold says nothing about another.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

DIGEST_BYTES = 16
EMPTY = bytes(DIGEST_BYTES)
# As deep as a person wants to read: an import path's folders, and theirs.
_BRANCH_SEGMENTS = 2


class HoldKind(StrEnum):
    """What is held back: that files are gone, or that their times are others."""

    ABSENT = "absent"
    CHANGED = "changed"


class HoldReason(StrEnum):
    """Why it is held back."""

    MANY_ABSENT = "many-absent"
    MANY_CHANGED = "many-changed"
    ROLLED_BACK = "rolled-back"


class HoldState(StrEnum):
    """``RESOLVED``: every file of it was seen again, so there was nothing left to decide."""

    OPEN = "open"
    APPROVED = "approved"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


def row_digest(hold: bytes, asset: bytes, kind: HoldKind, size: int, mtime_ns: int) -> int:
    """The digest of one row of a hold: which asset, and what it would become."""
    body = b"%s%s %d %d" % (asset, kind.encode(), size, mtime_ns)
    return int.from_bytes(hashlib.blake2b(body, key=hold, digest_size=DIGEST_BYTES).digest(), "big")


def toggled(digest: bytes, row: int) -> bytes:
    """The digest of a set after a row was added to it; or, what is the same, taken out."""
    return (int.from_bytes(digest, "big") ^ row).to_bytes(DIGEST_BYTES, "big")


def top_of(root: bytes, path: bytes) -> bytes:
    """The top directory of a file: the first directory below ``root``, an import path's own, or ``root`` itself."""
    return _cut(root, path, 1)


def branch_of(root: bytes, path: bytes) -> bytes:
    """The directory under which a file is counted when a hold is shown as a tree."""
    return _cut(root, path, _BRANCH_SEGMENTS)


def summary(kind: HoldKind, reason: HoldReason, count: int, where: str) -> str:
    """What happened, in a sentence. ``where`` is a directory as people know it."""
    files = "1 file" if count == 1 else f"{count:,} files"
    of = f"{files} in {where}"
    if reason is HoldReason.ROLLED_BACK:
        return f"{of} are gone, and the folder's own time went back: the storage may have been set back."
    if kind is HoldKind.ABSENT:
        return f"{of} are gone, more at once than is usual there."
    return f"{of} kept their size, but have other times: a clock, a time zone or a mount option may have changed."


def advice(kind: HoldKind, state: HoldState) -> str:
    """What a person can do, in a sentence or two."""
    match state, kind:
        case HoldState.OPEN, HoldKind.ABSENT:
            return (
                "Nothing is shown as missing yet. If you deleted these files, approve. If not, put the storage right:"
                " what is seen again leaves the hold by itself. Dismiss to keep all of them as present."
            )
        case HoldState.OPEN, HoldKind.CHANGED:
            return (
                "Nothing was changed yet. If the new times are right, approve, and photo servers will read these files"
                " again. If not, put the clock or the mount right, or dismiss to keep what is known."
            )
        case HoldState.APPROVED, _:
            return "It was approved. Files that come back are the same assets, with the same ids."
        case HoldState.DISMISSED, _:
            return (
                "It was dismissed. The files are shown as they were before. If that was a mistake, have the storage"
                " looked at again (holdfast-sidecar holds recheck): what is gone is asked about again."
            )
        case _:
            return "Every file of it was seen again as it was. There is nothing to do."


def _cut(root: bytes, path: bytes, segments: int) -> bytes:
    """The directory of ``path``, at most so many segments below ``root``; below the volume's root for a file that
    lies elsewhere."""
    if root and not path.startswith(root + b"/"):
        root = b""
    rest = path[len(root) + 1 :] if root else path
    kept = rest.split(b"/")[:-1][:segments]
    return b"/".join(([root] if root else []) + kept)
