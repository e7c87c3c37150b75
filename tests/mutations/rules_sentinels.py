"""The rules, broken in what known photos say (R9), in what waits for another mount, and in watching (R31, R41)."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_SENTINELS = "tests/agent/test_sentinels.py"
_TOGETHER = f"{_SENTINELS}::test_r9_what_vanished_together"
_SHORT = f"{_SENTINELS}::test_r9_a_share_that_lists_short_in_several_places_is_suspect_until_it_is_well"
_CONTRADICTED = f"{_SENTINELS}::test_r9_a_listing_that_lacks_what_is_there_by_name_is_contradicted"
_WHEN = f"{_SENTINELS}::test_r41_sentinels_are_looked_for_only_when_adopting_and_before_an_absence"
_CACHES = f"{_SENTINELS}::test_r1_a_disk_that_only_its_caches_answer_for_proves_nothing"
_KERNEL = "tests/linux/test_sentinels.py"
_FAILURES = "tests/linux/test_failures.py"
_LYING = "tests/agent/test_lying_storage.py"
_LOOKS = "tests/agent/test_absences.py"
_PROOF = f"{_LOOKS}::test_r1_what_proves_a_file_gone_where_times_or_servers_may_lie"

TOGETHER = [
    Mutation(
        ("R9",),
        "whatever vanishes together was deleted",
        "agent/passes.py",
        "        if verdict is Verdict.TOGETHER and not self._grounds.accepted:\n",
        "        if False:\n",
        (_SHORT,),
    ),
    Mutation(
        ("R9",),
        "a listing that known photos contradict is believed",
        "agent/passes.py",
        "        if verdict is Verdict.CONTRADICTED:\n",
        "        if False:\n",
        (_CONTRADICTED,),
    ),
    Mutation(
        ("R9",),
        "nobody asks after known photos before an absence is told",
        "agent/passes.py",
        "(self._adopting or due):",
        "self._adopting:",
        (_SHORT,),
    ),
    Mutation(
        ("R9",),
        "nobody asks after known photos when a volume is adopted",
        "agent/passes.py",
        "(self._adopting or due):",
        "due:",
        (_SENTINELS,),
    ),
    Mutation(
        ("R9",),
        "two groups of a share may vanish together",
        "agent/sentinels.py",
        "_TOGETHER_REMOTE = 2",
        "_TOGETHER_REMOTE = 3",
        (_TOGETHER,),
    ),
    Mutation(
        ("R9",),
        "everything on a disk of this machine may vanish together",
        "agent/sentinels.py",
        "        together = len(lost) >= _TOGETHER_LOCAL and len(lost) == len(asked)\n",
        "        together = False\n",
        (_TOGETHER,),
    ),
    Mutation(
        ("R9",),
        "a group that lists short, for the most part, is no loss",
        "agent/sentinels.py",
        "    if group.missed > group.known:\n        return True\n",
        "",
        (_TOGETHER,),
    ),
    Mutation(
        ("R9",),
        "photos that are not found past the caches are no loss",
        "agent/sentinels.py",
        "    return bool(answers) and not any(answers)\n",
        "    return False\n",
        (_TOGETHER,),
    ),
    Mutation(
        ("R9",),
        "what could not be looked at is gone",
        "agent/sentinels.py",
        "    return bool(answers) and not any(answers)\n",
        "    return not any(answers)\n",
        (f"{_SENTINELS}::test_r9_what_could_not_be_looked_at_is_neither_there_nor_gone",),
    ),
    Mutation(
        ("R9",),
        "the verdict is that known photos were found, whether any was or not",
        "agent/sentinels.py",
        "    return Verdict.FOUND if any(found.get(place) for place in samples) else Verdict.NOT_FOUND\n",
        "    return Verdict.FOUND\n",
        (_TOGETHER,),
    ),
    Mutation(
        ("R9", "R26"),
        "a missed photo that is back does not speak for its group",
        "agent/sentinels.py",
        "    if any(found.get(place) for place in group.missed_samples):\n        return False\n",
        "",
        (_TOGETHER,),
    ),
    Mutation(
        ("R9", "R12"),
        "a disk that was put in order while it was away has lost its photos",
        "agent/sentinels.py",
        "and (group.missed or not (adopting and traits.local))]",
        "]",
        (f"{_SENTINELS}::test_r9_files_of_a_disk_may_have_moved_while_it_was_away",),
    ),
    Mutation(
        ("R9",),
        "a share whose known photos are all out of sight loses files",
        "agent/absences.py",
        "    if not traits.local and grounds.sentinels is Verdict.NOT_FOUND:\n",
        "    if False:\n",
        (_PROOF,),
    ),
    Mutation(
        ("R1", "R9"),
        "a proof claims that known photos were found",
        "agent/passes.py",
        "passed = {*gate, Check.SENTINELS} if grounds.sentinels is Verdict.FOUND else {*gate}",
        "passed = {*gate, Check.SENTINELS}",
        (f"{_SENTINELS}::test_r9_a_proof_does_not_claim_photos_that_nobody_found",),
    ),
    Mutation(
        ("R1", "R9"),
        "a disk answers for its photos from its caches",
        "agent/passes.py",
        "        if isinstance(found, Trouble):\n            self._doubt = doubt_of(found, self._at.mount_point)\n",
        "        if isinstance(found, Trouble):\n            pass\n",
        (_CACHES,),
    ),
]

ANOTHER_MOUNT = [
    Mutation(
        ("R1",),
        "where times prove nothing, one mount of a share is enough",
        "agent/absences.py",
        "    if (candidate.since.boot_id, candidate.since.mount_id) != "
        "(grounds.epoch.boot_id, grounds.epoch.mount_id):\n        return _Standing.PROVEN, None\n",
        "    if True:\n        return _Standing.PROVEN, None\n",
        (_PROOF,),
    ),
    Mutation(
        ("R1", "R5"),
        "the same mount in another epoch counts as another mount",
        "agent/absences.py",
        "    if (candidate.since.boot_id, candidate.since.mount_id) != (grounds.epoch.boot_id, "
        "grounds.epoch.mount_id):\n",
        "    if candidate.since != grounds.epoch:\n",
        (_PROOF,),
    ),
    Mutation(
        ("R1", "R30"),
        "a FAT needs no known photo beside those that are gone",
        "agent/absences.py",
        "    if traits.directory_times or (traits.local and grounds.sentinels is Verdict.FOUND):\n",
        "    if traits.directory_times or traits.local:\n",
        (_PROOF,),
    ),
    Mutation(
        ("R2",),
        "what a person vouches for waits all the same",
        "agent/absences.py",
        "    if grounds.accepted or (before is not None and not is_unmoved):\n",
        "    if before is not None and not is_unmoved:\n",
        (f"{_LOOKS}::test_a_person_vouches_for_what_times_do_not_show",),
    ),
]

SLEEP = [
    Mutation(
        ("R41",),
        "known photos are looked for at every look",
        "agent/passes.py",
        "(self._adopting or due):",
        "True:",
        (_WHEN,),
    ),
    Mutation(
        ("R41",),
        "what only another mount can prove is looked at again and again",
        "agent/absences.py",
        "                    journal.suspect([structs.replace(candidate, rest=Rest.RESTS)])\n",
        "                    waiting.append(candidate)\n",
        (f"{_LYING}::test_r41_what_only_another_mount_can_prove_is_not_looked_at_again_and_again",),
    ),
    Mutation(
        ("R41",),
        "a disk that is watched completely is scanned for nothing",
        "agent/watching.py",
        "        return self._watch is not None and not self._is_full\n",
        "        return False\n",
        ("tests/agent/test_watching.py::test_r41_a_disk_that_is_watched_completely_is_left_alone",),
    ),
    Mutation(
        ("R31", "R41"),
        "a disk that is watched in part is not scanned",
        "agent/watching.py",
        "        return self._watch is not None and not self._is_full\n",
        "        return self._watch is not None\n",
        ("tests/agent/test_engine.py::test_r31_watch_limit_is_said_and_scans_take_over",),
    ),
    Mutation(
        ("R31",),
        "a limit that was raised is not used",
        "agent/watching.py",
        "        self._is_full = False\n\n    def scan_ended",
        "        pass\n\n    def scan_ended",
        ("tests/agent/test_watching.py::test_r31_every_scan_tries_the_limit_anew_and_tells_of_it_once",),
    ),
    Mutation(
        ("R31",),
        "the limit is told at every scan, until nobody listens",
        "agent/watching.py",
        "        return not self._was_full\n",
        "        return True\n",
        ("tests/agent/test_watching.py::test_r31_every_scan_tries_the_limit_anew_and_tells_of_it_once",),
    ),
    Mutation(
        ("R29",),
        "directories that are not wanted any more stay watched",
        "agent/watching.py",
        "                self._watch.remove(directory)\n",
        "                pass\n",
        ("tests/agent/test_watching.py::test_r29_what_is_not_wanted_any_more_is_not_watched",),
    ),
    Mutation(
        ("R3", "R40"),
        "an attachment that ended leaves its watches behind",
        "agent/watching.py",
        '        """Give the watches back."""\n        if self._watch is not None:\n            self._watch.close()\n',
        '        """Give the watches back."""\n',
        ("tests/agent/test_watching.py::test_r40_an_attachment_that_ends_gives_its_watches_back",),
    ),
]

PAST_THE_CACHES = [
    Mutation(
        ("R9",),
        "a disk vouches for its photos from its caches",
        "agent/linux/sentinels.py",
        "                    was_read = _read_past_the_cache(directory, one)\n",
        "                    was_read = True\n",
        (f"{_FAILURES}::test_r9_a_disk_that_only_its_caches_answer_for_does_not_vouch_for_a_known_photo",),
    ),
    Mutation(
        ("R9",),
        "whatever stands at the name of a photo is the photo",
        "agent/linux/sentinels.py",
        "                found[one] = stat.S_ISREG(look.mode)\n",
        "                found[one] = True\n",
        (f"{_KERNEL}::test_r9_what_stands_in_the_place_of_a_photo_is_none",),
    ),
    Mutation(
        ("R9", "R13"),
        "photos that another mount covers are gone",
        "agent/linux/sentinels.py",
        "            if error.errno in _GONE:\n",
        "            if error.errno in _GONE | _UNTOLD:\n",
        (f"{_KERNEL}::test_r13_what_another_mount_covers_cannot_be_told",),
    ),
    Mutation(
        ("R28",),
        "looking for a photo writes an access time",
        "agent/linux/sentinels.py",
        "    flags = _OPEN | os.O_DIRECT | os.O_NOATIME\n",
        "    flags = _OPEN | os.O_DIRECT\n",
        (f"{_KERNEL}::test_r28_looking_leaves_no_access_time",),
    ),
]

MUTATIONS = [*TOGETHER, *PAST_THE_CACHES, *ANOTHER_MOUNT, *SLEEP]
