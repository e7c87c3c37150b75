"""Every page, in both colour schemes, on a phone and on a desktop: no violation by axe, nothing that does not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar import web
from sidecar.api import create_app
from sidecar.config import Config
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
    "assets": (lambda house: f"/assets?path=/media/photos/2019/&library={house.library}", "reader"),
    "assets-none": (lambda _: "/assets?path=/nowhere/&status=missing", "reader"),
    "asset": (lambda house: f"/assets/{house.lost}", "operator"),
    "asset-away": (lambda house: f"/assets/{house.away}", "operator"),
    "missing": (lambda _: "/missing", "operator"),
    "missing-library": (lambda house: f"/missing/{house.library}", "operator"),
    "missing-remove": (lambda house: f"/missing/{house.library}/remove?checked={house.dry_run}", "operator"),
    "agents": (lambda _: "/agents", "admin"),
    "agent-new": (lambda _: "/agents/new", "admin"),
    "agent-revoke": (lambda house: f"/agents/{house.agent}/revoke", "admin"),
    "tokens": (lambda _: "/tokens", "admin"),
    "token-new": (lambda _: "/tokens/new", "admin"),
    "token-rotate": (lambda house: f"/tokens/{house.token}/rotate", "admin"),
    "token-revoke": (lambda house: f"/tokens/{house.token}/revoke", "admin"),
    "webhooks": (lambda _: "/webhooks", "operator"),
    "webhook": (lambda house: f"/webhooks/{house.webhook}", "operator"),
    "webhook-new": (lambda _: "/webhooks/new", "operator"),
    "webhook-edit": (lambda house: f"/webhooks/{house.webhook}/edit", "operator"),
    "webhook-rotate": (lambda house: f"/webhooks/{house.webhook}/rotate", "operator"),
    "webhook-delete": (lambda house: f"/webhooks/{house.webhook}/delete", "operator"),
    "jobs": (lambda _: "/jobs", "operator"),
    "job-dry-run": (lambda house: f"/jobs/{house.dry_run}", "operator"),
    "job-removal": (lambda house: f"/jobs/{house.removal}", "operator"),
    "settings": (lambda _: "/settings", "admin"),
    "settings-to-read": (lambda _: "/settings", "reader"),
    "audit": (lambda _: "/audit", "admin"),
    "not-found": (lambda _: "/nothing", "reader"),
    "not-allowed": (lambda _: "/libraries/new", "reader"),
}
# What shows nothing, and what can be opened once: tests of the door go there.
ELSEWHERE = {"live_pages.look", "overview_pages.go_to_overview", "door_pages.set_up"}
# Those that the documentation shows: on a desktop in daylight, and on a phone at night.
PICTURED = {"overview", "library-edit", "hold", "asset", "missing-library", "settings"}


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


def test_no_page_is_left_out(served: Stack, household: Household) -> None:
    app = create_app(household.world.engine)
    web.install(app, Config())
    places = app.url_map.bind("holdfast.home")
    addresses = [address(household).partition("?")[0] for name, (address, _) in PAGES.items() if name != "not-found"]
    looked_at = {places.match(address)[0] for address in addresses}
    rules = [one for one in app.url_map.iter_rules() if "GET" in (one.methods or ())]
    assert {one.endpoint for one in rules if "_pages." in one.endpoint} - looked_at == ELSEWHERE


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
