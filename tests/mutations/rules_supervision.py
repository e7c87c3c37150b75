"""The rules, broken in the supervisor, its lookout and its session: what is concluded, and whom it is told to."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_SUPERVISOR = "tests/linux/test_supervisor.py"
_LOOKOUT = "tests/agent/test_lookout.py"
_GRANTS = "tests/agent/test_grants.py"
_UNIONS = "tests/linux/test_unions.py"
_LETS_GO = f"{_SUPERVISOR}::test_r40_a_volume_that_a_person_wants_back_is_let_go_of_and_not_taken_up_again"
_CLONE = f"{_SUPERVISOR}::test_r10_while_a_clone_is_connected_nothing_is_called_absent"
_RECYCLED = f"{_LOOKOUT}::test_r12_where_mount_ids_are_recycled_what_was_found_at_one_is_forgotten_with_its_mount"
_WRITER = f"{_GRANTS}::test_r33_nothing_is_sent_before_the_sidecar_has_said_who_is_the_writer"
_SET_BACK = f"{_GRANTS}::test_r35_a_catalog_that_was_set_back_is_asked_for_its_assignment_anew"
_RENEWED = f"{_GRANTS}::test_r33_a_grant_that_was_renewed_is_the_one_that_reports_are_sent_under"
_TURN = f"{_GRANTS}::test_r34_whoever_looks_at_the_disk_hears_that_the_journal_stands_anew"

SUPERVISOR = [
    Mutation(
        ("R4",),
        "what the last run has left in the registry is told as if it were so",
        "agent/supervisor.py",
        "            self._apply(volume.id, Gone(Reason.NOT_YET_VERIFIED))\n        self._session.start()",
        "            pass\n        self._session.start()",
        (f"{_SUPERVISOR}::test_r4_what_an_earlier_run_knew_is_unknown_until_it_was_looked_at_again",),
    ),
    Mutation(
        ("R3", "R40"),
        "nobody tells the worker that its attachment has ended",
        "agent/supervisor.py",
        "                steward.release()\n",
        "                pass\n",
        (_LETS_GO,),
        slow=True,
    ),
    Mutation(
        ("R40",),
        "a volume that a person wants to unmount is taken up again at once",
        "agent/supervisor.py",
        "            if not (isinstance(sighting, Verified) and steward.must_wait(sighting.probe.mount_id, now)):\n",
        "            if True:\n",
        (_LETS_GO,),
    ),
    Mutation(
        ("R40",),
        "a wish to unmount is not passed on",
        "agent/supervisor.py",
        "            self._stewards[volume_id].stay_away(now)\n",
        "            pass\n",
        (_LETS_GO,),
    ),
    Mutation(
        ("R10", "R30"),
        "a worker is not told of a concern that arises",
        "agent/supervisor.py",
        "            case Guard(volume) if steward is not None and not steward.guard():\n",
        "            case Guard(volume) if steward is None:\n",
        (_CLONE,),
    ),
    Mutation(
        ("R17", "R26"),
        "storage that was in doubt is never tried again",
        "agent/supervisor.py",
        "                self._lookout.forget(steward.doubted_mounts)\n                self._look_again = True\n",
        "                pass\n",
        (f"{_SUPERVISOR}::test_r17_a_worker_that_dies_costs_nothing_but_a_moment",),
        slow=True,
    ),
    Mutation(
        ("R13", "R14"),
        "what a mount had covered is not looked at when that is gone",
        "agent/supervisor.py",
        "                self._stewards[volume_id].rescan()\n\n    def _bind",
        "                pass\n\n    def _bind",
        (f"{_SUPERVISOR}::test_r13_what_was_covered_inside_a_volume_is_looked_at_when_it_is_there_again",),
        slow=True,
    ),
    Mutation(
        ("R33", "R34"),
        "nobody tells the worker how its journal stands",
        "agent/supervisor.py",
        "            steward.consult(self._session.turn(volume_id))\n",
        "            pass\n",
        (f"{_SUPERVISOR}::test_r33_who_is_not_the_writer_tells_availability_and_goes_on_when_it_is",),
        slow=True,
    ),
    Mutation(
        ("R15",),
        "a worker is not told that its union lacks a branch",
        "agent/supervisor.py",
        "            steward.lack(bool(lost))\n",
        "            pass\n",
        (f"{_UNIONS}::test_r15_a_pool_whose_branches_are_out_of_reach_proves_nothing_while_one_is_lost",),
        slow=True,
    ),
    Mutation(
        ("R15", "R18"),
        "a union that does not answer any more is believed",
        "agent/supervisor.py",
        "            if volume.epoch is not None and volume.epoch.mount_id == failed.unique_id:\n",
        "            if False:\n",
        (f"{_UNIONS}::test_r18_a_dead_pool_takes_all_photos_away_and_a_new_one_brings_them_back",),
        slow=True,
    ),
]

LOOKOUT = [
    Mutation(
        ("R5", "R12"),
        "where ids are recycled, a probe outlives its mount",
        "agent/lookout.py",
        "            self._prober.forget_all_but(kept)\n",
        "            pass\n",
        (_RECYCLED,),
    ),
    Mutation(
        ("R5", "R12"),
        "where ids are recycled, an answer that was under way outlives its mount",
        "agent/probing.py",
        "            self._outdated.discard(unique_id)  # whoever still wants to know asks again\n",
        "            self.probes[unique_id] = found\n",
        (
            "tests/agent/test_probing.py::test_r12_an_answer_about_what_was_mounted_under_a_recycled_number_does_not_count",
        ),
    ),
    Mutation(
        ("R5", "R12"),
        "ids are trusted where they are recycled",
        "agent/lookout.py",
        "            self._distrust_ids = self._mounts.recycles_ids\n",
        "            self._distrust_ids = False\n",
        (_RECYCLED,),
    ),
    Mutation(
        ("R41",),
        "every change of the mount table has all disks asked again",
        "agent/lookout.py",
        "            kept = unchanged if all(volume.epoch is not None for volume in volumes) else set()\n",
        "            kept = set()\n",
        (f"{_LOOKOUT}::test_r41_mounts_elsewhere_are_no_reason_to_ask_the_others_again",),
    ),
    Mutation(
        ("R5",),
        "a mount table that changed in silence is never read again",
        "agent/lookout.py",
        "        return is_news or self._mounts.table() != self.table\n",
        "        return is_news\n",
        (f"{_LOOKOUT}::test_r5_a_table_that_changed_in_silence_is_seen_by_the_beat",),
    ),
    Mutation(
        ("R16",),
        "a disk that was pulled is said to be unmounted",
        "agent/lookout.py",
        "        if sighting == Gone(Reason.NOT_MOUNTED):\n",
        "        if False:\n",
        (f"{_LOOKOUT}::test_r16_a_disk_that_is_unplugged_is_not_only_unmounted",),
    ),
    Mutation(
        ("R1", "R16"),
        "a mount is measured by the disk that is there when somebody first looks",
        "agent/lookout.py",
        "        self._vigil.begin(mount, unique_id)\n",
        "        pass\n",
        (f"{_LOOKOUT}::test_r16_a_mount_stands_on_what_it_stood_on_when_it_was_attached",),
    ),
    Mutation(
        ("R11",),
        "how old a volume has grown is not written down",
        "agent/vigil.py",
        "            self._generations[volume.id] = (volume.epoch, generation)\n",
        "            pass\n",
        (f"{_LOOKOUT}::test_r11_a_volume_grows_older_while_it_is_attached",),
    ),
    Mutation(
        ("R11",),
        "how old the last attachment was is what the next is measured by",
        "agent/vigil.py",
        "volume is not None and volume.epoch == epoch and volume.generation != generation:",
        "volume is not None and volume.generation != generation:",
        (f"{_LOOKOUT}::test_r11_a_volume_grows_older_while_it_is_attached",),
    ),
    Mutation(
        ("R11", "R30"),
        "a volume in doubt is what it is measured by later",
        "agent/vigil.py",
        "        if volume.state is not VolumeState.ONLINE:\n            return",
        "        if False:\n            return",
        (f"{_LOOKOUT}::test_r11_a_volume_in_doubt_is_nothing_to_measure_it_by",),
    ),
]

SESSION = [
    Mutation(
        ("R33",),
        "who is not said to be the writer takes itself for it",
        "agent/session.py",
        "Lease(answer.catalog, answer.grants.get(one.volume))",
        "Lease(answer.catalog, answer.grants.get(one.volume, 1))",
        (_WRITER,),
        slow=True,
    ),
    Mutation(
        ("R33",),
        "a grant that was renewed is not used",
        "agent/session.py",
        "                if self._granted != taken:\n",
        "                if taken is None:\n",
        (_RENEWED,),
        slow=True,
    ),
    Mutation(
        ("R33", "R34"),
        "nobody hears that a journal stands anew",
        "agent/session.py",
        "                    self._on_turn()\n",
        "                    pass\n",
        (_TURN,),
        slow=True,
    ),
    Mutation(
        ("R35",),
        "the revisions of a catalog that was set back count on",
        "agent/session.py",
        "None if known is None or catalog not in (None, known.catalog) else",
        "None if known is None else",
        (_SET_BACK,),
        slow=True,
    ),
    Mutation(
        ("R36",),
        "heartbeats queue while the sidecar is away",
        "agent/session.py",
        "                heartbeat, version = self._heartbeat, self._version\n",
        "                if failures == 0:\n                    heartbeat, version = self._heartbeat, self._version\n",
        (f"{_GRANTS}::test_r36_a_sidecar_that_is_away_is_told_how_things_are_when_it_is_back",),
    ),
]

MUTATIONS = [*SUPERVISOR, *LOOKOUT, *SESSION]
