"""The Debian packages, built as people build them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.needs import needs

_TOP = Path(__file__).parents[2]


def build(directory: Path) -> None:
    """Both packages, as ``make deb`` builds them."""
    needs(shutil.which("dh"), "needs debhelper, to build packages")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [_TOP / "debian" / "build", directory], capture_output=True, text=True, check=False, env=environment
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
