"""What all web pages share: headers, roles, tokens of forms, failures, the audit log."""

from __future__ import annotations

import re
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa

from holdfast import ids
from holdfast.problems import CONTENT_TYPE
from holdfast.volumes import Reason
from sidecar import web
from sidecar.api import create_app
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import audit, volume_agent
from sidecar.config import Config
from sidecar.web import PAGES, advice, navigation
from sidecar.web.protection import HEADERS
from tests.sidecar.browser import Browser
from tests.sidecar.world import Agent, World

PLACES = (
    "/libraries",
    "/assets",
    "/missing",
    "/holds",
    "/agents",
    "/tokens",
    "/webhooks",
    "/jobs",
    "/settings",
    "/audit",
)


@pytest.fixture
def lite(sqlite_template: Path, tmp_path: Path) -> sa.Engine:
    """A catalog of one sort: what is tested here has nothing to do with the database."""
    file = tmp_path / "catalog.sqlite3"
    file.write_bytes(sqlite_template.read_bytes())
    return connect(f"sqlite:///{file}")


@pytest.mark.parametrize("path", ["/login", "/overview", "/help", "/nothing", "/setup/x", "/static/holdfast.css", "/"])
def test_every_answer_protects_whoever_looks_at_it(lite: sa.Engine, path: str) -> None:
    answer = Browser(lite).get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    for word in ("unsafe", "http:", "https:", "data:", "*"):
        assert word not in answer.headers["Content-Security-Policy"]
    is_file = path.startswith("/static/")
    assert answer.headers["Cache-Control"] == ("public, max-age=31536000, immutable" if is_file else "no-store")


def test_pages_have_nothing_inline_and_nothing_from_elsewhere(lite: sa.Engine) -> None:
    browser = Browser(lite).as_role(lite, "admin")
    for path in ("/overview", "/help", "/nothing", *PLACES):
        browser.get(path)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", browser.page)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', browser.page)


def test_readers_see_lists_and_get_no_form_through(lite: sa.Engine) -> None:
    reader = Browser(lite).as_role(lite, "reader")
    for path in PLACES:
        needed = "admin" if path in ("/audit", "/tokens") else "operator" if path == "/webhooks" else "reader"
        assert reader.get(path).status_code == (200 if needed == "reader" else 403)
    app = create_app(lite)
    web.install(app, Config())
    own = ("door_pages.", "account_pages.")
    rules = [one for one in app.url_map.iter_rules() if "POST" in (one.methods or ()) and "_pages." in one.endpoint]
    forms = [one for one in rules if not one.endpoint.startswith(own)]
    assert len(forms) > 20
    for rule in forms:
        named = {name: ids.to_text(name, bytes(16)) for name in rule.arguments}
        path = app.url_map.bind("holdfast.home").build(rule.endpoint, named, method="POST")
        reader.get("/libraries")
        assert reader.post(path).status_code == 403, path
        assert "This needs the role" in reader.text


