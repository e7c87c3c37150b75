"""Is the storage there, and is it the right one? The state of a volume. Pure.

:func:`agent.locating.locate` looks for a volume in the mount table and says what it *sights*; :func:`advance` turns a
sighting into the next state. What each sighting leads to, from any state:

    Verified    the right storage, at a mount not attached yet      state stays, effect Attach
    Adopted     the worker looked at it, and all is well            online, or the state of its concern
    Still       the attached mount is where it was                  state stays, or that of a new concern, effect Guard
    Lacking     it is a union that answers, and lost a branch       suspect, and stays attached
    Gone        no mount of it, or only an idle automount           offline or idle
    Covered     it is mounted, with something else over it          suspect
    Foreign     other storage stands at its place                   conflict
    Doubtful    it answers with errors, not at all, or not the truth suspect (offline when it is simply gone)

Ending an attachment has the effect Detach. Every change of state, reason or place counts the version up; every
Verified begins a new epoch.

A *concern* is a reason to hold absences and not to stop looking: a clone of the disk is connected, the kernel met an
error. The attachment is then guarded: what is there is told, and nothing is called gone. A concern that passes is
followed by a new epoch, so that no look from its time proves anything.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

import msgspec
from msgspec import structs

from agent.ports import Foundation, Marker, Mount, Probe
from agent.recognition import learn
from holdfast import paths
from holdfast.volumes import STATE_OF, Capacity, Epoch, Factor, Identity, Reason, VolumeState, VolumeStatus, sentence

# Concerns that pass by themselves. The others stay with an attachment until a person has spoken.
PASSING = frozenset({Reason.CLONE, Reason.READ_ONLY_ERROR})
LASTING = frozenset({Reason.ROLLED_BACK, Reason.MARKER_MISSING})


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """One enrolled volume, as the registry keeps it.

    ``epoch``, ``mounted_at`` and ``table_id`` (the number in the mount table) are None when nothing is attached.
    ``matched`` are the factors by which it was recognised last, ``foundation`` what it stood on then.

    ``generation`` (of a whole btrfs) and ``marker_generation`` are the highest ever seen: behind them, the storage
    was set back. ``concern`` holds absences while it is attached. ``accepted``: a person says that what is there is
    true, however little it is; it counts for one attachment.
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
    matched: tuple[Factor, ...] = ()
    foundation: Foundation = Foundation()
    generation: int | None = None
    marker_generation: int | None = None
    concern: Reason | None = None
    concern_detail: str = ""
    accepted: bool = False

    @property
    def state(self) -> VolumeState:
        """The state, which the reason implies."""
        return STATE_OF[self.reason]

    @property
    def marker(self) -> Marker | None:
        """What the marker file has to say at the commit gate; None without one, or when that is the concern."""
        known, generation = self.identity.marker, self.marker_generation
        return None if known is None or generation is None or self.concern in LASTING else Marker(known, generation)


class Concern(NamedTuple):
    """Why absences are held."""

    reason: Reason
    detail: str = ""


class Verified(NamedTuple):
    """The right storage is mounted here."""

    mount: Mount
    probe: Probe
    matched: tuple[Factor, ...] = ()
    concern: Concern | None = None


class Adopted(NamedTuple):
    """The worker has looked at what was verified."""

    epoch: Epoch


class Lacking(NamedTuple):
    """The attached mount is a union, and a branch of it is away; the others are as they were (R15)."""

    epoch: Epoch
    branches: list[str]


class Still(NamedTuple):
    """The attached mount is where it was; ``concern`` is a passing one."""

    concern: Concern | None = None


class Gone(NamedTuple):
    """Not mounted anywhere, or only as an idle automount."""

    reason: Reason
    detail: str = ""


class Covered(NamedTuple):
    """Mounted, and out of reach behind something that was mounted over it."""


class Noted(NamedTuple):
    """Something worth telling about storage that is in order."""

    note: str


class Foreign(NamedTuple):
    """Other storage, or the same disk formatted anew, stands at its place."""

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


Sighting = Verified | Adopted | Lacking | Still | Noted | Gone | Covered | Foreign | Doubtful


class Attach(NamedTuple):
    """Effect: give the worker this mount to adopt."""

    volume: Volume
    mount: Mount


