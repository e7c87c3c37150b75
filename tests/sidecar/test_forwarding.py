"""From where requests come: only proxies that are trusted may say so."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import config
from sidecar.api import create_app
from sidecar.api.forwarded import TRUSTED, Forwarded
from sidecar.errors import ConfigError
from sidecar.forwarding import Proxies, neighbourhood, parse

HOME = parse(["127.0.0.1", "::1", "10.0.0.0/8"])


@pytest.mark.parametrize(
    ("peer", "told", "origin"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        # What a client says of itself stands before what the proxy has added.
        ("127.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        # Two proxies, one behind the other, both of the house.
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, _hidden, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", ", ,", "127.0.0.1"),
        ("", "198.51.100.1", ""),
        ("nonsense\n", "198.51.100.1", ""),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy_is_where_it_comes_from(peer: str, told: str, origin: str) -> None:
    assert HOME.origin(peer, told) == origin


def test_the_unix_socket_is_a_proxy_where_it_is_named() -> None:
    assert parse(["unix"]).origin("", "198.51.100.1") == "198.51.100.1"
    assert parse(["127.0.0.1"]).origin("", "198.51.100.1") == ""


@given(told=st.lists(st.ip_addresses().map(str) | st.text(max_size=20)).map(", ".join), peer=st.ip_addresses().map(str))
def test_nobody_who_is_not_trusted_can_say_anything(told: str, peer: str) -> None:
    address = ipaddress.ip_address(peer)
    assert Proxies().origin(peer, told) in (peer, str(getattr(address, "ipv4_mapped", None)))
    assert Proxies().scheme(peer, "https", "http") == "http"


@given(forged=st.text(max_size=60), client=st.ip_addresses(v=4).map(str))
def test_whatever_a_client_says_before_it_the_proxys_word_counts(forged: str, client: str) -> None:
    expected = "127.0.0.1" if client == "127.0.0.1" else client
    if not HOME.trusts(client):
        assert HOME.origin("127.0.0.1", f"{forged}, {client}") == expected


@pytest.mark.parametrize(
    ("told", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http, https", "https"), ("javascript", "http"), ("", "http")],
)
def test_the_scheme_is_the_one_that_the_client_has_seen(told: str, scheme: str) -> None:
    assert HOME.scheme("127.0.0.1", told, "http") == scheme


@pytest.mark.parametrize("text", ["proxy.home", "10.0.0.1/8", "0.0.0.0/0", "::/0", "", "*"])
def test_a_proxy_that_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_text(f'trusted_proxies = ["127.0.0.1", "{text}"]')
    with pytest.raises(ConfigError, match="trusted_proxies"):
        config.load(str(file), {}, {})


def test_it_survives_the_way_to_the_workers(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.toml"
    file.write_text('trusted_proxies = ["127.0.0.1", "unix"]')
    loaded = config.load(str(file), {}, {})
    assert config.load(None, config.to_environment(loaded), {}) == loaded
    assert config.load(None, config.to_environment(config.Config()), {}).trusted_proxies == ()


@pytest.mark.parametrize(("address", "who"), [("198.51.100.1", "198.51.100.1"), ("2001:db8::7:1", "2001:db8::/64")])
def test_with_ipv6_a_neighbourhood_is_one_client(address: str, who: str) -> None:
    assert neighbourhood(address) == who


class Behind:
    """What an application behind the middleware is told."""

    def __init__(self, *trusted: str) -> None:
        self.environ: dict[str, Any] = {}
        self._application = Forwarded(self._answer, parse(trusted))

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        self.environ = environ
        return iter(())

    def ask(self, peer: str) -> dict[str, Any]:
        headers = {
            "HTTP_X_FORWARDED_FOR": "198.51.100.1",
            "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_X_FORWARDED_USER": "admin",
            "HTTP_X_FORWARDED_PREFIX": "/api",
            "HTTP_FORWARDED": "for=1.1.1.1",
            "HTTP_X_REAL_IP": "1.1.1.1",
        }
        self._application({"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **headers}, lambda *_: lambda _: None)
        return self.environ


def test_what_only_a_proxy_should_say_is_gone_when_somebody_else_says_it() -> None:
    assert Behind("127.0.0.1").ask("203.0.113.5") == {
        "REMOTE_ADDR": "203.0.113.5",
        "wsgi.url_scheme": "http",
        TRUSTED: False,
    }
    told = Behind("127.0.0.1").ask("127.0.0.1")
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told[TRUSTED]) == ("198.51.100.1", "https", True)
    assert told["HTTP_X_FORWARDED_USER"] == "admin"


def test_the_application_stands_behind_it(tmp_path: Path) -> None:
    app = create_app(config.load(None, {}, {"state_dir": str(tmp_path), "trusted_proxies": ("10.0.0.0/8",)}))
    seen: list[str | None] = []

    @app.before_request
    def look() -> None:
        from flask import request

        seen.append(request.remote_addr)

    for peer in ("10.1.1.1", "203.0.113.5"):
        app.test_client().get(
            "/healthz", environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": "198.51.100.1"}
        )
    assert seen == ["198.51.100.1", "203.0.113.5"]
