"""An agent and a sidecar that is not what it was: it asks for what lies outside of the agent's roots."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from holdfast import ids
from sidecar.catalog.clock import CLOCK
from sidecar.catalog.engine import connect, transact
from sidecar.catalog.tables import agent as agents
from sidecar.catalog.tables import import_path
from tests.linux.disks import Disks
from tests.story.stack import Stack

pytestmark = [pytest.mark.root, pytest.mark.story]


def lie(parts: Stack, path: str, directory: bytes) -> None:
    """Let the catalog say that an import path is bound to this directory of its volume, and tell the agents."""
    engine = connect(f"sqlite:///{parts.home}/catalog.sqlite3")
    transact(
        engine,
        lambda connection: (
            connection.execute(
                sa.update(import_path)
                .where(import_path.c.id == ids.from_text("import_path", path))
                .values(directory=directory)
            ),
            connection.execute(sa.update(agents).values(revision=agents.c.revision + 1000)),
            CLOCK.take(connection, 1),
        ),
    )
    engine.dispose()


def test_a_sidecar_cannot_talk_the_agent_into_what_lies_beside_its_roots(
    parts: Stack, disks: Disks, place: Path
) -> None:
    """The same disk holds photos and secrets, and only the photos are exposed."""
    disk = disks.make("ext4", label="disk").mount(place / "disk")
    for name in ("photos", "secret"):
        (disk / name).mkdir()
        (disk / name / f"{name}.jpg").write_bytes(b"x")
    parts.stop_agent()
    config = parts.home / "agent.toml"
    config.write_text(config.read_text().replace(f'roots = ["{place}"]', f'roots = ["{disk}/photos"]'))
    parts.start_agent(place)
    library = parts.library(disk / "photos")
    parts.feed.until(lambda one: one["kind"] == "asset.added")
    (path,) = parts.get(f"/libraries/{library}")["import_paths"]
    lie(parts, path["id"], b"")
    # It hears of it while it runs, and after a restart; and an agent that has forgotten everything is no easier prey.
    (disk / "secret" / "new.jpg").write_bytes(b"x")
    parts.feed.until_true(lambda: "not_exposed" in (parts.home / "processes.log").read_text())
    parts.stop_agent()
    (parts.home / "agent" / "registry.json").unlink()
    log = (parts.home / "processes.log").read_text().count("not_exposed")
    parts.start_agent(place)
    parts.feed.until_true(lambda: (parts.home / "processes.log").read_text().count("not_exposed") > log)
    parts.agent_cli("scan")
    assert "is not exposed by the agent" in parts.agent_cli("status", "--json")
    # Told the truth again, it goes on where it was.
    lie(parts, path["id"], b"photos")
    (disk / "photos" / "later.jpg").write_bytes(b"x")
    parts.feed.until(lambda one: one["kind"] == "asset.added" and one["state"]["file_name"] == "later.jpg")
    names = {one["file_name"] for one in parts.assets(library=library).values()}
    assert names == {"photos.jpg", "later.jpg"}
