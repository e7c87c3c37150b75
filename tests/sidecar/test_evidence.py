"""Absences without their proof are refused, and proofs are kept: through the API, on every engine."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from msgspec import structs

from holdfast.assignments import FENCE_HEADER
from holdfast.gate import REQUIRED, Check
from holdfast.reports import Absent, Look, Proof
from holdfast.volumes import Epoch, Reason
from sidecar.catalog.tables import evidence
from sidecar.worker import Worker
from tests.sidecar.world import EPOCH, JSON, Agent, World, absent, checked, listed, moved, new_id

SENTENCES_OF_A_PROOF = 3 + len(REQUIRED)


@pytest.fixture
def agent(world: World) -> Agent:
    made = Agent(world)
    made.heartbeat()
    world.library(made)
    made.send(listed("trip", "a.jpg"))
    return made


def _flawed(name: str) -> Absent:
    good = absent("trip", "a.jpg")
    proof = good.proof
    first, second = proof.first, proof.second
    elsewhere = structs.replace(second, mount_id=second.mount_id + 1)
    flaws: dict[str, Proof] = {
        "another directory": structs.replace(proof, listed="other"),
        "another mount, first": structs.replace(proof, first=structs.replace(first, mount_id=99)),
        "another mount, second": structs.replace(proof, second=elsewhere),
        "one look": structs.replace(proof, second=first),
        "looks in the wrong order": structs.replace(proof, first=second, second=first),
        "a folder that did not change": structs.replace(proof, before=(5, 5)),
        "no gate": structs.replace(proof, gate=[]),
        "half a gate": structs.replace(proof, gate=sorted(REQUIRED)[1:]),
    }
    return structs.replace(good, proof=flaws[name])


FLAWS = (
    "another directory",
    "another mount, first",
    "another mount, second",
    "one look",
    "looks in the wrong order",
    "a folder that did not change",
    "no gate",
    "half a gate",
)


@pytest.mark.parametrize("flaw", FLAWS)
def test_r1_an_absence_with_a_flawed_proof_is_refused_and_changes_nothing(
    world: World, agent: Agent, flaw: str
) -> None:
    before, (_, since) = world.assets(), world.changes()
    answer = agent.put(agent.report(_flawed(flaw)))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/observations/0/proof")
    assert world.assets() == before
    assert world.changes(since)[0] == []


def test_r1_an_absence_without_a_proof_is_refused(world: World, agent: Agent) -> None:
    report = msgspec.to_builtins(agent.report(absent("trip", "a.jpg")))
    del report["observations"][0]["proof"]
    path = f"/agent/streams/{agent.volume}/reports/{report['sequence']}"
    answer = agent.client.put(path, content=msgspec.json.encode(report), headers=JSON)
    assert answer.status_code == 422
    assert "proof" in answer.json()["errors"][0]["message"]
    assert world.assets()[0]["status"] == "present"


REPORT = ("volume", "journal", "sequence", "epoch", "made_at")
PROOF = ("listed", "before", "first", "second", "gate")
LOOK = ("at", "boot_s", "mount_id", "mtime_ns", "ctime_ns", "entries")


@pytest.mark.parametrize("path", [*((one,) for one in REPORT), *(("proof", one) for one in PROOF)])
def test_r1_whatever_is_left_out_of_the_evidence_is_asked_for(
    world: World, agent: Agent, path: tuple[str, ...]
) -> None:
    report = msgspec.to_builtins(agent.report(absent("trip", "a.jpg")))
    place = report if len(path) == 1 else report["observations"][0][path[0]]
    del place[path[-1]]
    _refused(world, agent, report, path[-1])


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("count", range(len(LOOK)))
def test_r1_a_look_is_told_whole(world: World, agent: Agent, which: str, count: int) -> None:
    report = msgspec.to_builtins(agent.report(absent("trip", "a.jpg")))
    proof = report["observations"][0]["proof"]
    proof[which] = proof[which][:count]
    _refused(world, agent, report, which)


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("name", LOOK)
def test_r1_no_part_of_a_look_may_be_nothing(world: World, agent: Agent, which: str, name: str) -> None:
    report = msgspec.to_builtins(agent.report(absent("trip", "a.jpg")))
    report["observations"][0]["proof"][which][LOOK.index(name)] = None
    _refused(world, agent, report, which)


@pytest.mark.parametrize("check", sorted(REQUIRED))
def test_r1_every_check_that_all_storage_can_pass_is_asked_for(world: World, agent: Agent, check: Check) -> None:
    report = msgspec.to_builtins(agent.report(absent("trip", "a.jpg")))
    report["observations"][0]["proof"]["gate"].remove(str(check))
    _refused(world, agent, report, str(check))


def _refused(world: World, agent: Agent, report: dict[str, Any], named: str) -> None:
    """The report is refused whole, what is lacking is named, and nothing comes of it."""
    (_, since) = world.changes()
    path = f"/agent/streams/{agent.volume}/reports/2"
    answer = agent.client.put(
        path, content=msgspec.json.encode(report), headers={**JSON, FENCE_HEADER: str(agent.fence)}
    )
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "invalid-report")
    assert named in answer.text
    assert world.changes(since)[0] == []
    assert world.value(sa.select(sa.func.count()).select_from(evidence).where(evidence.c.body.contains("absent"))) == 0
    assert [one["status"] for one in world.assets()] == ["present"]
    checked(agent.put(agent.report(listed("trip", "a.jpg"), sequence=2)))  # the number is free for a better one


def test_r1_the_history_shows_which_storage_which_listing_when_and_why(world: World, agent: Agent) -> None:
    agent.send(absent("trip", "a.jpg"))
    (one,) = world.assets()
    (step,) = world.get(f"/assets/{one['id']}/history")["items"]
    kept = step["evidence"]
    assert (kept["volume"], kept["label"], kept["mounted_at"]) == (agent.volume, "usb", "/mnt/usb")
    assert (kept["identity"]["fs_type"], kept["identity"]["uuid"]) == ("ext4", agent.status.identity.uuid)
    assert kept["epoch"] == [EPOCH.boot_id, EPOCH.mount_id, EPOCH.attach]
    assert (kept["journal"], kept["sequence"]) == (agent.journal, 2)
    proof = kept["observation"]["proof"]
    assert proof == msgspec.json.decode(msgspec.json.encode(absent("trip").proof))
    assert len(kept["why"]) == SENTENCES_OF_A_PROOF
    storage, looks, *_ = kept["why"]
    assert storage.startswith(
        f"The storage was “usb” (ext4, UUID {agent.status.identity.uuid}), mounted at “/mnt/usb” as mount 7"
    )
    assert looks.startswith("Two complete listings of “trip”, 5.0 s apart")
    assert looks.endswith("the second was made on 1970-01-01 00:00:06+00:00.")


def test_r1_the_evidence_keeps_the_storage_as_it_was(world: World, agent: Agent) -> None:
    agent.send(absent("trip", "a.jpg"))
    agent.becomes(Reason.NOT_MOUNTED, None)
    agent.becomes(Reason.VERIFIED, "/media/elsewhere")
    (one,) = world.assets()
    (step,) = world.get(f"/assets/{one['id']}/history")["items"]
    assert step["evidence"]["mounted_at"] == "/mnt/usb"


def test_r1_a_report_that_waited_names_the_mount_point_of_its_own_epoch(world: World, agent: Agent) -> None:
    agent.becomes(Reason.NOT_MOUNTED, None)
    agent.becomes(Reason.VERIFIED, "/media/elsewhere", Epoch("boot", 8, 2))
    agent.send(absent("trip", "a.jpg"))  # seen in the first epoch
    (one,) = world.assets()
    (step,) = world.get(f"/assets/{one['id']}/history")["items"]
    assert step["evidence"]["epoch"][1] == EPOCH.mount_id
    assert step["evidence"]["mounted_at"] == "/mnt/usb"


def test_r1_a_folder_that_is_gone_as_a_whole_is_told_so(world: World, agent: Agent) -> None:
    first, second = Look(1.0, 10.0, EPOCH.mount_id, 5, 5, 1), Look(6.0, 15.0, EPOCH.mount_id, 5, 5, 1)
    agent.send(Absent("trip", ["a.jpg"], Proof("", None, first, second, [*sorted(REQUIRED), str(Check.SENTINELS)])))
    (one,) = world.assets()
    (step,) = world.get(f"/assets/{one['id']}/history")["items"]
    _, looks, folder, times, *checks = step["evidence"]["why"]
    assert "the root of the storage" in looks
    assert "nearest one above" in folder
    assert "could not be compared" in times
    assert len(checks) == len(REQUIRED) + 1


def test_r1_a_file_that_went_while_a_rule_excluded_it_has_its_evidence(world: World, agent: Agent) -> None:
    (library,) = world.get("/libraries")["items"]
    for patterns in (["**/trip/**"], []):
        world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": patterns})
        Worker(world.engine, 1e9, new_id()).step(0.0)
        if patterns:
            agent.send(absent("trip", "a.jpg"))
    (one,) = world.assets()
    assert one["status"] == "missing"
    _, proven, _ = world.get(f"/assets/{one['id']}/history")["items"]
    assert (proven["from_status"], proven["to_status"], proven["reason"]) == ("excluded", "excluded", "absent")
    assert len(proven["evidence"]["why"]) == SENTENCES_OF_A_PROOF


def test_what_needs_no_proof_has_no_reasons(world: World, agent: Agent) -> None:
    agent.send(moved("trip", "new", ("a.jpg", "a.jpg")))
    (one,) = world.assets()
    (step,) = world.get(f"/assets/{one['id']}/history")["items"]
    assert (step["evidence"]["why"], step["evidence"]["observation"]["type"]) == ([], "moved")
