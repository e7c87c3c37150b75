"""The commit gate: what must hold of a mount, after it was listed, before a file on it may be called absent (R1).

An agent passes the gate anew for every pass and names the checks that it made; a sidecar refuses an absence whose
proof lacks one of :data:`REQUIRED`, and shows people the sentence of each.
"""

from __future__ import annotations

from enum import StrEnum


class Check(StrEnum):
    """The checks, in the order in which they are made."""

    TABLE = "mount-table"
    IDENTITY = "identity"
    MOUNT = "mount-id"
    SUPER_BLOCK = "super-block"
    ROOT = "root-listing"
    SIZE = "size"
    MARKER = "marker"
    SENTINELS = "sentinels"
    DEVICE = "device"
    ERRORS = "errors"


SENTENCES: dict[Check, str] = {
    Check.TABLE: "Nothing was mounted or unmounted anywhere meanwhile.",
    Check.IDENTITY: "The identity of the storage was read anew and is the one that was enrolled.",
    Check.MOUNT: "The root, opened anew, was on the same mount.",
    Check.SUPER_BLOCK: "The kernel had neither shut the file system down nor made it read-only.",
    Check.ROOT: "The root could be read, and had not turned empty.",
    Check.SIZE: "The total size of the storage was what it had been.",
    Check.MARKER: "The marker file was read, and is the right one.",
    Check.SENTINELS: "Known photos in other folders were looked for, past all caches, and were there.",
    Check.DEVICE: "The disk was there, the same one, and running.",
    Check.ERRORS: "The kernel had counted no new error of disk or file system.",
}

# What every storage can be asked. The others need a disk, a marker, or other photos.
REQUIRED = frozenset({Check.MOUNT, Check.SUPER_BLOCK, Check.ROOT, Check.SIZE})


def lacking(passed: list[str]) -> list[Check]:
    """The required checks that are not among those that were passed, in their order."""
    return [check for check in Check if check in REQUIRED and check not in passed]
