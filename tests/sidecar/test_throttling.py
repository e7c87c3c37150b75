"""Wrong tokens: slowed down by where they come from, at no cost to the good ones."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any

import pytest

from holdfast.log_lines import Repeats
from sidecar.api.endpoint import services_of
from sidecar.catalog import tokens
from sidecar.throttling import BURST, REFILL_S, Throttle
from tests.sidecar.world import World


def made_up() -> str:
    """A token as it could be, and is not."""
    return tokens.spell(secrets.token_bytes(tokens.SECRET_BYTES))


def ask(world: World, token: str, address: str = "203.0.113.5") -> Any:
    return world.app.test_client().get(
        "/api/v1/libraries",
        headers={"Authorization": f"Bearer {token}"},
        environ_base={"REMOTE_ADDR": address},
    )


class TestTheBucket:
    def test_has_so_many_tries_and_then_one_at_a_time(self) -> None:
        bucket = Throttle(burst=3, refill_s=10.0)
        assert [bucket.wrong("a", 0.0) for _ in range(4)] == [None, None, None, 10.0]
        # Asking while it is empty takes nothing more out of it.
        assert bucket.wrong("a", 9.0) == 1.0
        assert bucket.wrong("a", 10.0) is None
        assert bucket.wrong("a", 10.0) == 10.0

    def test_is_full_again_after_a_while(self) -> None:
        bucket = Throttle(burst=3, refill_s=10.0)
        for _ in range(9):
            bucket.wrong("a", 0.0)
        assert not bucket.is_first("a", 29.0)
        assert bucket.is_first("a", 30.0)
        assert [bucket.wrong("a", 30.0) for _ in range(4)] == [None, None, None, 10.0]

    def test_is_ones_own(self) -> None:
        bucket = Throttle(burst=1)
        bucket.wrong("a", 0.0)
        assert bucket.wrong("a", 0.0) is not None
        assert bucket.wrong("b", 0.0) is None

    def test_there_are_not_endlessly_many(self) -> None:
        bucket = Throttle(burst=1, neighbours_max=3)
        for who in "abcab":
            bucket.wrong(who, 0.0)
        bucket.wrong("d", 0.0)
        assert bucket.is_first("c", 0.0), "the one that was not heard of for longest is forgotten"
        assert not bucket.is_first("a", 0.0)

    def test_many_at_once_get_no_more_than_one_after_the_other(self) -> None:
        bucket, allowed = Throttle(), []

        def knock() -> None:
            for _ in range(200):
                if bucket.wrong("a", 0.0) is None:
                    allowed.append(1)

        threads = [threading.Thread(target=knock) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(allowed) == BURST


def test_wrong_tokens_are_told_to_wait_and_for_how_long(world: World) -> None:
    answers = [ask(world, made_up()) for _ in range(BURST + 2)]
    assert [one.status_code for one in answers] == [401] * BURST + [429] * 2
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= REFILL_S
    assert answers[-1].json["type"].endswith("/too-many-tries")
    assert "Wait" in answers[-1].json["detail"]


def test_a_good_token_from_the_same_address_always_passes(world: World) -> None:
    good = world.token("reader")
    for _ in range(BURST + 5):
        ask(world, made_up())
    assert ask(world, good).status_code == 200
    assert ask(world, world.token("reader")).status_code == 200, "one that was made meanwhile, too"
    # ... and does not give the others new tries.
    assert ask(world, made_up()).status_code == 429


def test_the_neighbours_are_not_kept_waiting(world: World) -> None:
    for host in range(BURST + 5):
        ask(world, made_up(), f"2001:db8:0:1::{host:x}")
    assert ask(world, made_up(), "2001:db8:0:1:ffff::").status_code == 429, "it is one house with many addresses"
    assert ask(world, made_up(), "2001:db8:0:2::1").status_code == 401
    assert ask(world, made_up(), "203.0.113.6").status_code == 401


def test_nobody_changes_where_they_come_from_by_saying_so(world: World) -> None:
    client = world.app.test_client()
    for host in range(BURST + 1):
        headers = {"Authorization": f"Bearer {made_up()}", "X-Forwarded-For": f"198.51.100.{host}"}
        status = client.get("/api/v1/libraries", headers=headers).status_code
    assert status == 429


def test_what_cannot_be_a_token_is_not_looked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*_: object) -> None:
        raise AssertionError("the database was asked")

    good = world.token("reader")
    monkeypatch.setattr(tokens, "find", find)
    for text in ("hf_no", f"{good}x", good[:-1], good.replace("hf_", "hx_"), "ü" * 46, "x" * 8000):
        assert ask(world, text).status_code == 401


def test_a_good_token_costs_nothing_more(world: World) -> None:
    good = world.token("reader")
    assert ask(world, good).status_code == 200
    assert not services_of(world.app).throttle._full_at


def test_the_log_has_one_line_for_a_burst_and_nothing_that_was_sent(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.logs.REPEATS", Repeats())
    with caplog.at_level(logging.WARNING, "sidecar.api.auth"):
        for _ in range(BURST * 3):
            ask(world, "hf_secret-of-somebody")
    assert [one.getMessage() for one in caplog.records] == ["token.refused address=203.0.113.5"]
