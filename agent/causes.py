"""Why a volume that is mounted nowhere is not there (R16). Pure: told from what is connected, not by asking storage."""

from __future__ import annotations

from typing import NamedTuple

from agent.ports import Foundation, Surroundings
from holdfast.volumes import Identity, Reason

# What an array is called that was found and not started. One that is not found at all has no state.
_STOPPED = frozenset({"", "clear", "inactive"})


class Cause(NamedTuple):
    """A reason of the state ``offline``, and what else is known."""

    reason: Reason
    detail: str = ""


def explain(identity: Identity, foundation: Foundation, around: Surroundings) -> Cause:
    """The cause, from the top of the stack of devices down: the first layer that is not there is the one to name."""
    if identity.fs_type == "zfs":
        return _dataset(identity.source or "", around)
    if identity.source is not None or identity.uuid is None:
        return Cause(Reason.NOT_MOUNTED)
    device = around.devices.get(normal(identity.uuid))
    if device is not None:
        return Cause(Reason.NOT_MOUNTED, f"it is connected as {device}")
    for luks in foundation.luks:
        locked = around.devices.get(luks)
        if locked is not None and luks not in around.open_luks:
            return Cause(Reason.LOCKED, f"it is connected as {locked}")
    for array in foundation.arrays:
        is_stopped = around.arrays.get(array, "") in _STOPPED
        if is_stopped and (array in around.members or array in around.arrays or not around.is_complete):
            return Cause(Reason.ARRAY_STOPPED)
    return Cause(Reason.UNPLUGGED if around.is_complete else Reason.NOT_MOUNTED)


def normal(uuid: str) -> str:
    """A UUID as it is compared: the same one is written in many ways."""
    return uuid.replace("-", "").replace(":", "").lower()


def _dataset(source: str, around: Surroundings) -> Cause:
    pool = source.partition("/")[0]
    if around.pools is None:
        return Cause(Reason.DATASET_NOT_MOUNTED, f"{source}; ZFS is not loaded")
    what = "is imported" if pool in around.pools else "is not imported"
    return Cause(Reason.DATASET_NOT_MOUNTED, f"{source}; the pool {pool} {what}")
