"""The rules, broken in the sidecar: what it takes in, what becomes of assets, whom it believes."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

INGEST = "tests/sidecar/test_ingest.py"
ONCE = "tests/sidecar/test_exactly_once.py"
AGENTS = "tests/sidecar/test_agents.py"
WORKER = "tests/sidecar/test_worker.py"
PURE = "tests/sidecar/test_pure.py"
RECONCILE = "tests/sidecar/test_reconcile.py"
FEED = "tests/sidecar/test_feed.py"
TIDYING = "tests/sidecar/test_tidying.py"
MISSING = "tests/sidecar/test_missing.py"

TAKEN_IN = [
    Mutation(
        ("R1",),
        "reports are applied unchecked",
        "sidecar/catalog/ingest.py",
        "        check(report)\n",
        "        pass\n",
        (f"{ONCE}::TestRefusals::test_r1_absence_without_its_proof",),
    ),
    Mutation(
        ("R1",),
        "the evidence of an absence is not kept",
        "sidecar/catalog/history.py",
        '            "observation": told,\n',
        '            "observation": {},\n',
        (f"{INGEST}::TestFiles::test_r1_absence_is_missing_with_its_evidence",),
    ),
    Mutation(
        ("R32",),
        "a hole of one report is taken for none",
        "sidecar/catalog/streams.py",
        "if sequence > expected:",
        "if sequence > expected + 1:",
        (f"{MISSING}::test_r32_the_smallest_hole_is_one",),
    ),
    Mutation(
        ("R32",),
        "a report whose number is recognised as used is taken in again",
        "sidecar/catalog/ingest.py",
        "if turn is streams.Turn.REPEAT:",
        "if False:",
        (f"{ONCE}::test_r32_a_repeat_changes_nothing",),
    ),
    Mutation(
        ("R32",),
        "a report does not use up its number",
        "sidecar/catalog/streams.py",
        ".values(expected=sequence + 1, digest=digest, last_report_at=now)",
        ".values(digest=digest, last_report_at=now)",
        (f"{ONCE}::test_r32_a_repeat_changes_nothing",),
    ),
    Mutation(
        ("R34",),
        "a number that was used for something else is a repeat",
        "sidecar/catalog/streams.py",
        "if sequence == expected - 1 and last != digest:",
        "if False:",
        (f"{ONCE}::test_r32_the_same_number_with_other_content_has_diverged",),
    ),
    Mutation(
        ("R34",),
        "every journal of a volume is one stream",
        "sidecar/catalog/streams.py",
        "        .where(stream.c.volume_id == volume, stream.c.journal == journal)\n        .with_for_update()",
        "        .where(stream.c.volume_id == volume)\n        .with_for_update()",
        (f"{ONCE}::test_r34_a_new_journal_starts_a_new_stream",),
    ),
    Mutation(
        ("R33",),
        "whoever sends a report is believed",
        "sidecar/catalog/ingest.py",
        "    storage = volumes.check_writer(connection, volume_id, agent, fence)\n",
        "    storage = volumes.get(connection, volume_id)\n"
        '    if storage is None:\n        raise Refused("not-found", "")\n',
        (f"{ONCE}::TestRefusals::test_r33_another_agents_volume",),
    ),
    Mutation(
        ("R33",),
        "an agent changes the state of another one's volume",
        "sidecar/catalog/volumes.py",
        '    chosen = writers.choose(holder, {one: VolumeState(about["state"]) for one, about in everybody.items()})\n',
        "    chosen = agent_id\n",
        (f"{AGENTS}::TestHeartbeats::test_r33_another_agents_volume_is_left_alone",),
    ),
    Mutation(
        ("R23",),
        "a late heartbeat brings back old figures",
        "sidecar/catalog/volumes.py",
        "said = before | ({} if is_late else {name: said[name] for name in _FIGURES})",
        "said = before | {name: said[name] for name in _FIGURES}",
        (f"{AGENTS}::TestHeartbeats::test_r23_a_late_heartbeat_undoes_nothing",),
    ),
    Mutation(
        ("R22",),
        "a scan that is not complete refreshes a library",
        "sidecar/catalog/scans.py",
        "if isinstance(one, ScanFinished) and one.complete]",
        "if isinstance(one, ScanFinished)]",
        (f"{INGEST}::TestScans::test_r22_only_a_complete_scan_of_all_its_paths_refreshes_a_library",),
    ),
    Mutation(
        ("R22",),
        "a scan of one import path refreshes the whole library",
        "sidecar/catalog/scans.py",
        "is_covered = row.volume_id == volume and _covered(row.directory, scanned)",
        "is_covered = row.volume_id == volume",
        (f"{INGEST}::TestScans::test_r22_only_a_complete_scan_of_all_its_paths_refreshes_a_library",),
    ),
    Mutation(
        ("R31",),
        "gaps are not told",
        "sidecar/catalog/scans.py",
        "if isinstance(one, Gap | ScanStarted | ScanFinished))",
        "if isinstance(one, ScanStarted | ScanFinished))",
        (f"{INGEST}::TestScans::test_r31_scans_and_gaps_are_told",),
    ),
]

ASSETS = [
    Mutation(
        ("R25",),
        "what is missing is removed",
        "sidecar/ledger.py",
        "return replace(row, absent_since=self._now.at, absent_online_us=self._now.online_us, unreadable_error=None)",
        "return replace(row, removed_at=self._now.at, absent_since=self._now.at, "
        "absent_online_us=self._now.online_us, unreadable_error=None)",
        (f"{MISSING}::test_r25_missing_keeps_id_mark_and_history_and_is_never_removed_by_itself",),
    ),
    Mutation(
        ("R25",),
        "what is missing gives up its path, and with it its id",
        "sidecar/ledger.py",
        "return replace(row, absent_since=self._now.at, absent_online_us=self._now.online_us, unreadable_error=None)",
        "return replace(row, claims=False, absent_since=self._now.at, "
        "absent_online_us=self._now.online_us, unreadable_error=None)",
        (f"{MISSING}::test_r25_missing_keeps_id_mark_and_history_and_is_never_removed_by_itself",),
    ),
    Mutation(
        ("R25",),
        "storage empties the users' bin",
        "sidecar/catalog/asset_rows.py",
        'if name not in ("id", "library_id", "created_at"))',
        'if name not in ("id", "library_id", "created_at")) + ("trashed_at",)',
        (f"{MISSING}::test_r25_missing_keeps_id_mark_and_history_and_is_never_removed_by_itself",),
    ),
    Mutation(
        ("R26",),
        "a file that is back stays missing",
        "sidecar/ledger.py",
        "            mtime_ns=step.mtime_ns,\n            absent_since=None,",
        "            mtime_ns=step.mtime_ns,\n            absent_since=row.absent_since,",
        (f"{INGEST}::TestFiles::test_r26_a_file_that_comes_back_is_the_same_asset",),
    ),
    Mutation(
        ("R26",),
        "a file that can be read again stays unreadable",
        "sidecar/ledger.py",
        "            unreadable_error=None,\n            excluded_by=excluded_by,",
        "            unreadable_error=row.unreadable_error,\n            excluded_by=excluded_by,",
        (f"{INGEST}::TestFiles::test_r1_unreadable_is_not_missing",),
    ),
    Mutation(
        ("R26",),
        "a file that moved is a new one",
        "sidecar/ledger.py",
        "                        self._move(asset, library, step.now)\n",
        "                        pass\n",
        (f"{INGEST}::TestMoves::test_r26_a_moved_file_keeps_its_id",),
    ),
    Mutation(
        ("R38",),
        "files that trade places overwrite each other",
        "sidecar/reconcile.py",
        "    for source, group in groupby(steps, key=lambda step: (isinstance(step, Shifted), step.source)):",
        "    for source, group in groupby(steps, key=lambda step: (isinstance(step, Shifted), id(step))):",
        (f"{RECONCILE}::test_any_permutation_of_names_keeps_every_id",),
    ),
    Mutation(
        ("R1", "R29"),
        "what cannot be read is missing",
        "sidecar/reconcile.py",
        "        after = replace(before, unreadable_error=step.error)\n",
        "        after = replace(before, absent_since=1)\n",
        (f"{INGEST}::TestFiles::test_r1_unreadable_is_not_missing",),
    ),
    Mutation(
        ("R29",),
        "a directory hides what merely begins like it",
        "sidecar/catalog/asset_rows.py",
        'return and_(path >= directory + b"/", path < directory + b"0")',
        'return and_(path >= directory, path < directory + b"\\xff")',
        (f"{INGEST}::TestFiles::test_r1_unreadable_is_not_missing",),
    ),
    Mutation(
        ("R29",),
        "an import path that was taken away keeps its assets",
        "sidecar/catalog/rules.py",
        "return OUTSIDE, None",
        "return None, None",
        ("tests/sidecar/test_library_changes.py::test_r29_an_import_path_leaves_and_comes_back",),
    ),
    Mutation(
        ("R29",),
        "what an ignore file lets in again stays out",
        "sidecar/catalog/ingest.py",
        "if told and memberships.set_ignores(connection, volume_id, told[-1]):",
        "if told and not memberships.set_ignores(connection, volume_id, told[-1]):",
        ("tests/sidecar/test_ignore_files.py::test_r29_what_an_ignore_file_shuts_out_is_excluded_and_comes_back",),
    ),
    Mutation(
        ("R29",),
        "a file that no import path covers any more is missing",
        "sidecar/ledger.py",
        "excluded_by = OUTSIDE if place is None else place.excluded_by(step.name)",
        "excluded_by = None if place is None else place.excluded_by(step.name)",
        (f"{INGEST}::TestLibraries::test_r29_a_file_that_leaves_the_import_paths_is_excluded_and_returns",),
    ),
    Mutation(
        ("R29",),
        "what is excluded and gone is told as missing",
        "sidecar/asset.py",
        "    if asset.excluded_by is not None:\n        return Status.EXCLUDED\n"
        "    if asset.absent_since is not None:\n        return Status.MISSING\n",
        "    if asset.absent_since is not None:\n        return Status.MISSING\n"
        "    if asset.excluded_by is not None:\n        return Status.EXCLUDED\n",
        (f"{PURE}::test_of_several_facts_the_first_of_the_table_decides",),
    ),
    Mutation(
        ("R25",),
        "a tombstone comes back to life",
        "sidecar/asset.py",
        "    if asset.removed_at is not None:\n        return Status.REMOVED\n",
        "    if asset.removed_at is not None and asset.absent_since is not None:\n        return Status.REMOVED\n",
        (f"{PURE}::test_of_several_facts_the_first_of_the_table_decides",),
    ),
    Mutation(
        ("R37",),
        "paths are compared without their case",
        "sidecar/catalog/asset_rows.py",
        "+ key(path)\n",
        "+ key(path.lower())\n",
        (f"{MISSING}::test_r37_names_that_differ_in_case_only_are_two_assets",),
    ),
]

AVAILABLE = [
    Mutation(
        ("R27",),
        "the photos of a disk that is away are told as if they were there",
        "sidecar/asset.py",
        "if volume in (VolumeState.ONLINE, VolumeState.IDLE):",
        "if volume in (VolumeState.ONLINE, VolumeState.IDLE, VolumeState.OFFLINE):",
        (f"{INGEST}::test_r27_a_volume_that_goes_away_touches_no_asset",),
    ),
    Mutation(
        ("R27",),
        "the photos of a disk that is suspect are told as if they were there",
        "sidecar/asset.py",
        "if volume in (VolumeState.ONLINE, VolumeState.IDLE):",
        "if volume in (VolumeState.ONLINE, VolumeState.IDLE, VolumeState.SUSPECT):",
        (f"{PURE}::test_r36_only_what_is_known_to_be_away_is_unavailable",),
    ),
    Mutation(
        ("R19",),
        "the photos behind an idle automount are hidden",
        "sidecar/asset.py",
        "if volume in (VolumeState.ONLINE, VolumeState.IDLE):",
        "if volume is VolumeState.ONLINE:",
        (f"{PURE}::test_r36_only_what_is_known_to_be_away_is_unavailable",),
    ),
    Mutation(
        ("R36",),
        "what nobody knows is called unavailable",
        "sidecar/asset.py",
        "return Availability.UNKNOWN if volume is VolumeState.UNKNOWN else Availability.UNAVAILABLE",
        "return Availability.UNAVAILABLE",
        (f"{PURE}::test_r36_only_what_is_known_to_be_away_is_unavailable",),
    ),
    Mutation(
        ("R36",),
        "an agent's silence makes its volumes offline",
        "sidecar/catalog/volumes.py",
        '"state": VolumeState.UNKNOWN.value,',
        '"state": VolumeState.OFFLINE.value,',
        (f"{WORKER}::test_r36_a_silent_agents_volumes_are_unknown_and_come_back",),
    ),
    Mutation(
        ("R36",),
        "an agent that was heard of a moment ago is silent",
        "sidecar/silence.py",
        "if now_s - pulse.since_s >= silent_after_s)",
        "if now_s - pulse.since_s >= silent_after_s / 4)",
        (f"{PURE}::test_r36_silence_is_a_count_that_stands_still",),
    ),
    Mutation(
        ("R36",),
        "a heartbeat does not end the silence",
        "sidecar/silence.py",
        "known[agent] if agent in known and known[agent].heartbeats == count else Pulse",
        "known[agent] if agent in known else Pulse",
        (f"{PURE}::test_r36_silence_is_a_count_that_stands_still",),
    ),
    Mutation(
        ("R36",),
        "a heartbeat between look and act does not count",
        "sidecar/catalog/agents.py",
        "if row.heartbeats != heartbeats or row.silent_since",
        "if row.silent_since",
        (f"{MISSING}::test_r36_an_agent_that_was_heard_of_meanwhile_does_not_fall_silent",),
    ),
    Mutation(
        ("R36",),
        "of two workers that take a dead lease both act",
        "sidecar/catalog/leases.py",
        "unchanged = (lease.c.name == name, lease.c.fence == seen.fence, lease.c.beat == seen.beat)",
        "unchanged = (lease.c.name == name,)",
        (f"{WORKER}::test_of_two_that_see_a_dead_lease_one_takes_it",),
    ),
    Mutation(
        ("R36",),
        "a worker that slept through its replacement acts",
        "sidecar/catalog/leases.py",
        "mine = (lease.c.name == name, lease.c.holder == held.holder, lease.c.fence == held.fence)",
        "mine = (lease.c.name == name,)",
        (f"{WORKER}::test_a_holder_that_slept_through_its_replacement_does_nothing",),
    ),
    Mutation(
        ("R35",),
        "a cursor of another catalog is read on",
        "sidecar/api/changes.py",
        "if known.catalog != catalog or known.change > clock.read(connection):",
        "if known.change > clock.read(connection):",
        (f"{FEED}::TestCursors::test_r35_a_cursor_of_another_catalog_has_expired",),
    ),
    Mutation(
        ("R35",),
        "a cursor from beyond the end waits for the catalog to come after it",
        "sidecar/api/changes.py",
        "or known.change > clock.read(connection):",
        "or False:",
        (f"{FEED}::TestCursors::test_r35_a_cursor_from_the_future_has_expired",),
    ),
    Mutation(
        ("R27",),
        "a reader that was away for too long is never told that something was removed",
        "sidecar/api/changes.py",
        "if known.change < forgotten and known.forgotten != forgotten:",
        "if False:",
        (f"{TIDYING}::TestFeed::test_r27_who_has_not_read_of_what_is_forgotten_is_told_to_read_anew[sqlite]",),
    ),
]

_ALIKE = "tests/sidecar/test_relinking.py"

RELINKED = [
    Mutation(
        ("R38",),
        "an empty file is known by its content",
        "sidecar/relinking.py",
        "if step.content is None or step.size == 0:",
        "if step.content is None:",
        (f"{_ALIKE}::test_r38_empty_files_are_all_alike_and_none_is_another",),
    ),
    Mutation(
        ("R38",),
        "a photo is taken from a disk that is away",
        "sidecar/relinking.py",
        " and one.volume in online]",
        "]",
        (f"{_ALIKE}::test_r38_of_a_disk_that_is_away_nobody_can_say_that_the_photo_left_it",),
    ),
    Mutation(
        ("R38",),
        "a copy takes the id of what is there",
        "sidecar/relinking.py",
        "if status(one) is Status.MISSING or (is_there(one) and one.id in withheld)]",
        "]",
        (f"{_ALIKE}::test_r38_a_copy_of_what_is_there_is_a_new_asset",),
    ),
    Mutation(
        ("R38",),
        "what a person said to be there is found elsewhere",
        "sidecar/catalog/holds.py",
        "row.kind == HoldKind.ABSENT and row.hold_id not in dismissed",
        "row.kind == HoldKind.ABSENT",
        (f"{_ALIKE}::test_r38_what_a_person_says_is_there_is_not_found_elsewhere",),
    ),
    Mutation(
        ("R38",),
        "of several that are alike one is guessed",
        "sidecar/relinking.py",
        "    if len(same) > 1 or step.content in doubles:\n",
        "    if step.content in doubles:\n",
        (
            f"{_ALIKE}::test_r38_of_two_that_are_missed_none_is_guessed",
            f"{_ALIKE}::test_r38_where_a_copy_is_there_the_new_one_may_be_a_copy_of_that",
        ),
    ),
    Mutation(
        ("R38",),
        "of two files that turn up at once one is guessed",
        "sidecar/relinking.py",
        "    if len(same) > 1 or step.content in doubles:\n",
        "    if len(same) > 1:\n",
        (f"{_ALIKE}::test_r38_of_two_that_turn_up_at_once_none_is_guessed",),
    ),
    Mutation(
        ("R38",),
        "what was in a file is believed to be in it after it was written to",
        "sidecar/ledger.py",
        "        content = None if is_rewritten else row.content\n",
        "        content = row.content\n",
        (f"{_ALIKE}::test_content_comes_later_and_goes_with_what_was_in_the_file",),
    ),
]

MUTATIONS = [*TAKEN_IN, *ASSETS, *AVAILABLE, *RELINKED]
