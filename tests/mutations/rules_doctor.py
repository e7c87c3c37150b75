"""Rules broken in what people are shown of storage, and in what a volume does where the kernel's limits are reached."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_DIAGNOSIS = "tests/agent/test_diagnosis.py"
_DOCTOR = "tests/linux/test_doctor.py"

MUTATIONS = [
    Mutation(
        ("R17",),
        "the doctor waits for storage that hangs",
        "agent/doctor/looking.py",
        "until = time.monotonic() + deadline_s",
        "until = time.monotonic() + 3 * deadline_s",
        (f"{_DOCTOR}::test_r17_looks_are_taken_side_by_side_with_the_rights_of_the_agent_and_given_up",),
        slow=True,
    ),
    Mutation(
        ("R29",),
        "the doctor looks with the rights of whoever asks",
        "agent/doctor/looking.py",
        "            rights.become(int(sys.argv[2]), keeps_reading=sys.argv[3:] == [_READING])",
        "            pass",
        (f"{_DOCTOR}::test_r17_looks_are_taken_side_by_side_with_the_rights_of_the_agent_and_given_up",),
    ),
    Mutation(
        ("R31",),
        "a worker that gets no inotify instance ends",
        "agent/linux/watches.py",
        "errno.EMFILE, errno.ENFILE",
        "errno.ENFILE, errno.ENFILE",
        (f"{_DOCTOR}::test_r31_a_volume_that_gets_no_inotify_instance_is_scanned_and_the_doctor_names_the_limit",),
        slow=True,
    ),
    Mutation(
        ("R31",),
        "too few watches are not told",
        "agent/doctor/storage.py",
        "if needed > host.max_user_watches or",
        "if",
        (f"{_DIAGNOSIS}::test_r31_the_watch_limit_is_named_with_the_number_that_is_needed",),
    ),
    Mutation(
        ("R36",),
        "what a silent agent said last is told as if it were so",
        "agent/doctor/storage.py",
        "is_current = evidence.agent.status is not None",
        "is_current = True",
        (f"{_DIAGNOSIS}::test_r36_without_an_agent_what_was_last_known_is_no_more_than_a_note",),
    ),
    Mutation(
        ("R4",),
        "files on a bare mount point are not told",
        "agent/doctor/storage.py",
        "if top is None or top.mount_point == where:",
        "if top is None or top.mount_point != where:",
        (f"{_DIAGNOSIS}::test_every_fault_is_found_by_its_evidence",),
    ),
    Mutation(
        ("R16",),
        "status leaves out what to do",
        "agent/cli/status.py",
        "if status.state is not VolumeState.ONLINE:",
        "if status.state is VolumeState.ONLINE:",
        (f"{_DIAGNOSIS}::test_status_and_doctor_print_the_sentence_of_a_reason_and_where_to_read_on",),
    ),
]
