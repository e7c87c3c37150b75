"""A catalog of one sort, for tests of what has nothing to do with the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.catalog.engine import connect
from tests.sidecar.world import World


@pytest.fixture
def world(sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    """In the place of the one that every engine has."""
    file = tmp_path / "catalog.sqlite3"
    file.write_bytes(sqlite_template.read_bytes())
    engine = connect(f"sqlite:///{file}")
    with World(engine) as made:
        yield made
    engine.dispose()
