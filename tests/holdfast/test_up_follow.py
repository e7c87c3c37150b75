"""Following the feed, and telling it on a terminal."""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator

import httpx2
import msgspec
import pytest

from holdfast.console import wants_colour
from holdfast.up import follow
from holdfast.up.catalog import Catalog, CatalogError, FeedItem
from holdfast.up.follow import Batch, Bookmark, Follower, present_end, read_bookmark
from holdfast.up.narrate import Line, Tone
from holdfast.up.terminal import Screen

WAIT_S = 20.0


class Feed:
    """A sidecar's feed that answers from a script, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: queue.Queue[httpx2.Response] = queue.Queue()
        self.asked: queue.Queue[str | None] = queue.Queue()

    def page(self, cursor: str, *, items: int = 0, has_more: bool = False) -> None:
        item = {"entity": "asset", "kind": "asset.added", "id": "ast_1", "at": "2026-11-21T14:03:22Z", "state": {}}
        self.answers.put(httpx2.Response(200, json={"items": [item] * items, "next": cursor, "has_more": has_more}))

    def problem(self, code: str, status: int) -> None:
        body = {"type": f"https://holdfast.invalid/problems/{code}", "title": "t", "status": status, "detail": "d."}
        self.answers.put(httpx2.Response(status, json=body))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.put(request.url.params.get("since"))
        return self.answers.get(timeout=WAIT_S)


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def catalog(feed: Feed) -> Iterator[Catalog]:
    with Catalog("http://sidecar", "hf_1", httpx2.MockTransport(feed.answer)) as one:
        yield one


def follower(catalog: Catalog, feed: Feed, cursor: str) -> Iterator[Follower]:
    one = Follower(catalog, cursor)
    one.start()
    yield one
    one.stop()
    feed.page("end")  # releases the request that still waits


def test_each_page_goes_on_where_the_last_one_ended(catalog: Catalog, feed: Feed) -> None:
    for one in follower(catalog, feed, "c1"):
        for cursor in ("c2", "c3"):
            feed.page(cursor, items=1)
            page = one.page(WAIT_S)
            assert page is not None
            assert page.next == cursor
        assert [feed.asked.get(timeout=WAIT_S) for _ in range(3)] == ["c1", "c2", "c3"]


def test_a_sidecar_that_fails_is_asked_again_from_the_same_place(
    catalog: Catalog, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "RETRY_WAIT_S", 0.01)
    for one in follower(catalog, feed, "c1"):
        feed.problem("unavailable", 503)
        feed.answers.put(httpx2.Response(502, text="<html>"))
        feed.page("c2", items=1)
        assert one.page(WAIT_S) is not None
        assert [feed.asked.get(timeout=WAIT_S) for _ in range(3)] == ["c1", "c1", "c1"]


def test_a_cursor_of_another_catalog_leads_back_to_the_start(
    catalog: Catalog, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "RETRY_WAIT_S", 0.01)
    for one in follower(catalog, feed, "old"):
        feed.problem("cursor-expired", 410)
        feed.page("new", items=1)
        assert one.page(WAIT_S) is not None
        assert [feed.asked.get(timeout=WAIT_S) for _ in range(2)] == ["old", None]


def test_a_problem_is_told_with_all_that_is_wrong(catalog: Catalog, feed: Feed) -> None:
    body = {
        "type": "https://holdfast.invalid/problems/invalid-request",
        "title": "Invalid",
        "status": 422,
        "detail": "Correct the request.",
        "errors": [{"pointer": "/name", "message": "is taken"}],
    }
    feed.answers.put(httpx2.Response(422, content=json.dumps(body).encode()))
    with pytest.raises(CatalogError, match=r"Correct the request\. /name: is taken") as caught:
        catalog.create_library("n", "o", "agt_1", "/p")
    assert (caught.value.status, caught.value.code) == (422, "invalid-request")


def test_a_list_is_read_page_by_page(catalog: Catalog, feed: Feed) -> None:
    volume = {"id": "vol_1", "label": "USB", "state": "online", "reason": "verified", "a_new_field": 1}
    feed.answers.put(httpx2.Response(200, json={"items": [volume], "next_cursor": "n"}))
    feed.answers.put(httpx2.Response(200, json={"items": [volume], "next_cursor": None}))
    assert [one.label for one in catalog.volumes()] == ["USB", "USB"]


def test_the_present_end_of_the_feed_is_behind_all_of_its_pages(catalog: Catalog, feed: Feed) -> None:
    feed.page("c1", items=1, has_more=True)
    feed.page("c2", items=1)
    assert present_end(catalog) == "c2"
    assert [feed.asked.get(timeout=WAIT_S) for _ in range(2)] == [None, "c1"]


def test_a_bookmark_that_is_damaged_is_none() -> None:
    assert read_bookmark(json.dumps({"cursor": "c", "told_until": 3.5})) == Bookmark("c", 3.5)
    for text in (None, "", "{", '{"cursor": 1}'):
        assert read_bookmark(text) is None


# Batches


def item(identifier: str) -> FeedItem:
    return FeedItem(entity="asset", kind="asset.added", id=identifier, at="2026-11-21T14:03:22Z")


def test_a_batch_is_complete_after_a_breath_of_silence() -> None:
    now = [0.0]
    batch = Batch(clock=lambda: now[0])
    batch.add([item("a")])
    assert batch.take() == []
    now[0] = follow.BREATH_S * 0.9
    batch.add([item("b")])
    now[0] += follow.BREATH_S * 0.9
    assert batch.take() == []
    now[0] += follow.BREATH_S * 0.2
    assert [one.id for one in batch.take()] == ["a", "b"]
    assert batch.take() == []


def test_an_endless_stream_is_told_in_pieces() -> None:
    now = [0.0]
    batch = Batch(clock=lambda: now[0])
    taken = 0
    for step in range(100):
        now[0] = step * 0.1
        batch.add([item(str(step))])
        taken += len(batch.take())
    assert taken >= 80


def test_an_empty_page_starts_no_batch() -> None:
    batch = Batch(clock=lambda: 100.0)
    batch.add([])
    assert batch.take() == []


def test_what_happened_before_the_beginning_is_left_out() -> None:
    at = item("a").at_unix
    now = [0.0]
    batch = Batch(clock=lambda: now[0], begin=at + 1)
    batch.add([item("a")])
    assert not batch.is_about_assets
    batch.add([msgspec.structs.replace(item("b"), at="2026-11-21T14:03:23Z")])
    assert batch.is_about_assets
    now[0] = 10.0
    assert [one.id for one in batch.take()] == ["b"]


# The terminal


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them() -> None:
    assert wants_colour(Terminal(), {"TERM": "xterm"})
    assert not wants_colour(Terminal(), {"TERM": "dumb"})
    assert not wants_colour(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert wants_colour(Terminal(), {"TERM": "xterm", "NO_COLOR": ""})
    assert not wants_colour(Terminal(), {"TERM": "xterm", "CLICOLOR": "0"})
    assert not wants_colour(io.StringIO(), {"TERM": "xterm", "CLICOLOR_FORCE": "1"})


def test_what_is_drawn_is_taken_away_before_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    screen = Screen(stream)
    screen.draw("50 %")
    screen.say("done")
    assert stream.getvalue() == "\r\x1b[K50 %\r\x1b[Kdone\n"


def test_nothing_is_drawn_into_a_file() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.draw("50 %")
    screen.tell(Line(0.0, "+", "a.jpg", Tone.GOOD))
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().endswith("  + a.jpg\n")


def test_quiet_says_only_what_is_wrong() -> None:
    stream = io.StringIO()
    screen = Screen(stream, quiet=True)
    screen.say("hello")
    screen.tell(Line(0.0, "+", "a.jpg", Tone.GOOD))
    assert stream.getvalue() == ""
    screen.tell(Line(0.0, "-", "b.jpg missing", Tone.BAD))
    screen.warn("The agent ended.")
    assert stream.getvalue().count("\n") == 2
