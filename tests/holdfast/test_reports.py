"""Reports: an honest one survives the wire; one that cannot be true is refused, with the place named."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import reports
from holdfast.gate import REQUIRED, Check
from holdfast.reports import (
    Absent,
    BadReport,
    FileFacts,
    Gap,
    Listed,
    Look,
    Move,
    Moved,
    MovedFile,
    Observation,
    Proof,
    Report,
    ScanFinished,
    ScanStarted,
    Unreadable,
    check,
)
from holdfast.volumes import Epoch

EPOCH = Epoch("boot", 77, 1)
FIRST = Look(at=1000.0, boot_s=10.0, mount_id=77, mtime_ns=5, ctime_ns=6, entries=3)
SECOND = msgspec.structs.replace(FIRST, at=1002.0, boot_s=12.0)
PROOF = Proof(listed="trip", before=(1, 2), first=FIRST, second=SECOND, gate=sorted(REQUIRED))
FILE = FileFacts("a.jpg", 10, 20)


def report(*observations: Observation, **changed: object) -> Report:
    whole = Report(
        volume="vol_1", journal="jrn_1", sequence=1, epoch=EPOCH, made_at=1.0, observations=list(observations)
    )
    return msgspec.structs.replace(whole, **changed)


def absent(**changed: object) -> Absent:
    return Absent("trip", ["a.jpg"], msgspec.structs.replace(PROOF, **changed))


def moved(**changed: object) -> Moved:
    return Moved([msgspec.structs.replace(Move("old", "new", [MovedFile("b.jpg", FILE)]), **changed)])


def refusal(bad: Report) -> BadReport:
    with pytest.raises(BadReport) as caught:
        check(bad)
    return caught.value


ALL_KINDS: Sequence[Observation] = [
    Listed("trip", [FILE]),
    moved(),
    absent(),
    Unreadable("private", "EACCES"),
    Gap("", "overflow"),
    ScanStarted("scn_1", "", "changed"),
    ScanFinished(scan="scn_1", directory="", complete=True, directories=1, files=2, errors=0, duration_s=0.5),
]


def test_every_kind_of_observation_survives_the_wire() -> None:
    sent = report(*ALL_KINDS)
    received = msgspec.json.decode(msgspec.json.encode(sent), type=Report)
    assert received == sent
    check(received)


def test_an_unknown_field_is_refused_not_ignored() -> None:
    body = msgspec.json.encode(report())[:-1] + b',"extra":1}'
    with pytest.raises(msgspec.ValidationError, match="extra"):
        msgspec.json.decode(body, type=Report)


def test_a_format_from_the_future_is_refused() -> None:
    assert refusal(report(format=2)).pointer == "/format"


@pytest.mark.parametrize("sequence", [0, -1])
def test_a_stream_starts_at_one(sequence: int) -> None:
    assert refusal(report(sequence=sequence)).pointer == "/sequence"


@pytest.mark.parametrize(
    "observation",
    [
        Listed("../up", [FILE]),
        Listed("/etc", [FILE]),
        Listed("a\0", [FILE]),
        Listed("trip", [FileFacts("a/b.jpg", 1, 1)]),
        Listed("trip", [FileFacts("..", 1, 1)]),
        Listed("trip", [FileFacts("", 1, 1)]),
        Listed("trip", [FileFacts("a.jpg", -1, 1)]),
        Listed("trip", [FileFacts("a.jpg", 1 << 63, 1)]),
        Listed("trip", [FileFacts("a.jpg", 1, 1 << 63)]),
        Listed("trip", [FileFacts("a.jpg", 1, -(1 << 63) - 1)]),
        moved(origin="../up"),
        moved(directory="/new"),
        moved(files=[MovedFile("../b.jpg", FILE)]),
        moved(files=[MovedFile("b.jpg", FileFacts("..", 1, 1))]),
        Absent("trip", ["../a.jpg"], PROOF),
        Unreadable("a//b", "EIO"),
        Gap("a/./b", "overflow"),
        ScanStarted("scn_1", "a/", "new"),
    ],
)
def test_a_path_that_leads_out_of_the_volume_is_refused_and_its_place_named(observation: Observation) -> None:
    assert refusal(report(Gap("", "overflow"), observation)).pointer == "/observations/1"


def test_the_number_of_files_is_bounded() -> None:
    many = [FileFacts(f"{number}.jpg", 1, 1) for number in range(reports.FILES_MAX)]
    check(report(Listed("trip", many)))
    assert refusal(report(Listed("trip", many), Listed("more", [FILE]))).pointer == "/observations/1"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"listed": "other"}, id="another directory was listed"),
        pytest.param({"listed": "trip/deeper"}, id="a directory below was listed"),
        pytest.param({"first": msgspec.structs.replace(FIRST, mount_id=78)}, id="first look on another mount"),
        pytest.param({"second": msgspec.structs.replace(SECOND, mount_id=78)}, id="second look on another mount"),
        pytest.param({"before": (5, 6)}, id="the directory did not change"),
        pytest.param({"second": FIRST}, id="one look, told twice"),
        pytest.param({"second": msgspec.structs.replace(SECOND, boot_s=9.0)}, id="second look before the first"),
        pytest.param({"gate": []}, id="no commit gate"),
        *(pytest.param({"gate": sorted(REQUIRED - {one})}, id=f"no {one} at the gate") for one in sorted(REQUIRED)),
    ],
)
def test_r1_an_absence_without_its_proof_is_refused(bad: dict[str, object]) -> None:
    refused = refusal(report(absent(**bad)))
    assert refused.pointer == "/observations/0/proof"
    assert refused.problem


def test_r1_an_ancestor_that_was_listed_proves_what_was_below_it() -> None:
    check(report(absent(listed="")))


def test_r1_where_directories_keep_no_times_two_looks_and_the_gate_must_do() -> None:
    check(report(absent(before=None)))
    assert refusal(report(absent(before=None, gate=[]))).pointer == "/observations/0/proof"


def test_r21_the_clock_that_people_can_set_proves_no_second_look() -> None:
    later_by_the_wall_only = msgspec.structs.replace(FIRST, at=9999.0)
    assert refusal(report(absent(second=later_by_the_wall_only))).pointer == "/observations/0/proof"


looks = st.builds(
    Look,
    at=st.floats(0, 1e9),
    boot_s=st.floats(0, 1e6),
    mount_id=st.sampled_from([77, 78]),
    mtime_ns=st.sampled_from([1, 5]),
    ctime_ns=st.sampled_from([2, 6]),
    entries=st.integers(0, 5),
)
proofs = st.builds(
    Proof,
    listed=st.sampled_from(["", "trip", "trap"]),
    before=st.sampled_from([None, (1, 2), (5, 6)]),
    first=looks,
    second=looks,
    gate=st.lists(st.sampled_from(Check), unique=True),
)


@given(proofs)
def test_r1_whatever_is_accepted_has_every_part_of_the_proof(proof: Proof) -> None:
    if reports.why_not_proven(Absent("trip", ["a.jpg"], proof), EPOCH) is not None:
        return
    assert proof.listed in ("", "trip")
    assert proof.first.mount_id == proof.second.mount_id == EPOCH.mount_id
    assert proof.second.boot_s > proof.first.boot_s
    assert proof.before not in {(look.mtime_ns, look.ctime_ns) for look in (proof.first, proof.second)}
    assert set(proof.gate) >= REQUIRED
