"""The rules, broken where the agent meets the kernel: descriptors, gates, watches, disks, identities."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

FILES = "tests/linux/test_files.py"
GATE = "tests/linux/test_gate.py"
PROBE = "tests/linux/test_probe.py"
WATCHED = "tests/linux/test_watched.py"
INOTIFY = "tests/linux/test_inotify.py"
FANOTIFY = "tests/linux/test_fanotify.py"
TABLE = "tests/linux/test_mountinfo.py"
WORKERS = "tests/linux/test_fuse_workers.py"
BLOCKDEV = "tests/linux/test_blockdev.py"
UNMOUNTING = "tests/linux/test_unmounting.py"

DESCRIPTORS = [
    Mutation(
        ("R1", "R12"),
        "whatever stands at the path is read",
        "agent/linux/attachment.py",
        "            self._check(root)\n",
        "",
        (f"{FILES}::test_r1_an_unmounted_volume_lists_as_trouble_never_as_empty",),
    ),
    Mutation(
        ("R13",),
        "mounts inside the volume are entered",
        "agent/linux/attachment.py",
        "kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_XDEV | kernel",
        "kernel.RESOLVE_BENEATH | kernel",
        (f"{FILES}::test_r13_a_mount_inside_the_volume_is_not_entered",),
    ),
    Mutation(
        ("R13",),
        "symbolic links are followed",
        "agent/linux/attachment.py",
        "kernel.RESOLVE_NO_XDEV | kernel.RESOLVE_NO_SYMLINKS | kernel",
        "kernel.RESOLVE_NO_XDEV | kernel",
        (f"{FILES}::test_symbolic_links_lead_nowhere",),
    ),
    Mutation(
        ("R28",),
        "reading a directory touches its access time",
        "agent/linux/attachment.py",
        "self._noatime = os.O_NOATIME",
        "self._noatime = 0",
        (f"{FILES}::test_r28_reading_leaves_no_trace_not_even_an_access_time",),
    ),
    Mutation(
        ("R40",),
        "a directory that fails as soon as it is open is held for ever",
        "agent/linux/attachment.py",
        "            self._close()  # storage may fail",
        "            pass  # storage may fail",
        (f"{UNMOUNTING}::test_r40_a_directory_that_fails_as_soon_as_it_is_open_is_not_held",),
        slow=True,
    ),
    Mutation(
        ("R2",),
        "any message ends the first look at a volume",
        "agent/worker.py",
        "if not self._adopting:",
        "if True:",
        (f"{UNMOUNTING}::test_r2_what_is_said_during_the_first_look_does_not_keep_an_empty_disk_from_being_seen",),
    ),
    Mutation(
        ("R11",),
        "a disk that was pulled while it was written to counts as rolled back",
        "agent/locating.py",
        "_UNWRITTEN = 2",
        "_UNWRITTEN = 0",
        ("tests/agent/test_recognition.py",),
    ),
    Mutation(
        ("R16",),
        "an XFS that was shut down has input/output errors",
        "agent/locating.py",
        'Reason.SHUT_DOWN if top.fs_type == "xfs" else Reason.IO_ERROR',
        "Reason.IO_ERROR",
        ("tests/agent/test_locating.py",),
    ),
    Mutation(
        ("R6",),
        "the serial of an NTFS is not read",
        "agent/linux/probe.py",
        'ntfs.read_serial(root) if mount.fs_type == "fuseblk" else kernel',
        "kernel",
        ("tests/linux/test_fuse_ntfs.py::test_r6_ntfs_is_recognised_by_its_serial_without_udev_and_without_a_write",),
    ),
    Mutation(
        ("R28", "R41"),
        "looking at an import path touches its access time",
        "agent/linux/kernel.py",
        "os.open(path, flags | os.O_NOATIME, dir_fd=dir_fd)",
        "os.open(path, flags, dir_fd=dir_fd)",
        ("tests/linux/test_read_only.py::test_r28_a_whole_agent_neither_writes_nor_leaves_a_trace_of_its_reading",),
    ),
    Mutation(
        ("R28",),
        "the gate tries whether the disk can be written",
        "agent/linux/files.py",
        "        device = self._gate_device(self._baseline)\n",
        "        with open(os.path.join(self._attachment.mount_point, '.holdfast'), 'w', encoding='ascii'):\n"
        "            pass\n"
        "        device = self._gate_device(self._baseline)\n",
        (f"{FILES}::test_r28_a_disk_mounted_read_only_serves_every_call",),
    ),
    Mutation(
        ("R40",),
        "the gate leaves a descriptor of the root open",
        "agent/linux/attachment.py",
        "        descriptor = self.open(directory)\n        try:\n"
        "            yield descriptor\n        finally:\n"
        "            os.close(descriptor)\n",
        "        descriptor = self.open(directory)\n        yield descriptor\n",
        (f"{FILES}::test_r40_people_can_unmount_right_after_a_listing",),
    ),
    Mutation(
        ("R40",),
        "a descriptor of every watched directory stays open",
        "agent/linux/attachment.py",
        "        descriptor = self._open(directory, os.O_PATH | os.O_DIRECTORY)\n"
        "        try:\n            yield descriptor\n        finally:\n            os.close(descriptor)\n",
        "        descriptor = self._open(directory, os.O_PATH | os.O_DIRECTORY)\n        yield descriptor\n",
        (f"{INOTIFY}::test_r40_watches_do_not_keep_people_from_unmounting",),
    ),
    Mutation(
        ("R1",),
        "a listing that was overtaken by a change counts",
        "agent/linux/files.py",
        "if (after.st_mtime_ns, after.st_ctime_ns) != (before.mtime_ns, before.ctime_ns):",
        "if False:",
        (f"{FILES}::test_a_directory_that_keeps_changing_is_looked_at_again_and_then_left_for_later",),
    ),
    Mutation(
        ("R1",),
        "a name that answers with an error is left out of the listing",
        "agent/linux/directories.py",
        "    if error.errno not in UNCLEAR:\n        raise error\n    found.unclear.append(paths.from_os(raw))\n",
        "    return\n",
        (f"{FILES}::test_r1_a_name_that_cannot_be_looked_at_is_unclear_or_casts_doubt_on_all",),
    ),
    Mutation(
        ("R37",),
        "names that are not UTF-8 are passed over",
        "agent/linux/directories.py",
        "        name = raw if raw.isascii() else paths.from_os(raw)\n",
        "        if not raw.isprintable():\n            continue\n"
        "        name = raw if raw.isascii() else paths.from_os(raw)\n",
        (f"{FILES}::test_r37_names_are_bytes",),
    ),
]

GATES = [
    Mutation(
        ("R2",),
        "a root that turned empty during the pass is believed",
        "agent/linux/files.py",
        "if baseline.had_entries and not _has_entries(root):",
        "if False:",
        (f"{FILES}::test_r2_a_root_that_turned_empty_during_a_pass_holds_its_absences",),
    ),
    Mutation(
        ("R1", "R15"),
        "storage may lose half of its size",
        "agent/linux/files.py",
        "if abs(_total_bytes(root) - baseline.total_bytes) > baseline.total_bytes // SIZE_DRIFT:",
        "if False:",
        (f"{GATE}::test_r15_storage_that_lost_a_part_of_its_size_proves_nothing",),
    ),
    Mutation(
        ("R30",),
        "a file system that the kernel gave up is believed",
        "agent/linux/files.py",
        "if dead := self._dead(root):",
        "if dead := 0:",
        (f"{GATE}::test_r30_a_file_system_that_the_mount_table_shows_as_given_up_proves_nothing",),
    ),
    *(
        Mutation(
            ("R30",),
            f"{option} in the mount table means nothing",
            "agent/linux/files.py",
            f'"{option}": errno.',
            f'"not-{option}": errno.',
            (f"{GATE}::test_r30_a_file_system_that_the_mount_table_shows_as_given_up_proves_nothing",),
        )
        for option in ("shutdown", "emergency_ro", "abort")
    ),
    Mutation(
        ("R1",),
        "a mount whose disk is gone is believed",
        "agent/linux/files.py",
        "if health is None or health.disks != self._adopted.disks or health.stopped:",
        "if health is None:\n            return ()\n        if health.disks != self._adopted.disks or health.stopped:",
        (f"{FILES}::test_r1_what_happens_to_the_device_closes_the_gate_although_the_mount_is_unmoved",),
    ),
    Mutation(
        ("R1",),
        "a disk that was pulled and plugged in again is the one that was mounted",
        "agent/linux/files.py",
        "health.disks != self._adopted.disks or ",
        "",
        (f"{FILES}::test_r1_what_happens_to_the_device_closes_the_gate_although_the_mount_is_unmoved",),
    ),
    Mutation(
        ("R1",),
        "a disk that the kernel stopped is believed",
        "agent/linux/files.py",
        "self._adopted.disks or health.stopped:",
        "self._adopted.disks:",
        (f"{FILES}::test_r1_what_happens_to_the_device_closes_the_gate_although_the_mount_is_unmoved",),
    ),
    Mutation(
        ("R30",),
        "errors that the kernel counts are no reason for doubt",
        "agent/linux/files.py",
        "if health.errors != baseline.errors:",
        "if False:",
        (f"{FILES}::test_r1_what_happens_to_the_device_closes_the_gate_although_the_mount_is_unmoved",),
    ),
    Mutation(
        ("R1",),
        "where ids are recycled, what is read after a change of the table counts",
        "agent/linux/files.py",
        "        if not self._is_quiet():\n            raise OSError",
        "        if False:\n            raise OSError",
        (f"{FILES}::test_r1_where_mount_ids_are_recycled_another_disk_is_known_by_its_identity",),
    ),
    Mutation(
        ("R1",),
        "where ids are recycled, another disk with the old id is the volume",
        "agent/linux/files.py",
        "if found is None or self._identity is None or not recognise(self._identity, found).is_ours:",
        "if found is None:",
        (f"{FILES}::test_r1_where_mount_ids_are_recycled_another_disk_is_known_by_its_identity",),
    ),
    Mutation(
        ("R1",),
        "a pass is quiet again when nothing more happens",
        "agent/linux/files.py",
        "self._quiet = self._quiet and not self._table_events.happened()",
        "self._quiet = not self._table_events.happened()",
        (f"{FILES}::test_r1_where_mount_ids_are_recycled_another_disk_is_known_by_its_identity",),
    ),
    Mutation(
        ("R1", "R3"),
        "a gate without a beginning is open",
        "agent/linux/files.py",
        "        if isinstance(self._baseline, Trouble):\n            return self._baseline\n",
        "        if isinstance(self._baseline, Trouble):\n            return list(Check)\n",
        (f"{FILES}::test_the_gate_names_every_check_that_was_passed",),
    ),
]

IDENTITIES = [
    Mutation(
        ("R6",),
        "all zero is an identity",
        "agent/linux/kernel.py",
        "        return uuid if any(uuid) else None\n    return None",
        "        return uuid\n    return None",
        (f"{PROBE}::test_r6_all_zero_is_no_identity",),
    ),
    Mutation(
        ("R6",),
        "kernels without the newest question know no identity",
        "agent/linux/kernel.py",
        "        questions.append(_OWN_UUID[fs_type])\n",
        "        pass\n",
        (f"{PROBE}::test_r6_identity_needs_no_new_kernel",),
    ),
    Mutation(
        ("R8",),
        "the root's birth is no part of the identity",
        "agent/linux/probe.py",
        "root_birth_ns=facts.birth_ns,",
        "root_birth_ns=None,",
        (f"{GATE}::test_r8_a_disk_that_was_formatted_anew_under_its_old_uuid_has_another_identity",),
    ),
    Mutation(
        ("R13",),
        "a bind mount is all of its file system",
        "agent/linux/probe.py",
        "root=mount.root,",
        'root="/",',
        (f"{PROBE}::test_r13_a_bind_mount_is_another_part_of_the_same_file_system",),
    ),
    Mutation(
        ("R14",),
        "what was mounted over a volume is probed in its place",
        "agent/linux/probe.py",
        "if kernel.table_id_of(root) != mount.mount_id:",
        "if False:",
        (f"{PROBE}::test_r14_what_was_mounted_over_it_is_not_taken_for_it",),
    ),
    Mutation(
        ("R6", "R15"),
        "an overlay is another volume at every mount",
        "agent/linux/probe.py",
        '_WITHOUT_UUID = frozenset({"overlay"})',
        "_WITHOUT_UUID: frozenset[str] = frozenset()",
        (f"{PROBE}::test_an_overlay_has_no_lasting_uuid",),
    ),
    Mutation(
        ("R6",),
        "a share is known without its server's name",
        "agent/linux/probe.py",
        'return fs_type in _NAMED or fs_type.startswith("fuse.")',
        "return False",
        (f"{PROBE}::test_only_storage_that_is_named_has_its_source_as_identity",),
    ),
    Mutation(
        ("R16",),
        "an array is as dead as any of its disks",
        "agent/linux/blockdev.py",
        '        if not os.path.isdir(f"{disk}/md"):\n            waiting',
        "        if True:\n            waiting",
        (f"{BLOCKDEV}::test_an_array_outlives_its_members",),
    ),
    Mutation(
        ("R1",),
        "an unlocked disk is not followed to the one below it",
        "agent/linux/blockdev.py",
        "            waiting += _below(disk)\n        elif",
        "            pass\n        elif",
        (f"{BLOCKDEV}::test_a_mapped_device_stands_on_the_disk_below_it",),
    ),
    Mutation(
        ("R1",),
        "a disk is known by its number alone, which the next one gets",
        "agent/linux/blockdev.py",
        'disks.add(Disk(text(f"{disk}/dev"), text(f"{disk}/diskseq")))',
        'disks.add(Disk(text(f"{disk}/dev"), ""))',
        (f"{BLOCKDEV}::test_a_replugged_disk_is_another_disk",),
    ),
    Mutation(
        ("R30",),
        "errors of the file system are not counted",
        "agent/linux/blockdev.py",
        'errors = _number(f"{sys}/fs/ext4/{name}/errors_count")',
        "errors = 0",
        (f"{BLOCKDEV}::test_errors_of_the_file_system_count",),
    ),
]

EVENTS = [
    Mutation(
        ("R3",),
        "what was queued before an unmount is believed",
        "agent/linux/watched.py",
        "if any(event.mask & UNMOUNT for event in events):",
        "if events and events[0].mask & UNMOUNT:",
        (f"{WATCHED}::test_r3_an_unmount_drops_what_was_queued_before_it",),
    ),
    Mutation(
        ("R31",),
        "an overflow passes in silence",
        "agent/linux/watched.py",
        '                found[Lost("", OVERFLOWED)] = None\n',
        "",
        (f"{WATCHED}::test_r31_an_overflow_is_a_loss_everywhere",),
    ),
    Mutation(
        ("R31",),
        "a watch that the kernel ended passes for a watch",
        "agent/linux/watched.py",
        "            return Lost(directory, ENDED)",
        '            return Hint(directory, "")',
        (f"{WATCHED}::test_r31_a_watch_that_the_kernel_ends_without_a_reason_is_a_loss",),
    ),
    Mutation(
        ("R31",),
        "the watches below a moved directory go on under its old name",
        "agent/linux/watched.py",
        "                    gone += self.unbind(paths.join(directory, event.name))",
        "                    pass",
        (f"{WATCHED}::test_the_watches_below_a_renamed_directory_are_given_back",),
    ),
    Mutation(
        ("R31",),
        "the limit of watches passes in silence",
        "agent/linux/inotify.py",
        "        except OSError as error:\n            return trouble(error, directory)\n        self",
        "        except OSError:\n            return None\n        self",
        (f"{INOTIFY}::test_r31_the_limit_of_watches_is_trouble",),
    ),
    Mutation(
        ("R31",),
        "events that a mark has lost pass in silence",
        "agent/linux/fanotify.py",
        "            if event.mask & _Q_OVERFLOW:\n",
        "            if False:\n",
        (f"{FANOTIFY}::test_r31_a_queue_that_overflows_says_so",),
    ),
    Mutation(
        ("R31",),
        "after a loss, directories are looked for where they were",
        "agent/linux/fanotify.py",
        "bool(mask & _Q_OVERFLOW or (mask & _ONDIR and mask & (_RENAME | _DELETE)))",
        "bool(mask & _ONDIR and mask & (_RENAME | _DELETE))",
        (f"{FANOTIFY}::test_r31_where_a_directory_is_is_asked_anew_when_events_were_lost",),
    ),
    Mutation(
        ("R31",),
        "a directory that took the place of another one is not watched",
        "agent/linux/watched.py",
        "replaced=bool(event.mask & (DELETE | MOVED_FROM | MOVED_TO))",
        "replaced=False",
        ("tests/agent/test_watching.py::test_r31_a_directory_that_is_made_anew_is_watched_anew",),
    ),
    Mutation(
        ("R31",),
        "a file system is marked whose handles come to name nothing",
        "agent/linux/watches.py",
        "if not traits(mount.fs_type).stable_inodes:",
        "if False:",
        ("tests/linux/test_watches.py::test_r31_a_file_system_whose_handles_do_not_last_gets_no_mark",),
    ),
    Mutation(
        ("R17",),
        "a mark asks the storage unannounced",
        "agent/linux/fanotify.py",
        "        self._about_to_ask()\n",
        "",
        (f"{FANOTIFY}::test_r17_storage_is_asked_only_for_directories_that_are_not_known_yet",),
    ),
    Mutation(
        ("R17",),
        "a worker does not say that its watch asks the storage",
        "agent/worker.py",
        "        if not self._said_busy:\n            self._say(busy=True)\n\n    def _say",
        "        pass\n\n    def _say",
        ("tests/agent/test_noise.py::test_r17_a_watch_that_asks_the_storage_is_missed_when_it_does_not_come_back",),
    ),
    Mutation(
        ("R40",),
        "a mark keeps the root open that it was set by",
        "agent/linux/fanotify.py",
        "                self._check_handles(root)\n",
        "                self._check_handles(root)\n                os.dup(root)\n",
        (f"{FANOTIFY}::test_r40_a_mark_does_not_keep_people_from_unmounting_and_says_nothing_of_it",),
    ),
    Mutation(
        ("R5",),
        "who waits for the mount table takes the news from who asks",
        "agent/linux/mountinfo.py",
        "self._asked = TableEvents(path)",
        "self._asked = self._wake",
        (f"{TABLE}::test_r5_who_waits_and_who_asks_do_not_take_the_news_from_each_other",),
    ),
    Mutation(
        ("R5",),
        "what happened before the first question is not told",
        "agent/linux/mountinfo.py",
        "        return bool(self._poll.poll(0))",
        "        first, self._first = getattr(self, '_first', True), False\n"
        "        return bool(self._poll.poll(0)) and not first",
        (f"{TABLE}::test_r5_what_happened_between_opening_and_asking_counts",),
    ),
    Mutation(
        ("R5", "R12"),
        "mounts are known by numbers that are used again",
        "agent/linux/kernel.py",
        "flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC\n"
        "    return statx(AT_FDCWD, path, flags, STATX_MNT_ID_UNIQUE)",
        "flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC\n"
        "    return statx(AT_FDCWD, path, flags, STATX_MNT_ID)",
        (f"{TABLE}::test_r14_every_mount_has_an_id_of_its_own_even_at_the_same_place",),
    ),
    Mutation(
        ("R17",),
        "a mount that holds a worker beyond killing is asked again",
        "agent/probing.py",
        "if key in self._asked or self._is_stuck(key):",
        "if key in self._asked:",
        (f"{WORKERS}::test_r17_a_mount_that_holds_a_worker_beyond_killing_is_not_asked_again_until_it_lets_go",),
    ),
    Mutation(
        ("R17",),
        "a worker that cannot be killed is said to be gone",
        "agent/processes.py",
        "return len(self._abandoned)",
        "return 0",
        (f"{WORKERS}::test_r17_a_mount_that_holds_a_worker_beyond_killing_is_not_asked_again_until_it_lets_go",),
    ),
    Mutation(
        ("R18",),
        "a dead FUSE daemon's errno is swallowed",
        "agent/linux/attachment.py",
        "return Trouble(error.errno or errno.EIO, where)",
        "return Trouble(errno.ENOENT if error.errno == errno.ENOTCONN else error.errno or errno.EIO, where)",
        ("tests/linux/test_failures.py::test_r18_a_share_whose_program_died_is_disconnected_and_not_empty",),
    ),
]

MUTATIONS = [*DESCRIPTORS, *GATES, *IDENTITIES, *EVENTS]
