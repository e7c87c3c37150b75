"""The commit gate and the state of silence, as the contract fixes them: written out, since both parts rely on it."""

from __future__ import annotations

from holdfast.gate import REQUIRED, SENTENCES, Check, lacking
from holdfast.volumes import STATE_OF, Reason, VolumeState


def test_r1_the_gate_asks_of_every_storage_what_every_storage_can_be_asked() -> None:
    assert {"mount-id", "super-block", "root-listing", "size"} <= REQUIRED
    for check in REQUIRED:
        assert lacking([one for one in Check if one is not check]) == [check]
    assert lacking(list(Check)) == []


def test_every_check_has_its_sentence() -> None:
    assert SENTENCES.keys() == set(Check)
    assert all(text.endswith(".") for text in SENTENCES.values())


def test_r36_an_agents_silence_is_no_state_of_its_storage() -> None:
    assert STATE_OF[Reason.AGENT_SILENT] is VolumeState.UNKNOWN
