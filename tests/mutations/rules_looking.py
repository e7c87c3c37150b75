"""What is looked at again and what is taken as it is known: each rule broken once."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_UNMOVED = "tests/agent/test_unmoved.py"
_REAL = "tests/linux/test_unmoved.py"
_CONTRADICTIONS = "tests/agent/test_contradictions.py"
_REAPPEARING = "tests/agent/test_reappearing.py"
_CANDIDATES = "tests/agent/test_candidates.py"
_BASELINE = "tests/agent/test_baseline.py"
_JOURNALS = "tests/agent/test_journals.py"

MUTATIONS: list[Mutation] = [
    Mutation(
        ("R31",),
        "a folder in which files were still being written looks as it did",
        "agent/known.py",
        "if not (self.told and self.whole) or",
        "if not self.told or",
        (f"{_UNMOVED}::test_r31_a_file_that_was_still_being_written_is_not_forgotten_by_an_agent_that_dies",),
    ),
    Mutation(
        ("R29",),
        "what nobody wanted is not looked for when it is wanted",
        "agent/journal.py",
        "UPDATE meta SET value = value + 1 WHERE key = 'interests'",
        "UPDATE meta SET value = value WHERE key = 'interests'",
        (f"{_UNMOVED}::test_what_was_excluded_is_found_as_soon_as_it_is_wanted",),
    ),
    Mutation(
        ("R31",),
        "what was listed in an earlier attachment is relied on",
        "agent/engine.py",
        "        self._trust.end(self._boot(), anew=True)\n",
        "",
        (f"{_UNMOVED}::test_each_attachment_is_listed_and_so_is_each_day",),
    ),
    Mutation(
        ("R29",),
        "an ignore file is read once",
        "agent/survey.py",
        "return not survey.held and not survey.listing.unclear and survey.listing.rules is None",
        "return not survey.held and not survey.listing.unclear",
        (f"{_UNMOVED}::test_an_ignore_file_that_is_written_to_in_place_is_read",),
    ),
    Mutation(
        ("R31",),
        "a folder is as it was whatever its times say",
        "agent/linux/files.py",
        "return (found.st_mtime_ns, found.st_ctime_ns) == place.stamp",
        "return found.st_mtime_ns > 0",
        (f"{_REAL}::test_one_whose_names_or_rights_change_does",),
    ),
    Mutation(
        ("R31",),
        "a file that has changed is taken as it is known, since its folder has not moved",
        "agent/unmoved.py",
        "for file in place.files if file.name not in changed}",
        "for file in place.files}",
        (f"{_UNMOVED}::test_what_changes_in_place_is_found_by_its_own_times",),
    ),
    Mutation(
        ("R31",),
        "a file that is not there is taken for one that has not changed",
        "agent/linux/directories.py",
        "NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR,",
        "NOT_THERE = frozenset({errno.ENOTDIR,",
        (f"{_REAL}::test_what_cannot_be_looked_at_is_left_to_its_listing",),
    ),
    Mutation(
        ("R38",),
        "a photo is told apart from others by its birth until another beside it changes",
        "agent/survey.py",
        "        self._kept_births = dict(births)\n",
        "        self._kept_births = dict.fromkeys(births)\n",
        (f"{_UNMOVED}::test_r38_photos_beside_one_that_changes_are_known_as_well_as_before",),
    ),
    Mutation(
        ("R38",),
        "a folder that was listed before a file left it is believed",
        "agent/contradictions.py",
        "    if not origins or directory not in surveys:\n        return []\n    arrived",
        "    if directory:\n        return []\n    arrived",
        (f"{_CONTRADICTIONS}::test_r38_a_photo_that_is_moved_between_two_listings_of_a_pass_keeps_its_id",),
    ),
    Mutation(
        ("R38",),
        "a file that has lost its name to another is looked for nowhere else",
        "agent/contradictions.py",
        "for directory, lost in displaced.items() if not lost <= arrived}",
        "for directory, lost in displaced.items() if not lost}",
        (f"{_CONTRADICTIONS}::test_r38_a_photo_keeps_its_id_though_another_has_its_name_by_the_time_anybody_looks",),
    ),
    Mutation(
        ("R38",),
        "an older journal gives a path to another asset",
        "sidecar/ledger.py",
        "        if holder is None:\n            return False\n        there",
        "        if holder is not None or holder is None:\n            return False\n        there",
        ("tests/sidecar/test_reconcile.py::test_an_older_journal_that_knows_better_gives_no_path_to_another_asset",),
    ),
    Mutation(
        ("R38",),
        "a photo that was moved is told before it is proven gone from its old place",
        "agent/reappearing.py",
        " | {name for name, found in digests.items() if found in lost[name]}",
        "",
        (_REAPPEARING,),
    ),
    Mutation(
        ("R38",),
        "where a new photo may come from is not looked at",
        "agent/passes.py",
        "        origins = self._reappearing.origins(directory, compared.arrivals)\n",
        "        origins: set[str] = set()\n",
        (_REAPPEARING,),
    ),
    Mutation(
        ("R38",),
        "a photo that is moved between two listings is a copy",
        "agent/passes.py",
        "            overtaken += self._reappearing.still_shown(self._surveys, wish.directory)\n",
        "",
        (f"{_REAPPEARING}::test_r38_a_photo_that_is_moved_between_two_listings_of_a_look_is_known_again",),
    ),
    Mutation(
        ("R38",),
        "a new photo waits for what cannot be proven gone",
        "agent/reappearing.py",
        " and one.rest is not Rest.RESTS",
        "",
        (f"{_REAPPEARING}::test_r38_what_only_another_mount_can_prove_gone_does_not_keep_a_photo_from_being_told",),
    ),
    Mutation(
        ("R21",),
        "a file is gone whose new name is still being written to",
        "agent/absences.py",
        "max(self.confirm_delay_s, _REST_S) if may_turn_up else self.confirm_delay_s",
        "self.confirm_delay_s",
        (_CANDIDATES,),
    ),
    Mutation(
        ("R21",),
        "what is written to elsewhere is forgotten while absences are proven",
        "agent/engine.py",
        "            unsettled=frozenset(birthmarks(self._revisits.unsettled)),\n",
        "",
        (f"{_CANDIDATES}::test_r21_an_absence_waits_for_a_file_that_is_the_same_and_still_written_to",),
    ),
    Mutation(
        ("R39",),
        "a file that has taken name and inode of another has its birth too",
        "agent/survey.py",
        "elif born := self._births_now.get(file.name):",
        "elif born := self._births[file.name]:",
        (
            "tests/agent/test_engine.py::test_r39_a_file_that_has_taken_name_and_inode_of_another_is_known_by_its_own_birth",
        ),
    ),
    Mutation(
        ("R26", "R35"),
        "what was missed when something was to be told again is not told when it is back",
        "agent/journal.py",
        "replace(_unpack_candidate(body), told=False)",
        "replace(_unpack_candidate(body))",
        (
            f"{_BASELINE}::test_r35_what_was_missed_when_the_catalog_was_set_back_is_told_when_it_is_back",
            f"{_JOURNALS}::test_r26_a_missed_photo_that_is_back_in_a_directory_that_was_closed_meanwhile_is_told",
        ),
    ),
    Mutation(
        ("R34",),
        "a journal that was set back knows better than the catalog which file has a name",
        "agent/baseline.py",
        "    return seen is not None and ",
        "    return seen is not None or ",
        (f"{_BASELINE}::test_r34_a_file_that_the_catalog_was_told_more_of_is_known_by_its_name",),
    ),
    Mutation(
        ("R9",),
        "of a share only samples are asked for before photos are called gone",
        "agent/sentinels.py",
        "    if not traits.local:\n        found +=",
        "    if False:\n        found +=",
        ("tests/agent/test_sentinels.py::test_r9_of_a_share_each_photo_is_asked_for_that_is_to_be_called_gone",),
    ),
    Mutation(
        ("R39",),
        "what takes the place of a photo waits, and the photo is forgotten",
        "agent/reappearing.py",
        " and file.name not in replaced",
        "",
        (f"{_REAPPEARING}::test_r39_what_takes_the_place_of_a_photo_does_not_make_it_forgotten",),
    ),
    Mutation(
        ("R39",),
        "a photo that is known by its inode waits for what looks alike",
        "agent/reappearing.py",
        " and not self._is_known(file)",
        "",
        (f"{_REAPPEARING}::test_r39_a_photo_that_is_known_by_its_inode_is_moved_at_once",),
    ),
    Mutation(
        ("R39",),
        "a copy waits for a photo whose inode was seen",
        "agent/reappearing.py",
        "for one in departures if one.file.inode == UNSEEN}",
        "for one in departures}",
        (f"{_REAPPEARING}::test_r39_a_copy_of_a_photo_whose_inode_was_seen_is_told_at_once",),
    ),
]
