"""What an asset is, and which status its facts add up to.

An asset is one media file of one library. Where it is = (volume, path inside the volume). Five facts are kept
apart, because five different things set and clear them:

    absent_since       a proven absence, cleared when the file is seen again
    unreadable_error   the errno that hides its directory, cleared when the file is seen again
    excluded_by        a pattern, or that it left the import paths; cleared when the rule no longer says so
    removed_at         somebody removed it from the catalog; a tombstone stays one
    trashed_at         the user's own bin, which storage never touches

``status`` is computed from the first four, never set. Whether the storage is there at the moment is no fact
about an asset at all: it is derived from its volume.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from holdfast.media import Kind
from holdfast.volumes import STATE_OF, Reason, VolumeState

# What the feed calls it when the .xmp file of a photo appeared, changed or went, and nothing else of the asset.
SIDECAR = "asset.sidecar"
# What is in a file that has not changed is known now. There may be a million of them, and a photo server that makes its
# thumbnails anew for what was updated has nothing to do.
READ = "asset.read"


class Status(StrEnum):
    """What the catalog believes of the file itself."""

    PRESENT = "present"
    MISSING = "missing"
    EXCLUDED = "excluded"
    UNREADABLE = "unreadable"
    REMOVED = "removed"


class Availability(StrEnum):
    """Whether the file can be opened at the moment, as far as its volume is concerned."""

    ONLINE = "online"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class Asset(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One asset, with the facts that reports can change. Times are microseconds since 1970.

    ``content`` is the digest of what is in the file, as :mod:`holdfast.content` writes it; None while nobody has read
    it. ``claims`` says whether it holds its path: of all assets of a library at most one does. A removed asset, or one
    whose path was taken over by another file, holds none. ``absent_online_us`` is ``absent_since`` on another clock:
    the verified-online time of its volume, by which everything ages.
    """

    id: bytes
    library: bytes
    volume: bytes
    import_path: bytes
    path: bytes
    claims: bool = True
    kind: Kind
    size: int
    mtime_ns: int
    created_at: int
    absent_since: int | None = None
    unreadable_error: str | None = None
    excluded_by: str | None = None
    removed_at: int | None = None
    xmp_path: bytes | None = None
    absent_online_us: int | None = None
    content: str | None = None


def status(asset: Asset) -> Status:
    """The status that an asset's facts add up to; the first that applies, in this order.

    | fact             | status     | why it comes in this place                                       |
    | ---------------- | ---------- | ---------------------------------------------------------------- |
    | removed_at       | removed    | final                                                            |
    | excluded_by      | excluded   | nobody asks after a file that is not wanted                      |
    | absent_since     | missing    | proven, and a file that is gone cannot be unreadable             |
    | unreadable_error | unreadable |                                                                  |
    | none             | present    |                                                                  |
    """
    if asset.removed_at is not None:
        return Status.REMOVED
    if asset.excluded_by is not None:
        return Status.EXCLUDED
    if asset.absent_since is not None:
        return Status.MISSING
    if asset.unreadable_error is not None:
        return Status.UNREADABLE
    return Status.PRESENT


def is_there(asset: Asset) -> bool:
    """Whether the file is on its storage, as far as the catalog can tell: a file that cannot be read is not gone."""
    return asset.removed_at is None and asset.excluded_by is None and asset.absent_since is None


def availability(volume: VolumeState, via: Reason | None = None) -> Availability:
    """Whether files of a volume in this state can be opened; ``via``, if they are shown through a union, is the
    reason of that union's state, and the worse of the two counts.

    An idle automount counts as online: it mounts itself for whoever opens a file, and a photo server that hid
    the photos meanwhile would see to it that nobody ever does. A union that lost a branch shows the others as ever;
    what was on that branch is unavailable by the branch's own state (docs/adr/0018).
    """
    if via is not None and via is not Reason.BRANCH_LOST:
        return max(availability(volume), availability(STATE_OF[via]), key=_WORSE.index)
    if volume in (VolumeState.ONLINE, VolumeState.IDLE):
        return Availability.ONLINE
    return Availability.UNKNOWN if volume is VolumeState.UNKNOWN else Availability.UNAVAILABLE


# From the best to the worst.
_WORSE = (Availability.ONLINE, Availability.UNKNOWN, Availability.UNAVAILABLE)


def change_kind(before: Asset | None, after: Asset) -> str:
    """What the feed calls the step from ``before`` to ``after``. A new asset comes from None.

    A file that comes back at another place is ``moved``: its consumer must learn the path, and the state it
    carries says that it is present. Only an exclusion, which asks for something else, is told first. Where the photo
    has changed as well, what became of its .xmp file is not told apart: whoever reads the one reads the other.
    """
    if before is None:
        return "asset.added"
    was, now = status(before), status(after)
    if now is not Status.PRESENT and now is not was:
        return f"asset.{now}"
    if was is Status.EXCLUDED and now is Status.PRESENT:
        return "asset.included"
    if (before.volume, before.path) != (after.volume, after.path):
        return "asset.moved"
    if now is not was:
        return "asset.restored"
    if before != after and replace(before, xmp_path=after.xmp_path) == after:
        return SIDECAR
    if before.content is None and before != after and replace(before, content=after.content) == after:
        return READ
    return "asset.updated"
