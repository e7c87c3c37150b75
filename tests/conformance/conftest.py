"""Worlds for conformance tests: each test runs in every one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.worlds import World, make_world

MOUNTABLE = ["fake", "ext4", "xfs", "btrfs"]


@pytest.fixture(params=[*MOUNTABLE, "directory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Any place that files can be in."""
    yield from world_of(request, tmp_path)


@pytest.fixture(params=MOUNTABLE)
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A place that can be mounted and unmounted."""
    yield from world_of(request, tmp_path)


def world_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The world that the parameter of a fixture names."""
    disks = None if request.param in ("fake", "directory") else request.getfixturevalue("disks")
    made = make_world(request.param, disks, tmp_path)
    yield made
    made.close()
