"""The door of the web pages: who gets in, for how long, and who does not."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from sidecar import accounts, throttle
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog import sessions
from sidecar.catalog.engine import transact
from sidecar.catalog.tables import account, attempt, audit, metadata, web_session
from tests.sidecar.browser import CHEAP, PASSWORD, Browser, add_account


@pytest.fixture
def anna(engine: sa.Engine) -> Browser:
    add_account(engine, "anna", "operator")
    return Browser(engine)


def test_whoever_knows_the_password_gets_in_and_goes_where_they_wanted(anna: Browser) -> None:
    answer = anna.get("/overview?x=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/overview%3Fx%3D1")
    anna.get(answer.headers["Location"])
    answer = anna.post("/login", name=" Anna", password=PASSWORD, next="/overview?x=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/overview?x=1")
    assert anna.get("/overview").status_code == 200
    assert "anna" in anna.text


@pytest.mark.parametrize("url", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x", ""])
def test_nobody_is_sent_elsewhere_from_the_door(anna: Browser, url: str) -> None:
    anna.get("/login")
    assert anna.post("/login", name="anna", password=PASSWORD, next=url).headers["Location"] == "/"


def test_a_wrong_password_and_a_wrong_name_are_told_in_the_same_words(anna: Browser) -> None:
    texts = []
    for name, password in (("anna", "wrong"), ("nobody", PASSWORD)):
        answer = anna.log_in(name, password)
        assert answer.status_code == 401
        texts.append(anna.text)
        assert anna.get("/overview").status_code == 303
    assert texts[0] == texts[1]
    assert "do not belong together" in texts[0]


def test_the_session_is_another_text_than_before_and_kept_as_a_digest(engine: sa.Engine, anna: Browser) -> None:
    before = anna.get("/login").headers["Set-Cookie"]
    after = anna.log_in("anna").headers["Set-Cookie"]
    text = re.match(r"holdfast=([^;]+)", after)
    assert text is not None
    assert text[1] not in before
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert text[1].encode() not in repr(connection.execute(sa.select(table)).all()).encode()


@pytest.mark.parametrize(
    ("base", "name"), [("http://holdfast.home", "holdfast"), ("https://holdfast.home", "__Host-holdfast")]
)
def test_the_cookie_is_as_closed_as_the_connection_allows(engine: sa.Engine, base: str, name: str) -> None:
    add_account(engine, "anna", "reader")
    browser = Browser(engine, base=base)
    cookie = browser.log_in("anna").headers["Set-Cookie"]
    parts = set(cookie.split("; ")[1:])
    assert cookie.startswith(f"{name}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= parts
    assert ("Secure" in parts) == base.startswith("https")
    assert browser.get("/overview").status_code == 200


def test_logging_out_ends_the_session_for_whoever_kept_its_text(engine: sa.Engine, anna: Browser) -> None:
    anna.log_in("anna")
    anna.get("/overview")
    other = Browser(engine)
    other.take(anna.cookie)
    assert other.get("/overview").status_code == 200
    assert anna.post("/logout").headers["Location"] == "/login?notice=logged-out"
    assert other.get("/overview").status_code == 303


@pytest.mark.parametrize(("column", "life_us"), [("seen_at", sessions.IDLE_US), ("made_at", sessions.LIFE_US)])
def test_a_session_ends_when_it_is_not_used_and_after_its_life(
    engine: sa.Engine, anna: Browser, column: str, life_us: int
) -> None:
    anna.log_in("anna")
    back = {column: web_session.c[column] - life_us}
    with engine.begin() as connection:
        connection.execute(sa.update(web_session).values({column: web_session.c[column] - life_us + 60_000_000}))
    assert anna.get("/overview").status_code == 200
    with engine.begin() as connection:
        connection.execute(sa.update(web_session).values(back))
    assert anna.get("/overview").status_code == 303
    assert anna.get("/live", **{"X-Holdfast-Look": "1"}).status_code == 401


def test_looking_by_itself_keeps_no_session_alive(engine: sa.Engine, anna: Browser) -> None:
    anna.log_in("anna")
    with engine.begin() as connection:
        connection.execute(sa.update(web_session).values(seen_at=web_session.c.seen_at - 2 * sessions.SEEN_EVERY_US))
        before = connection.execute(sa.select(web_session.c.seen_at)).scalar_one()
    anna.get("/overview", **{"X-Holdfast-Look": "1"})
    with engine.connect() as connection:
        assert connection.execute(sa.select(web_session.c.seen_at)).scalar_one() == before
    anna.get("/overview")
    with engine.connect() as connection:
        assert connection.execute(sa.select(web_session.c.seen_at)).scalar_one() > before


def test_another_password_another_role_and_removal_count_at_once(engine: sa.Engine, anna: Browser) -> None:
    anna.log_in("anna")
    with engine.connect() as connection:
        row = connection.execute(sa.select(account)).one()
    transact(engine, lambda connection: catalog_accounts.set_role(connection, row.id, "reader"))
    anna.get("/overview")
    assert "reader" in anna.text
    kept = accounts.kept("another long password", b"salt", CHEAP)
    transact(engine, lambda connection: catalog_accounts.set_password(connection, row.id, kept, row.created_at))
    assert anna.get("/overview").status_code == 303
    assert anna.log_in("anna").status_code == 401
    assert anna.log_in("anna", "another long password").status_code == 303
    transact(engine, lambda connection: catalog_accounts.remove(connection, row.id))
    assert anna.get("/overview").status_code == 303


def test_guesses_are_slowed_down_from_everywhere_and_the_owner_still_gets_in(engine: sa.Engine, anna: Browser) -> None:
    assert anna.log_in("anna").status_code == 303  # this address is known now
    for address in range(throttle.ACCOUNT.tries // throttle.PAIR.tries):
        guesser = Browser(engine, address=f"198.51.100.{address}")
        for _ in range(throttle.PAIR.tries):
            assert guesser.log_in("anna", "guess").status_code == 401
        answer = guesser.log_in("anna", PASSWORD)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= throttle.PAIR.each_s
        assert "Too many tries" in guesser.text
    # An address that has guessed nothing yet finds none left, but for the one that is known.
    assert Browser(engine, address="198.51.100.99").log_in("anna").status_code == 429
    owner = Browser(engine, address="192.0.2.1")
    assert owner.log_in("anna").status_code == 303
    with engine.begin() as connection:  # a while later
        later = attempt.c.full_at - throttle.ACCOUNT.each_s * 1_000_000
        connection.execute(sa.update(attempt).values(full_at=later))
    assert Browser(engine, address="198.51.100.99").log_in("anna").status_code == 303


def test_whoever_knows_the_password_spends_no_tries(engine: sa.Engine, anna: Browser) -> None:
    for _ in range(2 * throttle.ACCOUNT.tries):
        assert Browser(engine).log_in("anna").status_code == 303
    with engine.connect() as connection:
        assert connection.execute(sa.select(attempt)).all() == []


def test_one_address_has_so_many_tries_whatever_the_name(engine: sa.Engine) -> None:
    for name in range(throttle.ADDRESS.tries):
        add_account(engine, f"user{name}", "reader")
    guesser = Browser(engine)
    found = [guesser.log_in(f"user{name}", "guess").status_code for name in range(throttle.ADDRESS.tries)]
    assert set(found) == {401}
    assert guesser.log_in("user0").status_code == 429


def test_a_link_makes_one_account_and_is_over(engine: sa.Engine) -> None:
    transact(engine, lambda connection: catalog_accounts.make_link(connection, "link", "admin"))
    browser = Browser(engine)
    browser.get("/login")
    assert "Nobody has an account yet" in browser.text
    assert browser.get("/setup/other").status_code == 410
    assert browser.get("/setup/link").status_code == 200
    for form, said in (
        ({"name": "a b", "password": PASSWORD, "again": PASSWORD}, "one word"),
        ({"name": "anna", "password": "short", "again": "short"}, "at least 10"),
        ({"name": "anna", "password": PASSWORD, "again": "x"}, "differ"),
    ):
        assert browser.post("/setup/link", **form).status_code == 422
        assert said in browser.text
    answer = browser.post("/setup/link", name="Anna", password=PASSWORD, again=PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/overview?notice=welcome")
    browser.get("/overview?notice=welcome")
    assert "Welcome" in browser.text
    assert "admin" in browser.text
    assert Browser(engine).get("/setup/link").status_code == 410
    with engine.connect() as connection:
        assert connection.execute(sa.select(audit.c.action, audit.c.who)).all() == [
            ("create_account", "the web pages, anna")
        ]


def test_a_link_is_good_once_however_many_try_at_once(engine: sa.Engine) -> None:
    transact(engine, lambda connection: catalog_accounts.make_link(connection, "link", "admin"))

    def use(_: int) -> str | None:
        return transact(engine, lambda connection: catalog_accounts.use_link(connection, "link"))

    with ThreadPoolExecutor(8) as pool:
        assert [role for role in pool.map(use, range(16)) if role is not None] == ["admin"]


def test_a_name_that_is_taken_uses_no_link_up(engine: sa.Engine, anna: Browser) -> None:
    transact(engine, lambda connection: catalog_accounts.make_link(connection, "link", "admin"))
    anna.get("/setup/link")
    assert anna.post("/setup/link", name="anna", password=PASSWORD, again=PASSWORD).status_code == 422
    assert "already" in anna.text
    assert anna.get("/setup/link").status_code == 200


def test_a_proxy_that_is_trusted_vouches_for_people(engine: sa.Engine) -> None:
    add_account(engine, "anna", "admin")
    settings = {
        "trusted_proxies": ("192.0.2.7", "10.0.0.0/8"),
        "proxy_user_header": "Remote-User",
        "proxy_user_role": "reader",
    }
    for address, user, role in (
        ("192.0.2.7", "Anna", "admin"),
        ("10.1.2.3", "bert", "reader"),
        ("192.0.2.8", "anna", None),
    ):
        browser = Browser(engine, address=address, **settings)
        answer = browser.get("/overview", **{"Remote-User": user})
        assert answer.status_code == (303 if role is None else 200)
        assert role is None or f"{user.lower()} {role}" in browser.text
    plain = Browser(engine, address="192.0.2.7")
    assert plain.get("/overview", **{"Remote-User": "anna"}).status_code == 303


def test_what_a_proxy_says_of_the_address_counts_only_if_it_is_trusted(engine: sa.Engine) -> None:
    add_account(engine, "anna", "reader")
    for settings, address in (({"trusted_proxies": ("192.0.2.1",)}, "203.0.113.9"), ({}, "192.0.2.1")):
        browser = Browser(engine, **settings)
        browser.headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
        assert ("Secure" in browser.log_in("anna").headers["Set-Cookie"]) == bool(settings)
        with engine.connect() as connection:
            chosen = sa.select(web_session.c.address).order_by(web_session.c.made_at.desc())
            assert connection.execute(chosen).scalars().first() == address


def test_everybody_changes_their_own_password_and_ends_their_other_sessions(engine: sa.Engine, anna: Browser) -> None:
    others = [Browser(engine, address=f"192.0.2.{number}") for number in (5, 6)]
    for browser in (anna, *others):
        browser.log_in("anna")
    anna.get("/account")
    ends = re.findall(r'name="session" value="([0-9a-f]{64})"', anna.page)
    assert len(ends) == 2
    assert anna.post("/account/end", session=ends[0]).status_code == 303
    assert sorted(one.get("/overview").status_code for one in others) == [200, 303]
    anna.get("/account")
    new = "another long password"
    for form, said in (
        ({"now": "wrong", "password": new, "again": new}, "not your password"),
        ({"now": PASSWORD, "password": "short", "again": "short"}, "at least 10"),
        ({"now": PASSWORD, "password": new, "again": "x"}, "differ"),
    ):
        assert anna.post("/account/password", **form).status_code == 422
        assert said in anna.text
    assert anna.post("/account/password", now=PASSWORD, password=new, again=new).status_code == 303
    assert anna.get("/overview").status_code == 200
    assert {one.get("/overview").status_code for one in others} == {303}
    assert Browser(engine).log_in("anna", new).status_code == 303
    with engine.connect() as connection:
        chosen = sa.select(audit.c.who, audit.c.body, audit.c.status).where(audit.c.action == "change_password")
        assert connection.execute(chosen).all() == [("the web pages, anna", "", 200)]


def test_nobody_ends_the_sessions_of_others(engine: sa.Engine, anna: Browser) -> None:
    anna.log_in("anna")
    other = Browser(engine).as_role(engine, "admin")
    with engine.connect() as connection:
        chosen = sa.select(web_session.c.digest).join(account, account.c.id == web_session.c.account_id)
        key = connection.execute(chosen.where(account.c.name == "anna")).scalar_one()
    other.get("/account")
    assert other.post("/account/end", session=key.hex()).status_code == 404
    assert anna.get("/overview").status_code == 200
