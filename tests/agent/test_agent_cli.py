"""The verbs of the agent's command line that need no agent: what they refuse, in which words and with which status."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import main


def invoke(tmp_path: Path, verb: str, text: str) -> tuple[int, str]:
    config = tmp_path / "agent.toml"
    config.write_text(text)
    done = CliRunner().invoke(main, [verb, "--config", str(config)])
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("verb", ["check-config", "run"])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('root = "/mnt"', "did you mean 'roots'?"),
        ('sidecar = "http://photos.example"', "plain http to photos.example would show the agent's token"),
        ('sidecar = "https://user@photos.example"', "a sidecar's URL has no user"),
        ("settle_s = 0", ":2: settle_s: must be more than 0 seconds"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_the_start(
    tmp_path: Path, verb: str, line: str, reason: str
) -> None:
    status, said = invoke(tmp_path, verb, f'state_dir = "{tmp_path}/state"\n{line}\n')
    assert status == 78
    assert reason in said
    assert not (tmp_path / "state").exists(), "nothing was touched"


def test_status_without_an_agent_says_so(tmp_path: Path) -> None:
    status, said = invoke(tmp_path, "status", f'state_dir = "{tmp_path}"\n')
    assert status == 69
    assert "No agent answers" in said
