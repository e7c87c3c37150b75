"""Volume states: every reason belongs to one state, has one sentence, and is explained in the documentation."""

from __future__ import annotations

import os
import re

import pytest

from holdfast.volumes import SENTENCES, STATE_OF, Reason, VolumeState, sentence

DOCS = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "troubleshooting.md")


def sections() -> dict[str, str]:
    """The sections about reasons, by their anchor."""
    with open(DOCS, encoding="utf-8") as file:
        chapter = re.split(r"^## ", file.read(), flags=re.MULTILINE)
    (reasons,) = [text for text in chapter if text.startswith("Reasons")]
    parts = re.split(r'^### <a id="([a-z-]+)"></a>', reasons, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_state_and_a_sentence(reason: Reason) -> None:
    assert reason in STATE_OF
    told = sentence(reason, "/mnt/usb")
    assert told.endswith(".")
    assert "{" not in told


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained_with_cause_effect_and_remedy(reason: Reason) -> None:
    section = sections()[reason.value]
    for part in ("**Cause.**", "**Effect.**", "**Remedy.**"):
        assert part in section, f"{reason.value} lacks {part}"
    assert f"`{STATE_OF[reason].value}`" in section.splitlines()[0], "the heading names the state"


def test_the_documentation_explains_no_reason_that_does_not_exist() -> None:
    assert set(sections()) == {reason.value for reason in Reason}


@pytest.mark.parametrize("state", VolumeState)
def test_every_state_has_a_reason(state: VolumeState) -> None:
    assert state in STATE_OF.values()


def test_only_a_verified_volume_is_online() -> None:
    assert [reason for reason, state in STATE_OF.items() if state is VolumeState.ONLINE] == [Reason.VERIFIED]


@pytest.mark.parametrize("reason", [r for r, text in SENTENCES.items() if "{where}" in text])
def test_a_sentence_names_the_place_also_when_it_is_not_known(reason: Reason) -> None:
    assert "/mnt/usb" in sentence(reason, "/mnt/usb")
    assert "its mount point" in sentence(reason, "")


@pytest.mark.parametrize("reason", [r for r, s in STATE_OF.items() if s is not VolumeState.ONLINE])
def test_no_sentence_calls_photos_deleted(reason: Reason) -> None:
    told = sentence(reason, "/mnt/usb").lower()
    for word in ("deleted", "removed", "lost"):
        if word in told:
            assert re.search(rf"\b(not|nothing was marked as) {word}", told), told
