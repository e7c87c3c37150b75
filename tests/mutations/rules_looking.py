"""What is looked at again and what is taken as it is known: each rule broken once."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_UNMOVED = "tests/agent/test_unmoved.py"
_REAL = "tests/linux/test_unmoved.py"
_CONTRADICTIONS = "tests/agent/test_contradictions.py"

MUTATIONS: list[Mutation] = [
    Mutation(
        ("R31",),
        "a folder in which files were still being written looks as it did",
        "agent/unmoved.py",
        "one.told and one.whole and one.stamp is not None",
        "one.told and one.stamp is not None",
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
        ("R38",),
        "a folder that was listed before a file left it is believed",
        "agent/contradictions.py",
        "    if directory not in surveys:\n        return []\n    arrived",
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
]
