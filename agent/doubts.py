"""Doubts: the storage is not what it should be, and must be verified before anything is believed of it. Pure."""

from __future__ import annotations

import errno
from typing import NamedTuple

from agent.errnos import doubt_reason
from agent.ports import Trouble
from holdfast.gate import Check
from holdfast.volumes import Reason


class Doubt(NamedTuple):
    """The storage is not what it should be: nothing of the pass was kept, and the volume must be verified.

    ``directory`` is where that showed, if it was one directory: it must be in order before the volume is trusted.
    """

    reason: Reason
    detail: str
    directory: str | None = None


# Where the gate closed without an errno of the storage's own: what that says.
_CLOSED = {
    Check.TABLE: Reason.NOT_YET_VERIFIED,
    Check.ROOT: Reason.EMPTY,
    Check.SIZE: Reason.PARTIAL,
    Check.SENTINELS: Reason.PARTIAL,
}


def doubt_of(trouble: Trouble, mount_point: str) -> Doubt:
    """What a failed call, or a gate that did not open, says about the whole volume."""
    if trouble.errno == errno.EAGAIN and trouble.where in _CLOSED:
        return Doubt(_CLOSED[Check(trouble.where)], f"{trouble.where} at {mount_point}")
    name = errno.errorcode.get(trouble.errno, str(trouble.errno))
    return Doubt(doubt_reason(trouble), f"{name} at {trouble.where or mount_point}")
