"""The rules, broken where what is missing is removed from the catalog, and brought back."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_REMOVAL = "tests/sidecar/test_removal.py"


def _on_sqlite(*names: str) -> tuple[str, ...]:
    """These tests, on the engine that starts at once."""
    return tuple(f"{_REMOVAL}::{name}[sqlite]" for name in names)


# It is tried with looks that are broken off, that have errors, and that have both.
_INCOMPLETE = f"{_REMOVAL}::TestRemoving::test_r22_a_look_that_was_not_complete_removes_nothing[sqlite-how"

MUTATIONS = [
    Mutation(
        ("R25", "R21"),
        "what is missing is removed without a look",
        "sidecar/removal.py",
        "if not any(paths.contains(one, directory) for one in looked_at):",
        "if False:",
        (f"{_INCOMPLETE}0]", *_on_sqlite("TestPlaces::test_a_name_that_merely_begins_alike_is_not_covered")),
    ),
    Mutation(
        ("R22",),
        "a look that was broken off counts",
        "sidecar/catalog/looks.py",
        "wanted_scan.c.complete == 1, ",
        "",
        (f"{_INCOMPLETE}0]",),
    ),
    Mutation(
        ("R22", "R1"),
        "a look with errors counts",
        "sidecar/catalog/looks.py",
        ", wanted_scan.c.errors == 0",
        "",
        (f"{_INCOMPLETE}1]",),
    ),
    Mutation(
        ("R25",),
        "what went missing after the look was asked for is removed at once",
        "sidecar/removal.py",
        "if status(asset) is not Status.MISSING or not is_as_it_was:",
        "if status(asset) is not Status.MISSING:",
        _on_sqlite("TestRemoving::test_what_went_missing_after_the_look_was_asked_for_is_left_for_another_time"),
    ),
    Mutation(
        ("R25",),
        "a dry run removes",
        "sidecar/catalog/removal.py",
        "if verdict is Verdict.REMOVE and not wanted.dry_run:",
        "if verdict is Verdict.REMOVE:",
        _on_sqlite("TestRemoving::test_a_dry_run_looks_and_removes_nothing"),
    ),
    Mutation(
        ("R25",),
        "what was removed gives up its id for good",
        "sidecar/catalog/restoring.py",
        "if one.removed_at is None or one.library not in living:",
        "if True:",
        _on_sqlite("TestUndoing::test_r25_undo_brings_the_same_assets_back_as_they_were"),
    ),
    Mutation(
        ("R26",),
        "what comes back takes the path of what is there",
        "sidecar/catalog/restoring.py",
        "if claims and place in taken:",
        "if False:",
        _on_sqlite("TestUndoing::test_a_path_that_was_taken_is_not_given_back"),
    ),
    Mutation(
        ("R29",),
        "what comes back is judged by no rule",
        "sidecar/catalog/restoring.py",
        "after = rules.judged(one, members[place]) if one.claims else one",
        "after = one",
        _on_sqlite("TestUndoing::test_r29_the_rules_of_today_hold_for_what_comes_back"),
    ),
    Mutation(
        ("R27", "R36"),
        "what is on storage that is away is removed",
        "sidecar/removal.py",
        "if storage.state is not VolumeState.ONLINE or storage.via not in (None, VolumeState.ONLINE):",
        "if False:",
        _on_sqlite("TestStorage::test_r27_storage_that_goes_away_after_the_look_keeps_everything"),
    ),
    Mutation(
        ("R5", "R25"),
        "a look in an earlier attachment counts",
        "sidecar/catalog/looks.py",
        "return bool(row.state == VolumeState.ONLINE and row.epoch == epochs.get(row.id.hex()))",
        "return bool(row.state == VolumeState.ONLINE)",
        _on_sqlite("TestStorage::test_a_look_in_an_earlier_attachment_proves_nothing"),
    ),
    Mutation(
        ("R24",),
        "retention counts days in a drawer",
        "sidecar/removal.py",
        "return storage.online_us - asset.absent_online_us >= older_than_s * _MICRO",
        "return asset.absent_since is not None",
        _on_sqlite("TestAge::test_r24_a_disk_in_a_drawer_does_not_age"),
    ),
    Mutation(
        ("R24",),
        "by night removal is asked for by default",
        "sidecar/catalog/nightly.py",
        "    if retention_s is None:\n        return False\n",
        "    retention_s = retention_s or 0\n",
        _on_sqlite("TestAge::test_r24_retention_removes_by_night_what_was_missing_for_long_enough"),
    ),
    Mutation(
        ("R24",),
        "what was undone is removed again the next night",
        "sidecar/catalog/restoring.py",
        "claims=claims, absent_online_us=online_us)",
        "claims=claims, absent_online_us=one.absent_online_us)",
        _on_sqlite("TestAge::test_r24_retention_removes_by_night_what_was_missing_for_long_enough"),
    ),
]
