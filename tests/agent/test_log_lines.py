"""What the agent logs is one line an event, whatever anything is called."""

from __future__ import annotations

import re

import pytest
import structlog

from agent import logs
from holdfast.log_lines import Repeats


@pytest.mark.parametrize("under_systemd", [True, False])
def test_a_name_makes_no_line_and_no_terminal_obeys_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], under_systemd: bool
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if under_systemd:
        monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    monkeypatch.setattr("agent.logs._repeats", Repeats())
    before = structlog.get_config()
    try:
        logs.configure()
        structlog.get_logger("agent.test").warning(
            "import_path.refused", path="/mnt/a\n<0>kernel: \x1b[2J\x9b31m\x07\r\u2028/x", detail=b"\n\xff"
        )
    finally:
        structlog.configure(**before)
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", told)
