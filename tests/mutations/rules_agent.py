"""The rules, broken in what the agent decides: states of volumes, listings, looks, moves."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

VOLUME = "tests/agent/test_volume.py"
ENGINE = "tests/agent/test_engine.py"
LOOKS = "tests/agent/test_absences.py"
MOVES = "tests/agent/test_identity.py"
SETTLE = "tests/agent/test_settle.py"
MOUNTS = "tests/agent/test_mounts.py"
RECOGNITION = "tests/agent/test_recognition.py"

STATES = [
    Mutation(
        ("R4",),
        "a volume is online before its worker has looked at it",
        "agent/volume.py",
        "        attachments=epoch.attach,\n",
        "        attachments=epoch.attach,\n        reason=Reason.VERIFIED,\n",
        (f"{VOLUME}::test_r4_volume_is_unknown_until_its_identity_is_seen",),
    ),
    Mutation(
        ("R3", "R5"),
        "a worker's late word makes a volume online whose attachment has ended",
        "agent/volume.py",
        "if epoch != volume.epoch:  # it adopted an attachment that has ended meanwhile",
        "if False:",
        (f"{VOLUME}::test_adoption_of_an_attachment_that_has_ended_is_ignored",),
    ),
    Mutation(
        ("R5",),
        "a new attachment goes on in the old epoch",
        "agent/volume.py",
        "        epoch=epoch,\n",
        "        epoch=volume.epoch or epoch,\n",
        (f"{VOLUME}::test_new_attachment_lets_go_of_the_old_one_first",),
    ),
    Mutation(
        ("R5",),
        "the old attachment is not let go of",
        "agent/volume.py",
        "detach: list[Effect] = [Detach(volume)] if volume.epoch is not None else []",
        "detach: list[Effect] = []",
        (f"{VOLUME}::test_new_attachment_lets_go_of_the_old_one_first",),
    ),
    Mutation(
        ("R5",),
        "a mount counts as still there by its place alone",
        "agent/locating.py",
        "(m for m in reachable if (unique_ids[m.mount_id], m.mount_point) == (attached, volume.mounted_at)), None",
        "(m for m in reachable if attached is not None and m.mount_point == volume.mounted_at), None",
        ("tests/agent/test_epochs.py::test_r5_the_same_disk_mounted_again_is_another_attachment",),
    ),
    Mutation(
        ("R1",),
        "a volume that left goes on in its epoch",
        "agent/volume.py",
        "detached = structs.replace(volume, epoch=None, table_id=None,",
        "detached = structs.replace(volume, table_id=None,",
        (f"{VOLUME}::test_only_adoption_leads_online_and_everything_else_leads_away",),
    ),
    Mutation(
        ("R17", "R18"),
        "the worker keeps a volume that is in doubt",
        "agent/volume.py",
        "effects: list[Effect] = [] if volume.epoch is None else [Detach(volume)]",
        "effects: list[Effect] = []",
        (f"{VOLUME}::test_only_adoption_leads_online_and_everything_else_leads_away",),
    ),
    Mutation(
        ("R6",),
        "two shares of one server are one volume",
        "agent/recognition.py",
        "decisive = (Factor.ROOT, Factor.SOURCE, Factor.SERVER, Factor.SERIAL)",
        "decisive = (Factor.ROOT, Factor.SERVER, Factor.SERIAL)",
        (RECOGNITION,),
    ),
    Mutation(
        ("R6",),
        "without a UUID the source alone is the identity",
        "agent/recognition.py",
        "compared[Factor.ROOT] = (enrolled",
        "compared[Factor.ROOT] = enrolled.source is not None or (enrolled",
        (RECOGNITION,),
    ),
    Mutation(
        ("R8",),
        "a disk that was formatted anew is called another disk, which may be taken away again",
        "agent/locating.py",
        "reformatted = match.recognition is Recognition.REFORMATTED",
        "reformatted = False",
        (f"{VOLUME}::test_r8_formatted_anew_with_the_same_uuid_is_a_conflict",),
    ),
    Mutation(
        ("R13",),
        "another subvolume of the same file system is the volume",
        "agent/recognition.py",
        "if (enrolled.fs_type, enrolled.root) != (seen.fs_type, seen.root):",
        "if enrolled.fs_type != seen.fs_type:",
        (RECOGNITION,),
    ),
    Mutation(
        ("R10",),
        "of two disks with one identity the first is taken",
        "agent/locating.py",
        "if clones and volume.identity.source is None:",
        "if False:",
        ("tests/agent/test_locating.py",),
    ),
    Mutation(
        ("R13",),
        "a disk that is mounted twice is taken for a clone",
        "agent/locating.py",
        "clones = [other for other, _, _ in found if other.device != mount.device]",
        "clones = [other for other, _, _ in found if other is not mount]",
        (f"{VOLUME}::test_r13_same_device_mounted_twice_is_an_alias",),
    ),
    Mutation(
        ("R12",),
        "a volume is only known where it was mounted before",
        "agent/locating.py",
        "    if not found:\n        return _at_its_place(",
        "    if not (found := [one for one in found if one[0].mount_point == "
        "volume.last_mounted_at]):\n        return _at_its_place(",
        (f"{VOLUME}::test_r12_volume_mounted_elsewhere_is_the_same_volume",),
    ),
    Mutation(
        ("R12",),
        "another disk at its place is no conflict",
        "agent/locating.py",
        "    return Foreign(Reason.REFORMATTED if reformatted else Reason.WRONG_VOLUME, where)",
        "    return Foreign(Reason.REFORMATTED, where) if reformatted else Gone(Reason.NOT_MOUNTED)",
        (f"{VOLUME}::test_r12_other_disk_at_its_place_is_a_conflict",),
    ),
    Mutation(
        ("R14",),
        "a volume that is covered is called unplugged",
        "agent/locating.py",
        "if mount.mount_point == where and alike and is_ours and mounts.covered(table, mount):",
        "if False:",
        (f"{VOLUME}::test_r14_mount_on_top_is_covered_and_not_offline",),
    ),
    Mutation(
        ("R14",),
        "what is mounted on an ancestor covers nothing",
        "agent/mounts.py",
        "return min(reversed(met), key=lambda m: len(m.mount_point)) if met else None",
        "return max(met, key=lambda m: len(m.mount_point)) if met else None",
        (f"{MOUNTS}::test_r14_a_mount_on_an_ancestor_covers_what_was_mounted_below_it_before",),
    ),
    Mutation(
        ("R13", "R14"),
        "mounts that are covered count as volumes inside",
        "agent/mounts.py",
        "if m.parent_id == mount.mount_id and m is not mount and not covered(table, m)]",
        "if m.parent_id == mount.mount_id and m is not mount]",
        (f"{MOUNTS}::test_r13_mounts_inside_a_volume_are_found_unless_they_are_covered",),
    ),
    Mutation(
        ("R19",),
        "an idle automount is called unplugged",
        "agent/locating.py",
        'if top is not None and top.fs_type == "autofs":',
        "if False:",
        (f"{VOLUME}::test_r19_idle_automount_is_idle",),
    ),
    Mutation(
        ("R19",),
        "an automount is asked what is below it, which mounts it",
        "agent/filesystems.py",
        '            "autofs",\n',
        "",
        ("tests/agent/test_epochs.py::test_r19_an_idle_automount_is_never_asked_anything",),
    ),
    Mutation(
        ("R18",),
        "storage that answers with an error is called another volume",
        "agent/locating.py",
        '_given_up(top, unique_ids, vitals) or Doubtful(doubt_reason(probe), where, "")',
        "_given_up(top, unique_ids, vitals) or Foreign(Reason.WRONG_VOLUME, where)",
        (f"{VOLUME}::test_r18_mount_that_cannot_be_identified_is_suspect",),
    ),
    *(
        Mutation(
            ("R1", "R18"),
            f"{name} means that a file is not there",
            "agent/errnos.py",
            "    errno.ENOENT: Meaning.VANISHED,\n",
            f"    errno.ENOENT: Meaning.VANISHED,\n    errno.{name}: Meaning.VANISHED,\n",
            (f"{ENGINE}::test_r1_errors_are_never_absences",),
        )
        for name in ("EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "ENODEV", "ENXIO", "EUCLEAN")
    ),
    *(
        Mutation(
            ("R1",),
            f"{name} means that a file is not there",
            "agent/errnos.py",
            f"errno.{name}: Meaning.UNREADABLE",
            f"errno.{name}: Meaning.VANISHED",
            (f"{ENGINE}::test_r1_closed_directory_is_unreadable_and_comes_back_whole",),
        )
        for name in ("EACCES", "EPERM")
    ),
    *(
        Mutation(
            ("R1",),
            f"{name} means that a file is not there",
            "agent/errnos.py",
            f"errno.{name}: Meaning.LATER",
            f"errno.{name}: Meaning.VANISHED",
            ("tests/agent/test_listings.py::test_r1_a_machine_that_is_short_of_something_looks_again_later",),
        )
        for name in ("ENOMEM", "EMFILE", "ENFILE", "EAGAIN", "EINTR")
    ),
    Mutation(
        ("R18",),
        "a share whose program died is called sick",
        "agent/errnos.py",
        "errno.ENOTCONN: Reason.DISCONNECTED,",
        "errno.ENOTCONN: Reason.IO_ERROR,",
        (f"{VOLUME}::test_r18_mount_that_cannot_be_identified_is_suspect",),
    ),
]

LISTINGS = [
    Mutation(
        ("R2",),
        "a root that turned empty is believed",
        "agent/survey.py",
        "if is_root and listing.entries == 0:",
        "if False:",
        (f"{ENGINE}::test_r2_root_that_turns_empty_is_suspect",),
    ),
    Mutation(
        ("R1",),
        "a name gone from a directory that did not change is a deletion",
        "agent/survey.py",
        "    if traits.directory_times and is_unmoved:\n",
        "    if False:\n",
        (f"{ENGINE}::test_r1_name_gone_from_a_directory_that_did_not_change_is_trouble",),
    ),
    Mutation(
        ("R1",),
        "a directory gone from one that did not change is a deletion",
        "agent/survey.py",
        "gone = bool(survey.gone_directories) or any(not departure.replaced for departure in survey.departures)",
        "gone = any(not departure.replaced for departure in survey.departures)",
        ("tests/agent/test_listings.py::test_r1_directory_gone_from_one_that_did_not_change_is_trouble",),
    ),
    Mutation(
        ("R1",),
        "a name that could not be looked at is gone",
        "agent/survey.py",
        "            if old.name in unclear:\n",
        "            if False:\n",
        ("tests/agent/test_listings.py::test_r1_name_that_cannot_be_looked_at_is_not_gone",),
    ),
    Mutation(
        ("R1",),
        "a directory that could not be looked at is gone",
        "agent/survey.py",
        "still = {*listing.directories, *listing.unclear}",
        "still = {*listing.directories}",
        ("tests/agent/test_listings.py::test_r1_directory_that_cannot_be_looked_at_is_not_gone",),
    ),
    Mutation(
        ("R1", "R23"),
        "times as fresh as the listing are trusted",
        "agent/survey.py",
        "return None if 0 <= age_ns < traits.tick_ns else (listing.mtime_ns, listing.ctime_ns)",
        "return (listing.mtime_ns, listing.ctime_ns)",
        ("tests/agent/test_listings.py::test_r23_times_as_fresh_as_the_listing_prove_nothing_later",),
    ),
    Mutation(
        ("R23",),
        "a directory from the future is never trusted",
        "agent/survey.py",
        "return None if 0 <= age_ns < traits.tick_ns else (listing.mtime_ns, listing.ctime_ns)",
        "return None if age_ns < traits.tick_ns else (listing.mtime_ns, listing.ctime_ns)",
        ("tests/agent/test_listings.py::test_r23_a_directory_from_the_future_was_stamped_by_another_clock",),
    ),
    Mutation(
        ("R23",),
        "a photo from the future is never finished",
        "agent/survey.py",
        "if edge_ns < file.mtime_ns <= now_ns and file.name not in whole]",
        "if edge_ns < file.mtime_ns and file.name not in whole]",
        ("tests/agent/test_listings.py::test_r23_a_photo_from_the_future_is_not_one_that_is_being_written",),
    ),
    Mutation(
        ("R29",),
        "what a pattern lets in again is not told",
        "agent/rescoping.py",
        "if now.wants_anew(before, directory, names):",
        "if now.wants_anew(before, directory, names) and not before:",
        ("tests/agent/test_engine.py::test_r29_what_comes_back_is_told_and_nothing_else_is",),
    ),
    Mutation(
        ("R29",),
        "what an exclusion pattern takes away is gone",
        "agent/survey.py",
        "return [file for file in files if file.name in names or not excluded(file.name)]",
        "return wanted",
        ("tests/agent/test_listings.py::test_r29_what_a_pattern_takes_away_has_not_departed",),
    ),
    Mutation(
        ("R1",),
        "the root of a FAT is measured by times that it does not have",
        "agent/filesystems.py",
        '"vfat": Traits(timeless=True, ',
        '"vfat": Traits(directory_times=True, ',
        ("tests/agent/test_listings.py::test_r1_the_root_of_a_fat_has_no_times_to_prove_anything",),
    ),
    Mutation(
        ("R39",),
        "inodes are trusted where nothing is known of the file system",
        "agent/filesystems.py",
        "_UNTRUSTED = Traits()",
        "_UNTRUSTED = _NATIVE",
        ("tests/agent/test_listings.py::test_r39_nothing_is_relied_on_where_the_file_system_is_not_known",),
    ),
]

_CANDIDATES = "tests/agent/test_candidates.py"

SECOND_LOOKS = [
    Mutation(
        ("R21",),
        "a look counts from its end, long after its names were read",
        "agent/passes.py",
        "            now.before(listing.age_s),\n",
        "            now,\n",
        (f"{_CANDIDATES}::test_r21_the_time_between_two_looks_is_that_between_two_readings_of_the_names",),
    ),
    Mutation(
        ("R21",),
        "a photo is gone while a folder is left alone that it has moved to",
        "agent/engine.py",
        "self._revisits.are_unlooked or self._settle.is_behind(self._boot())",
        "self._revisits.are_unlooked",
        (f"{_CANDIDATES}::test_r21_nothing_is_gone_while_a_large_folder_is_left_alone_that_it_may_be_in",),
    ),
    Mutation(
        ("R21",),
        "a file that is there, and still being written to, is confirmed gone",
        "agent/absences.py",
        "return listing.directory if name in self._names else None",
        "return None",
        (f"{LOOKS}::test_r21_what_is_no_proof_yet",),
    ),
    Mutation(
        ("R21",),
        "a file that was missed once is gone at once",
        "agent/absences.py",
        "return delay_s is not None and second.boot_s - first.boot_s >= delay_s",
        "return delay_s is not None",
        (f"{LOOKS}::test_r21_what_is_no_proof_yet",),
    ),
    Mutation(
        ("R1", "R21"),
        "the second look need not be past a change of the directory",
        "agent/absences.py",
        "    if is_unmoved and traits.directory_times:\n",
        "    if False:\n",
        (f"{LOOKS}::test_r21_what_is_no_proof_yet",),
    ),
    Mutation(
        ("R21", "R22"),
        "absences are confirmed while places are left to look at",
        "agent/absences.py",
        "return delay_s is not None and second.boot_s - first.boot_s >= delay_s",
        "return second.boot_s - first.boot_s >= (delay_s or 0.0)",
        (f"{LOOKS}::test_r21_what_is_no_proof_yet",),
    ),
    Mutation(
        ("R21",),
        "a look of an epoch that ended is half a proof",
        "agent/absences.py",
        "                or candidate.epoch != grounds.epoch\n",
        "",
        ("tests/agent/test_candidates.py::test_r21_look_of_another_epoch_is_no_first_look",),
    ),
    Mutation(
        ("R1", "R21"),
        "a look at a directory that had not changed is half a proof",
        "agent/absences.py",
        "    return is_same_stamp(before, then, traits) and not is_same_stamp(before, now, traits)\n",
        "    return False\n",
        (f"{LOOKS}::test_r1_a_look_at_a_directory_that_had_not_moved_is_no_half_of_a_proof",),
    ),
    Mutation(
        ("R21", "R23"),
        "the wall clock says how far apart two looks are",
        "agent/absences.py",
        "second.boot_s - first.boot_s >=",
        "second.at - first.at >=",
        ("tests/agent/test_candidates.py::test_r23_clock_that_was_set_forward_puts_no_time_between_two_looks",),
    ),
    Mutation(
        ("R1",),
        "a directory that is there again under its name is not looked into",
        "agent/absences.py",
        "if segment in listing.unclear or segment in listing.directories:",
        "if False:",
        ("tests/agent/test_candidates.py::test_r21_directory_that_comes_back_before_the_second_look_was_never_gone",),
    ),
]

MOVED = [
    Mutation(
        ("R39",),
        "an inode number alone names a file",
        "agent/identity.py",
        "origin = went.pop((arrival.file.inode, arrival.birth_ns), None) if arrival.birth_ns is not None else None",
        "origin = next((went.pop(key) for key in list(went) if key[0] == arrival.file.inode), None)",
        (f"{MOVES}::test_r39_same_inode_of_another_birth_is_no_move",),
    ),
    Mutation(
        ("R39",),
        "an inode number names a file for ever",
        "agent/identity.py",
        "            went.setdefault((one.file.inode, one.birth_ns), one)",
        "            went.setdefault((one.file.inode, 0), one)",
        (f"{MOVES}::test_same_inode_and_birth_is_a_move",),
    ),
    Mutation(
        ("R39",),
        "an inode that is used again is the file that had it before",
        "agent/survey.py",
        "    if known is None:\n        fresh",
        "    listing = listing._replace(births=dict.fromkeys(listing.births, 1))\n    if known is None:\n        fresh",
        (f"{ENGINE}::test_r39_inode_used_again_by_another_file_is_not_a_move",),
    ),
    Mutation(
        ("R38",),
        "each new link to a file that left is the file",
        "agent/identity.py",
        "origin = went.pop((arrival.file.inode, arrival.birth_ns), None) if arrival.birth_ns is not None else None",
        "origin = went.get((arrival.file.inode, arrival.birth_ns)) if arrival.birth_ns is not None else None",
        (f"{MOVES}::test_r38_of_two_new_links_to_a_file_that_left_one_is_the_move_and_one_is_new",),
    ),
    Mutation(
        ("R26", "R38"),
        "a link that is back at its name is overtaken by a newer one",
        "agent/identity.py",
        "return sorted(arrivals, key=lambda a: (a.directory, a.file.name) not in waiting)",
        "return list(arrivals)",
        ("tests/agent/test_candidates.py::test_r38_of_two_links_the_one_that_is_back_at_its_name_is_no_move",),
    ),
    Mutation(
        ("R39",),
        "a file that moved is also gone from where it was",
        "agent/identity.py",
        "        settled.add(old)\n        if is_candidate:",
        "        if is_candidate:",
        (f"{MOVES}::test_same_inode_and_birth_is_a_move",),
    ),
    Mutation(
        ("R38",),
        "a name that lives on with another file is gone",
        "agent/identity.py",
        "if not departure.replaced and (departure.directory",
        "if (departure.directory",
        ("tests/agent/test_candidates.py::test_r38_replaced_at_its_name_and_listed_by_another_pass_is_not_gone",),
    ),
]

HINTS = [
    Mutation(
        ("R3",),
        "hints outlive their attachment",
        "agent/settle.py",
        "        self._pending.clear()\n        self._lost.clear()\n        self._names = 0\n",
        "        self._lost.clear()\n",
        (f"{SETTLE}::test_r3_clearing_forgets_every_hint",),
    ),
    Mutation(
        ("R31",),
        "hints that do not fit are dropped in silence",
        "agent/settle.py",
        '        self._lost.append(Lost(above, "more changes at once than can be remembered"))\n',
        "",
        (f"{SETTLE}::test_r31_too_many_directories_fold_into_a_loss",),
    ),
    Mutation(
        ("R31",),
        "names beyond what is remembered are not counted",
        "agent/settle.py",
        "if len(self._pending) > DIRECTORIES_MAX or self._names > NAMES_MAX:",
        "if len(self._pending) > DIRECTORIES_MAX:",
        (f"{SETTLE}::test_r31_too_many_names_fold_into_a_loss",),
    ),
]

_READING = "tests/agent/test_reading.py"
_CONTRADICTIONS = "tests/agent/test_contradictions.py"

MISSED = [
    Mutation(
        ("R38",),
        "a new file that may be missed is told before it is read",
        "agent/passes.py",
        "        held |= {one.file.name for one in unheard}\n",
        "        pass\n",
        (f"{_READING}::test_r38_a_new_photo_of_a_missed_size_is_not_told_before_it_was_read[ext4]",),
    ),
    Mutation(
        ("R38",),
        "a digest is of a file that changed while it was read",
        "agent/reading.py",
        "        if not self._is_same(book.file, chunk.file):\n",
        "        if False:\n",
        (f"{_READING}::test_a_file_that_changes_while_it_is_read_is_read_as_it_is_at_last",),
    ),
    Mutation(
        ("R38",),
        "what is in a file is told for the names that it had a while ago",
        "agent/names.py",
        "        if self._as_of != (as_of := self._now()):\n",
        "        if not self._told and (as_of := self._now()):\n",
        ("tests/agent/test_names.py::test_r38_names_are_those_of_now",),
    ),
    Mutation(
        ("R38",),
        "what may have come from a folder that cannot be read just now is new",
        "agent/contradictions.py",
        "    found = [one for one in surveys if one in unknown]\n",
        "    found: list[str] = []\n",
        (f"{_CONTRADICTIONS}::test_r38_a_photo_is_not_new_as_long_as_nobody_can_look_where_it_may_come_from",),
    ),
    Mutation(
        ("R1",),
        "a folder that went while it was looked at stays known",
        "agent/contradictions.py",
        "                    surveys.pop(directory, None)\n",
        "                    pass\n",
        (f"{_CONTRADICTIONS}::test_r1_a_folder_that_was_listed_and_then_renamed_is_missed_where_it_was",),
    ),
    Mutation(
        ("R21",),
        "what rests hangs on a folder that is gone",
        "agent/passes.py",
        "            absences.reanchor(self._journal, {**lost, **forgotten}, self._surveys)\n",
        "            absences.reanchor(self._journal, lost, self._surveys)\n",
        (
            f"{_CANDIDATES}::test_r21_what_waits_for_another_mount_in_a_directory_that_is_gone_is_proven_by_the_one_above",
        ),
    ),
]

MUTATIONS = [*STATES, *LISTINGS, *SECOND_LOOKS, *MOVED, *HINTS, *MISSED]
