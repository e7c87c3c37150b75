"""The web pages in process, as a browser without scripts sees them: cookies, forms with their tokens, redirects."""

from __future__ import annotations

import html
import re
from types import MethodType
from typing import Any, Self

import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client, TestResponse

from sidecar import accounts, web
from sidecar.accounts import Cost
from sidecar.api import create_app
from sidecar.api.forwarded import Forwarded
from sidecar.catalog import accounts as catalog_accounts
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.config import Config
from sidecar.forwarding import parse
from tests.sidecar.world import new_id

PASSWORD = "a long way to the sea"
# What takes a moment, and not a quarter of a second.
CHEAP = Cost(n=16, r=1, p=1)


def add_account(engine: sa.Engine, name: str, role: str, password: str = PASSWORD) -> None:
    kept = accounts.kept(password, b"salt", CHEAP)
    transact(engine, lambda connection: catalog_accounts.create(connection, new_id(), name, role, kept, now_us()))


class Browser:
    """A browser before the pages of a catalog."""

    def __init__(
        self, engine: sa.Engine, address: str = "192.0.2.1", base: str = "http://holdfast.home", **settings: Any
    ):
        app, config = create_app(engine), Config(**settings)
        web.install(app, config)
        app.wsgi_app = Forwarded(MethodType(Flask.wsgi_app, app), parse(config.trusted_proxies))  # type: ignore[method-assign]
        self._client: Client = app.test_client()
        self._more = {"environ_base": {"REMOTE_ADDR": address}, "base_url": base}
        self.headers: dict[str, str] = {}
        self.page = ""
        self.cookie = ""

    def get(self, path: str, **headers: str) -> TestResponse:
        answer = self._client.get(path, headers={**self.headers, **headers}, **self._more)
        return self._read(answer)

    def post(
        self, path: str, token: str | None = None, headers: dict[str, str] | None = None, **form: Any
    ) -> TestResponse:
        """Send a form, with the token of the page that is shown, unless another is given."""
        form["csrf"] = self.csrf if token is None else token
        answer = self._client.post(path, data=form, headers={**self.headers, **(headers or {})}, **self._more)
        return self._read(answer)

    def _read(self, answer: TestResponse) -> TestResponse:
        self.page = answer.get_data(as_text=True)
        answer.close()
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def take(self, cookie: str) -> None:
        """Have a cookie that another browser was given."""
        name, _, value = cookie.partition("=")
        self._client.set_cookie(name, value, domain="holdfast.home")

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.page)
        return "" if found is None else found[1]

    @property
    def text(self) -> str:
        """What a person reads."""
        body = re.sub(r"<(script|style)\b.*?</\1>", " ", self.page, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def log_in(self, name: str, password: str = PASSWORD) -> TestResponse:
        self.get("/login")
        return self.post("/login", name=name, password=password)

    def as_role(self, engine: sa.Engine, role: str) -> Self:
        add_account(engine, role, role)
        assert self.log_in(role).status_code == 303
        self.get("/overview")
        return self
