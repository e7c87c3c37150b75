"""Which storage this is and why it is not there: each rule broken once."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_RECOGNITION = "tests/agent/test_recognition.py"
_LOCATING = "tests/agent/test_locating.py"
_CAUSES = "tests/agent/test_causes.py"
_ACCEPTANCE = "tests/agent/test_acceptance.py"
_GUARDED = "tests/agent/test_guarded.py"
_EVIDENCE = "tests/linux/test_evidence.py"
_MARKERS = "tests/linux/test_markers.py"
_PLANS = "tests/linux/test_plans.py"

MUTATIONS: list[Mutation] = [
    Mutation(
        ("R4",),
        "a folder on the disk of the system is bound without a word",
        "agent/places.py",
        'if mount.mount_point != "/" or any(',
        "if True or any(",
        (_ACCEPTANCE,),
    ),
    Mutation(
        ("R4",),
        "a planned mount point with nothing on it is no reason to refuse",
        "agent/places.py",
        "if is_beyond and mounts.contains(place, path):",
        "if False:",
        (_PLANS, _ACCEPTANCE),
    ),
    Mutation(
        ("R4",),
        "plans of systemd are not read",
        "agent/linux/plans.py",
        'if name.endswith((".mount", ".automount")):',
        "if False:",
        (_PLANS,),
    ),
    Mutation(
        ("R6",),
        "a UUID that differs does not matter",
        "agent/recognition.py",
        "if enrolled.uuid != seen.uuid:",
        "if False:",
        (_RECOGNITION,),
    ),
    Mutation(
        ("R6",),
        "an fsid of zero counts as an identity",
        "agent/linux/network.py",
        'and columns[4].strip("0:"):',
        "and columns[4]:",
        (_EVIDENCE,),
    ),
    Mutation(
        ("R7",),
        "the marker need only exist at the commit gate",
        "agent/linux/files.py",
        "return found is not None and found.id == self._marker.id and found.generation >= self._marker.generation",
        "return found is not None",
        (_MARKERS,),
    ),
    Mutation(
        ("R7",),
        "a marker that is gone is not missed",
        "agent/recognition.py",
        "if enrolled.marker is not None and seen.marker is None:",
        "if False:",
        (_RECOGNITION,),
    ),
    Mutation(
        ("R8",),
        "a file system formatted anew with the same UUID is the same",
        "agent/recognition.py",
        "if not compared[Factor.ROOT]:\n        return Recognition.REFORMATTED",
        "if False:\n        return Recognition.REFORMATTED",
        (_RECOGNITION,),
    ),
    Mutation(
        ("R10",),
        "a clone beside the attached original is not looked for",
        "agent/locating.py",
        "rivals = [m for m in reachable if here is None or m.device != here.device]",
        "rivals = [m for m in reachable if here is None]",
        (_LOCATING,),
    ),
    Mutation(
        ("R10", "R30"),
        "a guarded attachment confirms absences",
        "agent/engine.py",
        "None if self._walks or attachment.guarded else",
        "None if self._walks else",
        (_GUARDED,),
    ),
    Mutation(
        ("R10", "R30"),
        "a concern that passed leaves the epoch as it was",
        "agent/locating.py",
        "if concern is not None or volume.concern not in PASSING:",
        "if True:",
        (_LOCATING,),
    ),
    Mutation(
        ("R11",),
        "a generation behind the one known is no rollback",
        "agent/locating.py",
        "return seen is not None and known is not None and seen < known",
        "return False",
        (_RECOGNITION,),
    ),
    Mutation(
        ("R11",),
        "a snapshot in the place of a subvolume is the subvolume",
        "agent/recognition.py",
        "if not compared.get(Factor.SUBVOLUME, True):",
        "if False:",
        (_RECOGNITION,),
    ),
    Mutation(
        ("R12",),
        "a marker of another id makes no other storage",
        "agent/recognition.py",
        "if not compared.get(Factor.MARKER, True):",
        "if False:",
        (_RECOGNITION,),
    ),
    Mutation(
        ("R14",),
        "a mount that is covered is taken for one that can be reached",
        "agent/locating.py",
        "reachable = [m for m in alike if m.mount_id in unique_ids and not mounts.covered(table, m)]",
        "reachable = [m for m in alike if m.mount_id in unique_ids]",
        ("tests/agent/test_volume.py",),
    ),
    Mutation(
        ("R16",),
        "a disk that was plugged in again is the one that was mounted",
        "agent/pulse.py",
        "if health is None or health.disks != first.disks or health.stopped:",
        "if health is None or health.stopped:",
        (_CAUSES,),
    ),
    Mutation(
        ("R16",),
        "a mount without its device is believed",
        "agent/locating.py",
        "if unique_ids.get(mount.mount_id) in vitals.dead:",
        "if False:",
        (_LOCATING,),
    ),
    Mutation(
        ("R16",),
        "an encrypted device that is open counts as locked",
        "agent/causes.py",
        "if locked is not None and luks not in around.open_luks:",
        "if locked is not None:",
        (_CAUSES,),
    ),
    Mutation(
        ("R16",),
        "a file system that was shut down is believed",
        "agent/locating.py",
        "if _SHUT_DOWN in mount.super_options:",
        "if False:",
        (_LOCATING,),
    ),
    Mutation(
        ("R19",),
        "an expired automount below an indirect map is offline",
        "agent/locating.py",
        'if top is not None and top.fs_type == "autofs":',
        'if top is not None and top.mount_point == where and top.fs_type == "autofs":',
        (_LOCATING,),
    ),
    Mutation(
        ("R19",),
        "inspecting a path triggers its automount",
        "agent/places.py",
        'if mount.fs_type == "autofs":',
        "if False:",
        (_ACCEPTANCE,),
    ),
    Mutation(
        ("R30",),
        "errors that the kernel counts are no concern",
        "agent/pulse.py",
        "if has_new_errors or (is_read_only and health.filesystem_errors):",
        "if False:",
        (_CAUSES,),
    ),
    Mutation(
        ("R2",),
        "a person's word about an empty disk counts for ever",
        "agent/engine.py",
        "            accepted=self._accepted,\n            unsettled",
        "            accepted=True,\n            unsettled",
        (_GUARDED,),
    ),
]
