"""Unions: one mount that shows what lies on several disks, its branches (rule R15). Pure.

A mergerfs tells its branches to whoever asks. Where the agent can reach them, each is watched where it really is, as
a part of the volume it lies on, and the union is only what it is shown through. Where it cannot, the union is scanned
like any other FUSE file system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from agent import mounts
from agent.ports import Mount
from agent.volume import Volume
from holdfast import paths
from holdfast.assignments import Part
from holdfast.volumes import Reason

_MERGERFS = frozenset({"fuse.mergerfs"})
# What may follow the path of a branch: its mode, and since 2.25 the space that is to be left free on it.
_MODE = re.compile(r"=(RW|RO|NC)(,[0-9]+[KMGT]?)?$")


def is_union(fs_type: str) -> bool:
    """Whether a mount of this type can be asked for its branches."""
    return fs_type in _MERGERFS


def parse_branches(text: str) -> list[str]:
    """The branches in a ``user.mergerfs.branches`` or ``.srcmounts``, as that mergerfs names them.

    Versions before 2.40 and since differ in what follows a path; none has a way to write a colon inside one.
    """
    found = (_MODE.sub("", one).rstrip("/") or "/" for one in text.split(":") if one)
    return list(dict.fromkeys(one for one in found if one.startswith("/")))


def lost_parts(
    parts: Iterable[Part], union: str, branches: Sequence[str], volumes: Mapping[str, Volume], table: Sequence[Mount]
) -> list[str]:
    """The host paths of the enrolled branches that this union does not show now.

    A branch is shown when the union names it, and what is mounted there is the storage that was enrolled: an unmounted
    branch leaves a bare directory behind, which the union goes on showing as if nothing had happened.
    """
    lost = []
    for part in parts:
        if part.via != union or volumes[part.volume].reason is Reason.NOT_YET_VERIFIED:
            continue
        named = any(paths.contains(branch.rstrip("/"), part.path) for branch in branches)
        if not named or not _is_in_place(part, volumes[part.volume], table):
            lost.append(part.path)
    return sorted(set(lost))


def lost_names(enrolled: Iterable[str], branches: Iterable[str]) -> list[str]:
    """The branches that a union no longer names, for one whose branches cannot be looked at."""
    return sorted(set(enrolled) - set(branches))


def _is_in_place(part: Part, volume: Volume, table: Sequence[Mount]) -> bool:
    attached = next((mount for mount in table if mount.mount_id == volume.table_id), None)
    here = mounts.resolve(table, paths.to_os(part.path))
    if volume.epoch is None or attached is None or here is None:
        return False
    # Mounted twice, it is attached at one of the places, and is the same at the other.
    return (here.device, here.root) == (attached.device, attached.root)
