"""What people do at the pages of assets and of the system: with scripts and without, against real parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect
from standardwebhooks import Webhook

from tests.browser.conftest import Opens
from tests.browser.looks import violations
from tests.browser.test_flows import scripts, users
from tests.linux.disks import Disks
from tests.receiver import Receiver
from tests.receiver import receiver as receiver  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.browser import PASSWORD
from tests.story.stack import Stack, stack
from tests.story.test_story import fill

PHOTOS = 60


@pytest.fixture(scope="module")
def admin(served: Stack) -> str:
    """An administrator of the sidecar that is served."""
    users(served, "add", "erna", "--role", "admin", "--password-file", "-", typed=f"{PASSWORD}\n")
    return "erna"


@pytest.fixture(scope="module")
def working(served: Stack) -> Stack:
    """The same, with a worker beside it."""
    served.start_worker()
    return served


def shown(page: Page, find: Callable[[], Locator], *, scripts: bool = True) -> None:
    """Wait until a page shows something: by itself, or by being loaded again."""
    if scripts:
        expect(find()).to_be_visible()
        return
    for _ in range(2_000):
        if find().is_visible():
            return
        page.reload()
    raise AssertionError("it never came")


def once(page: Page, label: str, *, scripts: bool) -> str:
    """What a page shows this once; such a page has no address, so it is looked at here, where axe can run."""
    expect(page.get_by_label(label, exact=True)).to_be_visible()
    for scheme in ("light", "dark") if scripts else ():
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page) == []
    return page.get_by_label(label, exact=True).inner_text().strip()


@pytest.mark.root
@pytest.mark.story
def test_a_photo_is_lost_looked_up_removed_and_brought_back(
    tmp_path: Path, place: Path, disks: Disks, opens: Opens
) -> None:
    """One who has scripts removes; another, who has none, only sees what that would do."""
    disk = disks.make("ext4", label="family")
    disk.mount(place / "usb")
    fill(place / "usb", PHOTOS)
    (tmp_path / "state").mkdir()
    with stack(tmp_path / "state") as parts:
        parts.start_worker()
        parts.start_agent(place)
        library = parts.library(place / "usb", name="Family")
        users(parts, "add", "anna", "--role", "operator", "--password-file", "-", typed=f"{PASSWORD}\n")
        parts.feed.until_true(lambda: parts.by_status(library).get("present") == PHOTOS)
        for number in range(3):
            (place / "usb" / "trip 001" / f"IMG_{50 + number:05}.jpg").unlink()
        parts.feed.until_true(lambda: parts.by_status(library).get("missing") == 3)

        page = opens(parts.url, "/assets", "anna")
        page.get_by_label("Path").fill(str(place / "usb" / "trip 001") + "/")
        page.get_by_label("Status").select_option(label="Missing")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_text("3 assets")).to_be_visible()
        page.get_by_role("link", name="IMG_00050.jpg").click()
        history = page.locator("#history")
        expect(history).to_contain_text("The file is gone: that is proven")
        expect(history).to_contain_text(f"mounted at “{place}/usb” as mount")
        expect(history).to_contain_text("Two complete listings of “trip 001”")
        page.get_by_role("button", name="Look at it now").click()
        expect(page.get_by_text("the file was not there")).to_be_visible()

        plain = opens(parts.url, "/missing", "anna", java_script_enabled=False)
        _dry_run(plain, parts, library, scripts=False)
        page.goto("/missing")
        _dry_run(page, parts, library, scripts=True)
        _remove_and_undo(page, parts, library)


def _dry_run(page: Page, parts: Stack, library: str, *, scripts: bool) -> None:
    page.get_by_role("link", name="Family", exact=True).click()
    expect(page.locator("#tree")).to_contain_text("3 assets")
    page.get_by_role("button", name="Dry run").click()
    go_on = page.get_by_role("link", name="Go on to remove them")
    shown(page, lambda: go_on, scripts=scripts)
    assert parts.by_status(library)["missing"] == 3
    go_on.click()
    expect(page.get_by_text("3 assets would have been removed")).to_be_visible()


def _remove_and_undo(page: Page, parts: Stack, library: str) -> None:
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Remove what is missing").click()
    undo = page.get_by_role("button", name="Undo the removal")
    expect(undo).to_be_visible()
    assert parts.by_status(library) == {"present": PHOTOS - 3, "removed": 3}
    undo.click()
    expect(page.get_by_text("With the same ids, missing as before.")).to_be_visible()
    assert parts.by_status(library) == {"present": PHOTOS - 3, "missing": 3}


@scripts
def test_an_agent_comes_in_with_a_token_from_the_page(served: Stack, admin: str, opens: Opens, scripts: bool) -> None:
    name = f"nas-{scripts}"
    page = opens(served.url, "/agents", admin, java_script_enabled=scripts)
    page.get_by_role("link", name="New agent").first.click()
    page.get_by_label("What the token is for").fill(name)
    page.get_by_role("button", name="Make the token").click()
    token = once(page, "Enrolment token", scripts=scripts)
    assert once(page, "Line to paste", scripts=scripts).startswith(
        f"echo {token} | sudo holdfast-agent enrol --sidecar {served.url}"
    )
    other = opens(served.url, "/agents", admin, java_script_enabled=scripts)
    body = {"name": name, "host": "nas.home", "version": "1.0", "protocol": 1, "capabilities": []}
    for expected in (201, 401):  # it is good for one
        answer = httpx2.post(
            f"{served.url}/api/v1/agent/enrol", json=body, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == expected
    card = other.get_by_role("listitem").filter(has=other.get_by_role("heading", name=name))
    shown(other, lambda: card, scripts=scripts)
    card.get_by_role("link", name="Lock out").click()
    other.get_by_label("type the name of the agent").fill(name)
    other.get_by_role("button", name="Lock the agent out").click()
    expect(other.get_by_text("The agent is locked out.")).to_be_visible()
    expect(other.get_by_role("cell", name=name)).to_be_visible()


@scripts
def test_a_token_is_made_used_and_revoked(served: Stack, admin: str, opens: Opens, scripts: bool) -> None:
    page = opens(served.url, "/tokens", admin, java_script_enabled=scripts)
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name", exact=True).fill(f"frame {scripts}")
    page.get_by_label("Operator").check()
    page.get_by_role("button", name="Make the token").click()
    headers = {"Authorization": f"Bearer {once(page, 'Token', scripts=scripts)}"}

    def ask() -> int:
        return httpx2.get(f"{served.url}/api/v1/libraries", headers=headers).status_code

    assert ask() == 200
    page.get_by_role("link", name="I have it").click()
    row = page.get_by_role("row").filter(has_text=f"frame {scripts}")
    expect(row).to_contain_text("Good")
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(row).to_contain_text("Revoked")
    assert ask() == 401


@scripts
def test_a_web_hook_is_told_and_told_again(
    working: Stack, admin: str, receiver: Receiver, opens: Opens, scripts: bool
) -> None:
    receiver.status = 500
    page = opens(working.url, "/webhooks", admin, java_script_enabled=scripts)
    page.get_by_role("link", name="New web hook").first.click()
    page.get_by_label("Receiver").fill(receiver.url)
    page.get_by_label("Description").fill(f"doorbell {scripts}")
    page.get_by_role("button", name="Make the web hook").click()
    secret = once(page, "Secret", scripts=scripts)
    page.get_by_role("button", name="Send a test").click()
    shown(page, lambda: page.get_by_text("Answer 500."), scripts=scripts)
    expect(page.get_by_text("The next try is at")).to_be_visible()
    receiver.status = 204
    page.get_by_role("button", name="Send it again").click()
    shown(page, lambda: page.get_by_text("with the answer 204"), scripts=scripts)
    headers, body = receiver.received[-1]
    Webhook(secret).verify(body, headers)
    assert json.loads(body)["type"] == "webhook.test"
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Nothing is lost")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete the web hook").click()
    expect(page.get_by_text("The web hook is deleted.")).to_be_visible()


@scripts
def test_settings_are_changed_and_the_audit_log_says_so(served: Stack, admin: str, opens: Opens, scripts: bool) -> None:
    page = opens(served.url, "/settings", admin, java_script_enabled=scripts)
    page.get_by_label("Percent").fill("200")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Percent")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Percent").fill("25" if scripts else "35")
    page.get_by_label("Removal", exact=True).fill("90")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are changed.")).to_be_visible()
    found = served.get("/settings")
    assert (found["guard_percent"], found["retention_s"]) == (25 if scripts else 35, 90 * 86_400)
    page.goto("/audit")
    page.get_by_label("What", exact=True).select_option(label="changed settings")
    page.get_by_label("Outcome").select_option(label="Done")
    page.get_by_role("button", name="Show").click()
    row = page.get_by_role("row").filter(has_text="erna changed settings").first
    row.get_by_text("Details").click()
    expect(row.get_by_label("What was sent")).to_contain_text(f'"guard_percent": {25 if scripts else 35}')
