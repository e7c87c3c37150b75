"""Looking for a volume in the mount table, and telling what is sighted there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent import mounts
from agent.errnos import doubt_reason
from agent.ports import Mount, Probe, Trouble
from agent.pulse import WELL, Vitals
from agent.recognition import Match, Recognition, recognise
from agent.volume import PASSING, Concern, Covered, Doubtful, Foreign, Gone, Sighting, Still, Unprobed, Verified, Volume
from holdfast.volumes import Factor, Reason

# Options that the kernel adds to a file system that it has given up, or made read-only because of an error.
_SHUT_DOWN = "shutdown"
# A btrfs counts a transaction when it begins, and the one before it may still be being written then. Pulled in that
# moment it comes back as it was before both. An earlier state that somebody sets it to is older by more.
_UNWRITTEN = 2
_STOPPED_WRITING = frozenset({"emergency_ro", "abort"})


def judge(volume: Volume, probe: Probe) -> Match:
    """Compare a volume with what was probed: its identity, and whether it was set back since (R11)."""
    match = recognise(volume.identity, probe.identity)
    if not match.is_ours:
        return match
    seen = None if probe.marker is None else probe.marker.generation
    written = None if volume.generation is None else volume.generation - _UNWRITTEN
    if _is_behind(seen, volume.marker_generation) or _is_behind(probe.generation, written):
        return match._replace(recognition=Recognition.ROLLED_BACK)
    return match


def locate(
    volume: Volume,
    table: Sequence[Mount],
    unique_ids: Mapping[int, int],
    probes: Mapping[int, Probe | Trouble],
    vitals: Vitals = WELL,
) -> Sighting | Unprobed:
    """Look for a volume in the mount table.

    ``unique_ids`` gives the unique id of each reachable mount by its number in the table; ``probes`` what was found
    at the mounts probed so far, by unique id; ``vitals`` which of these mounts are dead or sick.
    """
    alike = [m for m in table if (m.fs_type, m.root) == (volume.identity.fs_type, volume.identity.root)]
    reachable = [m for m in alike if m.mount_id in unique_ids and not mounts.covered(table, m)]
    attached = None if volume.epoch is None else volume.epoch.mount_id
    here = next(
        (m for m in reachable if (unique_ids[m.mount_id], m.mount_point) == (attached, volume.mounted_at)), None
    )
    if here is not None and (given_up := _given_up(here, unique_ids, vitals)):
        return given_up
    # Of what is mounted besides the attached mount, only another device can be a clone of it.
    rivals = [m for m in reachable if here is None or m.device != here.device]
    unprobed = [m for m in rivals if unique_ids[m.mount_id] not in probes]
    if unprobed:
        return Unprobed(unprobed)
    found = [
        (mount, probe, match)
        for mount in rivals
        if isinstance(probe := probes[unique_ids[mount.mount_id]], Probe)
        and (match := judge(volume, probe)).is_ours
        and not _given_up(mount, unique_ids, vitals)
    ]
    if here is not None:
        clones = [mount for mount, _, _ in found]
        return _still(volume, here, _passing(volume, here, clones, unique_ids, vitals), unique_ids, probes)
    if not found:
        return _at_its_place(volume, table, unique_ids, probes, vitals)
    # Mounted twice is an alias (R13); the place it had before is preferred.
    mount, probe, match = min(found, key=lambda one: _rank(volume, one[0], one[2]))
    clones = [other for other, _, _ in found if other.device != mount.device]
    concern = _passing(volume, mount, clones, unique_ids, vitals) or _lasting(match)
    if concern is not None and concern.reason not in PASSING and volume.identity.uuid is None:
        # A share or a program may show anything under its name: what stands there now is perhaps not the storage.
        return Doubtful(concern.reason, mount.mount_point, concern.detail)
    return Verified(mount, probe, match.matched, concern)


def _is_behind(seen: int | None, known: int | None) -> bool:
    return seen is not None and known is not None and seen < known


def _given_up(mount: Mount, unique_ids: Mapping[int, int], vitals: Vitals) -> Doubtful | None:
    """What is wrong with a mount that nothing may be read from, although it still answers."""
    if unique_ids.get(mount.mount_id) in vitals.dead:
        return Doubtful(Reason.NO_DEVICE, mount.mount_point, "")
    if _SHUT_DOWN in mount.super_options:
        return Doubtful(Reason.SHUT_DOWN, mount.mount_point, "")
    return None


def _passing(
    volume: Volume, mount: Mount, clones: Sequence[Mount], unique_ids: Mapping[int, int], vitals: Vitals
) -> Concern | None:
    """A concern that lasts as long as its cause. A source that is mounted twice is no clone (R10, R13)."""
    if mount.super_options & _STOPPED_WRITING or unique_ids[mount.mount_id] in vitals.sick:
        return Concern(Reason.READ_ONLY_ERROR)
    if clones and volume.identity.source is None:
        return Concern(Reason.CLONE, f"the other one is mounted at {clones[0].mount_point}")
    return None


def _lasting(match: Match) -> Concern | None:
    """A concern that lasts until a person has spoken (R7, R11)."""
    match match.recognition:
        case Recognition.ROLLED_BACK:
            return Concern(Reason.ROLLED_BACK)
        case Recognition.UNMARKED:
            return Concern(Reason.MARKER_MISSING)
        case _:
            return None


def _still(
    volume: Volume,
    here: Mount,
    concern: Concern | None,
    unique_ids: Mapping[int, int],
    probes: Mapping[int, Probe | Trouble],
) -> Sighting | Unprobed:
    """It is attached where it was. A concern that has passed ends the epoch, so it is verified anew."""
    if concern is not None or volume.concern not in PASSING:
        return Still(concern)
    probe = probes.get(unique_ids[here.mount_id])
    if probe is None:
        return Unprobed([here])
    if isinstance(probe, Trouble):
        return Doubtful(doubt_reason(probe), here.mount_point, "")
    # How old it is was seen when it was attached; this probe may be from before that.
    match = recognise(volume.identity, probe.identity)
    return Verified(here, probe, match.matched, _lasting(match))


def _rank(volume: Volume, mount: Mount, match: Match) -> tuple[bool, bool, bool]:
    """Which of several mounts of a volume is taken: the one with the least against it, then its own disk by the
    serial number, then the place it had before."""
    return (
        match.recognition is not Recognition.SAME,
        Factor.SERIAL not in match.matched,
        mount.mount_point != volume.last_mounted_at,
    )


def _at_its_place(
    volume: Volume,
    table: Sequence[Mount],
    unique_ids: Mapping[int, int],
    probes: Mapping[int, Probe | Trouble],
    vitals: Vitals,
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
    if top is not None and top.fs_type == "autofs":
        # Also a folder of an indirect map, which is not there as long as nobody wants it.
        return Gone(Reason.AUTOMOUNT_IDLE)
    if top is None or top.mount_point != where:
        return Gone(Reason.NOT_MOUNTED)
    if top.fs_type != volume.identity.fs_type:
        return Foreign(Reason.WRONG_VOLUME, where)
    if top.mount_id not in unique_ids:
        # A root does not even say which mount it is. That makes it no other storage; and the root of an XFS, which
        # is in memory as long as it is mounted, does so when the kernel has shut the file system down.
        silent = Reason.SHUT_DOWN if top.fs_type == "xfs" else Reason.IO_ERROR
        return _given_up(top, unique_ids, vitals) or Doubtful(silent, where, "its root does not answer")
    probe = probes.get(unique_ids[top.mount_id])
    if probe is None:
        return Unprobed([top])
    if isinstance(probe, Trouble):
        return _given_up(top, unique_ids, vitals) or Doubtful(doubt_reason(probe), where, "")
    match = judge(volume, probe)
    if match.is_ours and (given_up := _given_up(top, unique_ids, vitals)):
        return given_up
    reformatted = match.recognition is Recognition.REFORMATTED
    return Foreign(Reason.REFORMATTED if reformatted else Reason.WRONG_VOLUME, where)
