"""Is the storage there, and is it the right one? Pure.

:func:`locate` looks for a volume in the mount table and says what it *sights*; :func:`advance` turns a sighting
into the next state. What each sighting leads to, from any state:

    Verified    the right storage, at a mount not attached yet      state stays, effect Attach
    Adopted     the worker looked at it, and all is well            online
    Lacking     it is a union that answers, and lost a branch       suspect, and stays attached
    Still       the attached mount is where it was                  state stays
    Gone        no mount of it, or only an idle automount           offline or idle
    Covered     it is mounted, with something else over it          suspect
    Foreign     other storage stands at its place                   conflict
    Doubtful    it answers with errors, not at all, or not the truth suspect (offline when it is simply gone)

Leaving ``online``, or an attachment that was not adopted yet, has the effect Detach. Every change of state, reason
or place counts the version up; every Verified begins a new epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, assert_never

import msgspec
from msgspec import structs

from agent import mounts
from agent.errnos import doubt_reason
from agent.ports import Mount, Probe, Trouble
from holdfast import paths
from holdfast.volumes import STATE_OF, Capacity, Epoch, Identity, Reason, VolumeState, VolumeStatus, sentence


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """One enrolled volume, as the registry keeps it.

    ``epoch``, ``mounted_at`` and ``table_id`` (the number in the mount table) are None when nothing is attached.
    """

    id: str
    label: str
    identity: Identity
    reason: Reason = Reason.NOT_YET_VERIFIED
    detail: str = ""
    since: float
    version: int = 1
    attachments: int = 0
    epoch: Epoch | None = None
    table_id: int | None = None
    mounted_at: str | None = None
    last_mounted_at: str | None = None
    capacity: Capacity | None = None

    @property
    def state(self) -> VolumeState:
        """The state, which the reason implies."""
        return STATE_OF[self.reason]


class Recognition(Enum):
    """What a probed identity is to an enrolled one."""

    SAME = "same"
    REFORMATTED = "reformatted"
    OTHER = "other"


class Verified(NamedTuple):
    """The right storage is mounted here."""

    mount: Mount
    probe: Probe


class Adopted(NamedTuple):
    """The worker has looked at what was verified."""

    epoch: Epoch


class Lacking(NamedTuple):
    """The attached mount is a union, and a branch of it is away; the others are as they were (R15)."""

    epoch: Epoch
    branches: list[str]


class Still(NamedTuple):
    """The attached mount is where it was."""


class Gone(NamedTuple):
    """Not mounted anywhere, or only as an idle automount."""

    reason: Reason


class Covered(NamedTuple):
    """Mounted, and out of reach behind something that was mounted over it."""


class Foreign(NamedTuple):
    """Other storage, or the same disk formatted anew, stands at its place; or it is there twice."""

    reason: Reason
    where: str


class Doubtful(NamedTuple):
    """The storage is there and not in order."""

    reason: Reason
    where: str
    detail: str


class Unprobed(NamedTuple):
    """These mounts must be probed before anything can be said."""

    mounts: list[Mount]


Sighting = Verified | Adopted | Lacking | Still | Gone | Covered | Foreign | Doubtful


class Attach(NamedTuple):
    """Effect: give the worker this mount to adopt."""

    volume: Volume
    mount: Mount


class Detach(NamedTuple):
    """Effect: the worker must let go."""

    volume: Volume


Effect = Attach | Detach


def recognise(enrolled: Identity, seen: Identity) -> Recognition:
    """Compare what a volume was enrolled with and what was found (R6, R8).

    With a UUID, root inode and birth tell a file system from one that was formatted anew with the same UUID.
    Without one, they are the identity, together with the source where that means something (network, FUSE).
    """
    if (enrolled.fs_type, enrolled.root) != (seen.fs_type, seen.root):
        return Recognition.OTHER
    same_root = (enrolled.root_inode, enrolled.root_birth_ns) == (seen.root_inode, seen.root_birth_ns)
    if enrolled.uuid is not None or seen.uuid is not None:
        if enrolled.uuid != seen.uuid:
            return Recognition.OTHER
        return Recognition.SAME if same_root else Recognition.REFORMATTED
    return Recognition.SAME if same_root and enrolled.source == seen.source else Recognition.OTHER


def locate(
    volume: Volume,
    table: Sequence[Mount],
    unique_ids: Mapping[int, int],
    probes: Mapping[int, Probe | Trouble],
) -> Sighting | Unprobed:
    """Look for a volume in the mount table.

    ``unique_ids`` gives the unique id of each reachable mount by its number in the table; ``probes`` what was found
    at the mounts probed so far, by unique id.
    """
    alike = [m for m in table if (m.fs_type, m.root) == (volume.identity.fs_type, volume.identity.root)]
    reachable = [m for m in alike if m.mount_id in unique_ids and not mounts.covered(table, m)]
    attached = None if volume.epoch is None else volume.epoch.mount_id
    if any((unique_ids[m.mount_id], m.mount_point) == (attached, volume.mounted_at) for m in reachable):
        return Still()
    unprobed = [m for m in reachable if unique_ids[m.mount_id] not in probes]
    if unprobed:
        return Unprobed(unprobed)
    found = [(m, probes[unique_ids[m.mount_id]]) for m in reachable]
    same = [
        (m, probe)
        for m, probe in found
        if isinstance(probe, Probe) and recognise(volume.identity, probe.identity) is Recognition.SAME
    ]
    if len({mount.device for mount, _ in same}) > 1:
        return Foreign(Reason.CLONE, same[-1][0].mount_point)
    if same:
        # Mounted twice is an alias (R13); the place it had before is preferred.
        mount, probe = next((one for one in same if one[0].mount_point == volume.last_mounted_at), same[0])
        return Verified(mount, probe)
    return _at_its_place(volume, table, unique_ids, probes)


def advance(volume: Volume, sighting: Sighting, boot_id: str, now: float) -> tuple[Volume, list[Effect]]:
    """The next state, and what follows from it. ``now`` is Unix time."""
    match sighting:
        case Still():
            return volume, []
        case Adopted(epoch):
            if epoch != volume.epoch:  # it adopted an attachment that has ended meanwhile
                return volume, []
            return _become(volume, Reason.VERIFIED, volume.mounted_at or "", "", now), []
        case Lacking(epoch, branches):
            if epoch != volume.epoch:
                return volume, []
            away = ", ".join(map(paths.to_display, map(paths.to_bytes, branches)))
            return _become(volume, Reason.BRANCH_LOST, volume.mounted_at or "", away, now), []
        case Verified(mount, probe):
            attachments = volume.attachments + 1
            following = structs.replace(
                volume,
                attachments=attachments,
                epoch=Epoch(boot_id, probe.mount_id, attachments),
                table_id=mount.mount_id,
                mounted_at=mount.mount_point,
                last_mounted_at=mount.mount_point,
                capacity=probe.capacity,
                version=volume.version + 1,
            )
            detach: list[Effect] = [Detach(volume)] if volume.epoch is not None else []
            return following, [*detach, Attach(following, mount)]
        case Gone(reason):
            return _leave(volume, reason, volume.last_mounted_at or "", "", now)
        case Covered():
            return _leave(volume, Reason.COVERED, volume.last_mounted_at or "", "", now)
        case Foreign(reason, where):
            return _leave(volume, reason, where, "", now)
        case Doubtful(reason, where, detail):
            return _leave(volume, reason, where, detail, now)
        case _:
            assert_never(sighting)


def status_of(volume: Volume) -> VolumeStatus:
    """A volume as every heartbeat tells it. An attachment is told when it was adopted: a volume in trouble is tried
    again and again, and that is no news."""
    # A union that lost a branch is in use as it was.
    is_online = volume.state is VolumeState.ONLINE or volume.reason is Reason.BRANCH_LOST
    return VolumeStatus(
        volume=volume.id,
        state=volume.state,
        reason=volume.reason,
        detail=volume.detail,
        since=volume.since,
        version=volume.version,
        label=volume.label,
        identity=volume.identity,
        epoch=volume.epoch if is_online else None,
        mounted_at=volume.mounted_at if is_online else None,
        last_mounted_at=volume.last_mounted_at,
        capacity=volume.capacity,
    )


def _at_its_place(
    volume: Volume,
    table: Sequence[Mount],
    unique_ids: Mapping[int, int],
    probes: Mapping[int, Probe | Trouble],
) -> Sighting | Unprobed:
    """The volume is reachable nowhere: what stands where it was mounted last?"""
    where = volume.last_mounted_at
    if where is None:
        return Gone(Reason.NOT_MOUNTED)
    top = mounts.resolve(table, where)
    for mount in table:
        alike = (mount.fs_type, mount.root) == (volume.identity.fs_type, volume.identity.root)
        is_ours = mount.mount_id == volume.table_id or volume.epoch is None
        if mount.mount_point == where and alike and is_ours and mounts.covered(table, mount):
            return Covered()
    if top is None or top.mount_point != where:
        return Gone(Reason.NOT_MOUNTED)
    if top.fs_type == "autofs":
        return Gone(Reason.AUTOMOUNT_IDLE)
    if top.fs_type != volume.identity.fs_type or top.mount_id not in unique_ids:
        return Foreign(Reason.WRONG_VOLUME, where)
    probe = probes.get(unique_ids[top.mount_id])
    if probe is None:
        return Unprobed([top])
    if isinstance(probe, Trouble):
        return Doubtful(doubt_reason(probe), where, "")
    if recognise(volume.identity, probe.identity) is Recognition.REFORMATTED:
        return Foreign(Reason.REFORMATTED, where)
    return Foreign(Reason.WRONG_VOLUME, where)


def _leave(volume: Volume, reason: Reason, where: str, detail: str, now: float) -> tuple[Volume, list[Effect]]:
    """Not attached any more, for this reason."""
    effects: list[Effect] = [] if volume.epoch is None else [Detach(volume)]
    detached = structs.replace(volume, epoch=None, table_id=None, mounted_at=None)
    return _become(detached, reason, where, detail, now), effects


def _become(volume: Volume, reason: Reason, where: str, detail: str, now: float) -> Volume:
    text = sentence(reason, where) + (f" ({detail})" if detail else "")
    if (volume.reason, volume.detail) == (reason, text):
        return volume
    since = now if STATE_OF[reason] is not volume.state or volume.reason is not reason else volume.since
    return structs.replace(volume, reason=reason, detail=text, since=since, version=volume.version + 1)
