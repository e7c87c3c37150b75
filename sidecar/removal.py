"""What may be removed from the catalog: only what is missing, has been for long enough, and was looked for just now.

| the asset                                                          | verdict      | why                            |
| ------------------------------------------------------------------ | ------------ | ------------------------------ |
| is not missing any more, or changed since the look was asked for   | CHANGED      | it is news, and no old matter  |
| its volume, or the union that shows it, is not online              | UNAVAILABLE  | away is not gone (rule R27)    |
| has not been missing for so long in verified-online time           | TOO_RECENT   | a drawer ages nothing (R24)    |
| no complete look at its directory was had since it was asked for   | UNVERIFIED   | a proof may have grown old     |
| none of these                                                      | REMOVE       |                                |

A look covers a directory with all that is below. So that few of them do, an import path in which very much is missing
is looked through as a whole.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from holdfast import paths
from holdfast.volumes import VolumeState
from sidecar.asset import Asset, Status, status

# Directories of one import path that are looked at one by one. Reading as many takes an agent a second or two, even
# where every seek counts.
DIRECTORIES_MAX = 100
_MICRO = 1_000_000


class Undoing(StrEnum):
    """What comes of the wish to bring a removed asset back, as the counts of a result call it."""

    RESTORED = "restored"
    PATH_TAKEN = "path_taken"  # another asset of its library has its path now
    GONE = "gone"  # it is not removed any more, or went with its library


class Verdict(StrEnum):
    """What is to be done with an asset that was missing, as the counts of a result call it."""

    REMOVE = "removed"
    CHANGED = "changed"
    UNAVAILABLE = "unavailable"
    TOO_RECENT = "too_recent"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Storage:
    """A volume at this moment: its state, that of the union which shows it, if one does, and its verified-online
    time."""

    state: VolumeState
    via: VolumeState | None
    online_us: int


def judge(
    asset: Asset,
    is_as_it_was: bool,
    storage: Storage,
    looked_at: Collection[str],
    older_than_s: int | None,
) -> Verdict:
    """Whether an asset may be removed. ``looked_at`` are the directories of its volume (wire text) at which complete
    looks were had, and ``is_as_it_was`` says that nothing happened to it since they were asked for."""
    if status(asset) is not Status.MISSING or not is_as_it_was:
        return Verdict.CHANGED
    if storage.state is not VolumeState.ONLINE or storage.via not in (None, VolumeState.ONLINE):
        return Verdict.UNAVAILABLE
    if older_than_s is not None and not _is_older(asset, storage, older_than_s):
        return Verdict.TOO_RECENT
    directory, _ = paths.split(paths.to_wire(asset.path))
    if not any(paths.contains(one, directory) for one in looked_at):
        return Verdict.UNVERIFIED
    return Verdict.REMOVE


def with_directory(known: Collection[str], root: str, directory: str) -> list[str]:
    """The directories of an import path to look at, when this is one more of them."""
    if any(paths.contains(one, directory) for one in known):
        return list(known)
    found = [one for one in known if not paths.contains(directory, one)] + [directory]
    return found if len(found) <= DIRECTORIES_MAX else [root]


def _is_older(asset: Asset, storage: Storage, older_than_s: int) -> bool:
    if asset.absent_online_us is None:
        return False
    return storage.online_us - asset.absent_online_us >= older_than_s * _MICRO
