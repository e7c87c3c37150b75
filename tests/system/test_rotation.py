"""A running agent gets another token, by order and by hand, and nothing that it tells is lost or late for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.story.stack import Stack, stack


class OnPlainFolders(Stack):
    """Watches a folder of the system's own disk."""

    def watching(self, folder: Path) -> None:
        self.agent_settings = f'plain_directories = ["{folder}"]\n'
        self.start_agent(folder)

    @property
    def token(self) -> str:
        return (self.home / "agent" / "agent.token").read_text()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnPlainFolders]:
    home, photos = tmp_path / "state", tmp_path / "photos"
    home.mkdir()
    photos.mkdir()
    monkeypatch.setattr("tests.story.stack.Stack", OnPlainFolders)
    with stack(home) as made:
        assert isinstance(made, OnPlainFolders)
        made.watching(photos)
        made.library(photos)
        yield made


def arrives(parts: OnPlainFolders, photos: Path, name: str) -> None:
    (photos / name).write_bytes(b"x" * 100)
    parts.feed.until(lambda one: one["kind"] == "asset.added" and one["state"]["file_name"] == name)


def test_a_running_agent_gets_another_token_and_goes_on(parts: OnPlainFolders, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    arrives(parts, photos, "before.jpg")
    first = parts.token
    # By hand, on the agent's host.
    assert "The agent has a new token" in parts.agent_cli("rotate-token")
    second = parts.token
    assert second != first
    arrives(parts, photos, "by-hand.jpg")
    # By order of the sidecar. It has a minute, and no person does anything there.
    (token,) = [one for one in parts.get("/tokens")["items"] if one["scope"] == "agent"]
    parts.post(f"/tokens/{token['id']}/rotate", {"overlap_s": 60})
    parts.feed.until_true(lambda: parts.token != second)
    arrives(parts, photos, "by-order.jpg")
    # What it has written down opens the door after a restart as well.
    parts.kill_agent()
    parts.start_agent(photos)
    arrives(parts, photos, "after.jpg")
    assert parts.client.get("/agents").json()["items"][0]["id"] == parts.agent_id()
