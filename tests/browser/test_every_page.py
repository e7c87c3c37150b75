"""Every page, in both colour schemes, on a phone and on a desktop: no violation by axe, nothing that does not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Opens
from tests.browser.furnished import Household
from tests.browser.looks import does_not_fit, picture, violations
from tests.story.stack import Stack

PHONE, DESKTOP = {"width": 375, "height": 780}, {"width": 1280, "height": 860}

# name -> the address of a page, and who looks at it; nobody: whoever is not logged in
PAGES: dict[str, tuple[Callable[[Household], str], str | None]] = {
    "login": (lambda _: "/login", None),
    "overview": (lambda _: "/overview", "admin"),
    "account": (lambda _: "/account", "admin"),
    "help": (lambda _: "/help", "reader"),
    "libraries": (lambda _: "/libraries", "operator"),
    "library": (lambda house: f"/libraries/{house.library}?path=/media/photos/a.jpg", "operator"),
    "library-away": (lambda house: f"/libraries/{house.archive}", "reader"),
    "library-new": (lambda _: "/libraries/new", "operator"),
    "library-edit": (lambda house: f"/libraries/{house.library}/edit", "operator"),
    "library-delete": (lambda house: f"/libraries/{house.library}/delete", "operator"),
    "holds": (lambda _: "/holds", "operator"),
    "hold": (lambda house: f"/holds/{house.hold}", "operator"),
    "hold-files": (lambda house: f"/holds/{house.hold}/files", "reader"),
    "not-found": (lambda _: "/nothing", "reader"),
    "not-allowed": (lambda _: "/libraries/new", "reader"),
}
# Those that the documentation shows: on a desktop in daylight, and on a phone at night.
PICTURED = {"overview", "library-edit", "hold"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(name: str, served: Stack, household: Household, opens: Opens) -> None:
    address, user = PAGES[name]
    page = opens(served.url, address(household), user)
    for scheme, size in (("light", DESKTOP), ("dark", PHONE)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        assert violations(page) == []
        assert does_not_fit(page) <= 0
        if name in PICTURED:
            picture(page, name if size is DESKTOP else f"{name}-phone")
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.title().endswith(" · Holdfast")
    # Times are the visitor's own with scripts; all else is there without.
    plain = opens(served.url, address(household), user, java_script_enabled=False, viewport=PHONE)
    texts = [one.locator("main").inner_text().splitlines() for one in (page, plain)]
    assert len(texts[0]) == len(texts[1]) > 2


def test_a_page_can_be_used_by_the_keyboard_alone(served: Stack, household: Household, opens: Opens) -> None:
    page = opens(served.url, "/overview", "admin", viewport=DESKTOP)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = set()
    while True:
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):  # once around
            break
        seen.add(page.evaluate("document.activeElement.outerHTML"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert any("Decide" in one for one in seen)


def test_the_menu_of_a_phone_opens_and_leads_on(served: Stack, household: Household, opens: Opens) -> None:
    page = opens(served.url, "/overview", "admin", viewport=PHONE)
    link = page.get_by_role("link", name="Libraries")
    assert not link.first.is_visible()
    page.get_by_text("Menu", exact=True).click()
    assert violations(page) == []
    page.get_by_role("navigation", name="Menu").get_by_role("link", name="Libraries").click()
    assert page.get_by_role("heading", name="Libraries").is_visible()
