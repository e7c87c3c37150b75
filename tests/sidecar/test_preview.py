"""What other rules would do, told before; and why a file is in a library or not."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sidecar.catalog import previewing, rules
from sidecar.cli import main
from tests.sidecar.world import Agent, Item, Problem, World, absent, checked, file, listed


@pytest.fixture
def library(world: World, agent: Agent) -> Item:
    made = world.library(agent, "/mnt/usb/old", "/mnt/usb/new", exclusion_patterns=["**/no/**"])
    agent.send(
        listed("old", file("a.jpg", 1)),
        listed("new", file("b.jpg", 2)),
        listed("new/Raw", file("c.jpg", 3), file("d.jpg", 4)),
    )
    agent.send(absent("new/Raw", "d.jpg"))
    return made


def test_a_preview_says_what_the_change_then_does(world: World, library: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BATCH", 2)
    before = world.assets()
    old, new = ({"id": one["id"]} for one in library["import_paths"])
    _, since = world.changes()
    found = world.post(f"/libraries/{library['id']}/preview", {"exclusion_patterns": ["**/Raw/**"]})
    assert found["excluded"] == {
        "assets": 2,
        "bytes": 7,
        "examples": ["/mnt/usb/new/Raw/c.jpg", "/mnt/usb/new/Raw/d.jpg"],
    }
    assert (found["included"]["assets"], found["unchanged"], found["unexplored"]) == (0, 2, [])
    body = {"import_paths": [new, {"agent": "nas", "path": "/mnt/usb/more"}], "exclusion_patterns": ["**/b.jpg"]}
    found = world.post(f"/libraries/{library['id']}/preview", body)
    assert (found["excluded"]["examples"], found["unchanged"]) == (["/mnt/usb/old/a.jpg", "/mnt/usb/new/b.jpg"], 2)
    assert found["unexplored"] == ["/mnt/usb/more"]
    assert (world.assets(), world.changes(since)[0]) == (before, []), "nothing was changed"

    world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": ["**/Raw/**"]})
    body = {"import_paths": [{**old, "server_path": "/x"}, new], "exclusion_patterns": []}
    found = world.post(f"/libraries/{library['id']}/preview", body)
    assert (found["included"]["assets"], found["excluded"]["assets"], found["unchanged"]) == (2, 0, 2)


def test_of_a_large_library_a_preview_tells_a_part_at_a_time(
    world: World, library: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "BATCH", 1)
    monkeypatch.setattr(previewing, "JUDGED", 2)
    path, body = f"/libraries/{library['id']}/preview", {"exclusion_patterns": ["**/Raw/**"]}
    parts = [world.post(path, body)]
    while parts[-1]["next_cursor"] is not None:
        parts.append(world.post(f"{path}?cursor={parts[-1]['next_cursor']}", body))
    assert [one["excluded"]["assets"] + one["unchanged"] for one in parts] == [2, 2, 0]
    assert sum(one["excluded"]["assets"] for one in parts) == 2
    with pytest.raises(Problem) as error:
        world.post(f"{path}?cursor={parts[0]['next_cursor']}", {"exclusion_patterns": []})
    assert error.value.code == "bad-cursor"


def test_a_preview_of_nonsense_is_refused(world: World, library: Item) -> None:
    body = {"import_paths": [{"agent": "nas", "path": "x"}], "exclusion_patterns": ["!(x)"]}
    with pytest.raises(Problem) as error:
        world.post(f"/libraries/{library['id']}/preview", body)
    pointers = [one["pointer"] for one in error.value.body["errors"]]
    assert (error.value.code, pointers) == ("invalid-body", ["/import_paths/0/path", "/exclusion_patterns/0"])


def test_a_path_is_explained(world: World, library: Item) -> None:
    def explained(path: str) -> Item:
        answer = world.admin.get(f"/libraries/{library['id']}/explain", params={"path": path})
        return dict(checked(answer).json())

    found = explained("/mnt/usb/new/no/x.jpg")
    assert (found["is_excluded"], found["excluded_by"]) == (True, "**/no/**")
    assert found["import_path_id"] == library["import_paths"][1]["id"]
    assert explained("/mnt/usb/new/x.jpg")["is_excluded"] is False
    outside = explained("/somewhere/x.jpg")
    assert (outside["is_excluded"], outside["excluded_by"], outside["import_path_id"]) == (True, None, None)
    with pytest.raises(Problem) as error:
        explained("no/slash")
    assert error.value.code == "bad-query"


def test_the_command_line_explains_too(world: World, library: Item, database: str) -> None:
    def explain(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["explain", *arguments, "--database", database])
        return done.exit_code, done.output

    assert explain(library["id"], "/mnt/usb/new/no/x.jpg") == (1, "/mnt/usb/new/no/x.jpg is excluded by **/no/**\n")
    code, said = explain(library["id"], "/mnt/usb/new/x.jpg")
    assert (code, "is included" in said) == (0, True)
    assert explain(library["id"], "/elsewhere")[0] == 1
    assert explain("nonsense", "/x")[0] == 64
