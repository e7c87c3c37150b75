"""The Debian packages in a clean Debian, from installation to purge, with the very commands of docs/install.md."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import __version__
from tests.linux.disks import Disks
from tests.needs import needs
from tests.packaging.clean_root import CleanRoot, clean_root
from tests.packaging.units import settings

TOP = Path(__file__).parents[2]
PATIENCE_S = 120.0
# What stands at the beginning of a block that a later one relies on.
GREETING = "TOKEN=$(sudo cat /var/lib/holdfast/sidecar/admin.token)\n"
# Where the system keeps its users, whom the packages leave there.
ACCOUNTS = {f"/etc/{name}{suffix}" for name in ("passwd", "group", "shadow", "gshadow") for suffix in ("", "-")}
# What is kept until a package is purged: configuration, which services are enabled, state.
KEPT = ("/etc/", "/var/lib/holdfast")


def chapter(name: str) -> list[str]:
    """The commands of a chapter of docs/install.md, block by block."""
    text = (TOP / "docs" / "install.md").read_text()
    body = re.split(r"^## ", text, flags=re.MULTILINE)
    (found,) = [part for part in body if part.startswith(f"{name}\n")]
    blocks = re.findall(r"(?:^ {4}.*\n)+", found, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks]


def build(directory: Path) -> None:
    """Both packages, as ``make deb`` builds them."""
    needs(shutil.which("dh"), "needs debhelper, to build packages")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [TOP / "debian" / "build", directory], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def build_again(before: Path, after: Path) -> None:
    """The same packages with a higher version, as for an upgrade; without what costs time."""
    after.mkdir()
    for package in before.glob("*.deb"):
        content = after / package.stem
        subprocess.run(["dpkg-deb", "--raw-extract", package, content], check=True)
        control = content / "DEBIAN" / "control"
        control.write_text(re.sub(r"^(Version: .*)-1$", r"\1-2", control.read_text(), flags=re.MULTILINE))
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", content, after], check=True)
        shutil.rmtree(content)


class Machine:
    """The clean root with services that run as their units say, though nothing starts units there."""

    def __init__(self, root: CleanRoot) -> None:
        self.root = root
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, unit: str) -> None:
        """Start a unit's program as its user, with its capabilities."""
        said = settings(self.root.path / "lib/systemd/system" / unit)
        capabilities = [
            one.lower().removeprefix("cap_") for one in " ".join(said.get("AmbientCapabilities", [])).split()
        ]
        within = ["setpriv", f"--reuid={said['User'][0]}", f"--regid={said['Group'][0]}", "--clear-groups"]
        for kind in ("inh", "ambient"):
            within.append(f"--{kind}-caps={','.join(['-all', *(f'+{one}' for one in capabilities)])}")
        within += ["env", f"CREDENTIALS_DIRECTORY={self._hand_over(unit, said)}"]
        command = self.root.command(*within, *said["ExecStart"][0].split())
        self._running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))

    def _hand_over(self, unit: str, said: dict[str, list[str]]) -> str:
        """Copy its credentials to where only its user reads them."""
        name, kept = said["LoadCredential"][0].split(":")
        place = f"/run/credentials/{unit}"
        self.root.script(
            f"install -d -m 500 -o {said['User'][0]} {place}\n"
            f"for file in $(ls {kept}); do install -m 400 -o {said['User'][0]} {kept}/$file {place}/{name}_$file; done"
        )
        return place

    def until(self, script: str, wanted: Callable[[str], bool] = bool) -> str:
        """What a script prints, once it succeeds and that is what is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(AssertionError):
                if wanted(printed := self.root.script(script)):
                    return printed
            assert time.monotonic() < deadline, script
            assert all(one.poll() is None for one in self._running), "a service has ended"
            time.sleep(0.1)  # nothing tells what goes on in there, but asking

    def start_sidecar(self) -> None:
        self.start("holdfast-sidecar.service")
        self.until("curl --silent --fail http://127.0.0.1:8765/readyz")
        self.start("holdfast-worker.service")

    def stop(self) -> None:
        """Stop them as systemd would."""
        for one in self._running:
            # The program itself: what was started here only waits for it.
            for child in Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)
        for one in self._running:
            one.wait(60)
        self._running.clear()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    place = tmp_path / "root"
    place.mkdir()
    with clean_root(place) as root:
        running = Machine(root)
        yield running
        running.stop()


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


# The first time on a machine, a Debian has to be fetched.
@pytest.mark.timeout(900)
@pytest.mark.root
def test_the_packages_live_as_the_document_says(machine: Machine, disks: Disks, tmp_path: Path) -> None:
    root = machine.root
    first, second = tmp_path / "first", tmp_path / "second"
    build(first)
    build_again(first, second)
    disks.make("ext4", label="photos").mount(root.path / "srv/photos")
    (root.path / "srv/photos/IMG_1.jpg").write_bytes(b"\xff\xd8 one")
    root.boot()
    untouched = root.files()
    install, introduce, make_library, see = chapter("The ordinary case")

    # Installed. The shipped configuration is good as it is, and nothing runs that writes into what was installed.
    offer(root, first)
    root.script(install)
    installed = root.files()
    check_what_is_installed(root)
    for check in chapter("What is where"):
        root.script(check)

    # Introduced in one line, and photos are seen.
    machine.start_sidecar()
    introduced = root.script(introduce)
    assert "Enrolled with http://127.0.0.1:8765 as 'clean'" in introduced
    assert "systemctl enable --now holdfast-agent" in introduced
    machine.start("holdfast-agent.service")
    root.script(make_library)
    seen = photos(machine.until(GREETING + see, lambda said: "IMG_1.jpg" in said))
    assert seen.keys() == {"/srv/photos/IMG_1.jpg"}
    made = root.files().keys() - installed.keys()
    assert {path for path in made if not path.startswith("/var/lib/holdfast/")} == set()

    # Upgraded while it runs: what a person wrote and what was found stays.
    configuration = root.script("cat /etc/holdfast/agent.toml")
    assert 'roots = ["/srv/photos"]' in configuration
    offer(root, second)
    for upgrade in chapter("Upgrading"):
        root.script(upgrade)
    machine.stop()
    assert root.script("dpkg-query --show --showformat '${Version} ' 'holdfast-*'").split() == ["0.1.0-2"] * 2
    assert root.script("cat /etc/holdfast/agent.toml") == configuration
    machine.start_sidecar()
    machine.start("holdfast-agent.service")
    (root.path / "srv/photos/IMG_2.jpg").write_bytes(b"\xff\xd8 two")
    again = photos(machine.until(GREETING + see, lambda said: "IMG_2.jpg" in said))
    assert again.items() > seen.items()
    machine.stop()

    # Removed, the state is kept; purged, nothing is left but two users who cannot log in.
    remove, purge = chapter("Removing")
    offer(root, None)
    root.script(remove)
    kept = {path for path in root.files().keys() - untouched.keys() if not path.startswith(KEPT)}
    assert kept == set()
    assert root.script("cat /etc/holdfast/agent.toml; ls /var/lib/holdfast/*").startswith(configuration)
    root.script(purge)
    left = {path for path, about in root.files().items() if untouched.get(path) != about}
    assert left <= {*ACCOUNTS, "/srv/photos", "/root"}
    assert root.script("getent passwd holdfast-agent holdfast-sidecar").count("/usr/sbin/nologin") == 2


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
    enabled = root.script("find /etc/systemd/system -name 'holdfast-*' -printf '%f\n'").split()
    assert sorted(enabled) == ["holdfast-sidecar.service", "holdfast-sidecar.socket", "holdfast-worker.service"]
