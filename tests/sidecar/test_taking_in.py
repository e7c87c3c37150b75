"""To take in a report costs what it has to tell, however much there is in the catalog: what each of its statements
makes the database read, by its count and plan."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from msgspec import structs

from holdfast import ids
from holdfast.reports import FileFacts, Observation, ScanFinished, ScanStarted
from holdfast.scans import ScanMode
from sidecar.asset import Status
from tests.sidecar import crowd
from tests.sidecar.counting import excesses, searches
from tests.sidecar.crowd import Crowd
from tests.sidecar.growth import GROWING, analyzed, grow
from tests.sidecar.world import World, absent, listed, moved, new_id, unreadable

ROWS = 12_000
# So many files each report tells of. Of each of them about as much is read: its row, what it is found by, what may be
# beside it, and what is like it.
TOLD = 20
BOUND = 20 * TOLD


def fact(number: int, content: str | None = None) -> FileFacts:
    """A file as the catalog has it."""
    name = f"IMG_{number % 100:04d}.jpg"
    return FileFacts(name, 3_000_000 + number % 1_000, crowd.BEGAN_US * 1_000, content)


def reports(made: Crowd) -> dict[str, Sequence[Observation]]:
    """What an agent may tell, in this order, of a folder among thousands."""
    first = next(one for one in range(ROWS // 2, ROWS, made.folder) if made.place_of(one) == made.place_of(0))
    folder = crowd.path_of(made, first).rpartition(b"/")[0].decode()
    present = [one for one in range(first, first + 100) if crowd.status_of(made, one) is Status.PRESENT][:TOLD]
    missing = [one for one in range(1, ROWS) if crowd.status_of(made, one) is Status.MISSING][:TOLD]
    names = [fact(one).name for one in present]
    found = [structs.replace(fact(one, crowd.content_of(2 * one)), name=f"{one}.jpg") for one in missing]
    scan = ids.to_text("scan", new_id())
    finished = ScanFinished(
        scan=scan, directory=folder, complete=True, directories=1, files=100, errors=0, duration_s=1.0
    )
    return {
        "nothing new": [listed(folder, *map(fact, present))],
        "what is in photos": [listed(folder, *(fact(one, crowd.content_of(one + 1)) for one in present))],
        "new photos": [listed("photos/new", *(f"{one}.jpg" for one in range(TOLD)))],
        "new photos that may be known by what is in them": [listed("photos/found", *found)],
        "an .xmp file of each": [listed(folder, *(f"{name}.xmp" for name in names))],
        "moves": [moved(folder, "photos/else", *((fact(one).name, fact(one)) for one in present))],
        "absences": [absent("photos/else", *names)],
        "a folder that cannot be read": [unreadable("photos/else")],
        "a scan": [ScanStarted(scan, folder, ScanMode.CHANGED), finished],
    }


def test_no_report_makes_more_be_read_than_its_share(world: World, engine: sa.Engine) -> None:
    made = crowd.fill(world, ROWS)
    grow(world, made)
    analyzed(engine)
    found: list[str] = []
    for told, observations in reports(made).items():
        with searches(engine) as sent:
            made.agents[0].send(*observations)
        assert sent, f"{told}: nothing was asked"
        found += (f"{told}: {excess}" for excess in excesses(engine, sent, GROWING, BOUND))
    assert not found, "\n\n".join(found)
