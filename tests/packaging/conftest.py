"""What the tests of an installation share: packages that were built once, and one machine that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packaging.debs import build
from tests.packaging.installed import Installed
from tests.packaging.machine import Machine, machine
from tests.packaging.usb import Usb


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both packages are."""
    place = tmp_path_factory.mktemp("packages")
    build(place)
    return place


@pytest.fixture(scope="session")
def computer(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which both parts were introduced to each other. It takes a minute to boot, so all tests share it."""
    with machine(tmp_path_factory.mktemp("machine"), packages) as made:
        Installed(made).introduce()
        yield made


@pytest.fixture
def installed(computer: Machine) -> Iterator[Installed]:
    """What runs there. Whatever a test does to it, nothing in there ends with a fault of the program."""
    yield Installed(computer)
    assert "Traceback" not in computer.script("journalctl --quiet --boot --unit='holdfast-*'")


@pytest.fixture
def usb(computer: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Usb]]:
    """Makes disks on USB for this machine; after the test none is plugged in."""
    made: list[Usb] = []

    def new() -> Usb:
        place = tmp_path_factory.mktemp("usb")
        made.append(Usb(computer, place / f"{place.name}.img"))
        return made[-1]

    yield new
    for disk in made:
        disk.throw_away()
