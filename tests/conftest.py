"""What all tests share: the rules of the markers, a mount namespace of their own, and disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.galera import galera as galera  # noqa: PLC0414 - a fixture is found where its name is
from tests.linux.disks import Disks, enter_private_namespace
from tests.mariadb import mariadb as mariadb  # noqa: PLC0414 - a fixture is found where its name is
from tests.needs import needs

# How long an example takes says what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Marked tests run where they can, and say why not where they cannot."""
    if item.get_closest_marker("root"):
        needs(os.geteuid() == 0, "needs root, to mount disks in a private namespace")
    if item.get_closest_marker("mariadb"):
        needs(shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin"), "needs mariadbd")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be missing, a skip is a failure, whatever its reason."""
    report = yield
    if report.skipped and os.environ.get("HOLDFAST_CI") == "1":
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session", autouse=True)
def _private_namespace() -> None:
    """Whatever is mounted here, and by processes started from here, nobody else sees, and it ends with us."""
    if os.geteuid() == 0:
        enter_private_namespace()


@pytest.fixture
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    """Makes disks with real file systems; all are gone after the test."""
    needs(os.geteuid() == 0, "needs root, to mount disks in a private namespace")
    drawer = Disks(tmp_path_factory.mktemp("disks"))
    yield drawer
    drawer.close()
