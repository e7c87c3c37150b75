"""What each part is released with: locked, whole, and what setup.cfg allows."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
LOCKS = TOP / "requirements"
# The extras that each part is released with.
EXTRAS: dict[str, tuple[str, ...]] = {"agent": (), "sidecar": ("sidecar", "mysql", "promote")}
LINUX = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
}


def wanted(part: str) -> list[Requirement]:
    """What setup.cfg asks for."""
    parser = configparser.ConfigParser()
    parser.read(TOP / "setup.cfg")
    texts = [parser["options"]["install_requires"]]
    texts += [parser["options.extras_require"][extra] for extra in EXTRAS[part]]
    return [Requirement(line) for text in texts for line in text.splitlines() if line]


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """The lines of a lock: the requirement, and the hashes of its files."""
    text = (LOCKS / f"{name}.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = {}
    for line in lines:
        requirement = Requirement(line.split(" --hash=")[0].strip())
        found[canonicalize_name(requirement.name)] = (requirement, re.findall(r"--hash=(\S+)", line))
    return found


@pytest.mark.parametrize("part", EXTRAS)
def test_the_lock_is_what_setup_cfg_allows(part: str) -> None:
    lines = locked(part)
    for requirement in wanted(part):
        pin, _ = lines[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin}: run 'make locks'"


@pytest.mark.parametrize("name", [*EXTRAS, "build"])
def test_every_line_is_one_version_with_its_hashes(name: str) -> None:
    for requirement, hashes in locked(name).values():
        assert re.fullmatch(r"==[0-9][^,*]*", str(requirement.specifier)), requirement
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


@pytest.mark.parametrize("name", [*EXTRAS, "build"])
def test_a_lock_says_what_and_not_from_where(name: str) -> None:
    text = (LOCKS / f"{name}.txt").read_text()
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)|@ ", text)


def test_the_agent_has_neither_flask_nor_sqlalchemy() -> None:
    assert not locked("agent").keys() & {"flask", "sqlalchemy", "werkzeug", "gunicorn", "alembic", "pymysql"}


def test_both_parts_share_what_they_share_in_one_version() -> None:
    agent, sidecar = locked("agent"), locked("sidecar")
    for name in agent.keys() & sidecar.keys():
        assert agent[name][0].specifier == sidecar[name][0].specifier, name


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python_gets_the_whole_of_it(version: str) -> None:
    environment = {
        **LINUX,
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
    }
    for part in EXTRAS:
        for requirement in wanted(part):
            marker: Marker | None = locked(part)[canonicalize_name(requirement.name)][0].marker
            assert marker is None or marker.evaluate(environment), requirement
