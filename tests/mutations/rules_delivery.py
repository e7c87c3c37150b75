"""The rules, broken on the way from a listing to the sidecar: passes, engine, journal, outbox, shipping."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

ENGINE = "tests/agent/test_engine.py"
LISTINGS = "tests/agent/test_listings.py"
CONTRADICTIONS = "tests/agent/test_contradictions.py"
OUTBOX = "tests/agent/test_outbox.py"
JOURNALS = "tests/agent/test_journals.py"
ASKED = "tests/agent/test_asked.py"
SCANS = "tests/sidecar/test_scans.py"

PASSES = [
    Mutation(
        ("R1",),
        "a pass is committed whatever its gate says",
        "agent/passes.py",
        "            elif self._at.guarded and forbids_only_absences(passed):\n"
        "                told = self._commit((), grounds)\n            else:\n"
        "                self._doubt = doubt_of(passed, self._at.mount_point)\n",
        "            else:\n                told = self._commit((), grounds)\n",
        (f"{LISTINGS}::test_r1_gate_that_does_not_open_keeps_everything_as_it_was",),
    ),
    Mutation(
        ("R22",),
        "a scan is complete though nobody has looked below a folder whose listing has to wait",
        "agent/passes.py",
        "(*self._surveys, *self._put_off, *self._unmoved.known)",
        "(*self._surveys, *self._unmoved.known)",
        (f"{CONTRADICTIONS}::test_r22_a_scan_looks_below_a_folder_whose_listing_has_to_wait",),
    ),
    Mutation(
        ("R38",),
        "a folder that was renamed is new while the one above it has to wait",
        "agent/contradictions.py",
        "    return found | {directory: left[directory] for directory in put_off(surveys, origins_of, found)}\n",
        "    return found\n",
        (f"{CONTRADICTIONS}::test_r38_a_folder_that_is_renamed_keeps_its_photos_though_the_one_above_it_has_to_wait",),
    ),
    Mutation(
        ("R1",),
        "a pass with a doubt is committed",
        "agent/passes.py",
        "        if self._doubt is None:\n            passed = self._at.files.gate()",
        "        if True:\n            passed = self._at.files.gate()",
        (f"{LISTINGS}::test_r1_pass_in_doubt_leaves_nothing",),
    ),
    Mutation(
        ("R1",),
        "the folder of an import path that vanished is searched for in its parent",
        "agent/passes.py",
        "case Meaning.VANISHED if self._scopes.is_root(directory) or not directory:",
        "case Meaning.VANISHED if not directory:",
        (f"{ENGINE}::test_root_of_an_import_path_that_vanishes_is_a_doubt",),
    ),
    Mutation(
        ("R26",),
        "a file that was back is suspected on",
        "agent/passes.py",
        "            self._journal.clear(found.cleared)\n",
        "",
        (f"{JOURNALS}::test_r26_file_that_is_back_under_another_name_is_not_suspected_any_more",),
    ),
    Mutation(
        ("R26",),
        "a directory that can be read again is not told again",
        "agent/passes.py",
        "            self._journal.note_readable(self._surveys)\n",
        "            pass\n",
        (f"{JOURNALS}::test_r26_directory_that_opens_and_closes_is_told_each_time",),
    ),
    Mutation(
        ("R26",),
        "what was unreadable is not looked at whole",
        "agent/journal.py",
        "        if inserted.rowcount:\n            self.retell(path)\n",
        "",
        (f"{ENGINE}::test_r1_closed_directory_is_unreadable_and_comes_back_whole",),
    ),
    Mutation(
        ("R21",),
        "absences are confirmed in the pass that finds new directories",
        "agent/passes.py",
        "        if self._new_directories():  # what",
        "        if False:  # what",
        (f"{JOURNALS}::test_r21_nothing_is_confirmed_while_a_new_directory_waits_to_be_entered",),
    ),
    Mutation(
        ("R1", "R21"),
        "what is known and what must be told are written one after the other",
        "agent/passes.py",
        "        with self._store.transaction():\n            if self._store.turn()",
        "        import contextlib\n\n        with contextlib.nullcontext():\n            if self._store.turn()",
        (f"{JOURNALS}::test_r34_crash_in_a_commit_leaves_neither_half",),
    ),
    Mutation(
        ("R29",),
        "a directory that is closed to us is gone",
        "agent/passes.py",
        "            case Meaning.UNREADABLE:\n                self._unreadable[directory] = trouble.errno",
        "            case Meaning.UNREADABLE:\n                self._vanished.append(directory)",
        (f"{ENGINE}::test_r1_closed_directory_is_unreadable_and_comes_back_whole",),
    ),
]

ENGINES = [
    Mutation(
        ("R3",),
        "an unmount is one more reason to look",
        "agent/engine.py",
        "if isinstance(hint, Lost) and hint.ended:",
        "if False:",
        (f"{ENGINE}::test_r3_end_of_the_watch_ends_the_attachment_before_anything_is_looked_at",),
    ),
    Mutation(
        ("R3",),
        "hints of an attachment that ended are looked at in the next",
        "agent/engine.py",
        "        self._settle.clear()\n",
        "",
        (f"{JOURNALS}::test_r3_hints_of_one_attachment_mean_nothing_in_the_next",),
    ),
    Mutation(
        ("R18",),
        "work goes on after a doubt",
        "agent/engine.py",
        "        if outcome.doubt is not None:\n            self.detach()\n            return outcome.doubt\n"
        "        self._spooled = self._spooled or",
        "        if outcome.doubt is not None:\n            return outcome.doubt\n"
        "        self._spooled = self._spooled or",
        (f"{LISTINGS}::test_r18_doubt_ends_the_attachment_and_all_that_was_planned",),
    ),
    Mutation(
        ("R18",),
        "a volume in doubt is adopted by its root alone",
        "agent/engine.py",
        "Wish(directory) for directory in (*self._scopes.roots(), *look_first))",
        "Wish(directory) for directory in self._scopes.roots())",
        (f"{LISTINGS}::test_r18_directory_that_cast_doubt_must_be_in_order_before_the_volume_is_adopted_again",),
    ),
    Mutation(
        ("R5",),
        "a volume that is back is not scanned",
        "agent/engine.py",
        "            self._confirm_soon()\n        self.scan()\n        self._walks.begin_asked",
        "            self._confirm_soon()\n        self._walks.begin_asked",
        (f"{ENGINE}::test_move_made_while_the_agent_was_away_is_found_by_the_scan",),
    ),
    Mutation(
        ("R22",),
        "absences are confirmed while a scan has places to go",
        "agent/engine.py",
        "None if self._walks or attachment.guarded else",
        "None if attachment.guarded else",
        (f"{JOURNALS}::test_r22_nothing_is_confirmed_before_the_scan_has_been_everywhere",),
    ),
    Mutation(
        ("R22",),
        "a scan that could not read a directory is complete",
        "agent/scans.py",
        "            self.errors += 1\n            self.complete = False",
        "            self.errors += 1",
        (f"{LISTINGS}::test_r22_scan_that_could_not_read_a_directory_is_not_complete",),
    ),
    Mutation(
        ("R22", "R31"),
        "a scan during which events were lost is complete",
        "agent/walks.py",
        "            walk.complete = False",
        "            pass",
        (f"{LISTINGS}::test_r22_scan_during_which_events_were_lost_is_not_complete",),
    ),
    Mutation(
        ("R22",),
        "a scan of what lies in no import path is complete",
        "agent/scans.py",
        "self.complete = self.complete and enters(self.directory)",
        "self.complete = bool(self.complete)",
        (f"{ASKED}::TestExtent::test_what_lies_in_no_import_path_is_not_looked_at",),
    ),
    Mutation(
        ("R22",),
        "a look at one file refreshes a library",
        "sidecar/catalog/scans.py",
        "return [one for one in found if isinstance(one, Gap) or one.name is None]",
        "return [*found]",
        (f"{SCANS}::TestRefreshing::test_r22_a_scan_of_a_path_or_of_a_file_refreshes_nothing",),
    ),
    Mutation(
        ("R22",),
        "a library is as fresh as the disk of it that was scanned last",
        "sidecar/catalog/scans.py",
        "fresh[row.library_id] = min(at, fresh[row.library_id])",
        "fresh[row.library_id] = now",
        (f"{SCANS}::TestRefreshing",),
    ),
    Mutation(
        ("R34", "R35"),
        "a scan is done for a catalog that has forgotten it",
        "agent/asked.py",
        '    store.set_meta(_DONE, "[]")',
        "    store.meta(_DONE)",
        (f"{ASKED}::TestOnce::test_r34_what_the_catalog_has_forgotten_is_done_again",),
    ),
    Mutation(
        ("R21", "R27"),
        "a look at a file on a volume that is away says that it is not there",
        "sidecar/api/scans.py",
        "return None if row.volume_state == VolumeState.ONLINE else str(row.volume_detail)",
        "return None",
        (f"{SCANS}::TestChecking::test_r27_on_a_volume_that_is_away_nobody_can_look_and_nothing_changes",),
    ),
    Mutation(
        ("R1",),
        "a new scan takes whatever has the name of a known file for that file",
        "agent/linux/directories.py",
        "return file.inode in (0, entry.inode()) and entry.is_file(follow_symlinks=False)",
        "return entry.is_file(follow_symlinks=False)",
        ("tests/conformance/test_files.py::TestListing::test_looks_at_what_took_the_place_of_a_known_file",),
    ),
    Mutation(
        ("R31",),
        "lost events leave no trace",
        "agent/engine.py",
        "            self._tell([Gap(lost.directory, lost.reason)])\n",
        "",
        (f"{ENGINE}::test_r31_overflow_is_a_gap_and_a_scan_of_everything",),
    ),
    Mutation(
        ("R31",),
        "lost events are not looked for",
        "agent/engine.py",
        "            for directory in self._scopes.roots_below(lost.directory) or [lost.directory]:\n"
        "                self._walks.follow(directory, now)\n",
        "",
        (f"{JOURNALS}::test_r31_lost_events_are_made_good_by_a_look_at_everything_below",),
    ),
    Mutation(
        ("R31",),
        "a watch that is not whole passes for one",
        "agent/watching.py",
        "if trouble is None or trouble.errno not in _LIMITS:",
        "if True:",
        (f"{ENGINE}::test_r31_watch_limit_is_said_and_scans_take_over",),
    ),
]

STREAMS = [
    Mutation(
        ("R32",),
        "a report that was not acknowledged gets a new number",
        "agent/outbox.py",
        "            if row is not None:\n                return Sealed._make((*row, self._is_last()))\n",
        "",
        (f"{OUTBOX}::test_r32_sealed_report_never_changes_and_keeps_its_number",),
    ),
    Mutation(
        ("R32",),
        "a number is used twice",
        "agent/outbox.py",
        '            self._store.set_meta("next_sequence", sequence + 1)\n',
        "",
        (f"{OUTBOX}::test_r32_outbox_is_freed_only_by_the_acknowledgement",),
    ),
    Mutation(
        ("R32",),
        "what waits behind a report is left until somebody happens to come",
        "agent/outbox.py",
        '"SELECT NOT EXISTS (SELECT 1 FROM outbox)"',
        '"SELECT 1"',
        (f"{OUTBOX}::test_r32_nobody_waits_where_something_is_left_behind_what_was_sent",),
    ),
    Mutation(
        ("R32",),
        "what a worker has found last is not announced",
        "agent/stewards.py",
        "not isinstance(message, Reading) or message.spooled",
        "(isinstance(message, Reading) and message.spooled)",
        ("tests/linux/test_stewards.py::test_r32_what_was_found_last_is_announced_when_a_volume",),
    ),
    Mutation(
        ("R32",),
        "what waits is folded over an absence that was told in between",
        "agent/folding.py",
        "            self._waiting.pop(observation.directory, None)\n        elif not",
        "            pass\n        elif not",
        ("tests/agent/test_folding.py::test_r32_nothing_is_folded_over_what_depends_on_it",),
    ),
    Mutation(
        ("R1", "R32"),
        "a report holds observations of two epochs",
        "agent/outbox.py",
        "if taken and (is_over or row.epoch != taken[0].epoch):",
        "if taken and is_over:",
        (f"{OUTBOX}::test_report_holds_observations_of_one_epoch_only",),
    ),
    Mutation(
        ("R32",),
        "what could not be delivered is forgotten",
        "agent/shipping.py",
        "            return self._guarded(lambda: self._deliver(lease, sealed))\n",
        "            step = self._guarded(lambda: self._deliver(lease, sealed))\n"
        "            if step.delivery is Delivery.LATER:\n"
        "                self._outbox.acknowledge(sealed.sequence)\n"
        "            return step\n",
        (f"{OUTBOX}::test_r32_outage_sends_the_same_bytes_again_after_growing_waits",),
    ),
    Mutation(
        ("R32",),
        "a report that is refused is skipped",
        "agent/shipping.py",
        "            return self._guarded(lambda: self._deliver(lease, sealed))\n",
        "            step = self._guarded(lambda: self._deliver(lease, sealed))\n"
        "            if step.delivery is Delivery.STOPPED:\n"
        "                self._outbox.acknowledge(sealed.sequence)\n"
        "            return step\n",
        (f"{OUTBOX}::test_r32_refused_report_stops_the_stream_visibly_and_is_not_skipped",),
    ),
    Mutation(
        ("R34",),
        "a journal that was set back goes on under its name",
        "agent/shipping.py",
        "if not receipt.applied and receipt.expected > sealed.sequence + 1:",
        "if False:",
        (f"{OUTBOX}::test_r34_journal_that_was_set_back_begins_anew_and_drops_what_is_stale",),
    ),
    Mutation(
        ("R34",),
        "a stream that has diverged is refused for ever",
        "agent/shipping.py",
        'if error.code == "stream-diverged":',
        "if False:",
        (f"{OUTBOX}::test_r34_journal_that_was_set_back_begins_anew_and_drops_what_is_stale",),
    ),
    Mutation(
        ("R34",),
        "an impossible report of our own keeps its stream for ever",
        "agent/shipping.py",
        "if error.code == _IMPOSSIBLE and self._is_our_mistake(sealed):",
        "if False:",
        (f"{OUTBOX}::test_r34_what_both_sides_find_impossible_is_given_up_and_all_is_told_anew",),
    ),
    Mutation(
        ("R32", "R34"),
        "a report that the sidecar alone finds impossible is given up",
        "agent/shipping.py",
        "if found is None or now - self._mistake_at < MISTAKE_EVERY_S:",
        "if now - self._mistake_at < MISTAKE_EVERY_S:",
        (f"{OUTBOX}::test_r32_refused_report_stops_the_stream_visibly_and_is_not_skipped",),
    ),
    Mutation(
        ("R34", "R35"),
        "a stream that begins anew loses what waited",
        "agent/outbox.py",
        'sealed = self._db.execute("SELECT files, body FROM sealed ORDER BY sequence").fetchall()',
        "sealed: list[tuple[int, bytes]] = []",
        (f"{OUTBOX}::test_r35_what_waits_is_told_to_a_catalog_that_was_set_back_before_the_baseline",),
    ),
    Mutation(
        ("R34",),
        "a journal that was lost and made again is the one that was lost",
        "agent/store.py",
        'return ids.to_text("journal", ids.new(time.time_ns() // 1_000_000, os.urandom(10)))',
        'return ids.to_text("journal", bytes(16))',
        (f"{JOURNALS}::test_r34_journal_made_again_is_another_incarnation",),
    ),
    Mutation(
        ("R34",),
        "an agent that lost its registry begins its versions below its own old ones",
        "agent/bindings.py",
        "return int(now * 1000)",
        "return 1",
        (f"{JOURNALS}::test_r34_versions_of_an_agent_without_memory_begin_above_its_old_ones",),
    ),
]

MUTATIONS = [*PASSES, *ENGINES, *STREAMS]
