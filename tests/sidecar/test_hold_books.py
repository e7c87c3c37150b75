"""Whatever happens, the books are right, no loss lacks its evidence, and no more goes unasked than the budget.

Random histories of two volumes and two libraries: reports, decisions, decisions that were begun and not carried out,
time, disks that go and come, journals and catalogs that were lost, settings, second thoughts. After every step the
books are counted; and whoever followed the feed knows what there is.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from holdfast import ids
from holdfast.volumes import Epoch, Reason
from sidecar.api import agent as agent_api
from sidecar.api import holds as holds_api
from sidecar.catalog import clock, deciding
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import snapshot, transact
from sidecar.worker import Worker
from tests.sidecar.backup import Backup
from tests.sidecar.books import check_books, check_evidence, unasked_losses
from tests.sidecar.watched import HOUR_NS, set_back, shifted
from tests.sidecar.world import Agent, World, absent, checked, file, listed, moved, new_id, unreadable

DIRECTORIES = ("", "a", "a/x", "a/x/y", "b", "b/z")
NAMES = [f"{number}.jpg" for number in range(12)]
STEPS = 70
GUARD_FILES = 4


class Mischief:
    """Random reports and decisions, from a seed. ``pass_by`` lets so many seconds pass."""

    def __init__(self, world: World, agents: list[Agent], seed: int, pass_by: Callable[[float], None]) -> None:
        self._world, self._agents, self._random, self._pass_by = world, agents, random.Random(seed), pass_by
        self._worker, self._now_s = Worker(world.engine, 1e9, new_id()), 0.0
        self._epochs = 7
        self._backup: Backup | None = None
        self.was_restored = False

    def report(self) -> None:
        """Something that an agent could have seen."""
        agent = self._random.choice(self._agents)
        some = self._random.sample(NAMES, self._random.randint(1, len(NAMES)))
        directory, other = self._random.sample(DIRECTORIES, 2)
        match self._random.randrange(9):
            case 0 | 1:
                agent.send(listed(directory, *some))
            case 2:
                agent.send(absent(directory, *some), absent(other, *some[:2]))
            case 3:
                agent.send(absent(directory, *some[:2]))
            case 4:
                agent.send(shifted(directory, some, self._random.choice((HOUR_NS, -HOUR_NS, 17 * 10**9))))
            case 5:
                agent.send(moved(directory, other, *((name, name) for name in some[:5])))
            case 6:
                agent.send(absent(directory, *some), listed(directory, file(some[0], 7)), unreadable(other))
            case 7:
                agent.send(moved(directory, other, *((name, f"{name}.locked") for name in some[:3])))
            case _:
                agent.send(set_back(directory, *some[:1]))

    def decide(self) -> None:
        """A person decides about what there is, and it may be left to the worker to carry out."""
        holds = self._world.get("/holds", state="open")["items"]
        if holds:
            one = self._random.choice(holds)
            verb = self._random.choice(("approve", "approve", "dismiss"))
            self._world.post(f"/holds/{one['id']}/{verb}", {"digest": one["digest"]})

    def disturb(self) -> None:
        """The agent is started anew, the disk goes and comes, somebody has second thoughts."""
        agent = self._random.choice(self._agents)
        match self._random.randrange(3):
            case 0:
                agent.begin_anew()
            case 1:
                agent.becomes(Reason.UNPLUGGED, None)
                if self._random.random() < 0.5:
                    self.report()  # what was seen before it went
                self._epochs += 1
                agent.becomes(Reason.VERIFIED, epoch=Epoch("boot", self._epochs, self._epochs))
                agent.becomes(Reason.VERIFIED)
            case _:
                self._world.admin.post(f"/volumes/{agent.volume}/recheck")
                agent.heartbeat()
                agent.begin_anew()

    def work(self) -> None:
        """The worker comes, or is stopped after one batch."""
        if self._random.random() < 0.5:
            self._now_s += 100.0
            self._worker.step(self._now_s)
            return
        for one in self._world.get("/holds", limit=1000)["items"]:
            key = ids.from_text("hold", one["id"]) or b""
            if one["state"] in ("approved", "dismissed") and one["done_at"] is None:
                transact(
                    self._world.engine,
                    lambda connection, key=key: deciding.carry_out(connection, key, now_us(), os.urandom(10)),
                )

    def wait(self) -> None:
        """Time passes, online."""
        for agent in self._agents:
            agent.heartbeat()
        self._pass_by(self._random.choice((1, 25, 29)))
        for agent in self._agents:
            agent.heartbeat()

    def settle(self) -> None:
        """Somebody changes the settings."""
        wanted = {
            "guard_files": self._random.choice((0, 2, GUARD_FILES, 8)),
            "guard_percent": self._random.choice((0, 10)),
            "missing_grace_s": self._random.choice((0, 0, 20)),
        }
        self._world.patch("/settings", wanted)

    def rule(self) -> None:
        """Somebody changes what a library excludes, or deletes one."""
        library = self._random.choice(self._world.get("/libraries")["items"])
        if library["owner"] == "berta" and self._random.random() < 0.2:
            checked(self._world.admin.delete(f"/libraries/{library['id']}"))
            return
        patterns = self._random.choice(([], ["**/x/**"], ["1*.jpg"], ["**/b/**", "2.jpg"]))
        self._world.patch(f"/libraries/{library['id']}", {"exclusion_patterns": patterns})

    def restore(self) -> None:
        """A backup of the catalog is made; or the last one is put in its place."""
        if self._backup is None or self._random.random() < 0.5:
            self._backup = Backup(self._world.engine)
            return
        self._backup.restore()
        transact(self._world.engine, lambda connection: clock.renew(connection, new_id()))
        self.was_restored = True
        for agent in self._agents:
            agent.heartbeat()
            agent.begin_anew()


@pytest.fixture
def agents(world: World) -> list[Agent]:
    """Two agents, each with a volume; the first one's has a folder that belongs to two libraries."""
    first, second = Agent(world), Agent(world, "attic", "attic.home")
    for agent in (first, second):
        agent.heartbeat()
        world.library(agent)
    world.library(first, "/mnt/usb/a", owner="berta")
    return [first, second]


