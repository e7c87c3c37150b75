"""The quick start and its neighbours, as they are written: commands, configurations, and what comes of them."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from agent.cli import main as agent_cli
from agent.config import AgentConfig
from sidecar.cli import main as sidecar_cli
from sidecar.config import Config
from tests.needs import needs
from tests.story.stack import Stack, stack

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("quick-start", "tls", "settings", "access", "migrating-from-immich", "threat-model", "troubleshooting")
LINE = re.compile(r"^    (.*)$", re.MULTILINE)


def text_of(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """The indented blocks of a page."""
    found = re.findall(r"(?:^    .*\n)+", text_of(page), re.MULTILINE)
    return ["\n".join(LINE.findall(one)) for one in found]


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_and_option_that_is_named_exists(page: str) -> None:
    for program, command in (("holdfast-agent", agent_cli), ("holdfast-sidecar", sidecar_cli)):
        for said in re.findall(rf"{program} ((?:[a-z-]+ ?)+(?:--[a-z-]+|\S+ ?)*)", text_of(page)):
            check(command, re.split(r"[`;,|]|\s#", said)[0].split())


def check(command: click.Command, words: list[str]) -> None:
    """The words lead to a verb, and its options are its own."""
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0).rstrip(".:)")
        assert name in command.commands, f"there is no verb {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}, command.name


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_configuration_is_good(page: str) -> None:
    known = {*AgentConfig.__struct_fields__, *Config.__struct_fields__}
    for block in blocks(page):
        if re.match(r"[a-z_0-9]+ = ", block):
            assert set(tomllib.loads(block)) <= known, block


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    home, photos = tmp_path / "state", tmp_path / "photos"
    home.mkdir()
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"x")
    monkeypatch.setenv("HOLDFAST_SIDECAR_SILENT_AFTER_S", "2")
    with stack(home) as made:
        made.agent_settings = f'plain_directories = ["{photos}"]\n'
        made.start_agent(photos)
        made.agent_id()
        yield made


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    needs(shutil.which("curl") and shutil.which("jq"), "needs curl and jq")
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_a_library_is_made_and_photos_are_seen_and_immich_scans_when_it_may(parts: Stack, tmp_path: Path) -> None:
    url = str(parts.client.base_url).removesuffix("/api/v1/")
    (script,) = [one for one in blocks("quick-start") if one.startswith("TOKEN=")]
    for given, here in (
        ("/var/lib/holdfast/sidecar", str(parts.home)),
        ("http://127.0.0.1:8765", url),
        ("/mnt/photos", str(tmp_path / "photos")),
    ):
        assert given in script
        script = script.replace(given, here)
    done = run(script)
    assert done.returncode == 0, done.stderr
    seen = parts.feed.until(lambda one: one["kind"] == "asset.added")
    assert seen["state"]["path"] == "/data/a.jpg"
    (library,) = parts.get("/libraries")["items"]
    immich_scans_when_it_may(parts, library["id"], url, tmp_path)


def immich_scans_when_it_may(parts: Stack, library: str, url: str, place: Path) -> None:
    heard: list[tuple[str, str | None]] = []

    class Immich(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.headers["x-api-key"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (place / "key").write_text("secret\n")
    reader = parts.post("/tokens", {"scope": "reader", "name": "immich"})
    (place / "reader").write_text(reader["token"] + "\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Immich) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        environment: dict[str, Any] = {
            "HOLDFAST_URL": url,
            "HOLDFAST_LIBRARY": library,
            "HOLDFAST_TOKEN_FILE": str(place / "reader"),
            "IMMICH_URL": f"http://127.0.0.1:{server.server_port}",
            "IMMICH_LIBRARY": "b7c6",
            "IMMICH_KEY_FILE": str(place / "key"),
        }
        script = str(ROOT / "examples" / "immich-scan.sh")
        done = run(script, **environment)
        assert (done.returncode, heard) == (0, [("/api/libraries/b7c6/scan", "secret")]), done.stderr
        # The agent is gone, so nobody knows how the storage is.
        parts.kill_agent()
        parts.start_worker()
        parts.feed.until(lambda one: one["kind"] == "agent.silent")
        done = run(script, **environment)
        assert (done.returncode, len(heard)) == (75, 1)
        assert "the storage of 1 photos is not known to be there" in done.stderr
        server.shutdown()
        thread.join()
