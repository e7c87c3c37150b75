"""Debian's Chromium before the real pages: a sidecar as a process, and a catalog full of everything."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from sidecar.catalog.engine import connect
from tests.browser.furnished import Household, furnish
from tests.needs import needs
from tests.sidecar.browser import PASSWORD
from tests.sidecar.world import World
from tests.story.stack import Stack, stack

CHROMIUM = "/usr/bin/chromium"
# No sandbox: tests run as root. The rest keeps it from speaking with anybody but the pages.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000

# Opens a page of a fresh browser: at this address, after logging in as this role, with these options of Playwright.
Opens = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; each test has contexts of its own in it."""
    needs(shutil.which(CHROMIUM), "needs the chromium of Debian")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sidecar as a process, with an empty catalog."""
    with stack(tmp_path_factory.mktemp("served")) as parts:
        yield parts


@pytest.fixture(scope="module")
def household(served: Stack) -> Iterator[Household]:
    """Its catalog, with everything in it that pages can show."""
    engine = connect(f"sqlite:///{served.home}/catalog.sqlite3")
    with World(engine) as world:
        yield furnish(world)
    engine.dispose()


@pytest.fixture(scope="session")
def states() -> dict[tuple[str, str | None], Any]:
    """The cookies of whoever is logged in, by address and name: once is enough."""
    return {}


@pytest.fixture
def opens(chromium: Browser, states: dict[tuple[str, str | None], Any]) -> Iterator[Opens]:
    """Opens pages; whatever scripts complain about on one of them fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(base: str, path: str = "/overview", user: str | None = None, **options: object) -> Page:
        # Nothing is caught in the middle of a transition.
        known = states.get((base, user))
        context = chromium.new_context(base_url=base, reduced_motion="reduce", storage_state=known, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None
        )
        if user is not None and known is None:
            page.goto("/login")
            log_in(page, user)
            page.wait_for_url("**/overview")
            states[base, user] = context.storage_state()
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form of the door."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where disks are mounted."""
    path = tmp_path / "mnt"
    path.mkdir()
    return path
