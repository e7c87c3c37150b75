"""The rules, broken where import paths are bound and people have a word: unions, places, acceptance, markers, times."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_BINDER = "tests/agent/test_binder.py"
_ACCEPTANCE = "tests/agent/test_acceptance.py"
_TIMES = "tests/agent/test_times.py"
_MARKERS = "tests/linux/test_markers.py"
_UNMOUNTING = "tests/linux/test_unmounting.py"
_FILES = "tests/linux/test_files.py"
_OUT_OF_REACH = f"{_BINDER}::test_r15_a_pool_with_a_branch_out_of_reach_is_scanned_itself_and_knows_its_branches"
_ERRORS = f"{_BINDER}::test_r15_a_pool_with_a_branch_that_answers_with_errors_is_not_bound_yet"

UNIONS = [
    Mutation(
        ("R15",),
        "a pool with a branch out of reach is shown by the others alone",
        "agent/binder.py",
        "            elif look.refusal is None or look.errno in _OUT_OF_REACH:\n                return []\n",
        "            elif look.refusal is None or look.errno in _OUT_OF_REACH:\n                continue\n",
        (_OUT_OF_REACH,),
    ),
    Mutation(
        ("R15",),
        "nobody remembers the branches of a pool that is scanned itself",
        "agent/binder.py",
        "                self._registry.unions[volume.id] = sorted({*before, *found})\n",
        "                pass\n",
        (_OUT_OF_REACH,),
    ),
    Mutation(
        ("R15",),
        "a pool is bound without the branch that answers with errors",
        "agent/binder.py",
        "            elif look.errno not in _NO_FOLDER and first:\n",
        "            elif False:\n",
        (_ERRORS,),
    ),
    Mutation(
        ("R4", "R15"),
        "a refused branch is never looked at again",
        "agent/binder.py",
        "        self._looks = {key: one for key, one in self._looks.items() if one.refusal is None}\n"
        "        self._is_stale = True\n",
        "        self._is_stale = True\n",
        (_ERRORS,),
    ),
    Mutation(
        ("R15",),
        "a pool is asked for its branches once",
        "agent/binder.py",
        "            if self._ask_at.get(volume.epoch.mount_id, 0.0) <= now:\n",
        "            if volume.epoch.mount_id not in self._ask_at:\n",
        (f"{_BINDER}::test_r15_a_branch_of_a_pool_that_names_it_no_more_is_lost",),
    ),
    Mutation(
        ("R18",),
        "a pool that is dead is one that does not tell its branches",
        "agent/binder.py",
        "            case Branches(unique_id, _, number) if number in _SECRETIVE:\n",
        "            case Branches(unique_id, _, number) if number:\n",
        (f"{_BINDER}::test_r18_a_pool_that_does_not_answer_is_not_one_without_branches",),
    ),
    Mutation(
        ("R5", "R12"),
        "the branches of one pool are those of the next at its id",
        "agent/binder.py",
        "        if changed and self._mounts.recycles_ids:\n",
        "        if False:\n",
        (f"{_BINDER}::test_r12_where_ids_are_recycled_the_branches_of_one_pool_are_not_those_of_the_next",),
    ),
    Mutation(
        ("R13",),
        "nobody sees that what a mount had covered is there again",
        "agent/binder.py",
        "        return [one for one, points in before.items() if points - self._below.get(one, points)]\n",
        "        return []\n",
        (f"{_BINDER}::test_r13_a_volume_below_which_something_was_unmounted_is_named_once",),
    ),
    Mutation(
        ("R4", "R15"),
        "a pool is bound although a branch of it cannot be identified",
        "agent/binder.py",
        "                if not isinstance(self._probe(place.mount, now), Probe):\n",
        "                if False:\n",
        (f"{_BINDER}::test_r4_an_import_path_on_storage_that_cannot_be_identified_is_not_bound",),
    ),
]

WORDS = [
    Mutation(
        ("R8",),
        "a person may say that a formatted disk is the old one",
        "agent/acceptance.py",
        "        case Reason.ROLLED_BACK:\n",
        "        case Reason.ROLLED_BACK | Reason.REFORMATTED:\n",
        (f"{_ACCEPTANCE}::test_r8_a_formatted_disk_is_never_accepted_as_what_it_was",),
    ),
    Mutation(
        ("R2", "R9"),
        "a person's word counts for every attachment to come",
        "agent/volume.py",
        "            return _adopted(structs.replace(volume, accepted=False), now), []\n",
        "            return _adopted(volume, now), []\n",
        (f"{_ACCEPTANCE}::test_r2_the_word_ends_with_the_attachment_that_it_was_given_for",),
    ),
    Mutation(
        ("R9",),
        "a person's word outlives the first scan",
        "agent/engine.py",
        "        self._accepted = self._accepted and bool(self._journal.suspected_listings())\n        self._tell([*",
        "        self._tell([*",
        ("tests/agent/test_sentinels.py::test_what_a_person_accepted_ends_with_the_first_scan",),
    ),
    Mutation(
        ("R11",),
        "who accepts a rollback is asked again at every mount",
        "agent/acceptance.py",
        "identity=identity, generation=None, marker_generation=None)",
        "identity=identity)",
        (f"{_ACCEPTANCE}::test_r11_accepting_a_rollback_forgets_how_old_the_storage_was",),
    ),
    Mutation(
        ("R7",),
        "a marker may be a link to a file elsewhere",
        "agent/linux/marker.py",
        "kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS",
        "kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV",
        (f"{_MARKERS}::test_r7_a_marker_that_is_a_link_is_not_followed",),
    ),
    Mutation(
        ("R7", "R18"),
        "a disk that cannot be read has lost its marker",
        "agent/linux/marker.py",
        "errno.ELOOP, errno.EACCES, errno.EXDEV):\n            return None\n        raise\n",
        "errno.ELOOP, errno.EACCES, errno.EXDEV):\n            return None\n        return None\n",
        (f"{_MARKERS}::test_r7_a_disk_that_cannot_be_read_has_not_lost_its_marker",),
    ),
    Mutation(
        ("R28",),
        "the marker leaves another file beside it",
        "agent/linux/marking.py",
        "            os.rename(temporary, NAME, src_dir_fd=root, dst_dir_fd=root)\n",
        "            os.link(temporary, NAME, src_dir_fd=root, dst_dir_fd=root)\n",
        (f"{_MARKERS}::test_r28_one_file_is_written_as_announced_and_nothing_else",),
    ),
]

TIMES = [
    Mutation(
        ("R23",),
        "summer time changes every photo on a stick",
        "agent/times.py",
        "    return apart_ns % _HOUR_NS == 0 and apart_ns <= _HOURS_MAX * _HOUR_NS\n",
        "    return False\n",
        (f"{_TIMES}::test_r23_whole_hours_apart_is_the_same_time_where_local_time_is_kept",),
    ),
    Mutation(
        ("R23",),
        "times that are whole hours apart are the same everywhere",
        "agent/times.py",
        "    if not traits.local_time:\n        return False\n",
        "",
        (f"{_TIMES}::test_r23_where_time_is_utc_every_difference_is_one",),
    ),
    Mutation(
        ("R23",),
        "unknown times are the same as any",
        "agent/times.py",
        "    if one is None or other is None:\n        return False\n",
        "    if one is None or other is None:\n        return True\n",
        (f"{_TIMES}::test_r23_unknown_times_are_never_the_same",),
    ),
    Mutation(
        ("R1", "R23"),
        "one time of two is enough to have stood still",
        "agent/times.py",
        "    return all(is_same_time(a, b, traits)",
        "    return any(is_same_time(a, b, traits)",
        (f"{_TIMES}::test_r1_a_directory_has_stood_still_when_both_its_times_have",),
    ),
]

LETTING_GO = [
    Mutation(
        ("R40",),
        "a directory is held for as long as it takes to read it",
        "agent/linux/attachment.py",
        "        if not self._breath.is_over:\n            return\n",
        "        return\n",
        (f"{_FILES}::test_r40_a_directory_that_takes_long_to_read_is_let_go_of_again_and_again",),
    ),
    Mutation(
        ("R40",),
        "a directory is read to its end, whoever wants the disk",
        "agent/linux/attachment.py",
        "        if self._asked_to_let_go():\n"
        '            raise OSError(errno.ECANCELED, "the volume is to be let go of", '
        "self._directory)\n",
        "",
        (f"{_FILES}::test_r40_a_listing_ends_as_soon_as_somebody_wants_the_disk",),
    ),
    Mutation(
        ("R40",),
        "a listing leaves its directory open",
        "agent/linux/attachment.py",
        "            os.close(descriptor)\n        finally:\n            self._breath.let_go()\n",
        "            pass\n        finally:\n            self._breath.let_go()\n",
        (f"{_FILES}::test_r40_people_can_unmount_right_after_a_listing",),
    ),
]

MUTATIONS = [*UNIONS, *WORDS, *TIMES, *LETTING_GO]
