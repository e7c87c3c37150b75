"""Wheel and source archive: what is in them, and what is not."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from holdfast import __version__
from tests.packaging.guide import chapter

TOP = Path(__file__).parents[2]
ROOMS = ("holdfast", "agent", "sidecar")
PREFIX = f"holdfast-{__version__}"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both, the wheel built from the source archive, as those do who pack Holdfast for others."""
    place = tmp_path_factory.mktemp("dist")
    # From a copy: a build leaves its traces where it is done, and takes what others left there.
    copy = place / "copy"
    for name in tracked("."):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((TOP / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", place, copy], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def wheel(archives: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(archives / f"{PREFIX}-py3-none-any.whl") as file:
        yield file


def tracked(*folders: str) -> set[str]:
    """The files of the repository in these folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name and (TOP / name).is_file()}


def test_the_wheel_has_every_module_and_what_modules_read(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if name.startswith(tuple(f"{room}/" for room in ROOMS))}
    assert names == tracked(*ROOMS)
    assert {"sidecar/catalog/migrations/script.py.mako", *(f"{room}/py.typed" for room in ROOMS)} <= names


def brought_by(wheel: zipfile.ZipFile) -> set[str]:
    """What the wheel puts into share/holdfast."""
    return {re.sub(r".*\.data/data/share/holdfast/", "", name) for name in wheel.namelist() if ".data/" in name}


def test_what_the_guide_says_to_copy_is_there(wheel: zipfile.ZipFile) -> None:
    (lines,) = chapter("Without packages")
    named = [name for line in re.findall(r"sudo cp (.*) /\S+$", lines, re.MULTILINE) for name in line.split()]
    assert len(named) >= 5
    for part in ("sidecar", "agent"):
        of_part = [
            name.replace("sidecar", part) for name in named if part == "sidecar" or not re.search("worker|backup", name)
        ]
        assert [name for name in of_part if not fnmatch.filter(brought_by(wheel), name)] == []


def test_the_wheel_brings_units_and_configuration_for_those_who_install_it(wheel: zipfile.ZipFile) -> None:
    brought = brought_by(wheel)
    systemd = {str(path.relative_to(TOP / "systemd")) for path in (TOP / "systemd").rglob("*") if path.is_file()}
    units = {f"systemd/{name}" for name in systemd if re.search(r"\.(service|socket|timer)", name)}
    rest = {name for name in systemd if f"systemd/{name}" not in units}
    assert brought == {"agent.toml", "sidecar.toml", *units, *rest}


def test_the_wheel_installs_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {*ROOMS, f"{PREFIX}.dist-info", f"{PREFIX}.data"}
    text = wheel.read(f"{PREFIX}.dist-info/entry_points.txt").decode()
    assert re.findall(r"^(\S+) = (\S+)", text, re.MULTILINE) == [
        ("holdfast", "holdfast.up:main"),
        ("holdfast-agent", "agent.cli:main"),
        ("holdfast-sidecar", "sidecar.cli:main"),
    ]


def test_the_agent_needs_neither_flask_nor_sqlalchemy(wheel: zipfile.ZipFile) -> None:
    required = metadata(wheel).get_all("Requires-Dist", [])
    always = {re.split(r"[^A-Za-z0-9-]", one)[0] for one in required if "extra ==" not in one}
    assert always == {"click", "httpx2", "inotify-simple", "msgspec", "pathspec", "structlog", "wcmatch"}


def test_the_page_of_the_package_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    said = metadata(wheel)
    assert (said["Version"], said["Requires-Python"]) == (__version__, ">=3.11")
    assert said["Description-Content-Type"] == "text/markdown"
    assert "# Holdfast" in str(said.get_payload())


def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(wheel.read(f"{PREFIX}.dist-info/METADATA").decode())


def test_the_source_archive_can_be_built_and_packed_and_read(archives: Path) -> None:
    with tarfile.open(archives / f"{PREFIX}.tar.gz") as archive:
        names = {name.removeprefix(f"{PREFIX}/") for name in archive.getnames()}
    assert tracked(*ROOMS, "debian", "docs", "etc", "packaging", "requirements", "systemd") <= names
    assert {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "pyproject.toml", "setup.cfg"} <= names
    assert not [name for name in names if re.match(r"(tests|bench|demo|\.ci)/|.*\.(pyc|toml\.local)$", name)]
