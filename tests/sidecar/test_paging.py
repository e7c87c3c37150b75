"""Lists of assets, page by page: what a filter means, in order and once each, however little fits and whatever changes
meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from holdfast.client import Client
from holdfast.volumes import Reason
from sidecar.catalog import asset_lists, assets, lanes
from tests.sidecar import crowd
from tests.sidecar.crowd import Crowd
from tests.sidecar.world import Item, World

ROWS = 600
FOLDER = 20
WINDOW = 60
PAGE = 20
SINCE = "2020-09-13T12:26:41Z"  # behind the first five hundred

Query = dict[str, Any]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks through a tenth of the catalog."""
    monkeypatch.setattr(lanes, "WINDOW", WINDOW)


@pytest.fixture
def made(world: World) -> Crowd:
    """Some assets; the second volume, which has a twentieth of them, is away."""
    found = crowd.fill(world, ROWS, FOLDER)
    found.agents[1].becomes(Reason.NO_DEVICE, None)
    return found


def queries(made: Crowd) -> list[tuple[Query, Callable[[int], bool]]]:
    """What can be asked, each with what it means for the asset with a number."""
    first, second, uploads = (one["id"] for one in made.libraries)
    one, two, three, none = range(4)

    def place(number: int) -> int:
        return made.places.index(made.place_of(number))

    def status(number: int) -> str:
        return str(crowd.status_of(made, number))

    return [
        ({}, lambda _: True),
        ({"library": first}, lambda n: place(n) in (one, two)),
        ({"library": first, "kind": "video"}, lambda n: place(n) in (one, two) and n % 10 == 9),
        ({"library": second, "status": "missing"}, lambda n: place(n) == three and status(n) == "missing"),
        ({"library": first, "volume": made.agents[1].volume}, lambda n: place(n) == two),
        ({"library": second, "volume": made.agents[1].volume}, lambda _: False),
        ({"volume": made.agents[0].volume}, lambda n: place(n) == one),
        ({"volume": made.agents[0].volume, "status": "removed"}, lambda n: place(n) == one and status(n) == "removed"),
        ({"owner": "anna"}, lambda n: place(n) != none),
        ({"owner": "anna", "status": "unreadable"}, lambda n: status(n) == "unreadable"),
        ({"owner": "ben", "kind": "video"}, lambda n: place(n) == none and n % 10 == 9),
        ({"owner": "nobody"}, lambda _: False),
        ({"status": "excluded"}, lambda n: status(n) == "excluded"),
        ({"kind": "video"}, lambda n: n % 10 == 9),
        ({"trashed": "true"}, lambda n: n % 1000 == 500),
        ({"trashed": "false", "library": uploads}, lambda n: place(n) == none and n % 1000 != 500),
        ({"availability": "unavailable"}, lambda n: place(n) == two),
        ({"availability": "online"}, lambda n: place(n) != two),
        ({"availability": "online", "status": "missing"}, lambda n: place(n) != two and status(n) == "missing"),
        ({"availability": "unknown"}, lambda _: False),
        ({"content": crowd.COMMON}, lambda n: n % 50 == 0),
        ({"content": crowd.COMMON, "owner": "ben"}, lambda n: n % 50 == 0 and place(n) == none),
        ({"content": crowd.content_of(2)}, lambda n: n == 2),
        ({"path_prefix": "/"}, lambda _: True),
        ({"path_prefix": "/one"}, lambda n: place(n) == one),
        ({"path_prefix": "/one/2003"}, lambda n: n // FOLDER % 25 == 3),
        ({"path_prefix": "/one/2003/trip-00003", "kind": "video"}, lambda n: n // FOLDER == 3 and n % 10 == 9),
        ({"path_prefix": "/two", "library": second}, lambda _: False),
        ({"updated_since": SINCE}, lambda n: n >= 500),
        ({"updated_since": SINCE, "kind": "video"}, lambda n: n >= 500 and n % 10 == 9),
        ({"updated_since": SINCE, "content": crowd.COMMON}, lambda n: n >= 500 and n % 50 == 0),
        ({"updated_since": SINCE, "trashed": "true"}, lambda n: n >= 500 and n % 1000 == 500),
    ]


def names(query: Query) -> str:
    return ", ".join(query) or "nothing"


def ids_of(fits: Callable[[int], bool], rows: int) -> list[bytes]:
    return [crowd.asset_id(number) for number in range(rows) if fits(number)]


def listed(world: World, query: Query, between: Callable[[], None] = lambda: None) -> tuple[list[bytes], list[int]]:
    """The ids of a list, and how many each of its pages had."""
    found: list[bytes] = []
    lengths: list[int] = []
    cursor: Query = {}
    while True:
        page = world.get("/assets", limit=PAGE, **query, **cursor)
        found += [crowd.raw("asset", one["id"]) for one in page["items"]]
        lengths.append(len(page["items"]))
        if page["next_cursor"] is None:
            return found, lengths
        cursor = {"cursor": page["next_cursor"]}
        between()


def test_every_filter_gives_what_it_means_in_order_and_once(world: World, made: Crowd) -> None:
    for query, fits in queries(made):
        found, lengths = listed(world, query)
        assert found == ids_of(fits, ROWS), names(query)
        assert max(lengths) <= PAGE
        # Each page gets on by a window, or by as many rows as were wanted.
        assert len(lengths) <= ROWS / WINDOW * 3 + len(found) / PAGE + 1, names(query)


def test_a_page_may_be_empty_and_not_the_last(world: World, made: Crowd) -> None:
    _, lengths = listed(world, {"trashed": "true"})
    assert sum(lengths) == 1
    assert 0 in lengths[:-1]


def test_the_client_goes_on_behind_a_page_without_items(world: World, made: Crowd) -> None:
    transport = httpx2.WSGITransport(app=world.app)
    with Client("http://sidecar", world.token("reader"), transport=transport) as holdfast:
        found = [one.id for one in holdfast.assets(library=made.libraries[0]["id"], trashed=True)]
    assert [crowd.raw("asset", one) for one in found] == [crowd.asset_id(500)]


@pytest.mark.parametrize("which", ["library, kind", "volume", "path_prefix"])
def test_what_changes_between_pages_is_neither_missed_nor_told_twice(
    engine: sa.Engine, world: World, made: Crowd, which: str
) -> None:
    """New assets come, at the end of the list; and those that are there change in what was not asked for."""
    query, fits = next(one for one in queries(made) if names(one[0]) == which)
    rows = ROWS

    def change() -> None:
        nonlocal rows
        if rows < ROWS + 3 * FOLDER:
            about = crowd.text("asset", crowd.asset_id(rows * 7 % ROWS))
            world.patch(f"/assets/{about}", {"foreign_id": str(rows)})
            crowd.write(engine, made, rows, rows + FOLDER)
            rows += FOLDER

    found, _ = listed(world, query, change)
    assert rows == ROWS + 3 * FOLDER
    assert found == ids_of(fits, rows)


def test_in_the_order_of_changes_what_changes_meanwhile_comes_again(world: World, made: Crowd) -> None:
    changed: set[bytes] = set()

    def change() -> None:
        about = crowd.asset_id(500 + len(changed) * 13)
        changed.add(about)
        world.patch(f"/assets/{crowd.text('asset', about)}", {"foreign_id": "x"})

    found, _ = listed(world, {"updated_since": SINCE}, lambda: change() if len(changed) < 10 else None)
    last = {one: at for at, one in enumerate(found)}
    assert set(last) == set(ids_of(lambda n: n >= 500, ROWS))
    assert len(found) - len(last) <= len(changed)
    assert all(last[one] >= len(last) - 2 * len(changed) for one in changed), "at the end, as they are now"


def test_of_a_content_that_is_everywhere_a_look_up_finds_some(
    world: World, made: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ALIKE_MAX", 3)
    monkeypatch.setattr(assets, "_FEW", 10)
    asked = [crowd.COMMON, str(crowd.content_of(2))]
    items: list[Item] = world.post("/assets/lookup", {"content_checksums": asked})["items"]
    assert [len(one["assets"]) for one in items] == [3, 1]


def test_a_list_of_more_libraries_than_there_are_lanes_is_the_same(
    world: World, made: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_lists, "LANES_MAX", 1)
    for query, fits in queries(made)[8:12]:
        assert listed(world, query)[0] == ids_of(fits, ROWS), names(query)