@pytest.fixture
def pass_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    passed = [0]
    monkeypatch.setattr(agent_api, "now_us", lambda: now_us() + passed[0])

    def later(seconds: float) -> None:
        passed[0] += int(seconds * 1_000_000)

    return later


class Follower:
    """Somebody who follows the feed, and begins anew when it does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: str | None = None
        self._told: dict[tuple[str, str], object] = {}

    def follow(self, anew: bool) -> None:
        if anew:
            self._since, self._told = None, {}
        items, self._since = self._world.changes(self._since)
        self._told |= {(one["entity"], one["id"]): one["state"] for one in items}

    def check(self) -> None:
        """What was told is what there is."""
        there = {one["id"]: one for one in self._world.get("/holds", limit=1000)["items"]}
        assert {key: state for (entity, key), state in self._told.items() if entity == "hold"} == there
        for one in self._world.assets(limit=1000):
            told = self._told["asset", one["id"]]
            assert isinstance(told, dict)
            assert (told["status"], told["path"], told["size"]) == (one["status"], one["path"], one["size"])


@pytest.mark.parametrize("seed", range(5))
def test_r20_the_books_are_right_after_whatever_happened(
    world: World, agents: list[Agent], pass_by: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(deciding, "BATCH", 3)
    monkeypatch.setattr(holds_api, "INLINE_FILES_MAX", 6)
    world.patch("/settings", {"guard_files": GUARD_FILES, "guard_percent": 0})
    mischief = Mischief(world, agents, seed, pass_by)
    chance = random.Random(seed + 1000)
    follower, seen = Follower(world), 0
    everything = (mischief.decide, mischief.disturb, mischief.work, mischief.wait, mischief.settle, mischief.restore)
    everything = (*everything, mischief.rule)
    for _ in range(STEPS):
        chosen = chance.choices((mischief.report, *everything), (20, 5, 2, 2, 2, 1, 1, 2))[0]
        chosen()
        with snapshot(world.engine) as connection:
            check_books(connection)
            check_evidence(connection)
        follower.follow(anew=mischief.was_restored)
        mischief.was_restored = False
        seen = max(seen, len(world.get("/holds", limit=1000)["items"]))
    assert seen, "a history without a hold shows nothing"
    follower.check()


@pytest.mark.parametrize("seed", range(5))
def test_r20_no_more_goes_unasked_than_the_budget_whatever_happens(
    world: World, agents: list[Agent], pass_by: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """While no time passes no budget comes back: not by small batches, several folders, import paths, a new journal, a
    disk that went and came, a restored catalog, an approval, a dismissal, or another look."""
    monkeypatch.setattr(deciding, "BATCH", 3)
    world.patch("/settings", {"guard_files": GUARD_FILES, "guard_percent": 0})
    mischief = Mischief(world, agents, seed, pass_by)
    chance = random.Random(seed)
    everything = (mischief.decide, mischief.disturb, mischief.work, mischief.restore)
    for _ in range(STEPS):
        chosen = chance.choices((mischief.report, *everything), (20, 5, 3, 1, 1))[0]
        chosen()
        with snapshot(world.engine) as connection:
            for agent in agents:
                lost = unasked_losses(connection, ids.from_text("volume", agent.volume) or b"")
                assert lost <= GUARD_FILES
