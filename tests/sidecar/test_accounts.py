"""Accounts without a browser: passwords, tries, and the verbs of the command line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from sidecar import accounts, throttle
from sidecar.accounts import Cost
from sidecar.catalog.engine import connect
from sidecar.catalog.tables import account, audit
from sidecar.cli import main
from sidecar.cli.users import CREDENTIAL
from sidecar.throttle import Rate
from tests.sidecar.browser import CHEAP, Browser

PASSWORD = "a long way to the sea"


def test_a_password_fits_itself_alone_and_is_kept_as_scrypt_makes_it() -> None:
    kept = accounts.kept("gr\u00fc\u00dfe an alle", b"salt", CHEAP)
    assert accounts.fits("gru\u0308\u00dfe an alle", kept)  # typed on another keyboard
    assert not accounts.fits("gr\u00fc\u00dfe an Alle", kept)
    assert not accounts.fits("x" * 10_000, kept)
    assert "alle" not in kept
    assert accounts.kept("x", b"other", CHEAP) != accounts.kept("x", b"salt", CHEAP)
    # RFC 7914, section 12
    known = hashlib.scrypt(b"pleaseletmein", salt=b"SodiumChloride", n=16384, r=8, p=1, dklen=32)
    kept = accounts.kept("pleaseletmein", b"SodiumChloride", Cost(16384, 8, 1))
    assert known.hex().startswith("7023bdcb3afd7348")
    assert accounts.fits("pleaseletmein", kept)


def test_what_is_checked_where_there_is_no_account_costs_as_much_and_fits_nobody() -> None:
    assert accounts.NOBODY.split("$")[1:4] == [str(number) for number in accounts.COST]
    assert not accounts.fits("", accounts.NOBODY)


@pytest.mark.parametrize(
    ("password", "is_good"),
    [("short", False), ("aaaaaaaaaaaa", False), ("annaanna", False), (PASSWORD, True), ("x" * 600, False)],
)
def test_passwords_that_would_be_guessed_are_refused(password: str, is_good: bool) -> None:
    assert (accounts.wrong_with_password(password, "anna") is None) == is_good


@pytest.mark.parametrize(
    ("name", "is_good"), [("", False), ("a b", False), ("a\nb", False), ("x" * 65, False), ("jürgen", True)]
)
def test_names(name: str, is_good: bool) -> None:
    assert (accounts.wrong_with_name(accounts.spelled(name)) is None) == is_good


def test_tries_are_spent_and_come_back_and_the_wait_never_grows() -> None:
    rate, now, full_at = Rate(tries=3, each_s=60), 1_000_000_000_000, None
    for _ in range(3):
        assert throttle.wait_us(full_at, rate, now) == 0
        full_at = throttle.after_try(full_at, rate, now)
    assert throttle.wait_us(full_at, rate, now) == 60_000_000
    assert throttle.wait_us(full_at, rate, now + 59_000_000) == 1_000_000
    assert throttle.wait_us(full_at, rate, now + 60_000_000) == 0
    full_at = throttle.after_try(full_at, rate, now + 60_000_000)
    assert throttle.wait_us(full_at, rate, now + 60_000_000) == 60_000_000
    later = now + 3600_000_000
    assert throttle.after_try(full_at, rate, later) == throttle.after_try(None, rate, later)


class TestUsers:
    """``holdfast-sidecar users``."""

    @pytest.fixture(autouse=True)
    def _catalog(self, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "catalog.sqlite3").write_bytes(sqlite_template.read_bytes())
        self.state = tmp_path
        self.engine = connect(f"sqlite:///{tmp_path}/catalog.sqlite3")
        monkeypatch.setattr(accounts, "COST", CHEAP)
        monkeypatch.setattr(accounts.kept, "__defaults__", (CHEAP,))

    def run(self, *arguments: str, status: int = 0, typed: str | None = None) -> str:
        done = CliRunner().invoke(main, ["users", *arguments, "--state", str(self.state)], input=typed)
        assert done.exit_code == status, done.output
        return done.output

    def passes(self, name: str, password: str) -> bool:
        return Browser(self.engine).log_in(name, password).status_code == 303

    def test_an_account_comes_and_goes(self) -> None:
        self.run("add", "Anna", "--role", "operator", typed=f"{PASSWORD}\n{PASSWORD}\n")
        assert self.passes("anna", PASSWORD)
        assert "anna\toperator\t20" in self.run("list")
        self.run("add", "anna", "--role", "reader", typed=f"{PASSWORD}\n{PASSWORD}\n", status=64)
        self.run("passwd", "anna", "--password-file", "-", typed="another long password\n")
        assert not self.passes("anna", PASSWORD)
        assert self.passes("anna", "another long password")
        self.run("role", "anna", "--role", "admin")
        assert "anna\tadmin" in self.run("list")
        self.run("remove", "anna")
        assert not self.passes("anna", "another long password")
        self.run("remove", "anna", status=64)
        with self.engine.connect() as connection:
            chosen = sa.select(audit.c.action, audit.c.target, audit.c.status).where(audit.c.scope == "console")
            found = connection.execute(chosen.order_by(audit.c.id)).all()
        assert [tuple(row) for row in found] == [
            ("create_account", "anna", 200),
            ("create_account", "anna", 409),
            ("change_password", "anna", 200),
            ("change_role", "anna", 200),
            ("delete_account", "anna", 200),
        ]

    def test_a_password_comes_from_a_credential_and_never_from_an_argument(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (self.state / CREDENTIAL).write_text(f"{PASSWORD}\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(self.state))
        self.run("add", "anna", "--role", "reader")
        assert self.passes("anna", PASSWORD)
        self.run("add", "bert", "--role", "reader", "--password", PASSWORD, status=64)

    def test_what_will_not_do_makes_nothing(self) -> None:
        self.run("add", "a b", "--role", "reader", status=64)
        self.run("add", "anna", "--role", "reader", "--password-file", "/nowhere", status=66)
        assert "at least 10" in self.run("add", "anna", "--role", "reader", typed="x\nx\n", status=64)
        with self.engine.connect() as connection:
            assert connection.execute(sa.select(account)).all() == []

    def test_the_link_for_the_first_account_opens_the_door(self) -> None:
        url = self.run("setup-link", "--if-none").strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:8765(/setup/[\w-]{43})", url)
        assert found is not None
        browser = Browser(self.engine)
        browser.get(found[1])
        assert browser.post(found[1], name="anna", password=PASSWORD, again=PASSWORD).status_code == 303
        assert self.run("setup-link", "--if-none") == ""
        assert "/setup/" in self.run("setup-link", "--role", "reader")
