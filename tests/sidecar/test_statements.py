"""How many statements it takes, whatever the number of files: seconds depend on the machine, these do not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from holdfast.reports import FILES_MAX
from sidecar.catalog.tables import asset
from tests.sidecar.counting import statements
from tests.sidecar.world import Agent, World, absent, file, listed

DIRECTORIES = 50
SMALL = 4


@pytest.fixture(autouse=True)
def library(world: World, agent: Agent) -> str:
    """A library on the whole volume, into which one photo has come: what is done once is done."""
    made = world.library(agent)
    agent.send(listed("", "first.jpg"))
    return str(made["id"])


def send(engine: sa.Engine, agent: Agent, files: int, top: str, size: int = 100) -> list[str]:
    """Report so many files in equally many directories; the statements that this took, without the session's own."""
    here = files // DIRECTORIES
    found = [
        listed(f"{top}/{number}", *(file(f"IMG_{index}.jpg", size) for index in range(here)))
        for number in range(DIRECTORIES)
    ]
    with statements(engine) as sent:
        agent.send(*found)
    return [one for one in sent if one.split(None, 1)[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")]


def test_a_large_report_takes_hardly_more_statements_than_a_small_one(
    engine: sa.Engine, world: World, agent: Agent
) -> None:
    small = send(engine, agent, SMALL * DIRECTORIES, "small")
    large = send(engine, agent, FILES_MAX, "large")
    assert world.value(sa.select(sa.func.count()).select_from(asset)) == SMALL * DIRECTORIES + FILES_MAX + 1
    # A few more of those that write rows: a server takes them by the megabyte.
    assert len(large) <= len(small) + 4
    assert len(large) < 40


def test_new_files_are_not_looked_for_one_by_one(engine: sa.Engine, agent: Agent) -> None:
    large = send(engine, agent, FILES_MAX, "large")
    assert not [one for one in large if one.startswith("SELECT") and "path_key IN" in one]


def test_files_that_are_known_are_looked_for_a_thousand_at_a_time(engine: sa.Engine, agent: Agent) -> None:
    send(engine, agent, FILES_MAX, "large")
    again = send(engine, agent, FILES_MAX, "large", size=101)
    assert len([one for one in again if "path_key IN" in one]) == FILES_MAX // 1_000


def test_what_is_in_a_library_is_told_without_counting_it(
    engine: sa.Engine, world: World, agent: Agent, library: str
) -> None:
    agent.send(listed("trip", "a.jpg", "b.mov", "c.jpg"), absent("", "first.jpg"))
    with statements(engine) as sent:
        figures = world.get(f"/libraries/{library}/statistics")
        world.get("/statistics")
        volume = world.get("/volumes")["items"][0]
    assert (figures["photos"], figures["videos"], figures["by_status"]["missing"]) == (2, 1, 1)
    assert volume["assets"] == 4
    assert not [one for one in sent if "FROM asset" in one]
