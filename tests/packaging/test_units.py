"""The units, as systemd itself reads and judges them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from tests.packaging.units import settings

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# What systemd-analyze calls exposure: 0 is none, 10 is all of it.
EXPOSURE_MAX = 2.5


@pytest.fixture(autouse=True)
def _systemd() -> None:
    needs(shutil.which("systemd-analyze"), "needs systemd-analyze, of Debian's systemd")


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    """Where the programs are installed; here, something that can be executed stands in their place."""
    for name in ("agent", "sidecar"):
        program = tmp_path / name / "bin" / f"holdfast-{name}"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    copies = []
    for unit in [*SERVICES, *UNITS.glob("*.socket"), *UNITS.glob("*.timer")]:
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/holdfast", str(tmp_path)))
        copies.append(copy)
    verify(*copies)
    for example in UNITS.glob("*.d/*.conf.example"):
        if example.parent.name.endswith(".service.d"):
            drop_in = tmp_path / example.parent.name / example.name.removesuffix(".example")
            drop_in.parent.mkdir(exist_ok=True)
            drop_in.write_text(example.read_text())
    verify(*copies)


def verify(*units: Path) -> None:
    done = analyze("verify", "--man=no", *units)
    ours = [line for line in done.stderr.splitlines() if "holdfast" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_little_is_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", unit)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) < EXPOSURE_MAX


def test_r40_nothing_ties_the_agent_to_a_mount() -> None:
    agent = settings(UNITS / "holdfast-agent.service")
    assert not agent.keys() & {"Requires", "BindsTo", "PartOf", "RequiresMountsFor", "PrivateMounts", "MountFlags"}


def test_a_backup_is_made_every_night_and_writes_nothing_but_the_state() -> None:
    timer, service = settings(UNITS / "holdfast-backup.timer"), settings(UNITS / "holdfast-backup.service")
    assert timer["Persistent"] == ["yes"]
    done = analyze("calendar", "--iterations=1", *timer["OnCalendar"])
    assert done.returncode == 0, done.stderr
    assert service["Type"] == ["oneshot"]
    assert service["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in service
    assert "Restart" not in service


def test_a_large_database_may_take_its_time_to_be_brought_up_to_date() -> None:
    # It happens before READY=1, for which systemd waits 90 seconds otherwise; docs/operations.md speaks of minutes.
    sidecar = settings(UNITS / "holdfast-sidecar.service")
    assert sidecar["Type"] == ["notify"]
    assert sidecar["TimeoutStartSec"] == ["2h"]


def test_the_agent_may_open_what_it_looks_at() -> None:
    # With this one systemd answers ENOSYS to openat2, and the agent looks at nothing (seen on a booted systemd).
    assert "RestrictSUIDSGID" not in settings(UNITS / "holdfast-agent.service")


def test_r28_the_agent_may_read_everything_and_write_its_own_state_only() -> None:
    agent = settings(UNITS / "holdfast-agent.service")
    assert agent["CapabilityBoundingSet"] == agent["AmbientCapabilities"] == ["CAP_DAC_READ_SEARCH"]
    assert agent["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in agent
    assert agent["User"] == ["holdfast-agent"]


def test_one_capability_more_is_all_that_a_mark_takes() -> None:
    drop_in = settings(UNITS / "holdfast-agent.service.d" / "fanotify.conf.example")
    assert drop_in == {
        "AmbientCapabilities": ["CAP_SYS_ADMIN"],
        "CapabilityBoundingSet": ["CAP_SYS_ADMIN"],
        "SystemCallFilter": ["fanotify_init fanotify_mark open_by_handle_at"],
    }


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_secrets_come_as_credentials_and_a_wrong_configuration_is_not_tried_again(unit: Path) -> None:
    found = settings(unit)
    assert len(found["LoadCredential"]) == 1
    assert "Environment" not in found
    assert found["RestartPreventExitStatus"] == ["78"]
