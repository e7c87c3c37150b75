"""The rules, broken in the contract: what counts as a proof, as a path, and as online."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

PROOFS = ("tests/holdfast/test_reports.py::test_r1_an_absence_without_its_proof_is_refused",)
LOOKS = ("tests/holdfast/test_reports.py::test_r21_the_clock_that_people_can_set_proves_no_second_look",)
NAMES = (
    "tests/holdfast/test_paths.py::test_r37_every_name_survives_the_wire",
    "tests/holdfast/test_paths.py::test_r37_different_names_have_different_wire_text",
    "tests/holdfast/test_paths.py::test_r37_a_case_only_or_normalisation_only_difference_is_a_different_name",
)

MUTATIONS = [
    Mutation(
        ("R1",),
        "the listing of any directory proves an absence in any other",
        "holdfast/reports.py",
        "if not paths.contains(proof.listed, absent.directory):",
        "if False:",
        PROOFS,
    ),
    Mutation(
        ("R1",),
        "the listing of a directory below proves an absence above it",
        "holdfast/reports.py",
        "if not paths.contains(proof.listed, absent.directory):",
        "if not (paths.contains(proof.listed, absent.directory) or paths.contains(absent.directory, proof.listed)):",
        PROOFS,
    ),
    Mutation(
        ("R1",),
        "a listing made on another mount is evidence",
        "holdfast/reports.py",
        "if look.mount_id != epoch.mount_id:",
        "if False:",
        PROOFS,
    ),
    Mutation(
        ("R1", "R21"),
        "only the second look must be on the right mount, and past a change",
        "holdfast/reports.py",
        "for look in (proof.first, proof.second):",
        "for look in (proof.second,):",
        PROOFS,
    ),
    Mutation(
        ("R1", "R21"),
        "only the first look must be on the right mount, and past a change",
        "holdfast/reports.py",
        "for look in (proof.first, proof.second):",
        "for look in (proof.first,):",
        PROOFS,
    ),
    Mutation(
        ("R1",),
        "a name may leave a directory whose times did not move",
        "holdfast/reports.py",
        "if proof.before is not None and (look.mtime_ns, look.ctime_ns) == proof.before:",
        "if False:",
        PROOFS,
    ),
    Mutation(
        ("R21",),
        "one look, told twice, is two",
        "holdfast/reports.py",
        "if proof.second.boot_s <= proof.first.boot_s:",
        "if proof.second.boot_s < proof.first.boot_s:",
        PROOFS,
    ),
    Mutation(
        ("R21", "R23"),
        "looks are ordered by the clock that people set",
        "holdfast/reports.py",
        "if proof.second.boot_s <= proof.first.boot_s:",
        "if proof.second.at <= proof.first.at:",
        LOOKS,
    ),
    Mutation(
        ("R1",),
        "a proof needs no commit gate",
        "holdfast/reports.py",
        "if missing := gate.lacking(proof.gate):",
        "if False:",
        PROOFS,
    ),
    *(
        Mutation(
            ("R1",),
            f"the check {name} may be left out of the gate",
            "holdfast/gate.py",
            "REQUIRED = frozenset({Check.MOUNT, Check.SUPER_BLOCK, Check.ROOT, Check.SIZE})",
            f"REQUIRED = frozenset({{Check.MOUNT, Check.SUPER_BLOCK, Check.ROOT, Check.SIZE}} - {{Check.{name}}})",
            ("tests/holdfast/test_gate.py::test_r1_the_gate_asks_of_every_storage_what_every_storage_can_be_asked",),
        )
        for name in ("MOUNT", "SUPER_BLOCK", "ROOT", "SIZE")
    ),
    Mutation(
        ("R1",),
        "reports are taken in without a look at their proofs",
        "holdfast/reports.py",
        "if isinstance(observation, Absent) and (doubt := why_not_proven(observation, report.epoch)):",
        'if isinstance(observation, Absent) and (doubt := ""):',
        PROOFS,
    ),
    Mutation(
        ("R37",),
        "names that are not UTF-8 lose what is not",
        "holdfast/paths.py",
        'return from_os(raw.decode("utf-8", "surrogateescape"))',
        'return raw.decode("utf-8", "replace")',
        NAMES,
    ),
    Mutation(
        ("R37",),
        "names are compared in lower case",
        "holdfast/paths.py",
        "    if text.isascii():\n        return text\n",
        "    text = text.lower()\n    if text.isascii():\n        return text\n",
        NAMES,
    ),
    Mutation(
        ("R37",),
        "an import path contains what merely begins like it",
        "holdfast/paths.py",
        'return ancestor in ("", path) or path.startswith(f"{ancestor}/")',
        "return path.startswith(ancestor)",
        ("tests/holdfast/test_paths.py::test_containment_goes_by_whole_segments",),
    ),
    Mutation(
        ("R8",),
        "a disk that was formatted anew counts as online",
        "holdfast/volumes.py",
        "Reason.REFORMATTED: VolumeState.CONFLICT,",
        "Reason.REFORMATTED: VolumeState.ONLINE,",
        ("tests/holdfast/test_volumes.py::test_only_a_verified_volume_is_online",),
    ),
    Mutation(
        ("R4",),
        "storage that was not looked at yet is called offline",
        "holdfast/volumes.py",
        "Reason.NOT_YET_VERIFIED: VolumeState.UNKNOWN,",
        "Reason.NOT_YET_VERIFIED: VolumeState.OFFLINE,",
        ("tests/agent/test_volume.py::test_r4_volume_is_unknown_until_its_identity_is_seen",),
    ),
    Mutation(
        ("R36",),
        "silence is taken for an unplugged disk",
        "holdfast/volumes.py",
        "Reason.AGENT_SILENT: VolumeState.UNKNOWN,",
        "Reason.AGENT_SILENT: VolumeState.OFFLINE,",
        ("tests/holdfast/test_gate.py::test_r36_an_agents_silence_is_no_state_of_its_storage",),
    ),
    Mutation(
        ("R29",),
        "a pattern about the files of a directory hides the directories in it",
        "holdfast/patterns.py",
        'self._subtrees = _regex([p for p in rest if p.endswith("/**")])',
        'self._subtrees = _regex([p for p in rest if p.endswith("*")])',
        (
            "tests/holdfast/test_patterns.py::test_r29_nothing_that_is_included_lies_below_a_pruned_directory",
            "tests/holdfast/test_patterns.py::test_a_pattern_about_files_prunes_no_directory",
        ),
    ),
]
