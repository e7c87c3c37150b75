"""What people do at the pages, from the first link on: with scripts and without."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from sidecar import throttle
from tests.browser.conftest import Opens, log_in
from tests.linux.disks import Disks
from tests.sidecar.browser import PASSWORD
from tests.story.stack import Stack, stack
from tests.story.test_story import fill

expect.set_options(timeout=60_000)
PHOTOS = 300
scripts = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])


def users(parts: Stack, *arguments: str, typed: str = "") -> str:
    command = [sys.executable, "-m", "sidecar.cli", "users", *arguments, "--state", str(parts.home)]
    return subprocess.run(command, capture_output=True, text=True, check=True, input=typed).stdout.strip()


def link(parts: Stack) -> str:
    """The path of a fresh set-up link; the verb was not told where the pages listen."""
    return "/setup/" + users(parts, "setup-link").rpartition("/")[2]


@scripts
def test_the_first_administrator_comes_by_a_link(served: Stack, opens: Opens, scripts: bool) -> None:
    name = "anna" if scripts else "bert"
    path = link(served)
    page = opens(served.url, path, java_script_enabled=scripts)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill("something else entirely")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_label("The same again")).to_have_accessible_description("The two passwords differ.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("Welcome.")).to_be_visible()
    page.get_by_role("button", name="Log out").last.click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    page.goto("/libraries")
    log_in(page, name)
    expect(page.get_by_role("heading", name="Libraries", exact=True)).to_be_visible()
    page.goto(path)
    expect(page.get_by_role("heading", name="This link is over")).to_be_visible()


def test_whoever_guesses_is_told_to_wait(served: Stack, opens: Opens) -> None:
    users(served, "add", "carla", "--role", "reader", "--password-file", "-", typed=f"{PASSWORD}\n")
    page = opens(served.url, "/login")
    for _ in range(throttle.PAIR.tries):
        log_in(page, "carla", "a wrong password")
        expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    log_in(page, "carla")
    expect(page.get_by_role("alert")).to_contain_text("Too many tries")
    expect(page.get_by_label("Name")).to_have_value("carla")


def test_a_form_from_elsewhere_changes_nothing(served: Stack, opens: Opens) -> None:
    users(served, "add", "dora", "--role", "operator", "--password-file", "-", typed=f"{PASSWORD}\n")
    page = opens(served.url, "/libraries/new", "dora")
    page.get_by_label("Name").fill("Trap")
    page.evaluate("document.querySelectorAll('[name=csrf]').forEach((one) => { one.value = '0'.repeat(64) })")
    page.get_by_role("button", name="Make the library").click()
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    # A page of another origin: its form comes without a token, and a browser says where from.
    other = page.context.new_page()
    other.set_content(f'<form method="post" action="{served.url}/libraries/new"><button>Win</button></form>')
    other.get_by_role("button").click()
    expect(other.get_by_role("heading", name="Not allowed")).to_be_visible()
    assert served.get("/libraries")["items"] == []


@pytest.mark.root
@pytest.mark.story
def test_a_disk_is_unplugged_while_the_page_is_open(tmp_path: Path, place: Path, disks: Disks, opens: Opens) -> None:
    """A library is made at the page, its disk goes and comes back, very much is deleted and approved."""
    disk = disks.make("ext4", label="family")
    disk.mount(place / "usb")
    fill(place / "usb", PHOTOS)
    (tmp_path / "state").mkdir()
    with stack(tmp_path / "state") as parts:
        parts.start_agent(place)
        parts.agent_id()
        users(parts, "add", "anna", "--role", "operator", "--password-file", "-", typed=f"{PASSWORD}\n")
        page = opens(parts.url, "/libraries", "anna")
        _make_library(page, place)
        expect(page.get_by_text(f"{PHOTOS}", exact=True).first).to_be_visible()

        page.goto("/overview")
        plain = opens(parts.url, "/overview", "anna", java_script_enabled=False)
        for one in (page, plain):
            expect(_card(one)).to_contain_text("Online")
        disk.umount()
        expect(_card(page)).to_contain_text("Offline")
        expect(_card(page)).to_contain_text("unavailable, not deleted")
        expect(page.locator("#said")).to_contain_text("family: Offline.")
        expect(page.locator("#figures")).to_contain_text(f"Away with their storage{PHOTOS}")
        expect(_card(plain)).to_contain_text("Online")  # nothing moves by itself
        plain.reload()
        expect(_card(plain)).to_contain_text("Offline")

        disk.mount(place / "usb")
        expect(_card(page)).to_contain_text("Online")
        for folder in sorted((place / "usb").glob("trip *"))[:3]:  # the rest vouches for the storage (R9)
            shutil.rmtree(folder)
        expect(page.locator("#tasks")).to_contain_text("are gone, more at once than is usual")
        _approve(page)
        expect(page.get_by_text("Approved", exact=True)).to_be_visible()
        parts.feed.until_true(lambda: parts.by_status(parts.get("/libraries")["items"][0]["id"]).get("missing", 0) > 0)


@pytest.mark.root
def test_a_page_tells_that_the_sidecar_does_not_answer(tmp_path: Path, opens: Opens) -> None:
    with stack(tmp_path) as parts:
        users(parts, "add", "anna", "--role", "reader", "--password-file", "-", typed=f"{PASSWORD}\n")
        page = opens(parts.url, "/overview", "anna")
        expect(page.locator("#lost")).to_be_hidden()
        parts.kill_sidecar()
        expect(page.locator("#lost")).to_be_visible()
        parts.start_sidecar()
        expect(page.locator("#lost")).to_be_hidden()


def _make_library(page: Page, place: Path) -> None:
    """Through the form, which tells what is wrong while it is filled in."""
    page.get_by_role("link", name="New library").first.click()
    page.get_by_label("Name").fill("Family")
    folder = page.get_by_label("Folder there")
    folder.fill("/etc")
    expect(page.locator("#path-0-verdict")).to_contain_text("/etc")
    expect(folder).to_have_attribute("aria-invalid", "true")
    folder.fill(str(place / "usb"))
    expect(page.locator("#path-0-verdict")).to_contain_text("The agent has looked: this will do.")
    page.get_by_role("button", name="Make the library").click()
    expect(page.get_by_role("heading", name="Family")).to_be_visible()


def _card(page: Page) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="family"))


def _approve(page: Page) -> None:
    page.locator("#tasks").get_by_role("link").first.click()
    page.get_by_role("button", name="Approve").click()
