"""What every fault must come to, on every file system, at every moment; and what it comes to today where that is
less. The table of docs/fault-matrix.md is made from here, and the tests do each cell of it on the kernel."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from holdfast.volumes import Reason


class Moment(StrEnum):
    """When a fault comes."""

    AT_REST = "at rest"
    MID_SCAN = "in the middle of a scan"
    AGENT_DOWN = "while the agent is down"


class Row(NamedTuple):
    """A fault, by its name here and in words, and the reason that its volume has while it lasts.

    ``silent``: the kernel tells nobody of it, so it is seen at the next look. ``told``: what the feed may say about
    assets meanwhile; never that one is missing. ``also``: reasons that are as true, where it depends on what the
    kernel meets first.
    """

    name: str
    words: str
    file_systems: tuple[str, ...]
    reason: Reason
    silent: bool = False
    told: frozenset[str] = frozenset()
    also: tuple[Reason, ...] = ()


class Outcome(NamedTuple):
    """What a cell comes to: one of these reasons, and what the feed may tell of its assets."""

    reasons: tuple[Reason, ...]
    told: frozenset[str] = frozenset()

    @property
    def is_online(self) -> bool:
        """Whether the volume goes on as if nothing was."""
        return self.reasons == (Reason.VERIFIED,)


_DISKS = ("ext4", "xfs", "btrfs")
_LOCAL = (*_DISKS, "overlay")
_ALL = (*_LOCAL, "fuse")

ROWS = (
    Row("unmounted", "unmounted", _ALL, Reason.NOT_MOUNTED),
    Row("unmounted-lazily", "unmounted lazily (`umount -l`)", _ALL, Reason.NOT_MOUNTED),
    Row("unmounted-in-use", "unmounted lazily, while a file is open", _LOCAL, Reason.NOT_MOUNTED),
    Row("stray-files", "unmounted, and photos written to the bare mount point", _LOCAL, Reason.NOT_MOUNTED),
    Row("covered", "something else mounted over it", _ALL, Reason.COVERED),
    Row("nested", "another disk mounted on a folder inside it", _ALL, Reason.VERIFIED),
    Row("alias", "mounted a second time (bind)", _ALL, Reason.VERIFIED),
    Row("read-only", "remounted read-only by a person", _LOCAL, Reason.VERIFIED),
    Row("wrong-disk", "another disk in its place", _DISKS, Reason.WRONG_VOLUME),
    Row("turns", "two disks that take turns at one place: the one that is away", _DISKS, Reason.WRONG_VOLUME),
    Row("clone", "a clone of the disk mounted beside it", ("ext4", "xfs"), Reason.CLONE),
    # From Linux 6.7 on the kernel itself gives the second one another UUID for as long as it is mounted.
    Row("clone-renamed", "a clone beside it that the kernel gives another UUID", ("btrfs",), Reason.VERIFIED),
    Row("reformatted", "formatted anew with the same UUID", _DISKS, Reason.REFORMATTED),
    Row("set-back", "set back to an older image", _DISKS, Reason.ROLLED_BACK),
    Row("set-back-marked", "the same, of a disk with a marker file", ("ext4", "xfs"), Reason.ROLLED_BACK),
    Row("snapshot", "rolled back to a snapshot", ("btrfs",), Reason.ROLLED_BACK),
    Row("shut-down", "shut down by the kernel, as after a yank", ("ext4", "xfs"), Reason.SHUT_DOWN, silent=True),
    Row(
        "disk-errors",
        "a disk that can neither be read nor written",
        _DISKS,
        Reason.IO_ERROR,
        silent=True,
        also=(Reason.READ_ONLY_ERROR, Reason.SHUT_DOWN),
    ),
    Row("emptied", "everything deleted, the root empty", _LOCAL, Reason.EMPTY, told=frozenset({"asset.updated"})),
    Row("dead", "the FUSE program killed", ("fuse", "sshfs"), Reason.DISCONNECTED, silent=True),
    Row("hung", "the FUSE program stopped", ("fuse", "sshfs"), Reason.HUNG, silent=True),
    Row("eio", "input/output errors on one photo", ("fuse",), Reason.IO_ERROR, silent=True),
    Row("empty-listing", "the root lists nothing", ("fuse",), Reason.EMPTY, silent=True),
    Row("short-listing", "folders list short", ("fuse",), Reason.PARTIAL, silent=True),
    Row("slow-listing", "listings take long", ("fuse",), Reason.VERIFIED, silent=True),
    Row("branch-lost", "a branch of the union unmounted", ("mergerfs",), Reason.BRANCH_LOST, silent=True),
    Row(
        "folder-closed",
        "a folder that the agent may not read any more",
        _DISKS,
        Reason.VERIFIED,
        silent=True,
        told=frozenset({"asset.unreadable", "asset.restored"}),
    ),
    Row("root-closed", "the root that the agent may not read any more", _DISKS, Reason.NO_PERMISSION, silent=True),
)  # fmt: skip

_TAKEN_FOR_TRUE = Outcome((Reason.VERIFIED,), frozenset({"asset.missing", "asset.restored"}))
# Cells that the product does not reach yet, by fault, file system and moment ("*" for each): what happens today.
# An entry goes when its cell is reached; the test says so.
NOT_YET: dict[tuple[str, str, str], Outcome] = {
    # Nothing that these keep grows with every write and survives a pulled cable, so that only a marker tells (R11).
    ("set-back", "ext4", "*"): _TAKEN_FOR_TRUE,
    ("set-back", "xfs", "*"): _TAKEN_FOR_TRUE,
}


def row(name: str) -> Row:
    """The row of a fault."""
    return next(one for one in ROWS if one.name == name)


def today(fault: str, fs_type: str, moment: Moment) -> Outcome | None:
    """What this cell comes to today, where that is not what is expected."""
    for key in ((fault, fs_type, moment), (fault, fs_type, "*"), (fault, "*", moment), (fault, "*", "*")):
        if (found := NOT_YET.get(key)) is not None:
            return found
    return None


def outcome(fault: str, fs_type: str, moment: Moment) -> Outcome:
    """What the test must see."""
    expected = row(fault)
    return today(fault, fs_type, moment) or Outcome((expected.reason, *expected.also), expected.told)
