"""What the doctor makes of what it found: every code by the evidence that leads to it, and in the words that status
and API use too."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import click
import pytest
from msgspec.structs import replace

import sidecar.doctor.codes
from agent.cli import status
from agent.doctor.diagnosis import configuration_invalid, diagnose
from agent.doctor.evidence import (
    AgentEvidence,
    Evidence,
    HostEvidence,
    JournalEvidence,
    Look,
    Settings,
    SidecarAnswer,
    SidecarEvidence,
    StateEvidence,
)
from agent.doctor.findings import Code
from agent.doctor.host import propagation
from agent.doctor.storage import watches_needed
from agent.ports import Mount
from holdfast import doctor
from holdfast.assignments import AssignedPath, Binding, BindingState
from holdfast.findings import Finding, Severity, examination, needs_somebody
from holdfast.scans import ScanProgress
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import STATE_OF, Identity, Reason, VolumeState, VolumeStatus, help_of, sentence

DOCS = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
# Import paths that are refused have sections too; their anchors are no codes.
REFUSALS = ("mount-point-with-nothing-mounted", "plain-directory", "automount-is-idle")
# What the sidecar has to tell, of streams and of its database, is explained in the same document.
SIDECARS = (
    "stream-baseline",
    "stream-draining",
    "stream-held-back",
    "stream-refused",
    "catalog-restored",
    "migration-broken-off",
    "database-cannot-write",
    "database-unavailable",
    *sidecar.doctor.codes.Code,
    "restore-broken-off",
    "catalog-damaged",
)
NOW = 1_700_000_000.0
PLACE = "/mnt/usb"
SHARED = "scans only (a watch does not see what others change on nfs4)"
GB = 1_000_000_000


def volume(reason: Reason = Reason.VERIFIED, fs_type: str = "ext4") -> VolumeStatus:
    state = STATE_OF[reason]
    return VolumeStatus(
        volume="vol_1",
        state=state,
        reason=reason,
        detail=sentence(reason, PLACE),
        since=NOW - 7200,
        version=1,
        label="family",
        identity=Identity(fs_type=fs_type, uuid="0" * 31 + "1", root_inode=2),
        mounted_at=PLACE if state is VolumeState.ONLINE else None,
        last_mounted_at=PLACE,
    )


def running(*volumes: VolumeStatus, **reading: Any) -> AgentStatus:
    readings = [VolumeReading(status=one, **{"watching": "inotify", **reading}) for one in volumes]
    return AgentStatus(
        version="1.0", agent="agt_1", pid=7, sidecar="connected", revision=1, volumes=readings, bindings=[]
    )


def agent(*volumes: VolumeStatus, **reading: Any) -> AgentEvidence:
    """An agent that runs, with a library path on its volume."""
    return AgentEvidence(
        status=running(*volumes, **reading),
        volumes=list(volumes),
        bindings=[Binding(import_path="imp_1", state=BindingState.BOUND, volume="vol_1", directory="")],
        import_paths=[AssignedPath(id="imp_1", library="lib_1", path=PLACE, server_path=PLACE, exclusion_patterns=[])],
    )


ROOT = Mount(1, 0, "8:1", "/", "/", "ext4", "/dev/sda1")
USB = Mount(2, 1, "8:17", "/", PLACE, "ext4", "/dev/sdb1")
NESTED = Mount(3, 2, "8:33", "/", f"{PLACE}/trip", "ext4", "/dev/sdc1")

WELL = Evidence(
    version="1.0",
    settings=Settings(
        path="/etc/holdfast/agent.toml",
        state_dir="/var/lib/holdfast",
        socket_path="/run/holdfast/agent.sock",
        sidecar="https://photos.example",
        roots=["/mnt"],
    ),
    now=NOW,
    agent=agent(volume()),
    sidecar=SidecarEvidence(answer=SidecarAnswer.WELL, ahead_s=0.4),
    host=HostEvidence(
        kernel="6.12.1",
        recycles_mount_ids=False,
        max_user_watches=65536,
        max_user_instances=128,
        mounts=[ROOT, USB],
        propagation={1: "shared", 2: "shared"},
        secluded=False,
        user="holdfast",
    ),
    state=StateEvidence(path="/var/lib/holdfast", free_bytes=50 * GB, total_bytes=100 * GB),
    journals=[JournalEvidence(volume="vol_1", path="/var/lib/holdfast/journals/vol_1.sqlite3", directories=1000)],
    looks={PLACE: Look(entries=["trip"])},
)
JOURNAL = WELL.journals[0]
SILENT = replace(WELL.agent, status=None, silence="Connection refused")
REFUSED = Binding(import_path="imp_1", state=BindingState.REFUSED, message="/mnt/usb is not a directory.")


def without(volume_state: Reason, **changes: Any) -> Evidence:
    """The disk is in this state."""
    return replace(WELL, agent=agent(volume(volume_state)), **changes)


def sidecar_says(answer: SidecarAnswer) -> Evidence:
    return replace(WELL, sidecar=SidecarEvidence(answer=answer, detail="its word."))


def wanted(path: str, server_path: str = "/media") -> AssignedPath:
    return AssignedPath(id=path, library="lib_1", path=path, server_path=server_path, exclusion_patterns=[])


CASES: dict[Code, Evidence] = {
    Code.NO_ACCESS: replace(WELL, agent=replace(WELL.agent, closed=["/var/lib/holdfast/agent.token"])),
    Code.AGENT_NOT_RUNNING: replace(WELL, agent=SILENT),
    Code.AGENT_SILENT_SOCKET: replace(WELL, agent=replace(SILENT, lock_pid=7)),
    Code.TWO_AGENTS: replace(WELL, agent=replace(WELL.agent, others=[99])),
    Code.NOT_ENROLLED: replace(WELL, agent=replace(SILENT, enrolled=False)),
    Code.PLAIN_HTTP: replace(WELL, sidecar=SidecarEvidence(answer=SidecarAnswer.PLAIN_HTTP, detail="plain.")),
    Code.SIDECAR_URL: replace(WELL, sidecar=SidecarEvidence(answer=SidecarAnswer.BAD_URL, detail="not a URL.")),
    Code.SIDECAR_UNREACHABLE: replace(WELL, sidecar=SidecarEvidence(answer=SidecarAnswer.UNREACHABLE, detail="no.")),
    Code.SIDECAR_NAME_UNKNOWN: sidecar_says(SidecarAnswer.NAME_UNKNOWN),
    Code.SIDECAR_CONNECTION_REFUSED: sidecar_says(SidecarAnswer.CONNECTION_REFUSED),
    Code.SIDECAR_TLS: sidecar_says(SidecarAnswer.TLS),
    Code.SIDECAR_FAILING: sidecar_says(SidecarAnswer.FAILING),
    Code.NOT_A_SIDECAR: sidecar_says(SidecarAnswer.NOT_A_SIDECAR),
    Code.AGENT_OUTDATED: replace(WELL, version="1.0.1", sidecar=replace(WELL.sidecar, version="1.0.1")),
    Code.AGENT_NEWER: replace(WELL, sidecar=replace(WELL.sidecar, version="0.9")),
    Code.AGENT_OLDER: replace(WELL, sidecar=replace(WELL.sidecar, version="1.10")),
    Code.TOKEN_REFUSED: replace(WELL, sidecar=SidecarEvidence(answer=SidecarAnswer.REFUSED, detail="revoked.")),
    Code.CLOCK_DIFFERS: replace(WELL, sidecar=SidecarEvidence(answer=SidecarAnswer.WELL, ahead_s=-61.0)),
    Code.NOTHING_ASSIGNED: replace(WELL, agent=AgentEvidence(status=running())),
    Code.NO_ROOTS: replace(WELL, settings=replace(WELL.settings, roots=[])),
    Code.ROOT_NOT_THERE: replace(WELL, looks={**WELL.looks, "/mnt": Look(errno=errno.ENOENT)}),
    Code.OUTSIDE_ROOTS: replace(
        WELL, settings=replace(WELL.settings, roots=["/srv"]), agent=replace(WELL.agent, bindings=[REFUSED])
    ),
    Code.PATHS_OVERLAP: replace(WELL, agent=replace(WELL.agent, import_paths=[wanted(PLACE), wanted("/mnt/other")])),
    Code.IMPORT_PATH_REFUSED: replace(WELL, agent=replace(WELL.agent, bindings=[REFUSED])),
    Code.UNREADABLE_FOLDERS: replace(WELL, journals=[replace(JOURNAL, unreadable=["private"], unreadable_count=1)]),
    Code.PRIVATE_MOUNTS: replace(WELL, host=replace(WELL.host, secluded=True, propagation={1: "private"})),
    Code.NESTED_MOUNT: replace(WELL, host=replace(WELL.host, mounts=[ROOT, USB, NESTED])),
    Code.HIDDEN_FILES: replace(
        WELL, host=replace(WELL.host, mounts=[ROOT, USB, NESTED]), journals=[replace(JOURNAL, places=["", "trip/a"])]
    ),
    Code.STRAY_FILES: without(Reason.NOT_MOUNTED, host=replace(WELL.host, mounts=[ROOT])),
    Code.FILES_BENEATH: replace(WELL, beneath={PLACE: Look(entries=["IMG_1.jpg"])}),
    Code.FANOTIFY_MISSING: replace(WELL, settings=replace(WELL.settings, watch="fanotify")),
    Code.SCANS_ONLY: replace(WELL, agent=agent(volume(fs_type="nfs4"), watching=SHARED)),
    Code.WATCH_LIMIT: replace(WELL, host=replace(WELL.host, max_user_watches=999)),
    Code.INSTANCE_LIMIT: replace(WELL, host=replace(WELL.host, max_user_instances=2)),
    Code.DELIVERY_STALLED: replace(WELL, agent=agent(volume(), problem="413 too-large: too large")),
    Code.WORKER_RESTARTS: replace(WELL, agent=agent(volume(), worker_deaths=3)),
    Code.FUSECTL_MISSING: replace(
        WELL, agent=agent(volume(fs_type="fuse.sshfs")), host=replace(WELL.host, fusectl="fusectl is not mounted there")
    ),
    Code.OLD_KERNEL: replace(WELL, host=replace(WELL.host, recycles_mount_ids=True, kernel="6.1.0")),
    Code.STATE_ON_VOLUME: replace(WELL, state=replace(WELL.state, path=f"{PLACE}/state")),
    Code.STATE_NOT_WRITABLE: replace(WELL, state=replace(WELL.state, foreign=["registry.json"])),
    Code.STATE_EXPOSED: replace(WELL, state=replace(WELL.state, exposed=["agent.token"])),
    Code.STATE_NEARLY_FULL: replace(WELL, state=replace(WELL.state, free_bytes=GB // 10)),
    Code.JOURNAL_UNUSABLE: replace(WELL, journals=[replace(JOURNAL, problem="file is not a database")]),
}


def sections() -> dict[str, str]:
    parts = re.split(r'^### <a id="([a-z-]+)"></a>', DOCS.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def found(evidence: Evidence) -> set[str]:
    return {finding.code for finding in diagnose(evidence) if finding.severity > Severity.OK}


def printed(findings: list[Finding], columns: int = 80) -> str:
    """As a person reads it, without the line breaks."""
    return " ".join(click.unstyle(" ".join(doctor.lines(findings, columns))).split())


def test_a_machine_where_all_is_well_has_no_finding() -> None:
    assert found(WELL) == set()
    assert not needs_somebody(diagnose(WELL))
    assert printed(diagnose(WELL)).endswith("All is well.")


@pytest.mark.parametrize("code", CASES)
def test_every_fault_is_found_by_its_evidence(code: Code) -> None:
    findings = [one for one in diagnose(CASES[code]) if one.code == code]
    assert findings, f"{code} was not found"
    for one in findings:
        assert one.sentence.endswith("."), one.sentence
        assert one.severity < Severity.WARNING or (one.why and one.remedy), "who must do something is told what"
        assert one.sentence in printed([one])
        assert one.help in printed([one])


@pytest.mark.parametrize("code", CASES)
def test_no_fault_is_found_by_the_evidence_of_another(code: Code) -> None:
    along: dict[Code, set[str]] = {
        Code.HIDDEN_FILES: {Code.NESTED_MOUNT},
        Code.STRAY_FILES: {Reason.NOT_MOUNTED},
        Code.NOT_ENROLLED: {Code.AGENT_NOT_RUNNING},
    }
    assert found(CASES[code]) == {code, *along.get(code, set())}


def test_every_code_has_a_case_and_a_section_with_cause_effect_and_remedy() -> None:
    assert {*CASES, Code.CONFIGURATION_INVALID} == set(Code)
    assert set(sections()) == {*Code, *Reason, *REFUSALS, *SIDECARS}
    for code in Code:
        for part in ("**Cause.**", "**Effect.**", "**Remedy.**"):
            assert part in sections()[code], f"{code} lacks {part}"


@pytest.mark.parametrize("reason", Reason)
def test_status_and_doctor_print_the_sentence_of_a_reason_and_where_to_read_on(reason: Reason) -> None:
    told = volume(reason)
    evidence = without(reason)
    text = printed(diagnose(evidence), 120)
    assert evidence.agent.status is not None
    lines = [click.unstyle(line) for line in status.lines(evidence.agent.status, NOW)]
    assert f"    {told.detail}" in lines
    assert told.detail in text
    if reason is Reason.VERIFIED:
        assert needs_somebody(diagnose(evidence)) is False
        return
    assert f"    what to do: {help_of(reason)}" in lines
    assert help_of(reason) in text
    assert reason in sections()


def test_status_shows_state_since_when_place_watch_scan_and_what_waits() -> None:
    scan = ScanProgress(scan="scn_1", directory="", fraction=0.4, directories=30, files=1200, errors=1, elapsed_s=12.0)
    watching = "inotify, 1,204 directories (fanotify needs CAP_SYS_ADMIN)"
    reading = {"scan": scan, "watching": watching, "problem": "the sidecar answers 503"}
    answer = running(replace(volume(), pending=12), **reading)
    lines = [click.unstyle(line).strip() for line in status.lines(answer, NOW)]
    assert re.fullmatch(r"family: online since \d{4}-\d\d-\d\d \d\d:\d\d \(2 h 0 min\)", lines[2])
    assert lines[4:] == [
        "mounted at /mnt/usb (ext4)",
        "changes are seen by inotify, 1,204 directories (fanotify needs CAP_SYS_ADMIN)",
        "scanning: 40%, 1,200 files in 30 directories, 1 error, for 12 s (100 files a second), about 18 s to go",
        "12 observations to be delivered",
        "not delivered: the sidecar answers 503",
        "vol_1",
    ]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal_unless_one_word_is(columns: int) -> None:
    findings = [finding for evidence in CASES.values() for finding in diagnose(evidence)]
    for line in doctor.lines(findings, columns):
        plain = click.unstyle(line)
        assert len(plain) <= columns or len(plain.split()) <= 2, plain


def test_colours_are_left_out_when_nobody_looks() -> None:
    assert "\x1b" in "".join(doctor.lines(diagnose(WELL), 80)), "click takes them out where output is not a terminal"


def test_a_name_that_a_terminal_would_obey_is_shown_harmless() -> None:
    evil = replace(JOURNAL, unreadable=["\x1b[2Jgone"], unreadable_count=1)
    assert "\x1b[2J" not in printed(diagnose(replace(WELL, journals=[evil])))


def test_the_json_document_has_every_finding() -> None:
    document = examination(diagnose(CASES[Code.WATCH_LIMIT]))
    assert document.worst == "warning"
    (limit,) = [one for one in document.findings if one.code == "watch-limit"]
    assert limit.severity == "warning"
    assert limit.help == "docs/troubleshooting.md#watch-limit"


def test_r31_the_watch_limit_is_named_with_the_number_that_is_needed() -> None:
    evidence = replace(WELL, journals=[replace(JOURNAL, directories=400_000)])
    (limit,) = [one for one in diagnose(evidence) if one.code == Code.WATCH_LIMIT]
    assert "400,000 folders" in limit.why
    assert "65,536" in limit.why
    assert f"sysctl fs.inotify.max_user_watches={watches_needed(400_000)}" in limit.remedy
    assert watches_needed(400_000) == 1_048_576
    assert watches_needed(10) == 524_288


def test_folders_that_cannot_be_watched_need_no_watch() -> None:
    share = agent(volume(fs_type="nfs4"), watching=SHARED)
    evidence = replace(WELL, agent=share, journals=[replace(JOURNAL, directories=10_000_000)])
    assert found(evidence) == {Code.SCANS_ONLY}


def test_folders_below_one_mark_need_no_watch() -> None:
    marked = agent(volume(), watching="fanotify, one mark", watched_directories=1)
    evidence = replace(WELL, agent=marked, journals=[replace(JOURNAL, directories=10_000_000)])
    assert Code.WATCH_LIMIT not in found(evidence)


def test_a_permission_that_the_agent_lacks_is_found_by_looking_with_its_rights() -> None:
    (closed,) = [
        one for one in diagnose(replace(WELL, looks={PLACE: Look(errno=errno.EACCES)})) if one.severity > Severity.OK
    ]
    assert closed.code == Code.UNREADABLE_FOLDERS
    assert closed.sentence == "holdfast may not read /mnt/usb."


def test_r36_without_an_agent_what_was_last_known_is_no_more_than_a_note() -> None:
    findings = diagnose(replace(WELL, agent=replace(SILENT, volumes=[volume(Reason.HUNG)])))
    (note,) = [one for one in findings if one.about == "family"]
    assert note.severity is Severity.NOTE
    assert note.sentence == "family was suspect when the agent last wrote that down."
    assert findings[0].code == Code.AGENT_NOT_RUNNING


@pytest.mark.parametrize(
    ("second", "overlap"),
    [
        (wanted("/mnt/usb/trip", "/media/trip"), False),  # a part of the first, called as it is there
        (wanted("/mnt/usb", "/media"), False),  # the same, in another library
        (wanted("/mnt/usb/trip", "/media/other"), True),
        (wanted("/mnt/nas", "/media"), True),
        (wanted("/mnt/nas", "/media2"), False),
        (wanted("/mnt/nas", "/"), True),
    ],
)
def test_a_photo_server_sees_one_thing_at_one_path(second: AssignedPath, overlap: bool) -> None:
    evidence = replace(WELL, agent=replace(WELL.agent, import_paths=[wanted(PLACE, "/media"), second]))
    assert (Code.PATHS_OVERLAP in found(evidence)) is overlap


def test_a_root_on_a_disk_that_is_away_is_missed_by_nobody() -> None:
    away = without(Reason.NOT_MOUNTED, settings=replace(WELL.settings, roots=[f"{PLACE}/photos"]))
    looks = {f"{PLACE}/photos": Look(errno=errno.ENOENT)}
    assert Code.ROOT_NOT_THERE not in found(replace(away, looks=looks))


def test_the_finding_names_the_host_of_the_sidecar() -> None:
    settings = replace(WELL.settings, sidecar="https://photos.example:8420/holdfast")
    (one,) = [
        one
        for one in diagnose(replace(sidecar_says(SidecarAnswer.NAME_UNKNOWN), settings=settings))
        if one.severity is Severity.FAULT
    ]
    assert one.sentence == "Nobody knows the name photos.example, which the sidecar is to have."


def test_a_hidden_file_beneath_a_mount_is_there_on_purpose() -> None:
    assert found(replace(WELL, beneath={PLACE: Look(entries=[".not-mounted"])})) == set()


@pytest.mark.parametrize("inodes", [0, 1, None])
def test_a_file_system_without_inodes_is_full(inodes: int | None) -> None:
    evidence = replace(WELL, state=replace(WELL.state, free_inodes=inodes))
    assert (Code.STATE_NEARLY_FULL in found(evidence)) is (inodes == 0)


def test_files_at_a_place_where_something_is_mounted_are_no_strays() -> None:
    assert Code.STRAY_FILES not in found(without(Reason.WRONG_VOLUME))


def test_private_mounts_are_a_fault_only_in_a_namespace_of_ones_own() -> None:
    private = replace(WELL.host, propagation={1: "private"})
    assert found(replace(WELL, host=private)) == set()
    slave = replace(WELL.host, secluded=True, propagation={1: "slave"})
    assert found(replace(WELL, host=slave)) == set()


def test_propagation_is_read_from_the_optional_fields() -> None:
    table = (
        b"1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        b"2 1 8:2 / /a rw master:3 propagate_from:1 - ext4 /dev/sdb1 rw\n"
        b"3 1 8:3 / /shared:9 rw - ext4 /dev/sdc1 rw\n"
    )
    assert propagation(table) == {1: "shared", 2: "slave", 3: "private"}


def test_a_wrong_configuration_is_one_finding() -> None:
    one = configuration_invalid("/etc/holdfast/agent.toml: unknown key 'root'; did you mean 'roots'?")
    assert one.why.endswith("did you mean 'roots'?")
    assert needs_somebody([one])
