"""Whatever happens, the books are right: after random histories, what is kept equals what counting the rows gives.

Digests, figures, trees and tallies are all kept step by step, so that nobody has to count; here somebody counts. And
whoever followed the feed knows what there is.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
import sqlalchemy as sa

from sidecar.asset import Status
from sidecar.catalog import asset_rows, deciding
from sidecar.catalog.engine import snapshot
from sidecar.catalog.tables import asset, held, hold, hold_branch, tally
from sidecar.holds import EMPTY, HoldKind, branch_of, row_digest, toggled, top_of
from tests.sidecar.watched import HOUR_NS, set_back, shifted
from tests.sidecar.world import Agent, World, absent, file, listed, moved, unreadable

DIRECTORIES = ("", "a", "a/x", "a/x/y", "b", "b/z")
NAMES = [f"{number}.jpg" for number in range(12)]
STEPS = 60


class Mischief:
    """Random reports and decisions, from a seed."""

    def __init__(self, world: World, agent: Agent, seed: int) -> None:
        self._world, self._agent, self._random = world, agent, random.Random(seed)

    def step(self) -> None:
        some = self._random.sample(NAMES, self._random.randint(1, len(NAMES)))
        directory, other = self._random.sample(DIRECTORIES, 2)
        match self._random.randrange(9):
            case 0 | 1:
                self._agent.send(listed(directory, *some))
            case 2:
                self._agent.send(absent(directory, *some), absent(other, *some[:2]))
            case 3:
                self._agent.send(absent(directory, *some[:2]))
            case 4:
                self._agent.send(shifted(directory, some, self._random.choice((HOUR_NS, -HOUR_NS, 17 * 10**9))))
            case 5:
                self._agent.send(moved(directory, other, *((name, name) for name in some[:5])))
            case 6:
                self._agent.send(absent(directory, *some), listed(directory, file(some[0], 7)), unreadable(other))
            case 7:
                self._agent.send(set_back(directory, *some[:1]))
            case _:
                self._decide()

    def _decide(self) -> None:
        holds = self._world.get("/holds", state="open")["items"]
        if holds:
            one = self._random.choice(holds)
            verb = self._random.choice(("approve", "approve", "dismiss"))
            self._world.post(f"/holds/{one['id']}/{verb}", {"digest": one["digest"]})


def check_books(connection: sa.Connection) -> None:
    assets = {row.id: row for row in connection.execute(sa.select(asset))}
    waiting = connection.execute(sa.select(held)).all()
    for row in waiting:
        assert assets[row.asset_id].status in (Status.PRESENT, Status.UNREADABLE), "what waits shows nowhere"
    for one in connection.execute(sa.select(hold)):
        rows = [row for row in waiting if row.hold_id == one.id]
        if one.state != "open":
            assert rows == []
            assert one.done_at is not None
            continue
        digest = EMPTY
        branches: Counter[bytes] = Counter()
        for row in rows:
            assert row.kind == one.kind
            digest = toggled(digest, row_digest(one.id, row.asset_id, HoldKind(row.kind), row.size, row.mtime_ns))
            branches[branch_of(b"", assets[row.asset_id].path)] += 1
        assert (one.files, one.digest) == (len(rows), digest)
        assert one.bytes == sum(row.size for row in rows)
        kept = connection.execute(
            sa.select(hold_branch).where(hold_branch.c.hold_id == one.id, hold_branch.c.files != 0)
        )
        assert {row.directory: row.files for row in kept} == branches
        if one.directory is not None:
            assert {top_of(b"", assets[row.asset_id].path) for row in rows} == {one.directory}
    counted: Counter[bytes] = Counter()
    for row in assets.values():
        if row.status in (Status.PRESENT, Status.UNREADABLE):
            counted[asset_rows.key(top_of(b"", row.path))] += 1
            counted[bytes(16)] += 1
    tallies = connection.execute(sa.select(tally.c.place_key, tally.c.present).where(tally.c.present > 0))
    assert {row.place_key: row.present for row in tallies} == counted


@pytest.mark.parametrize("seed", range(6))
def test_r20_the_books_are_right_after_whatever_happened(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(deciding, "BATCH", 3)
    agent = Agent(world)
    agent.heartbeat()
    world.library(agent)
    world.patch("/settings", {"guard_files": 4, "guard_percent": 0})
    mischief = Mischief(world, agent, seed)
    followed: dict[tuple[str, str], object] = {}
    since = None
    for _ in range(STEPS):
        mischief.step()
        with snapshot(world.engine) as connection:
            check_books(connection)
        items, since = world.changes(since)
        followed |= {(one["entity"], one["id"]): one["state"] for one in items}
    there = {one["id"]: one for one in world.get("/holds", limit=1000)["items"]}
    assert there, "a history without a hold shows nothing"
    assert {key: state for (entity, key), state in followed.items() if entity == "hold"} == there
    for one in world.assets():
        told = followed["asset", one["id"]]
        assert isinstance(told, dict)
        assert (told["status"], told["path"], told["size"]) == (one["status"], one["path"], one["size"])
