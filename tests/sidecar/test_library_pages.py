"""The pages of libraries and holds, through their forms, as a browser without scripts sends them."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from sidecar.catalog.tables import audit
from sidecar.web import hold_tree
from tests.sidecar.browser import Browser
from tests.sidecar.embedded import world as world  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, World, listed


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world.engine).as_role(world.engine, "operator")


def lost_photos(world: World, agent: Agent) -> None:
    """More photos are gone at once than anybody believes."""
    world.library(agent)
    lose(agent, "trip", fill(agent, "trip", 150))


def row(at: int, agent: Agent, path: str, server_path: str = "") -> dict[str, str]:
    return {f"path-{at}-agent": agent.id, f"path-{at}-path": path, f"path-{at}-server_path": server_path}


def test_a_library_is_made_with_what_was_filled_in(world: World, agent: Agent, browser: Browser) -> None:
    browser.get("/libraries")
    assert "No libraries yet" in browser.text
    browser.get("/libraries/new")
    form = row(0, agent, "/mnt/usb/a", "/photos/a") | row(1, agent, "/mnt/usb/b") | row(2, agent, "")
    answer = browser.post("/libraries/new", name="Trips", owner="anna", patterns="**/*.tif\n\n **/x/** ", **form)
    assert answer.status_code == 303
    browser.get(answer.headers["Location"])
    assert "Trips" in browser.text
    (made,) = world.get("/libraries")["items"]
    assert (made["name"], made["owner"], made["exclusion_patterns"]) == ("Trips", "anna", ["**/*.tif", "**/x/**"])
    paths = [(one["path"], one["server_path"]) for one in made["import_paths"]]
    assert paths == [("/mnt/usb/a", "/photos/a"), ("/mnt/usb/b", "/mnt/usb/b")]
    with world.engine.connect() as connection:
        chosen = sa.select(audit).where(audit.c.action == "create_library", audit.c.who == "the web pages, operator")
        entry = connection.execute(chosen).one()
    assert (entry.target, entry.made) == ("/api/v1/libraries", f"/api/v1/libraries/{made['id']}")


def test_what_is_wrong_is_told_at_the_field_and_nothing_is_made(world: World, agent: Agent, browser: Browser) -> None:
    browser.get("/libraries/new")
    form = row(0, agent, "") | row(1, agent, "relative/path") | row(2, agent, "/mnt/usb")
    assert browser.post("/libraries/new", name="x", owner="anna", patterns="**/(", **form).status_code == 422
    assert re.search(r'<p class="error" id="path-1-path-error">', browser.page)
    assert re.search(r'<p class="error" id="patterns-error">', browser.page)
    assert not re.search(r'id="path-[02]-\w+-error"', browser.page)
    assert 'value="relative/path"' in browser.page
    assert world.get("/libraries")["items"] == []


def test_one_more_row_comes_without_losing_the_others(agent: Agent, browser: Browser) -> None:
    browser.get("/libraries/new")
    browser.post("/libraries/new", name="x", owner="anna", patterns="", do="add", **row(0, agent, "/mnt/usb"))
    assert re.findall(r'id="path-(\d)-path"', browser.page) == ["0", "1", "2"]
    assert 'value="/mnt/usb"' in browser.page


def test_a_change_is_previewed_then_saved_and_not_over_a_later_one(
    world: World, agent: Agent, browser: Browser
) -> None:
    library = world.library(agent)
    agent.send(listed("trip", "a.jpg", "b.tif", "c.tif"))
    url, before = f"/libraries/{library['id']}/edit", world.get(f"/libraries/{library['id']}")
    browser.get(url)
    found = re.findall(r'name="([\w-]+)" value="([^"]*)"', browser.page)
    kept = {name: value for name, value in found if name.startswith("path-0") or name == "revision"}
    form = kept | {"name": "Photos", "patterns": "**/*.tif"}
    assert browser.post(url, do="patterns", **form).status_code == 200
    assert "2 photos (200 bytes) would be excluded" in browser.text
    assert "1 photo stays as it is" in browser.text
    assert "/mnt/usb/trip/b.tif" in browser.text
    assert world.get(f"/libraries/{library['id']}") == before
    assert browser.post(url, do="save", **form).headers["Location"].endswith("?notice=library-changed")
    assert {one["status"] for one in world.assets() if one["path"].endswith("tif")} == {"excluded"}
    browser.get(url)
    assert browser.post(url, do="save", **form).status_code == 422
    assert "changed since you read it" in browser.text


def test_a_path_that_is_taken_out_excludes_its_photos(world: World, agent: Agent, browser: Browser) -> None:
    library = world.library(agent, "/mnt/usb/a", "/mnt/usb/b")
    agent.send(listed("a", "1.jpg"), listed("b", "2.jpg"))
    url = f"/libraries/{library['id']}/edit"
    browser.get(url)
    form = dict(re.findall(r'name="((?:path-[01]-\w+)|revision)" value="([^"]*)"', browser.page))
    browser.post(url, name="x", patterns="", **form, **{"path-1-remove": "on"})
    assert {path: one["status"] for path, one in world.by_path().items()} == {
        "/mnt/usb/a/1.jpg": "present",
        "/mnt/usb/b/2.jpg": "excluded",
    }


def test_a_scan_is_asked_for_shown_and_cancelled(world: World, agent: Agent, browser: Browser) -> None:
    library = world.library(agent)
    url = f"/libraries/{library['id']}"
    browser.get(url)
    assert browser.post(f"{url}/scan", mode="full").headers["Location"] == f"{url}?notice=scan-asked"
    browser.get(url)
    assert 'data-live="always"' in browser.page
    assert "Waits: The agent has not begun yet" in browser.text
    (job,) = world.get("/jobs")["items"]
    assert (job["scan"]["mode"], job["requested_by"]) == ("full", "the web pages, operator")
    browser.post(f"{url}/jobs/{job['id']}/cancel")
    browser.get(url)
    assert "Cancelled" in browser.text
    assert 'data-live="always"' not in browser.page


def test_a_library_is_deleted_by_whoever_types_its_name(world: World, agent: Agent, browser: Browser) -> None:
    library = world.library(agent, name="Trips")
    agent.send(listed("trip", "a.jpg"))
    url = f"/libraries/{library['id']}"
    browser.get(f"{url}/delete")
    assert "1 photo leaves the catalog" in browser.text
    assert browser.post(f"{url}/delete", name="trip").status_code == 422
    assert world.get("/libraries")["items"] != []
    assert browser.post(f"{url}/delete", name="Trips").status_code == 303
    assert world.get("/libraries")["items"] == []
    assert browser.get(url).status_code == 404


def test_why_a_file_is_in_a_library_or_not(world: World, agent: Agent, browser: Browser) -> None:
    library = world.library(agent, exclusion_patterns=["**/*.tif"])
    for path, said in (
        ("/mnt/usb/a.tif", "excluded by **/*.tif"),
        ("/mnt/usb/a.jpg", "is included"),
        ("a", "must start with"),
    ):
        browser.get(f"/libraries/{library['id']}?path={path}")
        assert said in browser.text, browser.text


def test_readers_see_no_buttons_and_send_no_forms(world: World, agent: Agent) -> None:
    library = world.library(agent)
    reader = Browser(world.engine).as_role(world.engine, "reader")
    for path in ("/libraries", f"/libraries/{library['id']}"):
        assert reader.get(path).status_code == 200
        assert re.findall(r'<form method="post" action="([^"]+)"', reader.page) == ["/logout", "/logout"]
    for path in ("/libraries/new", f"/libraries/{library['id']}/edit", f"/libraries/{library['id']}/delete"):
        assert reader.get(path).status_code == 403
    reader.get("/libraries")
    for path in ("/libraries/new", f"/libraries/{library['id']}/scan"):
        assert reader.post(path).status_code == 403


def test_a_hold_is_looked_at_and_decided_about(world: World, agent: Agent, browser: Browser) -> None:
    browser.get("/holds")
    assert "Nothing waits for you" in browser.text
    lost_photos(world, agent)
    (hold,) = world.get("/holds")["items"]
    browser.get("/holds")
    assert hold["summary"] in browser.text
    url = f"/holds/{hold['id']}"
    browser.get(url)
    assert f"Approve: {hold['files']} files" in browser.text
    assert "How it is known" in browser.text
    assert browser.post(f"{url}/approve", digest="0" * 32).status_code == 409
    assert "another set of files by now" in browser.text
    assert browser.post(f"{url}/approve", digest=hold["digest"]).headers["Location"] == f"{url}?notice=hold-approved"
    browser.get(url)
    assert "Approved" in browser.text
    assert world.get(f"/holds/{hold['id']}")["closed_by"] == "the web pages, operator"
    browser.get("/holds")
    assert "Nothing waits for you" in browser.text


def test_a_dismissed_hold_can_be_looked_into_again(world: World, agent: Agent, browser: Browser) -> None:
    lost_photos(world, agent)
    (hold,) = world.get("/holds")["items"]
    url = f"/holds/{hold['id']}"
    browser.get(f"{url}/files")
    assert "How it is known" in browser.text
    browser.get(url)
    browser.post(f"{url}/dismiss", digest=hold["digest"])
    browser.get(url)
    assert browser.post(f"/volumes/{agent.volume}/recheck").status_code == 303


def test_folders_become_a_tree_without_needless_levels() -> None:
    counted = [("photos/2021/a", 5), ("photos/2021/b", 7), ("photos/2020/x", 20), ("photos/2021", 1), ("", 2)]
    (photos, root) = hold_tree.grown(counted)
    assert (photos.name, photos.files, root.name, root.files) == ("photos", 33, "/", 2)
    assert [(one.name, one.files) for one in photos.branches] == [("2020/x", 20), ("2021", 13)]
    assert [(one.name, one.files) for one in photos.branches[1].branches] == [("b", 7), ("a", 5)]
    assert hold_tree.grown([]) == []