class Detach(NamedTuple):
    """Effect: the worker must let go."""

    volume: Volume


class Guard(NamedTuple):
    """Effect: the worker goes on, and calls nothing absent any more."""

    volume: Volume


Effect = Attach | Detach | Guard


def advance(volume: Volume, sighting: Sighting, boot_id: str, now: float) -> tuple[Volume, list[Effect]]:
    """The next state, and what follows from it. ``now`` is Unix time."""
    match sighting:
        case Still(concern):
            return _guard(volume, concern, now)
        case Noted(note):
            is_online = volume.state is VolumeState.ONLINE
            return (_become(volume, Reason.VERIFIED, volume.mounted_at or "", note, now) if is_online else volume), []
        case Adopted(epoch):
            if epoch != volume.epoch:  # it adopted an attachment that has ended meanwhile
                return volume, []
            return _adopted(structs.replace(volume, accepted=False), now), []
        case Lacking(epoch, branches):
            if epoch != volume.epoch:
                return volume, []
            away = ", ".join(map(paths.to_display, map(paths.to_bytes, branches)))
            return _become(volume, Reason.BRANCH_LOST, volume.mounted_at or "", away, now), []
        case Verified(mount, probe, _, _):
            following = _attach(volume, sighting, Epoch(boot_id, probe.mount_id, volume.attachments + 1))
            detach: list[Effect] = [Detach(volume)] if volume.epoch is not None else []
            return following, [*detach, Attach(following, mount)]
        case Gone(reason, detail):
            return _leave(volume, reason, volume.last_mounted_at or "", detail, now)
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


def _attach(volume: Volume, verified: Verified, epoch: Epoch) -> Volume:
    mount, probe, matched, concern = verified
    following = structs.replace(
        volume,
        attachments=epoch.attach,
        epoch=epoch,
        table_id=mount.mount_id,
        mounted_at=mount.mount_point,
        last_mounted_at=mount.mount_point,
        capacity=probe.capacity,
        version=volume.version + 1,
        matched=matched,
        concern=None if concern is None else concern.reason,
        concern_detail="" if concern is None else concern.detail,
    )
    if concern is not None:
        return following  # whatever it is now is nothing to recognise it by later
    marked = None if volume.identity.marker is None or probe.marker is None else probe.marker.generation
    return structs.replace(
        following,
        identity=learn(volume.identity, probe.identity),
        foundation=probe.foundation,
        generation=_latest(volume.generation, probe.generation),
        marker_generation=_latest(volume.marker_generation, marked),
    )


def _latest(*generations: int | None) -> int | None:
    return max((one for one in generations if one is not None), default=None)


def _adopted(volume: Volume, now: float) -> Volume:
    """The state of an attachment that was looked at: only one without a concern is online."""
    return _become(volume, volume.concern or Reason.VERIFIED, volume.mounted_at or "", volume.concern_detail, now)


def _guard(volume: Volume, concern: Concern | None, now: float) -> tuple[Volume, list[Effect]]:
    """An attachment goes on, with a concern perhaps that it did not have."""
    if concern is None or volume.concern not in (None, *PASSING) or volume.concern is concern.reason:
        return volume, []
    guarded = structs.replace(volume, concern=concern.reason, concern_detail=concern.detail, version=volume.version + 1)
    was_adopted = volume.reason in (Reason.VERIFIED, volume.concern)
    return (_adopted(guarded, now) if was_adopted else guarded), [Guard(guarded)]


def _leave(volume: Volume, reason: Reason, where: str, detail: str, now: float) -> tuple[Volume, list[Effect]]:
    """Not attached any more, for this reason."""
    effects: list[Effect] = [] if volume.epoch is None else [Detach(volume)]
    detached = structs.replace(volume, epoch=None, table_id=None, mounted_at=None, concern=None, concern_detail="")
    return _become(detached, reason, where, detail, now), effects


def _become(volume: Volume, reason: Reason, where: str, detail: str, now: float) -> Volume:
    text = sentence(reason, where) + (f" ({detail})" if detail else "")
    if (volume.reason, volume.detail) == (reason, text):
        return volume
    since = now if STATE_OF[reason] is not volume.state or volume.reason is not reason else volume.since
    return structs.replace(volume, reason=reason, detail=text, since=since, version=volume.version + 1)
