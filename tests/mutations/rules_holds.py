"""Broken on purpose: the guard, holds, grace in online time, and the evidence that the sidecar asks for and keeps."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_GUARD = "tests/sidecar/test_guard.py"
_HOLDS = "tests/sidecar/test_holds.py"
_GRACE = "tests/sidecar/test_grace.py"
_EVIDENCE = "tests/sidecar/test_evidence.py"
_BOOKS = "tests/sidecar/test_hold_books.py"
_SECOND = "tests/sidecar/test_second_thoughts.py"


def _on_sqlite(file: str, *names: str) -> tuple[str, ...]:
    """These tests, on the engine that starts at once."""
    return tuple(f"{file}::{name}[sqlite]" for name in names)


MUTATIONS: list[Mutation] = [
    Mutation(
        ("R20",),
        "a report may lose twice the budget",
        "sidecar/guard.py",
        "return Bucket(level, online_us) if level <= allowed * _MICRO else None",
        "return Bucket(level, online_us) if level <= 2 * allowed * _MICRO else None",
        (f"{_GUARD}::test_r20_at_the_edge_it_passes_and_one_more_is_held",),
    ),
    Mutation(
        ("R20",),
        "every report has a budget of its own",
        "sidecar/guard.py",
        "level = max(0, bucket.level - passed_us * allowed // window_s) + count * _MICRO",
        "level = count * _MICRO",
        (f"{_HOLDS}::TestWhatIsHeld::test_r20_a_large_loss_in_small_batches_is_held[sqlite-7]",),
    ),
    Mutation(
        ("R20",),
        "every directory has a budget, and the volume has none",
        "sidecar/guard.py",
        "    if whole is not None:\n        verdict.tallies.update(passing)\n        verdict.tallies[WHOLE] = whole",
        "    if whole is None:\n        whole = verdict.tallies[WHOLE]\n    if whole is not None:\n"
        "        verdict.tallies.update(passing)\n        verdict.tallies[WHOLE] = whole",
        (f"{_GUARD}::test_r20_many_directories_share_the_budget_of_their_volume",),
    ),
    Mutation(
        ("R20",),
        "what is lost where a hold is open passes beside it",
        "sidecar/guard.py",
        "        if (directory, kind) in standing:",
        "        if (directory, kind) in standing and reason is not None:",
        (f"{_GUARD}::test_r20_whatever_is_lost_where_a_hold_is_open_joins_it",),
    ),
    Mutation(
        ("R20",),
        "what exceeds the budget is held, and shown as missing all the same",
        "sidecar/catalog/guarding.py",
        "        self._withheld.add(one.asset)\n",
        "",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_a_large_loss_is_held_and_touches_no_asset"),
    ),
    Mutation(
        ("R20",),
        "an approval takes whatever the hold has become",
        "sidecar/catalog/deciding.py",
        "    if digest != one.digest:",
        "    if not digest:",
        _on_sqlite(_HOLDS, "TestDecisions::test_r20_another_digest_is_refused"),
    ),
    Mutation(
        ("R20",),
        "the digest does not change when a file joins",
        "sidecar/catalog/holds.py",
        "        self.grown[row.branch_key] += by\n",
        "        self.grown[row.branch_key] += by\n        self.digest = EMPTY\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_a_hold_grows_and_there_is_one_of_a_place"),
    ),
    Mutation(
        ("R20", "R23"),
        "times that all shift by an hour are taken for writes",
        "sidecar/guard.py",
        "    return moved_ns < 0 or near",
        "    return moved_ns < 0",
        (f"{_GUARD}::test_r23_writing_takes_a_time_forward_and_clocks_shift_it",),
    ),
    Mutation(
        ("R11", "R20"),
        "a folder that is older than it was is believed",
        "sidecar/guard.py",
        "    return proof.before is not None and proof.second.ctime_ns < proof.before[1]",
        "    return False",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r11_what_is_gone_because_the_storage_was_set_back_is_held"),
    ),
    Mutation(
        ("R20",),
        "nobody counts what is there",
        "sidecar/catalog/guarding.py",
        "        place: replace(tally, present=tally.present + grown[place]) if place in grown else tally\n",
        "        place: tally\n",
        _on_sqlite(_HOLDS, "TestTallies::test_they_count_what_is_there_whatever_happens"),
    ),
    Mutation(
        ("R26",),
        "a file that is seen again stays in its hold",
        "sidecar/catalog/guarding.py",
        "        return (self._known.keys() & (self._outcome.seen | gone)) - self._kept",
        "        return (self._known.keys() & gone) - self._kept",
        _on_sqlite(_HOLDS, "TestReturn::test_r26_what_is_seen_again_leaves_and_an_empty_hold_is_resolved"),
    ),
    Mutation(
        ("R26",),
        "what came back is made missing by a decision from before",
        "sidecar/catalog/guarding.py",
        "        holds.remove(connection, self.freed)\n",
        "",
        _on_sqlite(_HOLDS, "TestCarryingOut::test_a_crash_between_batches_loses_nothing"),
    ),
    Mutation(
        ("R24",),
        "a budget flows back while the disk is in a drawer",
        "sidecar/catalog/volumes.py",
        '    is_online = row.state == said["state"] == VolumeState.ONLINE\n',
        "    is_online = True\n",
        _on_sqlite(_GRACE, "TestOnlineTime::test_r24_a_drawer_adds_nothing"),
    ),
    Mutation(
        ("R24",),
        "a new epoch goes on where the last one ended",
        "sidecar/catalog/volumes.py",
        ' and row.epoch == said["epoch"]',
        "",
        _on_sqlite(_GRACE, "TestOnlineTime::test_r24_another_epoch_is_another_beginning"),
    ),
    Mutation(
        ("R24", "R36"),
        "silence and clocks that jump count as time online",
        "sidecar/uptime.py",
        "    return passed if 0 <= passed <= _LONGEST_US else 0",
        "    return max(0, passed)",
        (f"{_GUARD}::test_r24_only_time_that_somebody_watched_counts",),
    ),
    Mutation(
        ("R24",),
        "a grace ends by itself while the storage is away",
        "sidecar/catalog/deciding.py",
        "    if storage.state != VolumeState.ONLINE:\n        return False\n",
        "",
        _on_sqlite(_GRACE, "TestGrace::test_r24_a_grace_that_ends_after_the_disk_went_is_not_ended"),
    ),
    Mutation(
        ("R24",),
        "a proven absence shows at once, whatever grace was asked for",
        "sidecar/catalog/guarding.py",
        "        elif grace_us and isinstance(",
        "        elif not grace_us and isinstance(",
        _on_sqlite(_GRACE, "TestGrace::test_r24_a_proven_absence_shows_after_its_grace"),
    ),
    Mutation(
        ("R25",),
        "an approval gives the file's path away, so that it comes back as another asset",
        "sidecar/catalog/deciding.py",
        "    return structs.replace(before, absent_since=now.at,",
        "    return structs.replace(before, claims=False, absent_since=now.at,",
        _on_sqlite(_HOLDS, "TestDecisions::test_r25_what_was_approved_by_mistake_comes_back_with_its_id"),
    ),
    Mutation(
        ("R27",),
        "a hold that is opened shows its files as changed",
        "sidecar/catalog/guarding.py",
        "            if after != was or was.id in still:",
        "            if True:",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_a_large_loss_is_held_and_touches_no_asset"),
    ),
    Mutation(
        ("R20", "R29"),
        "what a rule excludes counts as lost, and its loss spends the budget",
        "sidecar/catalog/guarding.py",
        "        if was is None or not is_there(was):\n            continue\n",
        "        if was is None:\n            continue\n"
        "        if after.absent_since is not None and was.absent_since is None:\n"
        '            top = top_of(scene.roots.get(after.import_path, b""), after.path)\n'
        "            found[after.id] = Suspect(after.id, HoldKind.ABSENT, top)\n"
        "            continue\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r29_what_a_rule_excludes_is_no_loss"),
    ),
    Mutation(
        ("R1",),
        "the sidecar believes absences whose proof does not stand",
        "holdfast/reports.py",
        "        if isinstance(observation, Absent) and (doubt := why_not_proven(observation, report.epoch)):",
        "        if isinstance(observation, Absent) and (doubt := None):",
        (f"{_EVIDENCE}::test_r1_an_absence_with_a_flawed_proof_is_refused_and_changes_nothing[sqlite-one look]",),
    ),
    Mutation(
        ("R1",),
        "evidence names the mount point of today",
        "sidecar/catalog/history.py",
        "raw = self._storage.mounted_at if self._storage.epoch == epoch else self._earlier_mount_point(epoch)",
        "raw = self._storage.mounted_at",
        _on_sqlite(_EVIDENCE, "test_r1_a_report_that_waited_names_the_mount_point_of_its_own_epoch"),
    ),
    Mutation(
        ("R1",),
        "reasons are claimed that the proof does not have",
        "sidecar/proofs.py",
        "    if proof.before is not None:\n        return",
        "    if True:\n        return",
        (f"{_GUARD}::test_r1_what_could_not_be_compared_is_not_claimed",),
    ),
    Mutation(
        ("R20",),
        "files that get a name nobody wants are no loss",
        "sidecar/catalog/guarding.py",
        "_LOSSES = (ABSENT, RENAMED_AWAY)",
        "_LOSSES = (ABSENT,)",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_files_that_get_a_name_nobody_wants_are_a_loss"),
    ),
    Mutation(
        ("R20",),
        "what was dismissed by mistake stays present for ever",
        "sidecar/catalog/volumes.py",
        "    raised = writers.raised(highest, now)\n    connection",
        "    raised = highest\n    connection",
        _on_sqlite(_SECOND, "test_r33_another_look_changes_nothing_by_itself"),
    ),
    Mutation(
        ("R1",),
        "the evidence does not say which storage it was",
        "sidecar/api/render/assets.py",
        "    if found.identity is not None:  #",
        "    if found.identity is None:  #",
        _on_sqlite(_EVIDENCE, "test_r1_the_history_shows_which_storage_which_listing_when_and_why"),
    ),
    Mutation(
        ("R20",),
        "what was approved is still counted as there",
        "sidecar/catalog/deciding.py",
        "    tallies.recount(connection, volume_id, pairs)\n",
        "",
        _on_sqlite(_HOLDS, "TestTallies::test_they_count_what_is_there_whatever_happens"),
    ),
    Mutation(
        ("R20",),
        "an empty hold stays open",
        "sidecar/catalog/holds.py",
        "        if one.state is HoldState.OPEN and not one.files:\n",
        "        if one.state is HoldState.OPEN and one.files < 0:\n",
        _on_sqlite(_HOLDS, "TestReturn::test_r26_what_is_seen_again_leaves_and_an_empty_hold_is_resolved"),
    ),
    Mutation(
        ("R20",),
        "a decision gives a budget back",
        "sidecar/catalog/tallies.py",
        "replace(tally, present=tally.present + grown[place]) for place, tally in locked.items()}",
        "type(tally)(tally.present + grown[place]) for place, tally in locked.items()}",
        (f"{_BOOKS}::test_r20_no_more_goes_unasked_than_the_budget_whatever_happens",),
    ),
    Mutation(
        ("R1", "R29"),
        "a file that went while a rule excluded it is missing without evidence",
        "sidecar/ledger.py",
        "        if was is not now or moved or (",
        "        if was is not now or moved or False and (",
        _on_sqlite(_EVIDENCE, "test_r1_a_file_that_went_while_a_rule_excluded_it_has_its_evidence"),
    ),
]