def test_no_form_gets_through_that_is_not_ours(lite: sa.Engine) -> None:
    browser = Browser(lite).as_role(lite, "operator")
    stranger = Browser(lite)
    stranger.get("/login")
    target = "/volumes/vol_00000000000000000000000000000000/recheck"
    for token in ("", "0" * 64, stranger.csrf):
        assert browser.post(target, token=token).status_code == 403
        assert "Go back, reload" in browser.text
    browser.get("/overview")
    assert browser.post(target, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    browser.get("/overview")
    assert browser.post(target).status_code == 404
    assert stranger.post("/login", token="", name="operator", password="x").status_code == 403


def test_readers_look_and_operators_act_and_it_is_written_down(lite: sa.Engine) -> None:
    with World(lite) as world:
        agent = Agent(world)
        agent.heartbeat()
    target = f"/volumes/{agent.volume}/recheck"
    reader, operator = Browser(lite).as_role(lite, "reader"), Browser(lite).as_role(lite, "operator")
    assert reader.post(target).status_code == 403
    assert "needs the role operator" in reader.text
    with lite.connect() as connection:
        before = connection.execute(sa.select(volume_agent.c.fence)).scalar_one()
    assert operator.post(target).headers["Location"] == "/overview?notice=volume-rechecked"
    with lite.connect() as connection:
        assert connection.execute(sa.select(volume_agent.c.fence)).scalar_one() > before
        chosen = sa.select(audit).where(audit.c.action == "recheck_volume")
        entry = connection.execute(chosen).one()
    assert (entry.who, entry.scope, entry.status) == ("the web pages, operator", "operator", 202)
    assert entry.target == f"/api/v1{target}"


def test_what_goes_wrong_is_a_page_for_people_and_a_problem_for_programs(
    lite: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(lite).as_role(lite, "reader")
    answer = browser.get("/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "To the overview" in browser.text
    assert "Log out" in browser.text
    answer = browser.get("/api/v1/nothing")
    assert (answer.status_code, answer.mimetype) == (404, CONTENT_TYPE)
    answer = browser.post("/overview")
    assert (answer.status_code, answer.mimetype) == (405, "text/html")

    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sidecar.web.overview._headline", fault)
    answer = browser.get("/overview")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "ZeroDivision" not in browser.page


def test_that_the_database_is_away_is_told_without_it() -> None:
    nowhere = connect("mysql+pymysql://nobody@127.0.0.1/holdfast")

    @sa.event.listens_for(nowhere, "do_connect")
    def refuse(*_: object) -> None:
        raise pymysql.err.OperationalError(2003, "away")

    browser = Browser(nowhere)
    browser.take(f"holdfast={'x' * 43}")
    for path in ("/overview", "/login"):
        answer = browser.get(path)
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert int(answer.headers["Retry-After"]) > 0
        assert "Nothing is lost by that" in browser.text


def test_a_page_that_is_open_learns_of_changes_by_an_etag(lite: sa.Engine) -> None:
    browser = Browser(lite).as_role(lite, "reader")
    tag = browser.get("/live").headers["ETag"]
    assert browser.get("/live", **{"If-None-Match": tag}).status_code == 304
    with World(lite) as world:
        Agent(world).heartbeat()
    answer = browser.get("/live", **{"If-None-Match": tag})
    assert (answer.status_code, answer.headers["ETag"] == tag) == (200, False)


def test_a_page_knows_what_it_was_made_of_so_that_it_misses_nothing_before_its_first_look(lite: sa.Engine) -> None:
    browser = Browser(lite).as_role(lite, "admin")
    browser.get("/agents")
    (known,) = re.findall(r'<body data-known="([^"]+)">', browser.page)
    assert browser.get("/live", **{"If-None-Match": f'"{known}"'}).status_code == 304
    with World(lite) as world:
        Agent(world).heartbeat()
    assert browser.get("/live", **{"If-None-Match": f'"{known}"'}).status_code == 200


def test_the_advice_of_the_pages_is_that_of_the_documentation() -> None:
    assert set(advice.of_reasons()) == set(Reason)
    for one in advice.of_reasons().values():
        assert all(one)
        assert not re.search(r"\*\*|`|\]\(", "".join(one))


def test_a_name_that_is_markup_is_shown_as_what_it_is(lite: sa.Engine) -> None:
    with World(lite) as world:
        agent = Agent(world)
        agent.heartbeat()
        world.library(agent, name="<script>alert(1)</script>")
        agent.becomes(Reason.NOT_MOUNTED, None)
    browser = Browser(lite).as_role(lite, "reader")
    browser.get("/overview")
    assert "<script>alert" not in browser.page


def test_what_the_navigation_offers_answers(lite: sa.Engine) -> None:
    browser = Browser(lite).as_role(lite, "admin")
    for url in set(re.findall(r'<li><a href="([^"]+)"', browser.page)):
        assert browser.get(url).status_code == 200
    names = {entry.endpoint.partition(".")[0] for entries in navigation.GROUPS.values() for entry in entries}
    assert {one.name for one in PAGES} & names
