"""``python -m bench.ten_million``: whether reading costs the same in a catalog of ten million assets.

The assets are made up, and written in bulk into the product's own tables; everything is asked of the product, in
process. What it costs is compared with the same at the other end of the catalog, or in a catalog of three thousand.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import click

from bench import documents, peers
from bench.verdicts import Measured, table
from demo.stage import StepFailed
from holdfast.volumes import Reason
from sidecar import catalog, cursor
from sidecar.api.pagination import cursor_at
from sidecar.catalog import clock
from sidecar.catalog.asset_lists import Filters
from sidecar.catalog.engine import connect, snapshot
from tests.mariadb import MariaDB
from tests.sidecar import crowd
from tests.sidecar.crowd import Crowd
from tests.sidecar.world import World

ROWS = 10_000_000
SMALL = 3_000
PAGE = 1_000
_ENGINES = ("sqlite", "mariadb")
# Of a page as against the same at the other end: only the caches differ.
_FEED_LIMIT, _LIST_LIMIT, _VOLUME_LIMIT, _VOLUME_LIMIT_MS = 1.2, 1.5, 1.3, 300

_DOCUMENT = "benchmarks-10m.md"
_INTRODUCTION = """# Ten million assets

Written by `make bench-10m`, which makes up a catalog of ten million assets in each database, and asks the sidecar, in
process, for pages of 1,000 at its beginning and deep within, and for what may be anywhere; the latter is compared with
the same in a catalog of 3,000."""
_EXPLANATION = """\
- *Beginning*, *deep*: the same page at either end of the catalog. Only the caches differ.
- *A volume away*: from the heartbeat that says so, of a volume with most of the assets, until the feed tells of it."""

Query = dict[str, Any]


class Steps(NamedTuple):
    """What is to be measured in a catalog, by what it is. Each answers with seconds."""

    first: dict[str, Callable[[], float]]  # at the beginning
    deep: dict[str, Callable[[], float]]  # near the end
    anywhere: dict[str, Callable[[], float]]


class Taken(NamedTuple):
    """How long it took, in seconds."""

    first: dict[str, list[float]]
    deep: dict[str, list[float]]
    anywhere: dict[str, list[float]]


@click.command()
@click.option(
    "--dir", "folder", default="/var/tmp", show_default=True, help="Where the catalogs are made, and removed."
)
@click.option("--rows", default=ROWS, show_default=True, help="How many assets the large catalog has.")
@click.option("--engine", "engines", multiple=True, type=click.Choice(_ENGINES), default=_ENGINES, show_default=True)
@click.option("--rounds", default=20, show_default=True, help="How often each thing is asked.")
@click.option("--no-document", is_flag=True, help=f"Only print; leave docs/{_DOCUMENT} alone.")
def main(folder: str, rows: int, engines: tuple[str, ...], rounds: int, no_document: bool) -> None:
    """Measure reading in a large catalog against its limits. Exits with 1 when a limit is broken."""
    measurements: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=folder) as place:
        os.chmod(place, 0o755)  # the database server runs as somebody else
        tempfile.tempdir = place
        for engine in engines:
            with _urls(engine, place) as urls:
                small, large = _measured(engine, urls, rows, rounds)
            measurements += _verdicts(engine, rows, small, large)
    lines = table(measurements)
    click.echo("\n".join(["", *lines]))
    if not no_document:
        documents.write(_DOCUMENT, _INTRODUCTION, lines, _EXPLANATION, peers.versions(["mariadbd"]))
    sys.exit(0 if all(one.holds for one in measurements) else 1)


@contextlib.contextmanager
def _urls(engine: str, place: str) -> Iterator[Iterator[str]]:
    """The URLs of empty databases, on the disk and not in memory."""
    if engine == "sqlite":
        yield (f"sqlite:///{os.path.join(place, f'{number}.sqlite3')}" for number in range(2))
        return
    server = MariaDB(place)
    try:
        yield (server.fresh_database() for _ in range(2))
    finally:
        server.close()


def _measured(name: str, urls: Iterator[str], rows: int, rounds: int) -> tuple[Taken, Taken]:
    """A small catalog and a large one."""
    with contextlib.ExitStack() as stack:
        small, large = (_steps(stack, name, next(urls), size) for size in (SMALL, rows))
        return _take(small, large, rounds)


def _steps(stack: contextlib.ExitStack, name: str, url: str, rows: int) -> Steps:
    """Make a catalog; what is to be measured in it."""
    engine = connect(url)
    stack.callback(engine.dispose)
    catalog.migrate(engine)
    world = stack.enter_context(World(engine))
    made = crowd.begin(world, rows)
    with snapshot(engine) as connection:
        before = clock.read(connection)
    _fill(name, world, made)
    first, deep = {}, {}
    for what, (query, filters) in _lists(made).items():
        first[what] = _list(world, filters, query)
        deep[what] = _list(world, filters, query, crowd.asset_id(rows * 9 // 10))
    first["feed page"] = _feed(world, before)
    deep["feed page"] = _feed(world, before + max(0, rows - PAGE))
    return Steps(first, deep, _anywhere(world, made))


def _fill(name: str, world: World, made: Crowd) -> None:
    start, empty = time.monotonic(), _size()
    for begin in range(0, made.rows, crowd.BATCH):
        crowd.write(world.engine, made, begin, min(begin + crowd.BATCH, made.rows))
        if begin and begin % (made.rows // 10 // crowd.BATCH * crowd.BATCH or made.rows) == 0:
            click.echo(f"{name}: {begin:,} assets after {time.monotonic() - start:,.0f} s")
    took_s = time.monotonic() - start
    click.echo(f"{name}: {made.rows:,} assets in {took_s:,.0f} s, {(_size() - empty) / 1e9:,.2f} GB on disk")


def _size() -> int:
    """How many bytes lie in the folder of the catalogs, logs included."""
    found = 0
    for folder, _, names in os.walk(tempfile.gettempdir()):
        found += sum(os.stat(os.path.join(folder, name)).st_size for name in names if not name.endswith(".sock"))
    return found


def _take(small: Steps, large: Steps, rounds: int) -> tuple[Taken, Taken]:
    """Everything, once before it counts and then so many times; what is compared takes turns, so that whatever else the
    machine does hits both."""
    found = Taken({}, {}, {}), Taken({}, {}, {})
    for name in (*large.first, *large.anywhere):
        for number in range(rounds + 1):
            for steps, taken in zip((small, large), found, strict=True):
                for here, kept in zip(steps, taken, strict=True):
                    took_s = here[name]() if name in here else None
                    if number and took_s is not None:
                        kept.setdefault(name, []).append(took_s)
    return found


def _lists(made: Crowd) -> dict[str, tuple[Query, Filters]]:
    """Lists with filters that an index serves, and with some that none does."""
    library, kept = made.libraries[0]["id"], made.places[0].library
    volume, on = made.agents[1].volume, made.places[1].volume
    return {
        "all assets": ({}, Filters()),
        "a library": ({"library": library}, Filters(library=kept)),
        "its missing": ({"library": library, "status": "missing"}, Filters(library=kept, status="missing")),
        "its videos": ({"library": library, "kind": "video"}, Filters(library=kept, kind="video")),
        "its bin": ({"library": library, "trashed": "true"}, Filters(library=kept, trashed=True)),
        "an owner": ({"owner": "anna"}, Filters(owner="anna")),
        "a volume": ({"volume": volume}, Filters(volume=on)),
        "a year": ({"path_prefix": "/one/2003"}, Filters(path_prefix="/one/2003")),
        "a content": ({"content": crowd.COMMON}, Filters(content=crowd.COMMON)),
    }


def _list(world: World, filters: Filters, query: Query, after: bytes | None = None) -> Callable[[], float]:
    sent = {**query, "limit": PAGE}
    if after is not None:
        with snapshot(world.engine) as connection:
            sent["cursor"] = cursor_at(connection, filters, [after])
    return lambda: _timed(lambda: world.get("/assets", **sent))


def _feed(world: World, since: int) -> Callable[[], float]:
    with snapshot(world.engine) as connection:
        text = cursor.to_text(cursor.FeedCursor(clock.incarnation(connection), since))

    def step() -> float:
        start = time.monotonic()
        items = world.get("/changes", since=text, limit=PAGE)["items"]
        took_s = time.monotonic() - start
        if len(items) != PAGE:
            raise StepFailed(f"a page of the feed has {len(items)} items, not {PAGE}")
        return took_s

    return step


def _anywhere(world: World, made: Crowd) -> dict[str, Callable[[], float]]:
    chance = random.Random(1)  # the same in every run

    def numbers() -> list[int]:
        return [chance.randrange(made.rows) for _ in range(PAGE)]

    def look_up(name: str, wanted: Callable[[], list[str]]) -> Callable[[], float]:
        def step() -> float:
            body = {name: wanted()}
            return _timed(lambda: world.post("/assets/lookup", body))

        return step

    def paths() -> list[str]:
        return [f"/one/{crowd.path_of(made, one).decode().partition('/')[2]}" for one in numbers()]

    return {
        f"look-up of {PAGE:,} ids": look_up(
            "ids", lambda: [crowd.text("asset", crowd.asset_id(one)) for one in numbers()]
        ),
        f"look-up of {PAGE:,} paths": look_up("paths", paths),
        "statistics": lambda: _timed(lambda: world.get("/statistics")),
        "statistics of a library": lambda: _timed(
            lambda: world.get(f"/libraries/{made.libraries[0]['id']}/statistics")
        ),
        "a volume away, until the feed says so": lambda: _away(world, made),
    }


def _away(world: World, made: Crowd) -> float:
    """From the heartbeat that says that a volume with most of the assets is away until the feed has it; it is back
    afterwards."""
    agent = made.agents[0]
    with snapshot(world.engine) as connection:
        position = cursor.FeedCursor(clock.incarnation(connection), clock.read(connection))
    start = time.monotonic()
    agent.becomes(Reason.NO_DEVICE, None)
    items = world.get("/changes", since=cursor.to_text(position), limit=PAGE)["items"]
    took_s = time.monotonic() - start
    if [one["entity"] for one in items] != ["volume"]:
        raise StepFailed("the feed does not tell of the volume alone")
    agent.becomes(Reason.VERIFIED)
    return took_s


def _timed(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def _verdicts(engine: str, rows: int, small: Taken, large: Taken) -> list[Measured]:
    found = []
    for name, took in large.first.items():
        feed = name == "feed page"
        what = f"{engine}, {'feed page' if feed else f'page of {name}'}"
        found.append(Measured(f"{what}, beginning", took))
        limit = _FEED_LIMIT if feed else _LIST_LIMIT
        found.append(Measured(f"{what}, of {rows:,} deep", large.deep[name], limit, median(took), "beginning"))
    for name, took in large.anywhere.items():
        before_s = median(small.anywhere[name])
        is_volume = "volume" in name
        at_most = _VOLUME_LIMIT if is_volume else None
        found.append(Measured(f"{engine}, {name}, of {SMALL:,}", small.anywhere[name]))
        found.append(Measured(f"{engine}, {name}, of {rows:,}", took, at_most, before_s, f"of {SMALL:,}"))
        if is_volume:
            found.append(Measured(f"{engine}, the same", took, _VOLUME_LIMIT_MS))
    return found


if __name__ == "__main__":
    main()
