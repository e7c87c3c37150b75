"""The rules, broken where people decide about holds, where grace ends, and where an agent learns what is believed."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_HOLDS = "tests/sidecar/test_holds.py"
_GRACE = "tests/sidecar/test_grace.py"
_GUARD = "tests/sidecar/test_guard.py"
_WRITERS = "tests/sidecar/test_writers.py"
_WORKER = "tests/sidecar/test_worker.py"


def _on_sqlite(file: str, *names: str) -> tuple[str, ...]:
    """These tests, on the engine that starts at once."""
    return tuple(f"{file}::{name}[sqlite]" for name in names)


DECIDING = [
    Mutation(
        ("R20",),
        "a hold that was decided about can be decided otherwise",
        "sidecar/catalog/deciding.py",
        "    if one.state is not HoldState.OPEN:\n",
        "    if False:\n",
        _on_sqlite(_HOLDS, "TestDecisions::test_the_same_decision_again_is_no_other_and_the_other_is_refused"),
    ),
    Mutation(
        ("R20",),
        "a hold that nobody has decided about is carried out",
        "sidecar/catalog/deciding.py",
        "    if one.is_done or one.state not in (HoldState.APPROVED, HoldState.DISMISSED):\n",
        "    if one.is_done:\n",
        _on_sqlite(_HOLDS, "TestCarryingOut::test_r20_what_nobody_decided_about_is_not_carried_out"),
    ),
    Mutation(
        ("R20",),
        "what was dismissed becomes missing all the same",
        "sidecar/catalog/deciding.py",
        "    if one.state is HoldState.APPROVED:\n",
        "    if True:\n",
        _on_sqlite(_HOLDS, "TestDecisions::test_dismissing_keeps_them_present_and_says_who"),
    ),
    Mutation(
        ("R1",),
        "an approval has no evidence",
        "sidecar/catalog/deciding.py",
        "history.transition_row(key, step, row.evidence_id, now, row.hold_id)",
        "history.transition_row(key, step, None, now, row.hold_id)",
        _on_sqlite(_HOLDS, "TestDecisions::test_r20_approving_makes_exactly_this_set_missing"),
    ),
    Mutation(
        ("R24",),
        "a time of grace is over as soon as somebody looks",
        "sidecar/catalog/deciding.py",
        "    due = (held.c.volume_id == volume_id, held.c.due_us <= storage.online_us)\n",
        "    due = (held.c.volume_id == volume_id, held.c.due_us.is_not(None))\n",
        _on_sqlite(_GRACE, "TestGrace::test_r24_each_absence_has_a_grace_of_its_own"),
    ),
]

GUARDING = [
    Mutation(
        ("R20",),
        "what was dismissed is held for ever without a word",
        "sidecar/catalog/guarding.py",
        "            return False  # what was dismissed is forgotten, also where nobody came to forget it yet\n",
        "            return True\n",
        _on_sqlite(_HOLDS, "TestCarryingOut::test_what_is_lost_again_after_a_dismissal_is_asked_about_again"),
    ),
    Mutation(
        ("R20",),
        "what is held spends the budget again with every report",
        "sidecar/catalog/guarding.py",
        "        fresh = [one for asset, one in suspects.items() if asset not in self._kept]\n",
        "        fresh = list(suspects.values())\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_the_same_absence_again_is_held_once"),
    ),
    Mutation(
        ("R20",),
        "a loss that is held leaves its transition in the history",
        "sidecar/catalog/guarding.py",
        "        transitions = [one for index, one in enumerate(self._outcome.transitions) if index not in dropped]\n",
        "        transitions = list(self._outcome.transitions)\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_a_large_loss_is_held_and_touches_no_asset"),
    ),
    Mutation(
        ("R20", "R23"),
        "times that all shifted are taken over, held or not",
        "sidecar/catalog/guarding.py",
        "        return structs.replace(after, mtime_ns=was.mtime_ns)\n",
        "        return after\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_times_that_all_shifted_are_held"),
    ),
    Mutation(
        ("R20", "R23"),
        "times that all shift are no loss",
        "sidecar/catalog/guarding.py",
        "        elif _is_shift(was, after):\n",
        "        elif False:\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r20_times_that_all_shifted_are_held"),
    ),
    Mutation(
        ("R11", "R20"),
        "a hold does not say that the storage was set back",
        "sidecar/catalog/guarding.py",
        "            found.reason = reason\n",
        "            pass\n",
        _on_sqlite(_HOLDS, "TestWhatIsHeld::test_r11_an_open_hold_that_turns_out_to_be_a_rollback_says_so"),
    ),
    Mutation(
        ("R11", "R20"),
        "storage that was set back may lose as much as a budget allows",
        "sidecar/guard.py",
        "        elif reason is not None:\n            _hold(verdict, directory, group, reason)\n",
        "",
        (f"{_GUARD}::test_r11_one_folder_whose_time_went_back_is_enough",),
    ),
    Mutation(
        ("R20",),
        "a hold of the whole volume holds nothing more",
        "sidecar/guard.py",
        "        elif (WHOLE, kind) in standing:\n",
        "        elif False:\n",
        (f"{_GUARD}::test_r20_whatever_is_lost_where_a_hold_is_open_joins_it",),
    ),
    Mutation(
        ("R20",),
        "a budget is the smaller of a number and a share",
        "sidecar/guard.py",
        "    return max(policy.guard_files, present * policy.guard_percent // 100)\n",
        "    return min(policy.guard_files, present * policy.guard_percent // 100)\n",
        (f"{_GUARD}::test_r20_the_budget_is_the_larger_of_a_number_and_a_share",),
    ),
    Mutation(
        ("R20", "R24"),
        "a budget flows back at once",
        "sidecar/guard.py",
        "passed_us * allowed // window_s)",
        "passed_us * allowed)",
        (f"{_GUARD}::test_r24_a_budget_flows_back_with_online_time_only",),
    ),
]

BELIEVED = [
    Mutation(
        ("R34",),
        "an agent learns of what is known to be gone",
        "sidecar/catalog/known.py",
        "row.path_key and row.absent_since is None and row.removed_at is None:",
        "row.path_key and row.removed_at is None:",
        _on_sqlite(_WRITERS, "TestBaseline::test_r34_what_is_believed_is_told_page_by_page"),
    ),
    Mutation(
        ("R12", "R34"),
        "an agent learns what is on other volumes",
        "sidecar/catalog/known.py",
        "        if row.volume_id == volume and row.path_key",
        "        if row.path_key",
        _on_sqlite(_WRITERS, "TestBaseline::test_r34_what_is_on_other_volumes_is_not_in_it"),
    ),
    Mutation(
        ("R34",),
        "a page that is full is the last",
        "sidecar/catalog/known.py",
        "    return Page(found, Position(_ASSETS, current, rows[-1].id))\n",
        "    return Page(found, None)\n",
        _on_sqlite(_WRITERS, "TestBaseline::test_r34_what_is_believed_is_told_page_by_page"),
    ),
    Mutation(
        ("R24", "R23"),
        "a late heartbeat counts as time online",
        "sidecar/catalog/volumes.py",
        "row.agent_id == agent_id and not is_late and _is_steady(row, said)",
        "row.agent_id == agent_id and _is_steady(row, said)",
        _on_sqlite(_GRACE, "TestOnlineTime::test_r24_a_late_heartbeat_adds_nothing"),
    ),
    Mutation(
        ("R24", "R33"),
        "what another agent sees counts as time online",
        "sidecar/catalog/volumes.py",
        "row.agent_id == agent_id and not is_late and _is_steady(row, said)",
        "not is_late and _is_steady(row, said)",
        _on_sqlite(_GRACE, "TestOnlineTime::test_r24_of_two_that_see_a_disk_only_the_writer_counts"),
    ),
    Mutation(
        ("R34", "R36"),
        "an agent that lost its registry while it was silent is never believed again",
        "sidecar/catalog/volumes.py",
        "if before is not None and not accept_any_version and status.version",
        "if before is not None and status.version",
        _on_sqlite(_WORKER, "test_r36_after_its_silence_an_agent_that_lost_its_memory_is_believed"),
    ),
]

MUTATIONS = [*DECIDING, *GUARDING, *BELIEVED]
