"""What tests of holds share: a volume full of photos, losses in all sizes, and a clock that they turn themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import pytest

from holdfast.reports import Absent, Listed
from holdfast.volumes import Reason
from sidecar.api import agent as agent_api
from sidecar.catalog.clock import now_us
from tests.sidecar.world import Agent, Item, World, absent, file, listed

HOUR_S = 3600
HOUR_NS = HOUR_S * 1_000_000_000


def names(count: int, start: int = 0) -> list[str]:
    return [f"{number:05}.jpg" for number in range(start, start + count)]


def fill(agent: Agent, directory: str, count: int) -> list[str]:
    """So many photos in a directory."""
    made = names(count)
    for part in pieces(made, 2000):
        agent.send(listed(directory, *part))
    return made


def pieces(whole: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of at most so many."""
    rest = list(whole)
    return (rest[start : start + size] for start in range(0, len(rest), size))


def lose(agent: Agent, directory: str, gone: Iterable[str], in_pieces_of: int = 2000) -> None:
    """Report these as absent, in that many reports as it takes."""
    for part in pieces(gone, in_pieces_of):
        agent.send(absent(directory, *part))


def set_back(directory: str, *gone: str) -> Absent:
    """An absence whose folder is older now than when it had the name."""
    proven = absent(directory, *gone)
    return msgspec.structs.replace(proven, proof=msgspec.structs.replace(proven.proof, before=(9, 9)))


def shifted(directory: str, which: Iterable[str], by_ns: int = HOUR_NS, size: int = 100) -> Listed:
    """The same files with other times."""
    return listed(directory, *(file(name, size, 1_000_000_000 + by_ns) for name in which))


def statuses(world: World, **query: str) -> dict[str, int]:
    """How many assets have which status."""
    found: dict[str, int] = {}
    for one in world.assets(limit=1000, **query):
        found[one["status"]] = found.get(one["status"], 0) + 1
    return found


def the_hold(world: World, state: str = "open") -> Item:
    """The only hold in this state, with everything that is shown of it."""
    (one,) = world.get("/holds", state=state)["items"]
    return dict(world.get(f"/holds/{one['id']}"))


class Days:
    """Lets time pass, heartbeat by heartbeat, on the clock by which the sidecar takes heartbeats."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, agent: Agent) -> None:
        self._now = now_us()
        self._agent = agent
        monkeypatch.setattr(agent_api, "now_us", lambda: self._now)
        agent.heartbeat()

    def online(self, seconds: float, beat_s: float = 30.0) -> None:
        """So much time passes, with heartbeats that find everything in order."""
        left_s = seconds
        while left_s > 0:
            self.pass_by(min(beat_s, left_s))
            left_s -= beat_s
            self._agent.heartbeat()

    def away(self, seconds: float) -> None:
        """The disk is in a drawer for so long, while the agent goes on."""
        self._agent.becomes(Reason.UNPLUGGED, None)
        self.online(min(seconds, 600))
        self.pass_by(max(0, seconds - 600))
        self._agent.heartbeat()
        self._agent.becomes(Reason.VERIFIED)

    def pass_by(self, seconds: float) -> None:
        """Time passes in which nobody says anything."""
        self._now += int(seconds * 1_000_000)
