"""What the agent tells Prometheus: its status, printed or in a file that appears whole."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from agent.cli import main
from agent.gauges import METRICS, families
from agent.local_socket import LocalSockets
from holdfast.exposition import render
from holdfast.scans import EndedScan
from holdfast.status import AgentStatus, VolumeReading
from holdfast.volumes import STATE_OF, Identity, Reason, VolumeStatus
from tests.exposition import one, parsed


def volume(reason: Reason, label: str = "usb") -> VolumeStatus:
    return VolumeStatus(
        volume=f"vol_{label}",
        state=STATE_OF[reason],
        reason=reason,
        detail="So it is.",
        since=1_700_000_000.5,
        version=1,
        label=label,
        identity=Identity(fs_type="ext4", root_inode=2),
        pending=7,
    )


STATUS = AgentStatus(
    version="1.0",
    agent="agt_1",
    pid=1,
    sidecar="connected",
    revision=1,
    volumes=[
        VolumeReading(
            status=volume(Reason.VERIFIED),
            watching="fanotify, one mark",
            scans_total=3,
            last_scan=EndedScan(complete=True, directories=2, files=200, errors=1, duration_s=1.25),
            worker_deaths_total=2,
            reports_total=9,
            last_report_at=1_700_000_100.0,
        ),
        VolumeReading(status=volume(Reason.HUNG, "old"), problem="The sidecar does not answer.", worker_hangs_total=1),
    ],
    bindings=[],
    heartbeats_total=40,
    heartbeat_failures_total=2,
    last_heartbeat_at=1_700_000_200.0,
)


def test_the_status_as_figures() -> None:
    found = parsed(render(families(STATUS, 8192)))
    assert set(found) == {metric.name for metric in METRICS}
    since = "holdfast_agent_volume_state_since_timestamp_seconds"
    assert one(found, since, label="old", state="suspect", reason="hung") == 1_700_000_000.5
    assert [one(found, "holdfast_agent_volume_available", label=label) for label in ("usb", "old")] == [1, 0]
    assert one(found, "holdfast_agent_volume_watch_info", label="usb", by="fanotify") == 1
    assert one(found, "holdfast_agent_volume_watch_info", label="old", by="nothing") == 1
    assert one(found, "holdfast_agent_volume_last_scan_duration_seconds", label="usb") == 1.25
    assert one(found, "holdfast_agent_volume_delivery_stalled", label="old") == 1
    assert one(found, "holdfast_agent_volume_pending_observations", label="usb") == 7
    assert one(found, "holdfast_agent_inotify_watches_max") == 8192
    assert len(found["holdfast_agent_volume_last_scan_files"]) == 1, "of the other none has ended"


def test_an_agent_that_is_not_connected() -> None:
    lost = structs.replace(STATUS, sidecar="cannot be reached", last_heartbeat_at=None)
    found = parsed(render(families(lost, 1)))
    assert one(found, "holdfast_agent_connected") == 0
    assert "holdfast_agent_last_answer_timestamp_seconds" not in found


class TestVerb:
    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        path = tmp_path / "agent.toml"
        path.write_text(f'state_dir = "{tmp_path}"\n')
        return path

    def metrics(self, config: Path, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["metrics", "--config", str(config), *arguments])

    def test_printed_or_in_a_file_that_others_may_read(self, config: Path, tmp_path: Path) -> None:
        sockets = LocalSockets(str(tmp_path / "agent.sock"))
        sockets.status.setblocking(True)

        def answer() -> None:
            while True:
                reader, _ = sockets.status.accept()
                with reader:
                    if done.is_set():
                        return
                    reader.sendall(document)

        document, done = msgspec.json.encode(STATUS), threading.Event()
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        printed = self.metrics(config)
        assert printed.exit_code == 0, printed.output
        file = tmp_path / "collector" / "holdfast.prom"
        assert self.metrics(config, "--textfile", str(file)).exit_code == 73
        file.parent.mkdir()
        assert self.metrics(config, "--textfile", str(file)).exit_code == 0
        assert file.read_text() == printed.stdout
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert [one.name for one in file.parent.iterdir()] == ["holdfast.prom"]
        done.set()
        self.metrics(config)
        thread.join()
        sockets.close()

    def test_without_an_agent(self, config: Path, tmp_path: Path) -> None:
        assert self.metrics(config).exit_code == 69
        file = tmp_path / "holdfast.prom"
        assert self.metrics(config, "--textfile", str(file)).exit_code == 0
        assert parsed(file.read_text()) == {"holdfast_agent_up": {(): 0.0}}
