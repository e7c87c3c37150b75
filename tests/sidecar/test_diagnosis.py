"""What the sidecar's doctor makes of what it found: every code by the evidence that leads to it, and by no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from holdfast.findings import Severity, needs_somebody
from holdfast.mapping import Mapped
from sidecar.doctor.codes import Code
from sidecar.doctor.diagnosis import configuration_invalid, diagnose
from sidecar.doctor.evidence import (
    AgentFacts,
    Answer,
    CatalogEvidence,
    DatabaseEvidence,
    Evidence,
    FailedJob,
    HookFacts,
    RefusedPath,
    Schema,
    ServerEvidence,
    ServiceEvidence,
    StateEvidence,
)
from sidecar.doctor.service import is_open

DOCS = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
GB = 1_000_000_000
NAS = AgentFacts(name="nas", host="nas.example", version="1.0", silent_s=4.0)
SERVER = ServerEvidence(
    version="11.4.2-MariaDB",
    packet_bytes=16 << 20,
    connections_max=151,
    flushes_at_commit=True,
    writes_statements=False,
    isolation="READ COMMITTED",
    is_strict=True,
    ahead_s=0.2,
)
CATALOG = CatalogEvidence(
    agents=[NAS],
    hooks=[HookFacts(url="https://photos.example/hook")],
    paths=[Mapped(path="/mnt/usb", server_path="/media", agent="nas", volume="vol_1")],
)
FILE = DatabaseEvidence(
    url="sqlite:////var/lib/c.db", fs_type="ext4", free_bytes=50 * GB, total_bytes=100 * GB, server=SERVER
)
WELL = Evidence(
    version="1.0",
    config="/etc/holdfast/sidecar.toml",
    processes=3,
    silent_after_s=30.0,
    service=ServiceEvidence(listen="127.0.0.1:8765", answer=Answer.WELL),
    state=StateEvidence(path="/var/lib/holdfast/sidecar", free_bytes=50 * GB, total_bytes=100 * GB),
    database=FILE,
    catalog=CATALOG,
)


def server(**changes: object) -> Evidence:
    return replace(WELL, database=replace(FILE, server=replace(SERVER, **changes)))


def database(**changes: object) -> Evidence:
    return replace(WELL, database=replace(FILE, **changes))


def catalog(**changes: object) -> Evidence:
    return replace(WELL, catalog=replace(CATALOG, **changes))


def service(answer: Answer, listen: str = "127.0.0.1:8765") -> Evidence:
    return replace(WELL, service=ServiceEvidence(listen=listen, answer=answer, detail="its word"))


CASES: dict[Code, list[Evidence]] = {
    Code.SIDECAR_NOT_RUNNING: [service(Answer.NOBODY), service(Answer.SOMEBODY_ELSE)],
    Code.SIDECAR_NOT_READY: [service(Answer.NOT_READY)],
    Code.LISTEN_OPEN: [service(Answer.WELL, "0.0.0.0:8765")],
    Code.STATE_NOT_WRITABLE: [
        replace(WELL, state=replace(WELL.state, problem="It is read-only.")),
        replace(WELL, state=replace(WELL.state, foreign=["catalog.sqlite3"])),
    ],
    Code.STATE_NEARLY_FULL: [
        replace(WELL, state=replace(WELL.state, free_bytes=GB // 10)),
        database(free_bytes=1),
    ],
    Code.STATE_EXPOSED: [replace(WELL, state=replace(WELL.state, exposed=["admin.token"]))],
    Code.PACKAGE_MISSING: [database(missing="pymysql")],
    Code.DATABASE_UNREACHABLE: [database(problem="2003 (HY000)")],
    Code.DATABASE_READ_ONLY: [database(read_only="read_only is on, as on replicas.")],
    Code.DATABASE_ON_SHARE: [database(fs_type="nfs4")],
    Code.DATABASE_SETTINGS: [
        server(version="5.7.44"),
        server(packet_bytes=1 << 20),
        server(flushes_at_commit=False),
        server(writes_statements=True),
        server(connections_max=95),
        server(isolation="REPEATABLE READ"),
        server(is_strict=False),
        server(cluster="non-Primary"),
    ],
    Code.CATALOG_MISSING: [database(schema=Schema.NONE)],
    Code.CATALOG_PROMOTED: [database(moved_to="mysql+pymysql://db/holdfast")],
    Code.SCHEMA_OLDER: [database(schema=Schema.OLDER)],
    Code.SCHEMA_NEWER: [database(schema=Schema.NEWER)],
    Code.CLOCK_DIFFERS: [server(ahead_s=-61.0), catalog(agents=[replace(NAS, ahead_s=61.0)])],
    Code.WORKER_NOT_RUNNING: [catalog(has_worker=False)],
    Code.AGENT_SILENT: [catalog(agents=[replace(NAS, silent_s=31.0)]), catalog(agents=[replace(NAS, silent_s=None)])],
    Code.AGENT_NEWER: [catalog(agents=[replace(NAS, version="1.1")])],
    Code.AGENT_OLDER: [catalog(agents=[replace(NAS, version="0.9.9")])],
    Code.NO_AGENT: [catalog(agents=[])],
    Code.PATHS_OVERLAP: [catalog(paths=[*CATALOG.paths, Mapped(path="/srv", server_path="/media/x", agent="other")])],
    Code.IMPORT_PATH_REFUSED: [
        catalog(refused=[RefusedPath(path="/mnt/x", agent="nas", message="/mnt/x is not a directory.")])
    ],
    Code.HOLDS_WAITING: [catalog(holds=2, held_files=300)],
    Code.JOB_FAILED: [catalog(jobs=[FailedJob(id="job_1", kind="scan", error="it broke")])],
    Code.WEBHOOK_FAILING: [catalog(hooks=[HookFacts(url="https://a", failing_s=60.0, last_error="410 Gone")])],
    Code.WEBHOOK_DISABLED: [
        catalog(hooks=[HookFacts(url="https://a", disabled="Nothing could be delivered for 5 days.")]),
        catalog(hooks=[HookFacts(url="https://a", disabled="")]),
    ],
}
EVERY = [
    pytest.param(code, one, id=f"{code}-{number}")
    for code, several in CASES.items()
    for number, one in enumerate(several)
]


def found(evidence: Evidence) -> set[str]:
    return {finding.code for finding in diagnose(evidence) if finding.severity > Severity.OK}


def test_a_sidecar_where_all_is_well_has_no_finding() -> None:
    assert found(WELL) == set()
    assert {one.code for one in diagnose(WELL)} == {"sidecar", "database", "worker", "agent"}
    assert not needs_somebody(diagnose(WELL))


@pytest.mark.parametrize(("code", "evidence"), EVERY)
def test_every_fault_is_found_by_its_evidence_and_by_no_other(code: Code, evidence: Evidence) -> None:
    findings = [one for one in diagnose(evidence) if one.severity > Severity.OK]
    assert {one.code for one in findings} == {code}
    for one in findings:
        assert one.sentence.endswith("."), one.sentence
        assert one.remedy
        assert one.severity is Severity.NOTE or one.why, "who must do something is told why"


def test_every_code_has_a_case_and_a_section_with_cause_effect_and_remedy() -> None:
    assert {*CASES, Code.CONFIGURATION_INVALID} == set(Code)
    parts = re.split(r'^### <a id="([a-z-]+)"></a>', DOCS.read_text(), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for code in Code:
        for part in ("**Cause.**", "**Effect.**", "**Remedy.**"):
            assert part in sections[code], f"{code} lacks {part}"


def test_the_worst_comes_first() -> None:
    evidence = replace(catalog(has_worker=False, holds=1, held_files=1), service=service(Answer.NOBODY).service)
    assert [one.severity for one in diagnose(evidence)] == sorted(
        (one.severity for one in diagnose(evidence)), reverse=True
    )


def test_without_a_database_nothing_is_said_of_what_is_in_it() -> None:
    assert found(replace(database(problem="gone"), catalog=None)) == {Code.DATABASE_UNREACHABLE}


def test_one_disk_that_two_agents_see_is_one_thing_to_the_photo_server() -> None:
    other = Mapped(path="/Volumes/usb", server_path="/media", agent="mac", volume="vol_1")
    assert found(catalog(paths=[*CATALOG.paths, other])) == set()
    assert found(catalog(paths=[*CATALOG.paths, replace(other, volume="vol_2")])) == {Code.PATHS_OVERLAP}


def test_a_wrong_configuration_is_one_finding() -> None:
    assert needs_somebody([configuration_invalid("sidecar.toml:1: thread: this key is not known")])


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:1", False),
        ("[::1]:1", False),
        ("localhost:1", False),
        ("unix:/run/x.sock", False),
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("192.168.1.2:1", True),
        ("photos.example:1", True),
    ],
)
def test_what_other_machines_can_reach_is_open(listen: str, expected: bool) -> None:
    assert is_open(listen) is expected
