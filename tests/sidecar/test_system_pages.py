"""Agents, tokens, web hooks, settings and the audit log at the pages, through their forms."""

from __future__ import annotations

import html
import re

import msgspec
import pytest

from holdfast.assignments import EnrolRequest
from sidecar.api import RESOURCES
from sidecar.catalog import audit
from sidecar.catalog.audit import Deed, Outcome
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.policy import Policy
from sidecar.web import deeds, settings
from tests.sidecar.browser import Browser
from tests.sidecar.embedded import world as world  # noqa: PLC0414 - a fixture is found where its name is
from tests.sidecar.world import JSON, Agent, World, listed


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world.engine).as_role(world.engine, "admin")


def secret(browser: Browser, prefix: str) -> str:
    """What the page shows this once."""
    found = re.search(rf">({prefix}[A-Za-z0-9_+/=-]+)<", browser.page)
    assert found is not None
    return html.unescape(found[1])


def test_an_agent_is_let_in_and_locked_out(world: World, browser: Browser) -> None:
    browser.get("/agents")
    assert "No agents yet" in browser.text
    browser.get("/agents/new")
    assert browser.post("/agents/new", name=" ").status_code == 422
    assert 'id="name-error"' in browser.page
    answer = browser.post("/agents/new", name="the NAS")
    assert answer.headers["Cache-Control"] == "no-store"
    token = secret(browser, "hf_")
    line = f"echo {token} | sudo holdfast-agent enrol --sidecar http://holdfast.home --root /mnt"
    assert line in html.unescape(browser.page)
    body = msgspec.json.encode(EnrolRequest(name="nas", host="nas.home", version="1.0"))
    assert world.client(token).post("/agent/enrol", content=body, headers=JSON).status_code == 201
    browser.get("/agents")
    assert "nas.home" in browser.text
    assert token not in browser.page
    browser.get("/tokens")
    assert re.search(r"the NAS enrol Used up", browser.text)
    (agent,) = world.get("/agents")["items"]
    browser.get(f"/agents/{agent['id']}/revoke")
    assert browser.post(f"/agents/{agent['id']}/revoke", name="gnas").status_code == 422
    browser.get(browser.post(f"/agents/{agent['id']}/revoke", name="nas").headers["Location"])
    assert "The agent is locked out." in browser.text
    assert world.get(f"/agents/{agent['id']}")["revoked_at"] is not None
    assert browser.get(f"/agents/{agent['id']}/revoke").status_code == 404


def test_locking_out_says_what_it_costs(world: World, agent: Agent, browser: Browser) -> None:
    world.library(agent)
    agent.send(listed("trip", "a.jpg", "b.jpg"))
    browser.get(f"/agents/{agent.id}/revoke")
    assert "1 volume ( usb ) becomes unknown, and 2 photos cannot be opened" in browser.text


def test_a_token_is_made_used_rotated_and_revoked(world: World, browser: Browser) -> None:
    browser.get("/tokens/new")
    assert browser.post("/tokens/new", name="frame", scope="operator", owner="anna").status_code == 422
    assert "Only a reader can be limited to an owner." in browser.text
    assert browser.post("/tokens/new", name="frame", scope="enrol").status_code == 422
    browser.get("/tokens/new")
    browser.post("/tokens/new", name="frame", scope="reader", owner="anna")
    first = secret(browser, "hf_")
    assert world.client(first).get("/libraries").status_code == 200
    (token,) = [one for one in world.get("/tokens")["items"] if one["name"] == "frame"]
    assert token["owner"] == "anna"
    browser.get("/tokens")
    assert first not in browser.page
    here = f"/tokens/{token['id']}"
    browser.get(f"{here}/rotate")
    browser.post(f"{here}/rotate", overlap_s="0")
    second = secret(browser, "hf_")
    assert world.client(first).get("/libraries").status_code == 401
    assert world.client(second).get("/libraries").status_code == 200
    browser.get(f"{here}/revoke")
    browser.get(browser.post(f"{here}/revoke").headers["Location"])
    assert "frame reader, only what belongs to anna Revoked" in browser.text
    assert world.client(second).get("/libraries").status_code == 401


def test_an_agent_gets_its_new_secret_by_itself(world: World, agent: Agent, browser: Browser) -> None:
    (token,) = [one for one in world.get("/tokens")["items"] if one["agent"] == agent.id]
    here = f"/tokens/{token['id']}/rotate"
    browser.get(here)
    assert "not at all: it leaked" not in browser.text
    assert browser.post(here, overlap_s="5").status_code == 422
    browser.get(here)
    browser.post(here, overlap_s="86400")
    assert "the agent hears that its token ends" in browser.text
    assert "It has 1 day for that" in browser.text
    agent.heartbeat()


