"""The container files. They cannot be run here, and say so; what they name is compared with what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config import DATABASE_CREDENTIAL, Config, load

TOP = Path(__file__).parents[2]
PLACE = TOP / "packaging" / "container"
FILES = sorted(path for path in PLACE.iterdir() if path.is_file())


def steps() -> list[tuple[str, str]]:
    """The instructions of the Containerfile."""
    text = re.sub(r"^#.*\n", "", (PLACE / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def compose(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PLACE / name).read_text())
    return loaded


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_file_says_at_its_top_that_nobody_ran_it(path: Path) -> None:
    assert "NEVER RUN BY OUR TESTS" in path.read_text()[:500]


def test_the_image_is_made_of_what_there_is() -> None:
    copied = [shlex.split(rest)[:-1] for step, rest in steps() if step == "COPY" and "--from" not in rest]
    assert [name for names in copied for name in names if not (TOP / name).exists()] == []
    # All that setup.cfg builds from.
    needed = {"LICENSE", "README.md", "pyproject.toml", "setup.cfg", "etc", "systemd", "holdfast", "agent", "sidecar"}
    assert needed <= {name for names in copied for name in names}
    assert all("--require-hashes" in one for _, rest in steps() for one in rest.split("&&") if "--requirement" in one)


def test_the_image_runs_as_nobody_in_particular_and_keeps_its_environment() -> None:
    said = dict(steps())
    assert said["USER"] == "10765:10765"
    settings = dict(one.split("=", 1) for one in shlex.split(said["ENV"]))
    settings["CREDENTIALS_DIRECTORY"] = "/nowhere"
    assert load(None, settings, {}).listen == "0.0.0.0:8765"
    assert {name for name in settings if name.startswith("HOLDFAST_SIDECAR_")} <= {
        f"HOLDFAST_SIDECAR_{field.upper()}" for field in Config.__struct_fields__
    }


def test_its_health_is_that_of_the_catalog() -> None:
    text = dict(steps())["HEALTHCHECK"]
    found = re.search(r"CMD (\[.*\])", text)
    assert found is not None
    command = yaml.safe_load(found[1])
    compile(command[2], "healthcheck", "exec")
    assert "/readyz" in command[2]


def test_both_services_are_the_same_image_without_privileges() -> None:
    services = compose("compose.yaml")["services"]
    assert services["worker"]["command"] == ["worker"]
    for service in services.values():
        assert service["image"] == "holdfast-sidecar"
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("10765:10765", True, ["ALL"])
        assert service["volumes"] == [f"catalog:{Config().state_dir}"]
    assert services["sidecar"]["ports"] == ["127.0.0.1:8765:8765"]
    build = services["sidecar"]["build"]
    assert ((PLACE / build["context"]).resolve() / build["dockerfile"]).resolve() == PLACE / "Containerfile"


def test_secrets_are_files_with_the_names_that_are_asked_for() -> None:
    said = compose("compose.mariadb.yaml")
    assert said["services"]["sidecar"]["secrets"] == said["services"]["worker"]["secrets"] == [DATABASE_CREDENTIAL]
    assert {secret["file"] for secret in said["secrets"].values()} == {f"./secrets/{name}" for name in said["secrets"]}
    database = said["services"]["database"]
    assert database["environment"]["MARIADB_PASSWORD_FILE"] == f"/run/secrets/{database['secrets'][0]}"
    assert not re.search(r"MARIADB_PASSWORD: |:latest", (PLACE / "compose.mariadb.yaml").read_text())
