"""An agent is introduced to its sidecar in one line on each side."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import joining, main
from agent.config import load
from tests.story.stack import Stack, stack

SHIPPED = Path(__file__).parents[2] / "etc" / "agent.toml"


class Host:
    """A host on which the agent was installed, with its state in ``state``, and a sidecar that is somewhere."""

    def __init__(self, home: Path, parts: Stack) -> None:
        self.parts = parts
        self.url = str(parts.client.base_url).removesuffix("/api/v1/")
        self.state = home / "agent-state"
        self.state.mkdir(mode=0o700)
        self.config = home / "agent.toml"
        # Agents of one sidecar have names of their own.
        self.name = f"nas {secrets.token_hex(4)}"
        self.config.write_text(
            f'state_dir = "{self.state}"\nname = "{self.name}"\n{_without_both(SHIPPED.read_text())}'
        )
        self.config.chmod(0o640)

    def make_token(self) -> str:
        """A fresh enrolment token."""
        answer = self.parts.client.post("/tokens", json={"scope": "enrol", "name": self.name})
        answer.raise_for_status()
        return str(answer.json()["token"])

    def enrol(self, token: str, *options: str) -> Result:
        return CliRunner().invoke(main, ["enrol", "--config", str(self.config), *options], input=token)

    def rename(self) -> None:
        """Call the agent something that no agent was called before."""
        self.config.write_text(self.config.read_text().replace(self.name, f"{self.name} again"))

    @property
    def token(self) -> Path:
        return self.state / "agent.token"


def _without_both(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if "#state_dir" not in line and "#name" not in line)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("sidecar")) as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, parts: Stack) -> Host:
    return Host(tmp_path, parts)


def test_one_line_writes_down_everything_that_the_agent_needs(host: Host) -> None:
    before = host.config.read_text()
    command = [sys.executable, "-m", "sidecar.cli", "tokens", "create", "--scope", "enrol", "--name", "nas"]
    printed = subprocess.run([*command, "--state", host.parts.home], capture_output=True, text=True, check=True).stdout
    said = host.enrol(printed, "--sidecar", host.url, "--root", "/srv/photos", "--root", "/srv/more")
    assert said.exit_code == 0, said.output
    assert f"Enrolled with {host.url} as '{host.name}'" in said.output
    assert "It exposes /srv/photos, /srv/more, and nothing else." in said.output
    after = host.config.read_text()
    changed = {new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new}
    assert changed == {f'sidecar = "{host.url}"', 'roots = ["/srv/photos", "/srv/more"]'}
    assert stat.S_IMODE(host.config.stat().st_mode) == 0o640
    assert stat.S_IMODE(host.token.stat().st_mode) == 0o600
    assert host.name in [one["name"] for one in host.parts.get("/agents")["items"]]
    assert host.token.read_text() not in said.output


@pytest.mark.root
def test_what_root_enrols_belongs_to_the_user_that_the_agent_runs_as(parts: Stack) -> None:
    nobody = pwd.getpwnam("nobody")
    # Not where pytest has its files, which are root's alone.
    with tempfile.TemporaryDirectory(prefix="holdfast-") as home:
        os.chmod(home, 0o755)
        host = Host(Path(home), parts)
        os.chown(host.state, nobody.pw_uid, nobody.pw_gid)
        _enrol_for(host, nobody.pw_uid)


def _enrol_for(host: Host, user: int) -> None:
    assert host.enrol(host.make_token(), "--sidecar", host.url).exit_code == 0
    owners = {path.name: path.stat().st_uid for path in host.state.iterdir()}
    assert owners == dict.fromkeys(("agent.token", "registry.json", "lock"), user)
    assert (os.geteuid(), host.config.stat().st_uid) == (0, 0)


def test_a_token_that_the_sidecar_refuses_changes_nothing(host: Host) -> None:
    before = host.config.read_text()
    said = host.enrol("hf_" + "A" * 43, "--sidecar", host.url, "--root", "/srv/photos")
    assert said.exit_code != 0
    assert "The sidecar refused the enrolment token" in said.output
    assert host.config.read_text() == before
    assert not host.token.exists()
    assert [path.name for path in host.config.parent.iterdir() if path.name.startswith(".new")] == []


def test_a_sidecar_that_does_not_answer_changes_nothing(host: Host) -> None:
    before = host.config.read_text()
    said = host.enrol("hf_" + "A" * 43, "--sidecar", "http://127.0.0.1:1")
    assert said.exit_code == 69
    assert "The sidecar at http://127.0.0.1:1 does not answer" in said.output
    assert host.config.read_text() == before


def test_an_agent_that_is_enrolled_spends_no_token(host: Host) -> None:
    assert host.enrol(host.make_token(), "--sidecar", host.url).exit_code == 0
    spare = host.make_token()
    said = host.enrol(spare)
    assert said.exit_code == 64
    assert "enrolled already" in said.output
    host.token.unlink()
    host.rename()
    assert host.enrol(spare).exit_code == 0


@pytest.mark.parametrize("given", ["", "hunter2", "hf_short", "hf_" + "ä" * 43, "hf_" + "A" * 43 + "\nX-Header: 1"])
def test_what_is_no_token_goes_nowhere(host: Host, given: str) -> None:
    said = host.enrol(given)
    assert said.exit_code == 64
    assert "That is no enrolment token" in said.output
    assert given.strip() not in said.output or not given


def test_a_token_may_come_from_a_file(host: Host, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(host.make_token())
    assert host.enrol("", "--sidecar", host.url, "--token-file", str(tmp_path / "token")).exit_code == 0
    host.token.unlink()
    said = host.enrol("", "--token-file", str(tmp_path / "none"))
    assert said.exit_code == 66
    assert "No such file" in said.output


def test_plain_http_to_another_machine_is_refused_before_a_token_is_asked_for(host: Host) -> None:
    said = host.enrol("", "--sidecar", "http://photos.example")
    assert said.exit_code == 78
    assert "would show the agent's token" in said.output


def test_a_configuration_that_only_a_person_can_change_is_left_to_them(host: Host) -> None:
    host.config.write_text(f'state_dir = "{host.state}"\nroots = [\n  "/srv/photos",\n]\n')
    said = host.enrol("", "--root", "/srv/more")
    assert said.exit_code == 78
    assert 'Write this into it: roots = ["/srv/photos", "/srv/more"]' in said.output
    assert load(str(host.config)).roots == ["/srv/photos"]


def test_storage_and_the_agent_are_not_enrolled_at_once(host: Host) -> None:
    for options in (["--plain"], ["--marker"], ["/srv/photos", "--sidecar", host.url], ["/srv/photos", "--no-start"]):
        assert host.enrol("", *options).exit_code == 64


def test_where_systemd_runs_the_installed_agent_it_is_enabled_and_started(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(joining, "INSTALLED_CONFIG", str(host.config))
    monkeypatch.setattr(joining, "is_booted", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    told = host.enrol(host.make_token(), "--no-start", "--sidecar", host.url).output
    assert "systemctl enable --now holdfast-agent.service" in told
    assert not (tmp_path / "asked").exists()
    host.token.unlink()
    host.rename()
    assert "It is running" in host.enrol(host.make_token()).output
    assert (tmp_path / "asked").read_text() == "enable --now --quiet holdfast-agent.service\n"
