"""Make the virtual environment of a package: ``environment.py PART DESTINATION WHEEL``.

It is made below DESTINATION, will live in /opt/holdfast/PART, and must know nothing of where it was made. It holds what
the lock of the part names and one half of Holdfast's wheel: the agent's without the sidecar, the sidecar's without the
agent. It runs in an environment that has pip, made with the distribution's own Python: to that one it is bound.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

TOP = Path(__file__).parents[1]
HOME = "/opt/holdfast"
# What pip writes down for itself. Here dpkg knows what was installed, by whom and from where.
NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
# The other part, and the command that runs both from one environment. MySQL's connector, which only a promotion needs,
# also works without its library in C, which is half of all that the sidecar is built on.
LEFT_OUT = {
    "agent": ("sidecar", "holdfast/up"),
    "sidecar": ("agent", "holdfast/up", "mysql/vendor", "_mysql_connector.*.so", "_mysqlxpb.*.so"),
}


def main(part: str, destination: str, wheel: str) -> None:
    """Make it, and write down which Python the package depends on."""
    # Not /usr/bin/python3, which will be another version one day: the environment is of no use to that.
    python = os.path.realpath("/usr/bin/python3")
    target = Path(os.path.abspath(destination) + f"{HOME}/{part}")
    _create(target, python)
    lock = TOP / "requirements" / f"{part}.txt"
    pip(
        target,
        "install",
        "--no-compile",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        f"--requirement={lock}",
    )
    pip(target, "install", "--no-compile", "--no-deps", "--no-index", wheel)
    site = target / "lib" / os.path.basename(python) / "site-packages"
    _keep_what_the_part_needs(part, target, site)
    _settle(part, target)
    _compile(site, os.path.abspath(destination))
    _search(target, str(TOP))
    with open(f"{destination}.substvars", "a", encoding="ascii") as file:
        file.write(f"holdfast:Python={os.path.basename(python)}\n")


def pip(target: Path, *arguments: str) -> None:
    """Run the pip of this environment on another, which needs none of its own."""
    command = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python3"), "--quiet", *arguments]
    subprocess.run(command, check=True)


def _create(target: Path, python: str) -> None:
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(target)
    for link in sorted((target / "bin").glob("python*")):
        link.unlink()
        link.symlink_to(python if link.name == "python3" else "python3")


def _keep_what_the_part_needs(part: str, target: Path, site: Path) -> None:
    """Leave out what the part does without, pip's notes, other programs, and what the package itself puts elsewhere."""
    for name in (path for pattern in LEFT_OUT[part] for path in site.glob(pattern)):
        shutil.rmtree(name) if name.is_dir() else name.unlink()
    for information in site.glob("*.dist-info"):
        for name in NOTES:
            (information / name).unlink(missing_ok=True)
    for program in (target / "bin").iterdir():
        if not program.name.startswith("python") and program.name != f"holdfast-{part}":
            program.unlink()
    for folder in ("share", "include"):
        shutil.rmtree(target / folder, ignore_errors=True)


def _settle(part: str, target: Path) -> None:
    """Let the environment believe that it was made where it will live."""
    program = target / "bin" / f"holdfast-{part}"
    _, _, code = program.read_text(encoding="utf-8").partition("\n")
    program.write_text(f"#!{HOME}/{part}/bin/python3\n{code}", encoding="utf-8")
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {version}\n"
    (target / "pyvenv.cfg").write_text(text, encoding="utf-8")


def _compile(site: Path, destination: str) -> None:
    """Compile everything: services cannot write below /opt, and would compile all of it at every start.

    By the hash of the source, not by its time: a package keeps times to the second, and changes some of them.
    """
    done = compileall.compile_dir(
        site,
        quiet=1,
        workers=0,
        stripdir=destination,
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
    )
    if not done:
        raise SystemExit("Not everything could be compiled.")


def _search(target: Path, place: str) -> None:
    """Fail when a file knows where it was made."""
    found = [path for path in target.rglob("*") if path.is_file() and place.encode() in path.read_bytes()]
    if found:
        raise SystemExit(f"{place} is mentioned in: {', '.join(map(str, found))}")


if __name__ == "__main__":
    if sysconfig.get_config_var("prefix") != "/usr":
        raise SystemExit("Run it with the Python of the distribution, from an environment made by /usr/bin/python3.")
    main(*sys.argv[1:])
