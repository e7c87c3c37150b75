"""``--json``: which verbs have it, and that standard output then holds one document of the documented shape."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

import agent.cli
import sidecar.cli
from agent import registry
from agent.registry import Registry
from holdfast.assignments import AssignedPath, Assignment
from sidecar.catalog.engine import connect
from tests.sidecar.browser import add_account
from tests.sidecar.conftest import sqlite_template as sqlite_template  # noqa: PLC0414 - a fixture is found by its name
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, World
from tools.manual.pages import PAGES
from tools.manual.reading import Verb, read

VERBS = {verb.name: verb for page in PAGES for verb in read(page.program)[1] if not verb.is_group}
# They do something, and say no more than that it is done; or, openapi and metrics, print a format of its own.
ACTING = {
    "holdfast up",
    *(f"holdfast-agent {verb}" for verb in ("run", "scan", "enrol", "accept", "release", "rotate-token", "metrics")),
    *(
        f"holdfast-sidecar {verb}"
        for verb in ("serve", "worker", "migrate", "promote", "restore", "restored", "openapi")
    ),
    *(f"holdfast-sidecar holds {verb}" for verb in ("approve", "dismiss", "recheck")),
    *(f"holdfast-sidecar tokens {verb}" for verb in ("create", "rotate", "revoke")),
    *(f"holdfast-sidecar users {verb}" for verb in ("add", "passwd", "role", "remove", "setup-link")),
    "holdfast-sidecar settings set",
}
# A name that a terminal would obey, also where JSON lets it stand.
EVIL = "tr\x9bip\x7f"


def test_every_verb_that_tells_something_has_it() -> None:
    assert {name for name, verb in VERBS.items() if verb.shape is None} <= ACTING
    assert {name for name, verb in VERBS.items() if verb.shape is not None} & ACTING == set()


@pytest.fixture(scope="module")
def catalog(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A state directory with a library, a hold and a token; and their ids."""
    place = tmp_path_factory.mktemp("json")
    shutil.copy(sqlite_template, place / "catalog.sqlite3")
    engine = connect(f"sqlite:///{place}/catalog.sqlite3")
    with World(engine) as world:
        told = Agent(world)
        told.heartbeat()
        library = world.library(told)
        lose(told, EVIL, fill(told, EVIL, 200)[:150])
        (hold,) = world.get("/holds")["items"]
        world.post("/tokens", {"scope": "reader", "name": EVIL})
        add_account(engine, EVIL, "reader")
    engine.dispose()
    return {"STATE": str(place), "HOLD": hold["id"], "LIBRARY": library if isinstance(library, str) else library["id"]}


@pytest.mark.parametrize(
    "arguments",
    [
        "holds list",
        "holds show HOLD",
        "settings show",
        "tokens list",
        "users list",
        "audit",
        "explain LIBRARY /mnt/usb/trip/IMG_1.jpg",
        "doctor",
        "check-config",
        "backup",
    ],
)
def test_the_sidecar_prints_what_is_documented(catalog: dict[str, str], arguments: str) -> None:
    words = [catalog.get(word, word) for word in arguments.split()]
    found = printed(sidecar.cli.main, "holdfast-sidecar", [*words, "--state", catalog["STATE"]])
    assert found


@pytest.mark.parametrize("arguments", ["doctor", "check-config", f"explain /mnt/{EVIL}/IMG_1.jpg"])
def test_the_agent_prints_what_is_documented(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "agent.toml").write_text(f'state_dir = "{tmp_path}"\n')
    folder = AssignedPath(
        id="imp_1", library="lib_1", path=f"/mnt/{EVIL}", server_path=f"/media/{EVIL}", exclusion_patterns=["**/x/**"]
    )
    wanted = Assignment(revision=1, catalog="cat_1", volumes=[], import_paths=[folder])
    registry.save(str(tmp_path / "registry.json"), Registry(assignment=wanted))
    words = arguments.split(" ")
    assert printed(agent.cli.main, "holdfast-agent", [*words, "--config", str(tmp_path / "agent.toml")])
    without = CliRunner().invoke(agent.cli.main, [*words, "--config", str(tmp_path / "agent.toml")])
    assert without.stdout.replace("\n", "").isprintable()


def printed(main: Any, program: str, words: list[str]) -> Any:
    """What is printed, read as its own shape."""
    verb = verb_of(program, words)
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.stderr == ""
    assert done.exit_code in (0, 1)
    assert done.stdout.replace("\n", "").isprintable(), "and nothing that a terminal would obey"
    return msgspec.json.decode(done.stdout, type=verb.shape)


def verb_of(program: str, words: list[str]) -> Verb:
    return VERBS.get(f"{program} {words[0]}") or VERBS[f"{program} {words[0]} {words[1]}"]
