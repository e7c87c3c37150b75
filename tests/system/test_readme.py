"""What the documentation promises is there: targets, options, files, links."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from click.testing import CliRunner

from holdfast.up import main

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DOCUMENTS = sorted(
    os.path.relpath(os.path.join(folder, name), ROOT)
    for top in (".", "docs", "docs/adr")
    for folder in [os.path.join(ROOT, top)]
    for name in os.listdir(folder)
    if name.endswith(".md")
)


def read(path: str) -> str:
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_is_named_exists(document: str) -> None:
    named = set(re.findall(r"(?:^ {4}|`|sudo )make ([a-z]+)", read(document), re.MULTILINE))
    assert named <= targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    folder = os.path.dirname(os.path.join(ROOT, document))
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(document)):
        if not link.startswith(("http://", "https://")):
            assert os.path.exists(os.path.join(folder, link)), link


def test_the_readme_fits_on_two_screens() -> None:
    assert read("README.md").count("\n") <= 80


def test_every_package_the_readme_names_exists() -> None:
    for folder in re.findall(r"^\| `([a-z/]+/)`", read("README.md"), re.MULTILINE):
        assert os.path.isdir(os.path.join(ROOT, folder)), folder


def test_help_tells_every_option_and_every_target() -> None:
    told = CliRunner().invoke(main, ["up", "--help"]).output
    for option in ("--state", "--listen", "--database", "--quiet"):
        assert option in told
    listed = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^ +make ([a-z]+)", listed, re.MULTILINE)) == targets()


def test_make_up_without_photos_tells_how_to_use_it() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PHOTOS"}
    done = subprocess.run(["make", "-C", ROOT, "up"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert "make up PHOTOS=/path/to/photos" in done.stderr


def test_the_version_has_one_source() -> None:
    from holdfast import __version__

    assert CliRunner().invoke(main, ["--version"]).output.strip().endswith(__version__)
