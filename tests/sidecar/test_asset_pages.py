"""Looking for assets, and one asset with its history, at the pages: what is found, in which order, and how much is read
for it."""

from __future__ import annotations

import html
import re

import pytest
from msgspec import structs

from holdfast.volumes import Reason
from sidecar.worker import Worker
from tests.sidecar.browser import Browser
from tests.sidecar.embedded import world as world  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.test_searching import library
from tests.sidecar.watched import fill, lose
from tests.sidecar.world import Agent, World, absent, file, listed, moved, new_id


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world.engine).as_role(world.engine, "operator")


def paths(browser: Browser) -> list[str]:
    """The paths in the list that is shown."""
    return [html.unescape(one) for one in re.findall(r'<td><a [^>]+><bdi class="path">([^<]+)<', browser.page)]


def test_a_folder_is_in_the_order_of_its_names_page_by_page(world: World, agent: Agent, browser: Browser) -> None:
    library(world, agent)
    for number in reversed(range(120)):
        agent.send(listed("trip", f"{number:03}.jpg"))
    browser.get("/assets?path=/photos/trip/")
    shown = paths(browser)
    while following := re.search(r'href="([^"]+)" rel="next"', browser.page):
        browser.get(html.unescape(following[1]))
        shown += paths(browser)
    assert shown == [f"/photos/trip/{number:03}.jpg" for number in range(120)]
    assert "120 assets" in browser.text


def test_a_cursor_of_another_look_is_refused(world: World, agent: Agent, browser: Browser) -> None:
    library(world, agent)
    fill(agent, "trip", 60)
    browser.get("/assets")
    following = re.search(r'cursor=([^"&]+)" rel="next"', browser.page)
    assert following is not None
    assert browser.get(f"/assets?cursor={following[1]}").status_code == 200
    assert browser.get(f"/assets?cursor={following[1]}&kind=image").status_code == 400
    assert browser.get("/assets?cursor=x").status_code == 400
    assert browser.get("/assets?status=nonsense").status_code == 400
    assert browser.get("/assets?library=nonsense").status_code == 400


def test_empty_states_say_what_is_empty(world: World, agent: Agent, browser: Browser) -> None:
    browser.get("/assets")
    assert "No photos yet" in browser.text
    library(world, agent)
    agent.send(listed("trip", "a.jpg"))
    browser.get("/assets?path=/nowhere/")
    assert "Nothing is like this" in browser.text


def test_a_name_of_a_file_is_never_markup(world: World, agent: Agent, browser: Browser) -> None:
    library(world, agent)
    agent.send(listed("trip", '<script>"x".jpg'), absent("trip", '<script>"x".jpg'))
    browser.get("/assets")
    assert paths(browser) == ['/photos/trip/<script>"x".jpg']
    (one,) = world.assets()
    browser.get(f"/assets/{one['id']}")
    assert '<script>"x"' not in browser.page


def test_r27_an_asset_says_why_it_cannot_be_opened_and_that_it_is_not_missing(
    world: World, agent: Agent, browser: Browser
) -> None:
    library(world, agent)
    agent.send(listed("trip", "a.jpg"))
    agent.becomes(Reason.UNPLUGGED, None)
    (one,) = world.assets()
    browser.get(f"/assets/{one['id']}")
    assert "Its storage is not there" in browser.text
    assert "Storage is away" in browser.text
    assert "Missing" not in browser.text.partition("What is known")[2]


def test_r1_a_history_says_which_storage_which_listings_and_why_that_is_enough(
    world: World, agent: Agent, browser: Browser
) -> None:
    library(world, agent)
    agent.send(listed("trip", "a.jpg"))
    agent.send(moved("trip", "other", ("a.jpg", "b.jpg")))
    agent.send(absent("other", "b.jpg"))
    agent.send(listed("other", "b.jpg"))
    (one,) = world.assets()
    browser.get(f"/assets/{one['id']}")
    told = browser.text.partition("History")[2]
    steps = ("The file is there again", "The file is gone: that is proven", "The file was moved", "It came into the")
    assert [told.index(step) for step in steps] == sorted(told.index(step) for step in steps)
    assert f"The storage was “usb” (ext4, UUID {agent.volume.removeprefix('vol_')}), mounted at “/mnt/usb”" in told
    assert "Two complete listings of “other”, 5.0 s apart" in told
    assert "The root, opened anew, was on the same mount." in told
    assert re.search(r"Report 3 of usb , made on \d{4}-\d\d-\d\d at", told.replace(",", " ,")) is not None


def test_a_history_says_who_decided_and_leads_there(world: World, agent: Agent, browser: Browser) -> None:
    library(world, agent)
    lose(agent, "trip", fill(agent, "trip", 150))
    (hold,) = world.get("/holds")["items"]
    one = world.assets(status="present")[0]  # all of them wait, or are missing
    world.post(f"/holds/{hold['id']}/approve", {"digest": hold["digest"]})
    Worker(world.engine, 30.0, new_id(), 0.0).step(0.0)
    browser.get(f"/assets/{one['id']}")
    assert "A person approved that the file is gone" in browser.text
    assert f'href="/holds/{hold["id"]}"' in browser.page
    assert "Two complete listings" in browser.text


def test_an_asset_says_where_the_same_content_is(world: World, agent: Agent, browser: Browser) -> None:
    library(world, agent)
    same = "sha1:" + "A" * 27 + "="
    agent.send(listed("trip", *(structs.replace(file(name), content=same) for name in ("a.jpg", "b.jpg", "c.jpg"))))
    agent.send(listed("trip", "other.jpg"), absent("trip", "b.jpg"))
    found = world.by_path()
    browser.get(f"/assets/{found['/photos/trip/b.jpg']['id']}")
    told = browser.text.partition("Same content")[2].partition("Checksum of the path")[0]
    assert re.findall(r"/photos/trip/(\w\.jpg)", told) == ["a.jpg", "c.jpg"]
    browser.get(f"/assets/{found['/photos/trip/other.jpg']['id']}")
    assert "Same content" not in browser.text


def test_nobody_looks_for_a_file_on_storage_that_is_away(world: World, agent: Agent, browser: Browser) -> None:
    library(world, agent)
    agent.send(listed("trip", file("a.jpg", 4_000_000)))
    agent.becomes(Reason.UNPLUGGED, None)
    (one,) = world.assets()
    browser.get(f"/assets/{one['id']}")
    assert "4.0 MB (4,000,000 bytes)" in browser.text
    assert browser.post(f"/assets/{one['id']}/check").status_code == 200
    assert "Nobody could look." in browser.text
    reader = Browser(world.engine).as_role(world.engine, "reader")
    reader.get(f"/assets/{one['id']}")
    assert "Look at it now" not in reader.text
    assert reader.post(f"/assets/{one['id']}/check").status_code == 403


def test_there_is_no_page_of_what_there_is_not(browser: Browser) -> None:
    assert browser.get(f"/assets/ast_{'0' * 32}").status_code == 404
    assert browser.get("/assets/nonsense").status_code == 404
