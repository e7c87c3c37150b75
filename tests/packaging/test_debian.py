"""The Debian packages in a clean Debian, from installation to purge, with the very commands of docs/install.md."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import __version__
from tests.linux.disks import Disks
from tests.packaging.clean_root import CleanRoot, clean_root
from tests.packaging.debs import build_again
from tests.packaging.guide import chapter

TOP = Path(__file__).parents[2]
AGENT = "holdfast-agent.service"
UNITS = (AGENT, "holdfast-sidecar.service", "holdfast-sidecar.socket", "holdfast-worker.service")
SECOND = f"{__version__}-2"
# What stands at the beginning of a block that a later one relies on.
GREETING = "TOKEN=$(sudo cat /var/lib/holdfast/sidecar/admin.token)\n"
# Where the system keeps its users, whom the packages leave there.
ACCOUNTS = {f"/etc/{name}{suffix}" for name in ("passwd", "group", "shadow", "gshadow") for suffix in ("", "-")}
# What is kept until a package is purged: configuration, which services are enabled, state.
KEPT = ("/etc/", "/var/lib/holdfast")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[CleanRoot]:
    place = tmp_path / "root"
    place.mkdir()
    with clean_root(place) as made:
        yield made


def offer(root: CleanRoot, packages: Path | None) -> None:
    """Put packages where a person has downloaded them to; those that were there go."""
    for old in (root.path / "root").glob("*.deb"):
        old.unlink()
    for package in [] if packages is None else packages.glob("*.deb"):
        shutil.copy(package, root.path / "root")


def photos(printed: str) -> dict[str, str]:
    """The photos that the API showed last: paths and ids."""
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return {item["path"]: item["id"] for item in answer["items"]}


def started(root: CleanRoot) -> dict[str, str]:
    """When each unit was started last, and by whom it is kept: nothing of it changes while it runs on."""
    return {unit: root.script(f"systemctl show --property=InvocationID,MainPID {unit}") for unit in UNITS}


def states(root: CleanRoot, verb: str) -> dict[str, str]:
    """What systemd says of each unit: ``is-active``, ``is-enabled``."""
    return {unit: root.script(f"systemctl {verb} {unit} || true").strip() for unit in UNITS}


# The first time on a machine, a Debian has to be fetched.
@pytest.mark.timeout(900)
@pytest.mark.installation
@pytest.mark.root
def test_the_packages_live_as_the_document_says(root: CleanRoot, disks: Disks, packages: Path, tmp_path: Path) -> None:
    first, second = packages, tmp_path / "second"
    build_again(first, second)
    disks.make("ext4", label="photos").mount(root.path / "srv/photos")
    (root.path / "srv/photos/IMG_1.jpg").write_bytes(b"\xff\xd8 one")
    root.boot()
    untouched = root.files()
    install, introduce, make_library, see = chapter("The ordinary case")

    # Installed: the sidecar is there, the agent waits, and the shipped configuration is good as it is.
    offer(root, first)
    root.script(install)
    installed = root.files()
    check_what_is_installed(root)
    assert states(root, "is-active") == {**dict.fromkeys(UNITS, "active"), AGENT: "inactive"}
    assert states(root, "is-enabled") == {**dict.fromkeys(UNITS, "enabled"), AGENT: "disabled"}
    for check in chapter("What is where"):
        root.script(check)

    # Introduced in one line, and photos are seen. Nothing that runs writes anything but state.
    introduced = root.script(introduce)
    assert "Enrolled with http://127.0.0.1:8765 as 'clean'" in introduced
    assert "It is running, and starts with the system." in introduced
    assert states(root, "is-active") == dict.fromkeys(UNITS, "active")
    assert states(root, "is-enabled") == dict.fromkeys(UNITS, "enabled")
    root.script(make_library)
    seen = photos(root.until(GREETING + see, lambda said: "IMG_1.jpg" in said))
    assert seen.keys() == {"/srv/photos/IMG_1.jpg"}
    assert "fault" not in root.script("holdfast-agent doctor || true")
    made = {path for path in root.files().keys() - installed.keys() if not path.startswith("/var/lib/holdfast/")}
    assert made == {"/etc/systemd/system/multi-user.target.wants/holdfast-agent.service"}

    # Upgraded while it runs: what a person wrote and what was found stays, and the socket is never closed.
    root.script("sed -i 's/^#settle_s = .*/settle_s = 0.5/' /etc/holdfast/agent.toml")
    configuration = root.script("cat /etc/holdfast/agent.toml")
    assert 'roots = ["/srv/photos"]' in configuration
    assert "settle_s = 0.5" in configuration
    before = started(root)
    offer(root, second)
    for upgrade in chapter("Upgrading"):
        root.script(upgrade)
    assert root.script("dpkg-query --show --showformat '${Version} ' 'holdfast-*'").split() == [SECOND] * 2
    assert root.script("cat /etc/holdfast/agent.toml") == configuration
    assert states(root, "is-active") == dict.fromkeys(UNITS, "active")
    assert {unit for unit, said in started(root).items() if said == before[unit]} == {"holdfast-sidecar.socket"}
    (root.path / "srv/photos/IMG_2.jpg").write_bytes(b"\xff\xd8 two")
    again = photos(root.until(GREETING + see, lambda said: "IMG_2.jpg" in said))
    assert again.items() > seen.items()
    assert root.script("journalctl --quiet --priority=warning --unit='holdfast-*'") == ""

    # Removed, the state is kept; purged, nothing is left but two users who cannot log in.
    remove, purge = chapter("Removing")
    offer(root, None)
    root.script(remove)
    kept = {path for path in root.files().keys() - untouched.keys() if not path.startswith(KEPT)}
    assert kept == set()
    assert states(root, "is-active") == dict.fromkeys(UNITS, "inactive")
    assert root.script("cat /etc/holdfast/agent.toml; ls /var/lib/holdfast/*").startswith(configuration)
    root.script(purge)
    left = {path for path, about in root.files().items() if untouched.get(path) != about}
    assert left <= {*ACCOUNTS, "/srv/photos", "/root"}
    assert root.script("getent passwd holdfast-agent holdfast-sidecar").count("/usr/sbin/nologin") == 2
    assert root.script("systemctl is-system-running") == "running\n"


def check_what_is_installed(root: CleanRoot) -> None:
    """The agent has no part of the sidecar; both are what they say; no file belongs to a stranger."""
    listed = root.script("dpkg --listfiles holdfast-agent").lower()
    assert not re.search("flask|sqlalchemy|/sidecar/", listed)
    assert not re.search("site-packages/agent/", root.script("dpkg --listfiles holdfast-sidecar"))
    assert root.script("holdfast-agent --version; holdfast-sidecar --version").count(__version__) == 2
    assert root.script(
        "stat --format %U:%G:%a /var/lib/holdfast/* /etc/holdfast /etc/holdfast/credentials/*"
    ).split() == [
        "holdfast-agent:holdfast:700",
        "holdfast-sidecar:holdfast:700",
        "root:holdfast:750",
        "root:root:700",
        "root:root:700",
    ]
