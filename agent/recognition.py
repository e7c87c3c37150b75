"""Is this the storage that was enrolled? Comparing identities, factor by factor (R6). Pure.

Some factors decide, and others only corroborate. A serial number changes with the enclosure that a disk is put into,
so it decides nothing where the file system has a UUID; a source changes with the name of a server.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from msgspec import structs

from holdfast.volumes import Factor, Identity


class Recognition(Enum):
    """What a probed identity is to an enrolled one."""

    SAME = "same"
    ROLLED_BACK = "rolled back"  # the same file system, in an earlier state
    UNMARKED = "unmarked"  # the same by all that can be told, but its marker is gone
    REFORMATTED = "reformatted"
    OTHER = "other"


# Storage that is the volume, whatever else may be wrong with it: it is not to be enrolled a second time.
OURS = frozenset({Recognition.SAME, Recognition.ROLLED_BACK, Recognition.UNMARKED})


class Match(NamedTuple):
    """The verdict, and the factors that were known on both sides and agreed."""

    recognition: Recognition
    matched: tuple[Factor, ...]

    @property
    def is_ours(self) -> bool:
        """Whether it is the volume, whatever else may be wrong with it."""
        return self.recognition in OURS


def recognise(enrolled: Identity, seen: Identity) -> Match:
    """Compare what a volume was enrolled with and what was found (R6, R8, R11).

    With a UUID, root inode and birth tell a file system from one that was formatted anew with the same UUID, and
    the subvolume's own UUID one from a snapshot in its place. Without one, the root is the identity, together with
    the source, and with what the server or the device calls itself.
    """
    compared = _compare(enrolled, seen)
    matched = tuple(factor for factor, agrees in compared.items() if agrees)
    return Match(_judge(enrolled, seen, compared), matched)


def learn(enrolled: Identity, seen: Identity) -> Identity:
    """An enrolled identity, with those factors added that were not known of it. A marker is never learned by itself:
    it counts from when a person asks for it."""
    return structs.replace(
        enrolled,
        subvolume=enrolled.subvolume or seen.subvolume,
        server_id=enrolled.server_id or seen.server_id,
        serial=enrolled.serial or seen.serial,
    )


def normal_source(fs_type: str, source: str) -> str:
    """A source as it is compared. SMB knows neither case of a server's name nor which way a slash leans."""
    if fs_type not in ("cifs", "smb3"):
        return source
    server, slash, share = source.replace("\\", "/").lstrip("/").partition("/")
    return f"//{server.lower()}{slash}{share.rstrip('/')}"


def _compare(enrolled: Identity, seen: Identity) -> dict[Factor, bool]:
    """The factors that are known on both sides, and whether they agree."""
    pairs = {
        Factor.UUID: (enrolled.uuid, seen.uuid),
        Factor.SUBVOLUME: (enrolled.subvolume, seen.subvolume),
        Factor.SOURCE: (
            enrolled.source and normal_source(enrolled.fs_type, enrolled.source),
            seen.source and normal_source(seen.fs_type, seen.source),
        ),
        Factor.SERVER: (enrolled.server_id, seen.server_id),
        Factor.SERIAL: (enrolled.serial, seen.serial),
        Factor.MARKER: (enrolled.marker, seen.marker),
    }
    compared = {factor: one == other for factor, (one, other) in pairs.items() if one is not None and other is not None}
    compared[Factor.ROOT] = (enrolled.root_inode, enrolled.root_birth_ns) == (seen.root_inode, seen.root_birth_ns)
    return compared


def _judge(enrolled: Identity, seen: Identity, compared: dict[Factor, bool]) -> Recognition:
    """The verdict on compared factors; ``compared.get(factor, True)`` is "not known to differ"."""
    if (enrolled.fs_type, enrolled.root) != (seen.fs_type, seen.root):
        return Recognition.OTHER
    if enrolled.uuid != seen.uuid:
        return Recognition.OTHER
    if enrolled.uuid is None and not _same_without_uuid(enrolled, seen, compared):
        return Recognition.OTHER
    if not compared[Factor.ROOT]:
        return Recognition.REFORMATTED
    if not compared.get(Factor.MARKER, True):
        return Recognition.OTHER
    if not compared.get(Factor.SUBVOLUME, True):
        return Recognition.ROLLED_BACK
    if enrolled.marker is not None and seen.marker is None:
        return Recognition.UNMARKED
    return Recognition.SAME


def _same_without_uuid(enrolled: Identity, seen: Identity, compared: dict[Factor, bool]) -> bool:
    if (enrolled.source is None) != (seen.source is None):
        return False
    decisive = (Factor.ROOT, Factor.SOURCE, Factor.SERVER, Factor.SERIAL)
    return all(compared.get(factor, True) for factor in decisive)
