"""What is missing, at the pages: by folder, with a dry run, the removal, its job, and the way back."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from sidecar.catalog import missing
from sidecar.catalog.tables import audit
from sidecar.web import missing_tree, spans
from tests.sidecar.browser import Browser
from tests.sidecar.embedded import world as world  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.test_removal import look, work
from tests.sidecar.world import Agent, Item, World, absent, listed


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world.engine).as_role(world.engine, "operator")


@pytest.fixture
def library(world: World, agent: Agent) -> Item:
    """A library in which two photos of trip are missing."""
    made = world.library(agent, name="Trips")
    agent.send(listed("trip", "a.jpg", "b.jpg", "c.jpg"), absent("trip", "a.jpg", "b.jpg"))
    return made


def test_nothing_is_removed_before_it_was_confirmed_and_everything_comes_back(
    world: World, agent: Agent, library: Item, browser: Browser
) -> None:
    ids = {one["id"] for one in world.assets(status="missing")}
    browser.get("/missing")
    assert "2 assets" in browser.text
    here = f"/missing/{library['id']}"
    browser.get(here)
    assert "/mnt/usb/trip 2 assets, lost just now" in browser.text
    dry_run = browser.post(f"{here}/check", older_than_s="").headers["Location"].partition("?")[0]
    browser.get(dry_run)
    assert "First agents look at every folder" in browser.text
    work(world)
    assert look(agent) == ["trip"]
    work(world)
    browser.get(dry_run)
    assert "would be removed 2" in browser.text
    link = re.search(rf'href="({here}/remove\?checked=job_[0-9a-f]+)"', browser.page)
    assert link is not None
    browser.get(link[1])
    assert "2 assets would have been removed by the dry run" in browser.text
    assert browser.post(f"{here}/remove", older_than_s="").status_code == 422
    assert "Say that you have read this." in browser.text
    assert len(world.assets(status="missing")) == 2
    removal = browser.post(f"{here}/remove", older_than_s="", sure="yes").headers["Location"].partition("?")[0]
    work(world)
    look(agent)
    work(world)
    assert {one["id"] for one in world.assets(status="removed")} == ids
    browser.get(here)
    assert "Nothing is missing here" in browser.text
    browser.get(removal)
    undone = browser.post(f"{removal}/undo").headers["Location"].partition("?")[0]
    work(world)
    browser.get(undone)
    assert "With the same ids, missing as before." in browser.text
    assert {one["id"] for one in world.assets(status="missing")} == ids
    browser.get(removal)
    assert "This removal was undone." in browser.text
    assert "Undo the removal" not in browser.text
    with world.engine.connect() as connection:
        chosen = sa.select(audit.c.action).where(audit.c.who == "the web pages, operator", audit.c.status < 300)
        actions = connection.execute(chosen.order_by(audit.c.id)).scalars().all()
    assert actions == ["remove_missing", "remove_missing", "undo_job"]


def test_one_that_was_removed_comes_back_from_its_own_page(
    world: World, agent: Agent, library: Item, browser: Browser
) -> None:
    job = world.post(f"/libraries/{library['id']}/remove-missing", {})
    work(world)
    look(agent)
    work(world)
    assert world.get(f"/jobs/{job['id']}")["result"] == {"removed": 2}
    first, second = (f"/assets/{one['id']}" for one in world.assets(status="removed"))
    browser.get(first)
    assert "It was removed from the catalog, because it was missing" in browser.text
    browser.get(browser.post(f"{first}/restore").headers["Location"])
    assert "It was brought back into the catalog" in browser.text
    agent.send(listed("trip", "a.jpg", "b.jpg"))
    browser.get(second)
    assert browser.post(f"{second}/restore").status_code == 409
    assert "Another asset of its library has its path by now" in browser.text


def test_a_job_is_cancelled_where_that_leaves_nothing_half_done(
    world: World, agent: Agent, library: Item, browser: Browser
) -> None:
    scan = world.post(f"/libraries/{library['id']}/scan", {"mode": "full"})
    browser.get("/jobs?state=pending")
    assert "Scan" in browser.text
    browser.get(f"/jobs/{scan['id']}")
    assert "Waits: The agent has not begun yet." in browser.text
    browser.get(browser.post(f"/jobs/{scan['id']}/cancel").headers["Location"])
    assert "The job is cancelled." in browser.text
    assert browser.post(f"/jobs/{scan['id']}/cancel").status_code == 303  # it is cancelled already
    world.admin.delete(f"/libraries/{library['id']}")
    deletion = world.get("/jobs")["items"][0]
    browser.get(f"/jobs/{deletion['id']}")
    assert "A deletion that was asked for is carried out" in browser.text
    browser.get("/jobs?state=failed")
    assert "No job is like this" in browser.text


def test_a_page_reads_a_bounded_part_of_what_is_missing_and_counts_all_of_it(
    world: World, agent: Agent, library: Item, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "READ_MAX", 1)
    browser.get(f"/missing/{library['id']}")
    assert "2 assets are missing." in browser.text
    assert "These are the folders of the first 1," in browser.text


def test_readers_see_what_is_missing_and_cannot_remove_it(world: World, agent: Agent, library: Item) -> None:
    reader = Browser(world.engine).as_role(world.engine, "reader")
    here = f"/missing/{library['id']}"
    reader.get(here)
    assert "Dry run" not in reader.text.partition("can do that")[0].partition("It changes nothing")[2]
    for path in ("check", "remove"):
        assert reader.post(f"{here}/{path}", sure="yes").status_code == 403
    assert reader.get(f"{here}/remove").status_code == 403
    assert world.get("/jobs")["items"] == []


def test_what_no_form_of_ours_sends_is_refused(world: World, library: Item, browser: Browser) -> None:
    here = f"/missing/{library['id']}"
    browser.get(here)
    assert browser.post(f"{here}/check", older_than_s="-1").status_code == 422
    assert browser.get(f"{here}/remove?older_than_s=x").status_code == 422
    assert browser.get(f"{here}/remove?checked=nonsense").status_code == 200
    assert world.get("/jobs")["items"] == []


def test_the_tree_has_no_more_lines_than_a_person_reads() -> None:
    lost = [
        (f"/p/{year}/{folder}/{name}.jpg", 1000 + year) for year in range(9) for folder in range(9) for name in "ab"
    ]
    (root,) = missing_tree.grown(lost, lines_max=20)

    def lines(folder: missing_tree.Folder) -> int:
        return 1 + sum(map(lines, folder.folders))

    assert (root.name, root.path, root.files, root.first, root.last) == ("/p", "/p", 162, 1000, 1008)
    assert lines(root) <= 20
    assert len(root.folders) == 9
    assert sum(one.folded + len(one.folders) for one in root.folders) == 81


def test_a_chain_of_folders_is_one_line_and_the_fullest_comes_first() -> None:
    tree = missing_tree.grown([("/a/b/c/1.jpg", 5), ("/a/b/d/e/2.jpg", 6), ("/a/b/d/e/3.jpg", 4), ("/4.jpg", 1)])
    assert [(one.name, one.files) for one in tree] == [("/a/b", 3), ("/", 1)]
    assert [(one.name, one.path, one.files, one.first) for one in tree[0].folders] == [
        ("d/e", "/a/b/d/e", 2, 4),
        ("c", "/a/b/c", 1, 5),
    ]


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 3600, 5400, 86_400, 90 * 86_400])
def test_a_span_comes_out_as_it_went_in(seconds: int) -> None:
    span = spans.of_seconds(seconds)
    assert spans.to_seconds(str(span.number), span.unit) == seconds


@pytest.mark.parametrize(
    ("number", "unit"), [("x", "days"), ("-1", "days"), ("1.5", "hours"), ("1", "years"), ("²", "days")]
)
def test_what_is_no_span_is_none(number: str, unit: str) -> None:
    assert spans.to_seconds(number, unit) is None
