"""The messages besides reports: strict with what is sent to a sidecar, tolerant of what it answers."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.assignments import (
    AssignedPath,
    Assignment,
    Binding,
    BindingState,
    EnrolRequest,
    EnrolResponse,
    Heartbeat,
    HeartbeatResponse,
    KnownVolume,
)
from holdfast.problems import DOCS, PlacedError, Problem
from holdfast.scans import ScanProgress
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import Capacity, Epoch, Identity, Reason, VolumeState, VolumeStatus

IDENTITY = Identity(fs_type="ext4", uuid="0" * 32, root_inode=2, root_birth_ns=1)
STATUS = VolumeStatus(
    volume="vol_1",
    state=VolumeState.ONLINE,
    reason=Reason.VERIFIED,
    detail="All is well.",
    since=1.0,
    version=3,
    label="USB",
    identity=IDENTITY,
    epoch=Epoch("boot", 77, 1),
    mounted_at="/mnt/usb",
    last_mounted_at="/mnt/usb",
    capacity=Capacity(100, 50),
)
BINDING = Binding(import_path="imp_1", state=BindingState.BOUND, volume="vol_1", directory="")
MESSAGES: list[msgspec.Struct] = [
    EnrolRequest(name="nas", host="nas", version="0.1.0"),
    EnrolResponse(agent="agt_1", token="hf_1"),
    Heartbeat(volumes=[STATUS], bindings=[BINDING], version="0.1.0"),
    HeartbeatResponse(catalog="cat_1", revision=4, server_time=1.0, heartbeat_s=10.0),
    Assignment(
        revision=4,
        catalog="cat_1",
        volumes=[KnownVolume(id="vol_1", label="USB", identity=IDENTITY, last_mounted_at="/mnt/usb")],
        import_paths=[
            AssignedPath(id="imp_1", library="lib_1", path="/mnt/usb", server_path="/data", exclusion_patterns=[])
        ],
    ),
    AgentStatus(
        version="0.1.0",
        agent="agt_1",
        pid=1,
        sidecar="connected",
        revision=4,
        volumes=[
            VolumeReading(
                status=STATUS,
                scan=ScanProgress(
                    scan="scn_1", directory="", fraction=0.5, directories=1, files=2, errors=0, elapsed_s=1.0
                ),
            )
        ],
        bindings=[BINDING],
    ),
    Problem(type=f"{DOCS}x", title="X", status=422, detail="Do y.", errors=[PlacedError("/name", "is taken")]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_survives_the_wire(message: msgspec.Struct) -> None:
    assert msgspec.json.decode(msgspec.json.encode(message), type=type(message)) == message


@pytest.mark.parametrize("kind", [EnrolRequest, Heartbeat])
def test_a_sidecar_refuses_fields_it_does_not_know(kind: type[msgspec.Struct]) -> None:
    (message,) = [one for one in MESSAGES if type(one) is kind]
    body = msgspec.json.encode(message)[:-1] + b',"from_the_future":1}'
    with pytest.raises(msgspec.ValidationError, match="from_the_future"):
        msgspec.json.decode(body, type=kind)


@pytest.mark.parametrize("kind", [EnrolResponse, HeartbeatResponse, Assignment, Problem, AgentStatus])
def test_an_older_agent_understands_the_answers_of_a_newer_sidecar(kind: type[msgspec.Struct]) -> None:
    (message,) = [one for one in MESSAGES if type(one) is kind]
    body = msgspec.json.encode(message)[:-1] + b',"from_the_future":1}'
    assert msgspec.json.decode(body, type=kind) == message


def test_a_state_that_does_not_exist_is_refused() -> None:
    body = msgspec.json.encode(STATUS).replace(b'"online"', b'"gone"')
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=VolumeStatus)


def test_a_problem_has_a_short_code_for_programs() -> None:
    problem = Problem(type=f"{DOCS}sequence-mismatch", title="t", status=409, detail="d", expected=7)
    assert problem.code == "sequence-mismatch"
