"""The doctor beside the real agent: real mounts, a real sidecar, files of the agent's own that are damaged."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.doctor import host, sidecar
from agent.doctor.evidence import SidecarAnswer
from agent.doctor.looking import look
from agent.linux import rights
from holdfast.status import AgentStatus
from holdfast.volumes import Reason, sentence
from tests.linux.disks import Disk, Disks
from tests.linux.fuse_faults import FaultyMount
from tests.needs import needs
from tests.story.stack import Stack

pytestmark = [pytest.mark.root, pytest.mark.story]

NOBODY = 65534
# A look is given up after five seconds, and a few processes are started; the machine may be busy.
DOCTOR_S = 30.0


@pytest.fixture
def disk(disks: Disks, tmp_path: Path) -> Disk:
    made = disks.make("ext4", label="family")
    (made.mount(tmp_path / "mnt/usb") / "trip").mkdir()
    (made.path / "trip/IMG_1.jpg").write_bytes(b"\xff\xd8")
    return made


@pytest.fixture
def parts(tmp_path: Path, disk: Disk) -> Iterator[Stack]:
    """Everything in order."""
    with running(Stack, tmp_path, disk) as made:
        yield made


class Impatient(Stack):
    """Its agent gives storage three seconds."""

    agent_settings = "patience_s = 3.0\nprobe_deadline_s = 3.0\n"


class ByInotify(Stack):
    """Its agent uses inotify where it might use fanotify."""

    watch = "inotify"


@contextlib.contextmanager
def running(kind: type[Stack], tmp_path: Path, disk: Disk) -> Iterator[Stack]:
    """Everything in order, with an agent of this kind."""
    home = tmp_path / "state"
    home.mkdir()
    made = kind(home)
    try:
        made.start_agent(tmp_path / "mnt")
        made.library(disk.path)
        made.until_online("family")
        made.feed.until(lambda item: item["kind"] == "scan.finished")
        yield made
    finally:
        made.close()


def ask(parts: Stack, *arguments: str) -> tuple[int, str]:
    """What the doctor says, and its exit code."""
    command = [sys.executable, "-m", "agent.cli", "doctor", *arguments, "--config", str(parts.home / "agent.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOCTOR_S)
    assert done.stderr == ""
    return done.returncode, done.stdout


def agent_says(parts: Stack, *arguments: str) -> str:
    """What another verb says; it is killed when that takes as long as only a look at dead storage can."""
    command = [sys.executable, "-m", "agent.cli", *arguments, "--config", str(parts.home / "agent.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=DOCTOR_S).stdout


def completed(parts: Stack, beginning: str) -> list[str]:
    """What a shell offers for a volume that begins like this."""
    words = f"holdfast-agent release --config {parts.home}/agent.toml {beginning}"
    environment = {"_HOLDFAST_AGENT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"}
    command = [sys.executable, "-m", "agent.cli"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]


def findings(parts: Stack) -> dict[str, dict[str, Any]]:
    """What the doctor found that is not in order, by its code. Tests have a mount namespace of their own, which is
    private, and that is found each time."""
    code, document = ask(parts, "--json")
    found = {one["code"]: one for one in json.loads(document)["findings"] if one["severity"] != "ok"}
    assert (code == 1) == any(one["severity"] != "note" for one in found.values())
    found.pop("private-mounts", None)
    return found


def test_a_disk_that_is_away_has_one_sentence_in_doctor_status_and_api(parts: Stack, disk: Disk) -> None:
    assert findings(parts) == {}
    assert completed(parts, "fam") == ["family"], "the shell completes labels"
    assert completed(parts, "x") == []
    place = disk.path
    disk.umount()
    parts.feed.until(lambda item: item["kind"] == "volume.offline")
    told = sentence(Reason.NOT_MOUNTED, str(place))
    assert findings(parts)["not-mounted"]["sentence"] == told
    assert told in " ".join(ask(parts)[1].split())
    assert f"    {told}\n" in parts.agent_cli("status")
    volume = parts.volume("family")
    assert (volume["detail"], volume["help"]) == (told, "docs/troubleshooting.md#not-mounted")
    assert "\x1b" not in ask(parts)[1], "no colours where nobody sees them"
    (place / "stray.jpg").touch()
    assert set(findings(parts)) == {"not-mounted", "stray-files"}
    disk.mount(place)
    parts.feed.until(lambda item: item["kind"] == "volume.online")
    assert "stray.jpg" in findings(parts)["files-beneath-a-mount"]["why"]


def test_without_agent_and_sidecar_the_doctor_finds_both_and_what_is_damaged(parts: Stack, disk: Disk) -> None:
    (disk.path / "trip").chmod(0)
    parts.stop_agent()
    parts.kill_sidecar()
    assert set(findings(parts)) == {"agent-not-running", "sidecar-connection-refused"}
    (journal,) = (parts.home / "agent/journals").glob("*.sqlite3")
    journal.write_bytes(b"this was a journal once" * 400)
    (parts.home / "agent/registry.json").write_text("{")
    found = findings(parts)
    assert set(found) == {"agent-not-running", "sidecar-connection-refused", "journal-unusable"}
    (parts.home / "agent.toml").write_text("root = 1\n")
    (wrong,) = findings(parts).values()
    assert wrong["code"] == "configuration-invalid"
    assert "did you mean 'roots'?" in wrong["why"]


def test_a_token_that_is_not_known_is_refused_and_the_clock_is_read(parts: Stack) -> None:
    config = (parts.home / "agent.toml").read_text()
    url = config.partition('sidecar = "')[2].partition('"')[0]
    token = host.read_token(str(parts.home / "agent/agent.token"))
    well = sidecar.ask(url, token, allow_plain_http=False)
    assert well.answer is SidecarAnswer.WELL
    assert well.ahead_s is not None
    assert abs(well.ahead_s) < 5
    assert sidecar.ask(url, "hf_agent_wrong", allow_plain_http=False).answer is SidecarAnswer.REFUSED
    assert sidecar.ask("http://192.0.2.1", token, allow_plain_http=False).answer is SidecarAnswer.PLAIN_HTTP
    assert sidecar.ask("https://a@b/", token, allow_plain_http=False).answer is SidecarAnswer.BAD_URL


def test_r17_doctor_and_status_do_not_wait_for_storage_that_hangs(disk: Disk, tmp_path: Path) -> None:
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    (tmp_path / "far").mkdir()
    (tmp_path / "far/IMG_1.jpg").touch()
    with (
        FaultyMount(tmp_path / "far", tmp_path / "mnt/share") as share,
        running(Impatient, tmp_path, disk) as parts,
    ):
        parts.library(share.place, name="Share")
        parts.until_online("share")
        place = disk.path
        disk.umount()
        parts.feed.until(lambda item: item["kind"] == "volume.offline")
        share.stop()
        for _ in range(2):
            # Whatever asked the share itself would be killed at the end of its time: see ``agent_says``.
            asked = time.monotonic()
            code, _ = ask(parts)
            assert time.monotonic() - asked < DOCTOR_S
            assert code == 1
            said, document = agent_says(parts, "status"), agent_says(parts, "status", "--json")
            assert "\x1b" not in said + document
            status = msgspec.json.decode(document, type=AgentStatus)
            assert {one.status.label for one in status.volumes} == {"family", "share"}
            parts.agent_cli("scan", "--volume", "share")
            parts.feed.until_true(lambda: parts.volume("share")["state"] == "suspect")
        assert said.splitlines()[1] == "2 volumes: 1 offline, 1 suspect"
        assert said.index("share: suspect") < said.index("family: offline"), "the worse one comes first"
        share.resume()
        disk.mount(place)


def test_what_is_set_up_wrongly_is_found(tmp_path: Path, disk: Disk) -> None:
    elsewhere, other = tmp_path / "elsewhere", disk.path / "other"
    elsewhere.mkdir()
    other.mkdir()
    with running(ByInotify, tmp_path, disk) as parts:
        assert findings(parts) == {}
        agent = parts.agent_id()
        places = [{"agent": agent, "path": str(one), "server_path": "/media"} for one in (disk.path / "trip", other)]
        parts.post("/libraries", {"name": "Both", "owner": "anna", "import_paths": places})
        parts.library(elsewhere, name="Elsewhere")
        parts.feed.until_true(lambda: "exposed" in parts.agent_cli("status"))
        config = parts.home / "agent.toml"
        roots = f'roots = ["{tmp_path}/mnt"'
        text = config.read_text().replace(roots, f'{roots}, "/nowhere"').replace('"inotify"', '"fanotify"')
        config.write_text(text)
        (parts.home / "agent/agent.token").chmod(0o644)
        (parts.home / "agent").chmod(0o755)
        os.chown(parts.home / "agent/registry.json", NOBODY, NOBODY)
        found = findings(parts)
        assert set(found) == {
            "path-mapping-overlaps",
            "outside-roots",
            "root-not-there",
            "fanotify-missing",
            "state-exposed",
            "state-not-writable",
        }
        assert found["outside-roots"]["about"] == str(elsewhere)
        assert found["root-not-there"]["about"] == "/nowhere"
        assert "registry.json" in found["state-not-writable"]["why"]
        config.write_text(text.replace(text.partition("roots = ")[2].partition("\n")[0], "[]"))
        assert "no-roots" in findings(parts)


def test_a_state_on_a_disk_that_is_read_only_is_found(disk: Disk) -> None:
    assert host.read_state(str(disk.path)).not_writable is None
    subprocess.run(["mount", "-o", "remount,ro", str(disk.path)], check=True)
    assert "read-only" in (host.read_state(str(disk.path)).not_writable or "")


def test_r17_looks_are_taken_side_by_side_with_the_rights_of_the_agent_and_given_up(tmp_path: Path) -> None:
    needs(os.access("/dev/fuse", os.R_OK | os.W_OK), "needs FUSE")
    closed, full = tmp_path / "closed", tmp_path / "full"
    closed.mkdir(mode=0o700)
    full.mkdir()
    (full / "a").touch()
    (tmp_path / "far").mkdir()
    with FaultyMount(tmp_path / "far", tmp_path / "near") as share:
        share.stop()
        began = time.monotonic()
        seen = look([str(closed), str(full), str(share.place)], None, deadline_s=3.0)
        assert time.monotonic() - began < 8.0
        share.resume()
    assert seen[str(share.place)].hung
    assert seen[str(full)].entries == ["a"]
    assert look([str(closed)], NOBODY, deadline_s=20.0)[str(closed)].errno != 0
    all_read = look([str(closed)], NOBODY, reads_everything=True, deadline_s=20.0)
    assert all_read[str(closed)].errno == 0, "the agent's unit lets it read what its user may not"


def test_the_rights_of_the_agent_are_those_of_its_process() -> None:
    assert rights.reads_everything(os.getpid())
    plain = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "--inh-caps=-all", "sh", "-c", "echo; read line"]
    with subprocess.Popen(plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # by now it is the other user
        assert not rights.reads_everything(process.pid)
    assert not rights.reads_everything(process.pid), "it has ended"


def test_who_holds_the_state_is_told_without_taking_the_lock(parts: Stack, tmp_path: Path) -> None:
    state = str(parts.home / "agent")
    evidence = host.read_agent(state, f"{state}/nobody.sock", f"{state}/agent.token", can_enrol=False)
    assert evidence.status is None
    running = host.read_agent(state, f"{state}/agent.sock", f"{state}/agent.token", can_enrol=False)
    assert running.status is not None
    assert evidence.lock_pid == running.lock_pid == running.status.pid
    assert evidence.enrolled
    assert running.status.pid not in running.others


def test_a_worker_that_ends_again_and_again_is_found(parts: Stack) -> None:
    for _ in range(3):
        (reading,) = json.loads(parts.agent_cli("status", "--json"))["volumes"]
        os.kill(reading["worker_pid"], signal.SIGKILL)
        parts.feed.until(lambda item: item["kind"] == "volume.unknown")
        parts.feed.until(lambda item: item["kind"] == "volume.online")
    assert findings(parts)["worker-restarts"]["about"] == "family"


class WithoutInotify(Stack):
    """Its agent is in a user namespace where the kernel gives it no inotify instance."""

    watch = "inotify"

    agent_within = (
        "unshare",
        "-U",
        "-r",
        "sh",
        "-c",
        'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"',
        "sh",
    )


def test_r31_a_volume_that_gets_no_inotify_instance_is_scanned_and_the_doctor_names_the_limit(
    disk: Disk, tmp_path: Path
) -> None:
    home = tmp_path / "state"
    home.mkdir()
    parts = WithoutInotify(home)
    try:
        parts.start_agent(tmp_path / "mnt")
        parts.library(disk.path)
        parts.feed.until(lambda item: item["kind"] == "asset.added")
        parts.until_online("family")
        assert "instance-limit" in findings(parts)
        (disk.path / "trip/IMG_2.jpg").write_bytes(b"\xff\xd8")
        parts.scan()
        added = parts.feed.until(lambda item: item["kind"] == "asset.added")
        assert added["state"]["file_name"] == "IMG_2.jpg"
        assert "inotify instances" in parts.agent_cli("status")
    finally:
        parts.close()
