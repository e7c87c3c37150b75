"""What the stories share: where disks are mounted, databases, and both parts running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mariadb import MARIADB
from tests.story.stack import Stack, stack


@pytest.fixture(params=["sqlite", MARIADB])
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of a fresh database; None for the embedded one."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("mariadb").fresh_database()
    return url


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where disks are mounted."""
    path = tmp_path / "mnt"
    path.mkdir()
    return path


@pytest.fixture
def reads() -> str:
    """Whether the agent reads what is in the files: it does not, where what is told is counted."""
    return Stack.reads


@pytest.fixture
def watch(database: str | None) -> str:
    """How the agent sees changes. It has nothing to do with the database, so that each story is told once with either
    of both, and not four times."""
    return "inotify" if database is None else "fanotify"


@pytest.fixture
def running(tmp_path: Path, place: Path, database: str | None, reads: str, watch: str) -> Iterator[Stack]:
    home = tmp_path / "state"
    home.mkdir()
    with stack(home, database) as parts:
        parts.reads = reads
        parts.watch = watch
        parts.start_agent(place)
        yield parts


@pytest.fixture
def parts(tmp_path: Path, place: Path) -> Iterator[Stack]:
    home = tmp_path / "state"
    home.mkdir()
    with stack(home) as running:
        running.start_agent(place)
        yield running