def test_a_web_hook_is_made_changed_paused_and_deleted(world: World, browser: Browser) -> None:
    browser.get("/webhooks")
    assert "No web hooks yet" in browser.text
    browser.get("/webhooks/new")
    filled = {"url": "http://127.0.0.1:9/hook", "description": "Immich"}
    assert browser.post("/webhooks/new", **{**filled, "url": "ftp://x"}).status_code == 422
    assert 'id="url-error"' in browser.page
    assert browser.post("/webhooks/new", **filled, others="nonsense.kind").status_code == 422
    assert 'id="others-error"' in browser.page
    browser.post("/webhooks/new", **filled, kinds="volume.*", others="asset.missing")
    text = secret(browser, "whsec_")
    (made,) = world.get("/webhooks")["items"]
    assert (made["url"], made["kinds"]) == (filled["url"], ["volume.*", "asset.missing"])
    here = f"/webhooks/{made['id']}"
    browser.get(f"{here}/edit")
    assert browser.post(f"{here}/edit", **filled, revision=made["revision"] + 1).status_code == 422
    browser.post(f"{here}/edit", **filled, kinds="hold.*", revision=made["revision"])
    assert world.get(here)["kinds"] == ["hold.*"]
    browser.get(here)
    assert text not in browser.page
    browser.post(f"{here}/pause")
    assert not world.get(here)["enabled"]
    browser.get(here)
    assert "It was disabled by hand." in browser.text
    browser.post(f"{here}/resume")
    assert world.get(here)["enabled"]
    browser.get(here)
    browser.get(browser.post(f"{here}/test").headers["Location"])
    assert "webhook.test" in browser.text
    assert "Not tried yet." in browser.text
    browser.get(f"{here}/rotate")
    browser.post(f"{here}/rotate")
    assert secret(browser, "whsec_") != text
    browser.get(f"{here}/delete")
    browser.post(f"{here}/delete")
    assert world.get("/webhooks")["items"] == []


def test_settings_are_in_units_of_people_and_empty_is_the_default(world: World, browser: Browser) -> None:
    form = {"guard_files": "100", "guard_percent": "10", "scan_schedule": "0 0 * * *", "scan_time_zone": "UTC"}
    form |= {"guard_window_s": "1", "guard_window_s-unit": "days", "missing_grace_s": "0", "retention_s": ""}
    form |= {"missing_grace_s-unit": "seconds", "retention_s-unit": "days", "revision": "0"}
    form |= {name: "" for name in Policy.__struct_fields__ if name.endswith("_kept_s")}
    browser.get("/settings")
    browser.get(browser.post("/settings", **form).headers["Location"])
    assert "Nothing was changed." in browser.text
    changed = form | {
        "retention_s": "90",
        "missing_grace_s": "6",
        "missing_grace_s-unit": "hours",
        "guard_files": "250",
    }
    browser.get(browser.post("/settings", **changed).headers["Location"])
    assert "The settings are changed." in browser.text
    found = world.get("/settings")
    assert (found["retention_s"], found["missing_grace_s"], found["guard_files"]) == (90 * 86_400, 6 * 3_600, 250)
    assert re.search(r'id="missing_grace_s"[^>]+value="6"', browser.page)
    wrong = changed | {"guard_percent": "101", "retention_s": "x", "scan_time_zone": "Mars/Base", "revision": "1"}
    assert browser.post("/settings", **wrong).status_code == 422
    assert "Fill in a whole number" in browser.text
    wrong["retention_s"] = "90"
    assert browser.post("/settings", **wrong).status_code == 422
    assert 'id="guard_percent-error"' in browser.page
    assert 'id="scan_time_zone-error"' in browser.page
    assert browser.post("/settings", **form).status_code == 422  # of a revision before
    assert "Somebody else has changed the settings meanwhile." in browser.text
    browser.post("/settings", **form | {"revision": "1", "guard_files": ""})
    assert {name: one for name, one in world.get("/settings").items() if name != "revision"} == msgspec.structs.asdict(
        Policy()
    )


def test_every_setting_is_at_the_page() -> None:
    assert {one.name for group in settings.GROUPS.values() for one in group} == set(Policy.__struct_fields__)


def test_every_deed_has_words() -> None:
    actions = {route.function.__name__ for one in RESOURCES for route in one.routes if route.is_audited}
    assert actions <= deeds.DEEDS.keys()


def test_the_audit_log_tells_and_is_narrowed(world: World, browser: Browser) -> None:
    made = world.post("/webhooks", {"url": "http://127.0.0.1:9/hook"})
    operator = Browser(world.engine).as_role(world.engine, "operator")
    assert operator.get("/audit").status_code == 403
    operator.post("/settings")  # which is for administrators
    browser.get("/audit")
    assert f'<a href="/webhooks/{made["id"]}">made a web hook</a>' in browser.page
    assert "operator logged in" in browser.text
    browser.get("/audit?action=create_webhook")
    assert browser.page.count("<tr>") == 2
    browser.get("/audit?who=OPERATOR")
    assert "made a web hook" not in browser.text.partition("Who did what")[2]
    browser.get("/audit?outcome=refused")
    assert "No entry is like this" in browser.text
    assert browser.get("/audit?cursor=x").status_code == 400


def test_the_audit_log_is_read_in_pieces(world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "READ_MAX", 500)
    now = now_us()

    def work(connection: object) -> None:
        for number in range(900):
            who = "rare" if number in (5, 890) else "often"
            entry = audit.new_entry(now - 1_000_000_000 + number * 1000)
            audit.begin(connection, Deed(None, who, "admin", "x", ""), entry, now, Outcome(200))  # type: ignore[arg-type]

    transact(world.engine, work)
    browser.get("/audit?who=rare")
    looks = 1
    assert "rare x" in browser.text
    while following := re.search(r'href="([^"]+)" rel="next"', browser.page):
        browser.get(html.unescape(following[1]))
        looks += 1
    assert "rare x" in browser.text
    assert looks == 2
